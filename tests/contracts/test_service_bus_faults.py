"""A table of what may befall queues on Service Bus, and what becomes of them then.

Every row has a queue of its own and all run at once, because most of a row is the client's waiting.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio

from shared.adapters.servicebus.failures import BUSY_WAIT
from shared.adapters.servicebus.namespace import Namespace
from shared.adapters.servicebus.queue import ServiceBusQueue
from shared.adapters.system import SystemClock
from shared.domain.errors import Unavailable
from tests.contracts.queues import LEASE, Queues, ServiceBus, service_bus
from tests.emulators.servicebus.bench import FORGETFUL
from tests.emulators.servicebus.elsewhere import ON_OURS
from tests.emulators.servicebus.errors import SERVER_BUSY
from tests.emulators.servicebus.faults import Cut, Fault, Operation, Refuse
from tests.emulators.servicebus.server import HOST
from tests.emulators.servicebus.settings import QueueSettings
from tests.ports import free_port

pytestmark = [pytest.mark.asyncio(loop_scope="module"), FORGETFUL, ON_OURS]

ALWAYS = 1_000
SOON = timedelta(seconds=10)
MOMENT = timedelta(seconds=0.5)

BUSY = Refuse(SERVER_BUSY)
CUT_BEFORE = Cut(is_done_first=False)
CUT_AFTER = Cut(is_done_first=True)
GONE = Refuse("amqp:not-found")
REFUSED = Refuse("amqp:unauthorized-access")


@dataclass(frozen=True)
class Row:
    """What befalls one operation on one queue.

    Attributes:
        told: What the error says; None if the client gets over it.
        wait: How long the caller is asked to wait.
    """

    name: str
    operation: Operation
    fault: Fault
    times: int = 1
    told: str | None = None
    wait: timedelta | None = None


SENDING = [
    Row("throttled-once", Operation.SEND, BUSY),
    Row("throttled-always", Operation.SEND, BUSY, ALWAYS, "Service Bus is busy", BUSY_WAIT),
    Row("cut-before", Operation.SEND, CUT_BEFORE),
    Row("cut-after", Operation.SEND, CUT_AFTER),
    Row("cut-always", Operation.SEND, CUT_BEFORE, ALWAYS, "cut-always: "),
    Row("queue-gone", Operation.SEND, GONE, ALWAYS, "no queue 'queue-gone'; create it"),
    Row("broken-once", Operation.SEND, Refuse("amqp:internal-error")),
    Row("never-there", Operation.ATTACH, GONE, ALWAYS, "no queue 'never-there'; create it"),
    Row("no-credential", Operation.AUTHORIZE, REFUSED, ALWAYS, "the role Azure Service Bus Data Owner"),
]

RECEIVING = [
    Row("link-taken-away", Operation.ASK, Refuse("amqp:link:detach-forced")),
    Row("cut-while-waiting", Operation.ASK, CUT_BEFORE),
    Row("completion-cut-before", Operation.COMPLETE, CUT_BEFORE),
    Row("completion-cut-after", Operation.COMPLETE, CUT_AFTER),
    Row("lock-lost", Operation.COMPLETE, Refuse("com.microsoft:message-lock-lost")),
    Row("completion-throttled", Operation.COMPLETE, BUSY),
    Row("abandoning-cut-before", Operation.ABANDON, CUT_BEFORE),
    Row("abandoning-cut-after", Operation.ABANDON, CUT_AFTER),
]

Outcomes = Mapping[str, "asyncio.Task[None]"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes() -> AsyncIterator[Outcomes]:
    """Every row, begun."""
    # The rows move one clock, so a lock may end several times because of others.
    settings = QueueSettings(lock=LEASE, max_deliveries=ALWAYS)
    async with service_bus({row.name: settings for row in (*SENDING, *RECEIVING)}) as azure:
        queues = azure.connect()
        sends = {row.name: asyncio.create_task(send(azure, queues, row)) for row in SENDING}
        receives = {row.name: asyncio.create_task(receive(azure, queues, row)) for row in RECEIVING}
        yield {**sends, **receives}


@pytest.mark.parametrize("row", SENDING, ids=lambda row: row.name)
async def test_whatever_befalls_a_send_what_was_acknowledged_lies_there(outcomes: Outcomes, row: Row) -> None:
    await outcomes[row.name]


@pytest.mark.parametrize("row", RECEIVING, ids=lambda row: row.name)
async def test_whatever_befalls_a_consumer_all_is_done_in_the_end(outcomes: Outcomes, row: Row) -> None:
    """Something may be handed over twice; nothing stays, and nothing is a dead letter."""
    await outcomes[row.name]


async def send(azure: ServiceBus, queues: Queues, row: Row) -> None:
    """Send under the fault, and once more without."""
    lying = azure.server.broker.queues[row.name].messages
    azure.server.faults.plan(row.operation, row.fault, queue=row.name, times=row.times)
    if row.told is None:
        await queues.queue.send(row.name, b"1")
        # The client sends again what was not answered, under the same id.
        assert 1 <= len(lying) <= (2 if row.fault == CUT_AFTER else 1)
        assert len({message.parts.message_id for message in lying.values()}) == 1
    else:
        with pytest.raises(Unavailable) as refused:
            await queues.queue.send(row.name, b"1")
        assert row.told in str(refused.value)
        assert (refused.value.part, refused.value.wait) == ("queue", row.wait)
    azure.server.faults.mend(row.name)
    before = len(lying)
    await queues.queue.send(row.name, b"2")
    assert len(lying) == before + 1


async def receive(azure: ServiceBus, queues: Queues, row: Row) -> None:
    """Take what comes until nothing is left, abandon one at its first time, and complete the others."""
    bodies = {b"%d" % number for number in range(6)}
    await asyncio.gather(*(queues.queue.send(row.name, body) for body in bodies))
    azure.server.faults.plan(row.operation, row.fault, queue=row.name, after=1)
    queue, done, rounds = azure.server.broker.queues[row.name], set[bytes](), 0
    while queue.messages:
        rounds += 1
        assert rounds < 60, f"only {done} are done"
        try:
            found = await queues.consumer.receive(row.name, limit=2, lease=LEASE, patience=MOMENT)
            for delivery in found:
                is_new = delivery.body not in done
                done.add(delivery.body)
                if is_new and delivery.body == b"3":
                    await queues.consumer.abandon(delivery)
                else:
                    await queues.consumer.complete(delivery)
        except Unavailable:
            continue
        if not found:
            queues.move(LEASE)
    assert done == bodies
    assert queue.dead is not None
    assert queue.dead.messages == {}


async def test_a_consumer_that_cannot_open_its_link_says_why_and_goes_on() -> None:
    name = "closed"
    async with service_bus({name: QueueSettings(lock=LEASE)}) as azure:
        queues = azure.connect()
        azure.server.faults.plan(Operation.AUTHORIZE, REFUSED, times=ALWAYS)
        with pytest.raises(Unavailable, match="the role Azure Service Bus Data Owner"):
            await queues.consumer.receive(name, limit=1, lease=LEASE, patience=SOON)

        azure.server.faults.mend()
        await queues.queue.send(name, b"body")

        (delivery,) = await queues.consumer.receive(name, limit=1, lease=LEASE, patience=SOON)
        assert delivery.body == b"body"


async def test_when_nobody_is_there_that_is_said() -> None:
    nobody = f"Endpoint=sb://{HOST}:{free_port()};SharedAccessKeyName=k;SharedAccessKey=k"
    namespace = Namespace("x", f"{nobody};UseDevelopmentEmulator=true", retries=0)
    queue = ServiceBusQueue(namespace, SystemClock())

    with pytest.raises(Unavailable, match="dispatch: "):
        await queue.send("dispatch", b"body")
    with pytest.raises(Unavailable, match="dispatch: "):
        await queue.check()
    with pytest.raises(Unavailable, match="dispatch: "):
        await queue.backlog("dispatch")
    await namespace.close()
