"""Sessions, as the official SDK sees them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage
from azure.servicebus.aio import ServiceBusReceiver
from azure.servicebus.exceptions import (
    OperationTimeoutError,
    ServiceBusError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from tests.emulators.servicebus.bench import FORGETFUL, LOCK, Bench, body, opened
from tests.emulators.servicebus.elsewhere import QUEUES, WITH_SESSIONS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), FORGETFUL]

Q = WITH_SESSIONS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Bench]:
    async with opened({Q: QUEUES[Q]}, retries=0) as bench:
        yield bench


@pytest_asyncio.fixture(loop_scope="module")
async def bench(shared: Bench) -> Bench:
    await shared.fresh()
    return shared


async def say(bench: Bench, session: str, *bodies: bytes) -> None:
    messages = [ServiceBusMessage(one, session_id=session) for one in bodies]
    await bench.sender(Q).send_messages(messages)


def of(bench: Bench, session: str) -> ServiceBusReceiver:
    return bench.client.get_queue_receiver(Q, session_id=session)


async def test_a_session_is_one_receivers_and_in_order(bench: Bench) -> None:
    await say(bench, "a", b"1", b"2")
    await say(bench, "other", b"x")
    async with of(bench, "a") as receiver:
        with pytest.raises(SessionCannotBeLockedError):
            await of(bench, "a").__aenter__()
        (first,) = await receiver.receive_messages(1, max_wait_time=5)
        await receiver.abandon_message(first)

        got = await receiver.receive_messages(2, max_wait_time=5)

        assert [(body(one), one.delivery_count, one.session_id) for one in got] == [
            (b"1", 1, "a"),
            (b"2", 0, "a"),
        ]
        await receiver.session.set_state(b"so far")
        assert await receiver.session.get_state() == b"so far"
    async with of(bench, "a") as receiver:
        again = await receiver.receive_messages(2, max_wait_time=5)
        assert [(body(one), one.delivery_count) for one in again] == [(b"1", 1), (b"2", 0)]
        assert await receiver.session.get_state() == b"so far"
        await receiver.session.set_state(None)
        assert await receiver.session.get_state() is None


async def test_a_session_is_its_receivers_until_its_lock_ends(bench: Bench) -> None:
    await say(bench, "a", b"1")
    async with of(bench, "a") as receiver:
        bench.move(LOCK / 2)
        until = await receiver.session.renew_lock()
        assert abs(until - bench.clock.now() - LOCK) < timedelta(seconds=9)
        bench.move(LOCK)
        with pytest.raises(SessionLockLostError):
            await receiver.receive_messages(1, max_wait_time=5)


async def test_the_next_free_session_is_waited_for(bench: Bench) -> None:
    session = NEXT_AVAILABLE_SESSION
    async with bench.client.get_queue_sender(Q) as sender:
        receiver = bench.client.get_queue_receiver(Q, session_id=session, max_wait_time=20)
        waiting = asyncio.ensure_future(receiver.receive_messages(1, max_wait_time=20))
        await sender.send_messages(ServiceBusMessage(b"body", session_id="b"))

        (message,) = await waiting

        assert (body(message), message.session_id) == (b"body", "b")
        await receiver.complete_message(message)
        await receiver.close()


async def test_waiting_for_a_session_ends(bench: Bench) -> None:
    receiver = bench.client.get_queue_receiver(Q, session_id=NEXT_AVAILABLE_SESSION, max_wait_time=1)
    with pytest.raises(OperationTimeoutError):
        await receiver.receive_messages(1)


async def test_a_queue_with_sessions_wants_one_named(bench: Bench) -> None:
    with pytest.raises(ServiceBusError):
        await bench.sender(Q).send_messages(ServiceBusMessage(b"without"))
    with pytest.raises(ServiceBusError):
        await bench.client.get_queue_receiver(Q).__aenter__()
