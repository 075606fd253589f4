"""What queues on Service Bus cost, and what becomes of them when it is slow, or killed, or given too much."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import pytest_asyncio
from azure.functions import ServiceBusMessage

from infra.local.pump import LAST_DELIVERY, Pump, rest_before
from infra.local.registrations import QueueFunction
from shared.adapters.servicebus.consumer import SETTLED_AT_ONCE, ServiceBusConsumer
from shared.adapters.servicebus.dead_letters import ServiceBusDeadLetters
from shared.adapters.servicebus.namespace import Namespace
from shared.adapters.servicebus.queue import ServiceBusQueue, queued
from shared.adapters.system import SystemClock
from shared.domain.errors import TooLargeToQueue, Unavailable
from shared.domain.work import EVENTS_QUEUE
from tests.clock import MovedClock
from tests.contracts.queues import LEASE, Queues, ServiceBus, service_bus
from tests.emulators.servicebus.bench import FORGETFUL
from tests.emulators.servicebus.elsewhere import ON_OURS
from tests.emulators.servicebus.faults import Delay, Operation, Refuse
from tests.host.fakes import Called, KeptLines

if TYPE_CHECKING:
    from shared.ports.queue import Delivery

pytestmark = [pytest.mark.asyncio(loop_scope="module"), FORGETFUL, ON_OURS]

QUEUE = EVENTS_QUEUE
SECOND = timedelta(seconds=1)
SOON = timedelta(seconds=10)


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


async def test_as_many_are_settled_at_once_as_the_client_can_take(azure: ServiceBus, queues: Queues) -> None:
    """A thousand calls that end together would have it busy for so long that they hear of nothing in time."""
    count = SETTLED_AT_ONCE + 20
    await asyncio.gather(*(queues.queue.send(QUEUE, b"mine") for _ in range(count)))
    deliveries: list[Delivery] = []
    while len(deliveries) < count:
        came = await queues.consumer.receive(QUEUE, limit=count, lease=LEASE, patience=SOON)
        deliveries += [one for one in came if one.body == b"mine"]
    azure.server.faults.plan(Operation.COMPLETE, Delay(SECOND), queue=QUEUE, times=SETTLED_AT_ONCE)
    settling = asyncio.gather(*map(queues.consumer.complete, deliveries))
    while azure.server.faults.counts[Operation.COMPLETE, QUEUE] < SETTLED_AT_ONCE:
        await queues.queue.backlog("retry")
    await queues.queue.backlog("retry")
    assert azure.server.faults.counts[Operation.COMPLETE, QUEUE] == SETTLED_AT_ONCE

    queues.move(SECOND)

    await settling
    assert await lie_there(azure) == []


async def test_a_retry_is_scheduled_by_the_same_send(azure: ServiceBus, queues: Queues) -> None:
    await asyncio.gather(
        queues.queue.send(QUEUE, b"0"),
        queues.queue.send(QUEUE, b"1"),
        queues.queue.send(QUEUE, b"2", due_at=queues.began + SECOND),
    )

    assert azure.server.faults.counts[Operation.SEND, QUEUE] <= 2
    assert (await queues.queue.backlog(QUEUE)).scheduled == 1


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


async def test_the_first_message_need_not_wait_for_a_link_that_was_opened_before_it(
    azure: ServiceBus, queues: Queues
) -> None:
    """The client takes half a second to open one."""
    namespace, counts = Namespace("emulator", azure.server.connection_string), azure.server.faults.counts
    way = ServiceBusQueue(namespace, SystemClock()).to(QUEUE)

    way.open()
    while not counts[Operation.ATTACH, QUEUE]:
        await queues.queue.backlog("retry")
    way.open()
    await way.send([queued(b"1")])

    assert (counts[Operation.ATTACH, QUEUE], counts[Operation.SEND, QUEUE]) == (1, 1)
    await namespace.close()


async def test_a_link_that_cannot_be_opened_is_told_to_who_sends_and_opened_again(
    azure: ServiceBus, queues: Queues
) -> None:
    namespace = Namespace("emulator", azure.server.connection_string)
    way = ServiceBusQueue(namespace, SystemClock()).to(QUEUE)
    azure.server.faults.plan(Operation.ATTACH, Refuse("amqp:not-found"), queue=QUEUE, times=99)

    way.open()
    with pytest.raises(Unavailable, match="no queue 'events'; create it"):
        await way.send([queued(b"1")])
    azure.server.faults.mend()
    await way.send([queued(b"2")])

    assert await lie_there(azure) == [b"2"]
    await namespace.close()


async def test_who_closes_does_not_wait_for_a_link_that_is_being_opened(
    azure: ServiceBus, queues: Queues
) -> None:
    """A stop must not take long because a start has found nobody."""
    namespace = Namespace("emulator", azure.server.connection_string, bound=timedelta(hours=1))
    azure.server.faults.plan(Operation.ATTACH, Delay(timedelta(hours=1)), queue=QUEUE)
    ServiceBusQueue(namespace, SystemClock()).to(QUEUE).open()
    while not azure.server.faults.counts[Operation.ATTACH, QUEUE]:
        await queues.queue.backlog("retry")

    async with asyncio.timeout(SOON.total_seconds()):
        await namespace.close()


async def test_an_answer_that_does_not_come_ends_the_waiting(azure: ServiceBus) -> None:
    azure.server.clear()
    namespace = Namespace("emulator", azure.server.connection_string, bound=SECOND)
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


async def test_a_redrive_leaves_what_was_given_up_since(azure: ServiceBus, queues: Queues) -> None:
    """It would go round and round with what fails each time."""
    await queues.queue.reject(QUEUE, b"before", reason="no")
    began = MovedClock(queues.began)
    queues.move(SECOND)
    namespace = Namespace("emulator", azure.server.connection_string)
    dead_letters = ServiceBusDeadLetters(namespace, ServiceBusQueue(namespace, began), began)

    assert await dead_letters.redrive(QUEUE) == 1
    (again,) = await queues.consumer.receive(QUEUE, limit=1, lease=LEASE, patience=SOON)
    await queues.queue.reject(QUEUE, again.body, reason="no")
    await queues.consumer.complete(again)

    assert await dead_letters.redrive(QUEUE) == 0
    assert [letter.body for letter in await dead_letters.page(QUEUE, limit=9)] == [b"before"]
    await namespace.close()


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
