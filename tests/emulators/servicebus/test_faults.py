"""What a test has the emulator do wrong, and what it counts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from azure.servicebus import ServiceBusMessage
from azure.servicebus.exceptions import (
    ServiceBusAuthenticationError,
    ServiceBusError,
    ServiceBusServerBusyError,
)

from tests.emulators.servicebus.bench import FORGETFUL, Bench, body, opened
from tests.emulators.servicebus.elsewhere import ON_OURS
from tests.emulators.servicebus.errors import SERVER_BUSY
from tests.emulators.servicebus.faults import Cut, Delay, Fault, Operation, Refuse
from tests.emulators.servicebus.settings import QueueSettings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), FORGETFUL, ON_OURS]

Q = "plain"
BUSY = Refuse(SERVER_BUSY)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Bench]:
    async with opened({Q: QueueSettings(), "other": QueueSettings()}, retries=0) as bench:
        await bench.open(senders=[Q, "other"], receivers=[Q])
        yield bench


@pytest.fixture
def bench(shared: Bench) -> Bench:
    shared.server.clear()
    return shared


async def test_operations_are_counted_and_messages_too(bench: Bench) -> None:
    await bench.send(Q, b"1", b"2", b"3")
    due = bench.clock.now() + timedelta(hours=1)
    (number,) = await bench.sender(Q).schedule_messages(ServiceBusMessage(b"4"), due)
    await bench.sender(Q).cancel_scheduled_messages(number)
    one, two, three = await bench.receive(Q, 3)
    await bench.receiver(Q).complete_message(one)
    await bench.receiver(Q).renew_message_lock(two)
    await bench.receiver(Q).abandon_message(two)
    await bench.receiver(Q).dead_letter_message(three)

    counted = {
        operation: count for (operation, queue), count in bench.server.faults.counts.items() if queue == Q
    }
    of = Operation
    assert [counted[one] for one in (of.SEND, of.SCHEDULE, of.CANCEL, of.COMPLETE)] == [1, 1, 1, 1]
    assert [counted[one] for one in (of.RENEW, of.ABANDON, of.DEAD_LETTER)] == [1, 1, 1]
    assert bench.server.faults.of(of.RECEIVE) >= 3
    assert bench.server.faults.messages == {Q: 4}


async def test_a_fault_hits_the_queue_and_the_times_that_it_was_planned_for(bench: Bench) -> None:
    bench.server.faults.plan(Operation.SEND, BUSY, queue=Q, after=1, times=2)

    await bench.send("other", b"0")
    await bench.send(Q, b"1")
    for _ in range(2):
        with pytest.raises(ServiceBusServerBusyError):
            await bench.send(Q, b"refused")
    await bench.send(Q, b"2")

    assert await bench.rest(Q) == [b"1", b"2"]


@pytest.mark.parametrize(("cut", "kept"), [(Cut(is_done_first=False), []), (Cut(is_done_first=True), [b"1"])])
async def test_a_cut_before_loses_it_and_a_cut_after_keeps_it(
    bench: Bench, cut: Fault, kept: list[bytes]
) -> None:
    bench.server.faults.plan(Operation.SEND, cut)

    with pytest.raises(ServiceBusError):
        await bench.send(Q, b"1")

    assert [body(one) for one in await bench.receiver(Q).peek_messages(9, sequence_number=1)] == kept
    await bench.send(Q, b"2")


async def test_what_is_delayed_is_done_when_the_clock_says_so(bench: Bench) -> None:
    bench.server.faults.plan(Operation.SEND, Delay(timedelta(seconds=3)))
    sending = asyncio.ensure_future(bench.send(Q, b"1"))
    assert await bench.receiver(Q).peek_messages(9, sequence_number=1) == []
    assert not sending.done()

    bench.move(timedelta(seconds=3))

    await sending
    assert await bench.rest(Q) == [b"1"]


async def test_a_token_can_be_refused(bench: Bench) -> None:
    bench.server.faults.plan(Operation.AUTHORIZE, Refuse("amqp:unauthorized-access"))

    with pytest.raises(ServiceBusAuthenticationError):
        await bench.client.get_queue_sender(Q).__aenter__()


async def test_a_request_of_the_management_link_can_be_refused(bench: Bench) -> None:
    bench.server.faults.plan(Operation.SCHEDULE, BUSY)
    due = bench.clock.now() + timedelta(hours=1)

    with pytest.raises(ServiceBusServerBusyError):
        await bench.sender(Q).schedule_messages(ServiceBusMessage(b"1"), due)


async def test_a_queue_that_is_deleted_is_gone_for_those_who_have_it_open(bench: Bench) -> None:
    await bench.send("other", b"1")
    bench.server.delete("other")

    with pytest.raises(ServiceBusError):
        await bench.send("other", b"2")

    bench.server.create("other")
    assert bench.server.broker.queues["other"].messages == {}
