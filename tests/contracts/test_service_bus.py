"""What becomes of queues on Service Bus when something goes wrong, and what they cost when nothing does."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from azure.functions import ServiceBusMessage

from infra.local.pump import LAST_DELIVERY, Pump, rest_before
from infra.local.registrations import QueueFunction
from shared.adapters.servicebus.consumer import ServiceBusConsumer
from shared.adapters.servicebus.failures import BUSY_WAIT
from shared.adapters.servicebus.namespace import Namespace
from shared.adapters.servicebus.queue import ServiceBusQueue
from shared.adapters.system import SystemClock
from shared.domain.errors import TooLargeToQueue, Unavailable
from tests.clock import MovedClock
from tests.contracts.queues import LEASE, UNUSED, Queues, ServiceBus, service_bus
from tests.emulators.servicebus.bench import FORGETFUL, forget_unclosed
from tests.emulators.servicebus.errors import SERVER_BUSY
from tests.emulators.servicebus.faults import Cut, Delay, Fault, Operation, Refuse
from tests.host.fakes import Called, KeptLines

pytestmark = [pytest.mark.asyncio(loop_scope="module"), FORGETFUL]

QUEUE = "dispatch"
ALWAYS = 1_000
SECOND = timedelta(seconds=1)
SOON = timedelta(seconds=10)

BUSY = Refuse(SERVER_BUSY)
CUT_BEFORE = Cut(is_done_first=False)
CUT_AFTER = Cut(is_done_first=True)
REFUSED = Refuse("amqp:unauthorized-access")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def azure() -> AsyncIterator[ServiceBus]:
    async with service_bus() as deployment:
        yield deployment


@pytest_asyncio.fixture(loop_scope="module")
async def queues(azure: ServiceBus, tmp_path: Path) -> Queues:
    opened = await azure.fresh(tmp_path)
    azure.server.clear()
    return opened


async def lie_there(azure: ServiceBus) -> list[bytes]:
    """What lies in the queue."""
    queue = azure.server.broker.queues[QUEUE]
    return [message.parts.body[-1:] for message in queue.messages.values()]


async def test_a_message_costs_one_send_one_receive_and_one_completion(
    azure: ServiceBus, queues: Queues
) -> None:
    for _ in range(2):
        azure.server.faults.counts.clear()  # links are opened once
        await queues.queue.send(QUEUE, b"1")
        (delivery,) = await queues.consumer.receive(QUEUE, limit=9, lease=LEASE, patience=SOON)
        await queues.consumer.complete(delivery)

    counts = azure.server.faults.counts
    spent = {operation: counts[operation, QUEUE] for operation in Operation if counts[operation, QUEUE]}
    assert spent.pop(Operation.ASK, 0) <= 1
    assert spent == {Operation.SEND: 1, Operation.RECEIVE: 1, Operation.COMPLETE: 1}


async def test_messages_that_come_together_go_together(azure: ServiceBus, queues: Queues) -> None:
    await asyncio.gather(*(queues.queue.send(QUEUE, b"%d" % number) for number in range(200)))

    assert azure.server.faults.messages[QUEUE] == 200
    assert azure.server.faults.counts[Operation.SEND, QUEUE] <= 3


async def test_a_retry_is_scheduled_by_the_same_send(azure: ServiceBus, queues: Queues) -> None:
    await asyncio.gather(
        queues.queue.send(QUEUE, b"0"),
        queues.queue.send(QUEUE, b"1"),
        queues.queue.send(QUEUE, b"2", due_at=queues.began + SECOND),
    )

    assert azure.server.faults.counts[Operation.SEND, QUEUE] <= 2
    assert (await queues.queue.backlog(QUEUE)).scheduled == 1


@dataclass(frozen=True)
class Sending:
    """A row of the table of sends.

    Attributes:
        told: What the error says; None if the send succeeds.
        wait: How long the caller is asked to wait.
        copies: How many messages may lie there, when it has succeeded.
    """

    operation: Operation
    fault: Fault
    times: int = 1
    told: str | None = None
    wait: timedelta | None = None
    copies: tuple[int, ...] = (1,)


SENDING = [
    pytest.param(Sending(Operation.SEND, BUSY), id="throttled once"),
    pytest.param(
        Sending(Operation.SEND, BUSY, ALWAYS, "Service Bus is busy", BUSY_WAIT), id="throttled all the time"
    ),
    pytest.param(Sending(Operation.SEND, CUT_BEFORE), id="cut before"),
    pytest.param(Sending(Operation.SEND, CUT_AFTER, copies=(1, 2)), id="cut after"),
    pytest.param(Sending(Operation.SEND, CUT_BEFORE, ALWAYS, QUEUE), id="cut all the time"),
    pytest.param(
        Sending(Operation.SEND, Refuse("amqp:not-found"), ALWAYS, "no queue 'dispatch'; create it"),
        id="queue gone",
    ),
    pytest.param(Sending(Operation.SEND, Refuse("amqp:internal-error")), id="broken once"),
]


@pytest.mark.parametrize("row", SENDING)
async def test_whatever_befalls_a_send_what_was_acknowledged_lies_there(
    azure: ServiceBus, queues: Queues, row: Sending
) -> None:
    azure.server.faults.plan(row.operation, row.fault, queue=QUEUE, times=row.times)

    async def send() -> None:
        await queues.queue.send(QUEUE, b"1")

    if row.told is None:
        await send()
        assert len(await lie_there(azure)) in row.copies
    else:
        with pytest.raises(Unavailable, match=row.told) as refused:
            await send()
        assert (refused.value.part, refused.value.wait) == ("queue", row.wait)
    azure.server.faults.mend()
    await queues.queue.send(QUEUE, b"2")
    assert b"2" in await lie_there(azure)


async def test_a_slow_answer_is_waited_for(azure: ServiceBus, queues: Queues) -> None:
    azure.server.faults.plan(Operation.SEND, Delay(3 * SECOND), queue=QUEUE)
    slow = asyncio.ensure_future(queues.queue.send(QUEUE, b"1"))
    while not azure.server.faults.counts[Operation.SEND, QUEUE]:
        await queues.queue.backlog("retry")
    beside = asyncio.ensure_future(queues.queue.send(QUEUE, b"2"))
    await queues.queue.backlog("retry")
    assert not slow.done()

    queues.move(3 * SECOND)

    await asyncio.gather(slow, beside)
    assert await lie_there(azure) == [b"1", b"2"]


async def test_an_answer_that_does_not_come_ends_the_waiting(azure: ServiceBus) -> None:
    azure.server.clear()
    namespace = Namespace("emulator", azure.server.connection_string, bound=2 * SECOND)
    queue = ServiceBusQueue(namespace, SystemClock())
    await queue.send(QUEUE, b"0")
    azure.server.faults.plan(Operation.SEND, Delay(timedelta(hours=1)), queue=QUEUE)

    with pytest.raises(Unavailable, match="no answer in time"):
        await queue.send(QUEUE, b"1")

    await queue.send(QUEUE, b"2")
    await namespace.close()


async def test_too_large_a_body_spoils_no_other(azure: ServiceBus, queues: Queues) -> None:
    large = bytes(azure.server.max_message_size + 1)

    told = await asyncio.gather(
        queues.queue.send(QUEUE, b"1"),
        queues.queue.send(QUEUE, b"2"),
        queues.queue.send(QUEUE, large),
        queues.queue.send(QUEUE, b"3"),
        return_exceptions=True,
    )

    assert [type(one) for one in told] == [type(None), type(None), TooLargeToQueue, type(None)]
    assert "queue less, and store the rest" in str(told[2])
    assert sorted(await lie_there(azure)) == [b"1", b"2", b"3"]


OPENING = [
    pytest.param(Operation.AUTHORIZE, None, REFUSED, "Azure Service Bus Data Owner", id="credential refused"),
    pytest.param(Operation.CONNECT, None, CUT_BEFORE, UNUSED, id="nobody there"),
    pytest.param(Operation.ATTACH, UNUSED, Refuse("amqp:not-found"), "create it", id="no such queue"),
]


@pytest.mark.parametrize(("operation", "queue", "fault", "told"), OPENING)
async def test_a_link_that_cannot_be_opened_says_why(
    azure: ServiceBus, operation: Operation, queue: str | None, fault: Fault, told: str
) -> None:
    azure.server.clear()
    azure.server.faults.plan(operation, fault, queue=queue, times=ALWAYS)
    queues = azure.connect()

    found = await asyncio.gather(
        queues.queue.send(UNUSED, b"1"),
        queues.consumer.receive(UNUSED, limit=1, lease=LEASE, patience=SOON),
        return_exceptions=True,
    )

    assert [isinstance(one, Unavailable) for one in found] == [True, True], found
    assert all(told in str(one) for one in found), found
    azure.server.faults.mend()
    await queues.queue.send(UNUSED, b"2")
    (delivery,) = await queues.consumer.receive(UNUSED, limit=1, lease=LEASE, patience=SOON)
    assert delivery.body == b"2"
    await queues.close()


RECEIVING = [
    pytest.param(Operation.ASK, Refuse("amqp:link:detach-forced"), id="link taken away"),
    pytest.param(Operation.ASK, CUT_BEFORE, id="cut while waiting"),
    pytest.param(Operation.COMPLETE, CUT_BEFORE, id="completion cut before"),
    pytest.param(Operation.COMPLETE, CUT_AFTER, id="completion cut after"),
    pytest.param(Operation.COMPLETE, Refuse("com.microsoft:message-lock-lost"), id="lock lost"),
    pytest.param(Operation.COMPLETE, BUSY, id="completion throttled"),
    pytest.param(Operation.ABANDON, CUT_BEFORE, id="abandoning cut before"),
    pytest.param(Operation.ABANDON, CUT_AFTER, id="abandoning cut after"),
]


async def work(azure: ServiceBus, queues: Queues) -> set[bytes]:
    """Take what comes until nothing is left, abandon one at its first time, and complete the others."""
    done = set[bytes]()
    rounds = 0
    while azure.server.broker.queues[QUEUE].messages:
        rounds += 1
        assert rounds < 40, f"only {done} are done"
        try:
            found = await queues.consumer.receive(QUEUE, limit=2, lease=LEASE, patience=SECOND / 2)
            for delivery in found:
                if delivery.body == b"3" and delivery.delivery_count == 1:
                    await queues.consumer.abandon(delivery)
                else:
                    done.add(delivery.body)
                    await queues.consumer.complete(delivery)
        except Unavailable:
            continue
        if not found:
            queues.move(LEASE)
    return done


@pytest.mark.parametrize(("operation", "fault"), RECEIVING)
async def test_whatever_befalls_a_consumer_all_is_done_in_the_end(
    azure: ServiceBus, queues: Queues, operation: Operation, fault: Fault
) -> None:
    """What is handed over is completed at the second time; nothing stays, and nothing is a dead letter."""
    bodies = [b"%d" % number for number in range(6)]
    await asyncio.gather(*(queues.queue.send(QUEUE, body) for body in bodies))
    azure.server.faults.plan(operation, fault, queue=QUEUE, after=1, times=1)

    assert await work(azure, queues) == set(bodies)

    assert await queues.dead_letters.page(QUEUE, limit=9) == []


async def test_functions_are_driven_from_service_bus(azure: ServiceBus, queues: Queues) -> None:
    """What fails ten times is a dead letter with its reason, and what its sender calls it is kept."""

    async def behave(message: ServiceBusMessage) -> None:
        if message.get_body() == b"poison":
            raise ValueError("cannot be done")

    called, clock = Called(behave), MovedClock()
    pump = Pump(
        QueueFunction("dispatch", QUEUE, "message", called), queues.consumer, clock, KeptLines(), calls=8
    )
    running = asyncio.create_task(pump.run())
    await queues.queue.send(QUEUE, b"good")
    good = await called.next()
    await queues.queue.send(QUEUE, b"poison")
    for number in range(1, LAST_DELIVERY):
        assert (await called.next()).delivery_count == number
        await clock.asleep(2)  # the renewal of leases sleeps, too
        clock.move(rest_before(number))
    assert (await called.next()).delivery_count == LAST_DELIVERY
    await pump.drain()
    running.cancel()
    await asyncio.wait([running])

    assert len(good.message_id) == 32
    (letter,) = await queues.dead_letters.page(QUEUE, limit=9)
    assert (letter.body, letter.reason) == (b"poison", "ValueError: cannot be done")
    assert azure.server.broker.queues[QUEUE].messages == {}


@asynccontextmanager
async def emulator(file: Path, port: str) -> AsyncIterator[tuple[Process, str]]:
    """One that is a process of its own, and its connection string."""
    command = ("-m", "tests.emulators.servicebus", "--port", port, "--file", str(file), QUEUE)
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Producer:
    """Sends bodies, and knows which were acknowledged."""

    def __init__(self, namespace: Namespace) -> None:
        self._queue = ServiceBusQueue(namespace, SystemClock())
        self.acknowledged = set[bytes]()

    def send(self, count: int) -> "list[asyncio.Task[None]]":
        return [asyncio.create_task(self._send(uuid4().bytes)) for _ in range(count)]

    async def _send(self, body: bytes) -> None:
        with suppress(Unavailable):
            await self._queue.send(QUEUE, body)
            self.acknowledged.add(body)


async def test_nothing_acknowledged_is_lost_when_the_queues_are_killed(tmp_path: Path) -> None:
    file = tmp_path / "queues.db"
    async with emulator(file, "0") as (process, text):
        namespace = Namespace("emulator", text, first_rest=timedelta(milliseconds=50), bound=5 * SECOND)
        producer = Producer(namespace)
        sending = producer.send(400)
        await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        sending += producer.send(400)
        process.kill()
    async with emulator(file, text.partition("127.0.0.1:")[2].partition(";")[0]):
        await asyncio.gather(*sending, *producer.send(1))
        assert producer.acknowledged
        lost, consumer = set(producer.acknowledged), ServiceBusConsumer(namespace)
        while lost:
            some = await consumer.receive(QUEUE, limit=100, lease=LEASE, patience=SOON)
            assert some, f"{len(lost)} are lost"
            lost -= {delivery.body for delivery in some}
        await namespace.close()
    forget_unclosed()
