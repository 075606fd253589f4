"""A table of faults: what becomes of each flow of the whole service when a service of Azure fails it.

The triggers are driven as Azure's host drives them, and clients repeat what they are told has failed.
Whatever the fault, a message that was acknowledged arrives, is attempted no more often than it has to be, and
is never given up; and nobody hears of another error than `Unavailable`, which is a `500` over HTTP.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, TypeAlias

import msgspec
import pytest
import pytest_asyncio
from azure.cosmos.aio import CosmosClient
from azure.storage.blob.aio import ContainerClient

from shared import wiring
from shared.adapters.blob.bodies import CONTAINER
from shared.adapters.cosmos.containers import DATABASE, MESSAGES
from shared.adapters.cosmos.outbox import REPEAT_AFTER
from shared.adapters.servicebus.queues import NAMES
from shared.adapters.system import SystemClock
from shared.domain.application import Application
from shared.domain.attempt import Ending, Status
from shared.domain.background_task import TaskStatus
from shared.domain.errors import EventIdTaken, Unavailable
from shared.domain.message import Message, NewMessage
from shared.domain.work import DISPATCH_QUEUE, INLINE_PAYLOAD_LIMIT_BYTES, RETRY_QUEUE, TaskStep
from shared.flows.housekeeping import STRANDED_AFTER
from tests.clock import MovedClock
from tests.emulators.azure import deploy_containers
from tests.emulators.azurite.emulator import Azurite
from tests.emulators.cosmos import CLOSE, CosmosEmulator, Fault
from tests.emulators.servicebus.bench import FORGETFUL
from tests.emulators.servicebus.errors import SERVER_BUSY
from tests.emulators.servicebus.faults import Cut, Operation, Refuse
from tests.emulators.servicebus.server import Server
from tests.emulators.servicebus.settings import QueueSettings
from tests.flows.walk import Walk, answer
from tests.functions.azure_host import AzureHost
from tests.journeys.running import eventually
from tests.tools import check_azurite

pytestmark = [pytest.mark.asyncio(loop_scope="module"), FORGETFUL]

LOCK = timedelta(minutes=5)
A_WHILE = timedelta(seconds=8)
"""Everything takes less that does not wait for the end of a lock."""

MOMENT = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
AFTER_A_FAILURE = timedelta(seconds=7)
"""By then the retry is due."""

LARGE = '{"a": "' + "x" * 150_000 + '"}'
REPEATS = 20
"""How often a client tries again."""

WORKED = (DISPATCH_QUEUE, RETRY_QUEUE)

Befalls: TypeAlias = Callable[["Rig"], object]

_events = count(1)


class HurriedClock(MovedClock):
    """Whoever sleeps makes the time pass, also in the queues."""

    server: Server

    async def sleep(self, pause: timedelta) -> None:
        """As the port says."""
        self.move(pause)

    def move(self, by: timedelta) -> None:
        """As its parent."""
        super().move(by)
        self.server.ring()


@dataclass
class Rig:
    """The service on emulators in this process."""

    walk: Walk
    clock: HurriedClock
    cosmos: CosmosEmulator
    bus: Server
    blobs: Azurite

    async def accepted(self, application: Application, payload: str = '{"n": 1}') -> Message:
        """Post a message as a client does that repeats what has failed, until it is acknowledged."""
        event_id = f"event-{next(_events)}"
        service = self.walk.service
        for _ in range(REPEATS):
            new = NewMessage(event_type="order.paid", payload=payload, event_id=event_id)
            with suppress(Unavailable):
                try:
                    await service.accept(service.accept.prepare(application, new))
                except EventIdTaken:
                    self.clock.move(REPEAT_AFTER)
                return await service.messages.get(application.id, event_id)
        raise AssertionError("it was never accepted")

    async def attempted(self, message: Message, *statuses: Status) -> None:
        """Wait until the attempts on a message are these."""
        await self.seen(message, lambda found: found == sorted(statuses))

    async def seen(self, message: Message, until: Callable[[list[Status]], bool]) -> list[Status]:
        """Wait until the attempts on a message are as they should be.

        What was on its way to us when a connection was cut is handed over again when its lock ends.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(A_WHILE.total_seconds()):
                return await eventually(lambda: self.statuses(message), until)
        self.clock.move(LOCK)
        return await eventually(lambda: self.statuses(message), until)

    async def statuses(self, message: Message) -> list[Status]:
        """Of the attempts on a message."""
        return sorted(attempt.status for attempt in await self.walk.attempts(message))

    def sent(self, message: Message) -> int:
        """How many requests the receivers had of a message."""
        return self.walk.receiver.got.count(message.id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One for all rows: each has an application of its own."""
    check_azurite()
    # At about the present: the client compares locks with its own clock.
    clock = HurriedClock(SystemClock().now())
    queues = {name: QueueSettings(lock=LOCK) for name in NAMES}
    blobs = Azurite()
    await asyncio.to_thread(blobs.starts)
    async with CosmosEmulator(now=clock.now) as cosmos, Server(queues, clock=clock) as bus:
        clock.server = bus
        async with CosmosClient(cosmos.endpoint, cosmos.key) as client:
            await deploy_containers(await client.create_database(DATABASE))
        async with ContainerClient(blobs.endpoint, CONTAINER, blobs.key) as container:
            await container.create_container()
        where = {
            "HELIOGRAPH_COSMOS_ENDPOINT": cosmos.endpoint,
            "HELIOGRAPH_COSMOS_KEY": cosmos.key,
            "HELIOGRAPH_BLOB_ENDPOINT": blobs.endpoint,
            "HELIOGRAPH_BLOB_KEY": blobs.key,
            "ServiceBus": bus.connection_string,
            "HELIOGRAPH_RETRY_SCHEDULE": "5s",
        }
        walk = Walk.on(tmp_path_factory.mktemp("local"), clock=clock, **where)
        wiring.install(walk.service)
        host = AzureHost(walk.service.store.consumer, [DISPATCH_QUEUE, RETRY_QUEUE])
        yield Rig(walk, clock, cosmos, bus, blobs)
        await host.stop()
        wiring.install(None)
        await walk.service.close()
    blobs.killed()


@pytest_asyncio.fixture(loop_scope="module")
async def application(rig: Rig) -> AsyncIterator[Application]:
    """One whose only endpoint takes everything."""
    application = await rig.walk.has_application()
    await rig.walk.has_endpoint(application, uid="here")
    yield application
    rig.cosmos.faults.clear()
    rig.bus.faults.mend()
    given_up = [await rig.walk.service.store.dead_letters.page(queue, limit=9) for queue in WORKED]
    assert given_up == [[], []]


def cosmos(**fault: Any) -> Befalls:  # noqa: ANN401 - checked by the dataclass
    """Have something go wrong with the documents of messages."""
    return lambda rig: rig.cosmos.inject(Fault(container=MESSAGES.name, **fault))


def nobody_signs_in(rig: "Rig") -> None:
    """Have the queue's link be lost, and then those refused who open it again."""
    bus(Operation.SEND, Cut(is_done_first=False))(rig)
    bus(Operation.AUTHORIZE, Refuse("amqp:unauthorized-access"), 2)(rig)


def bus(operation: Operation, fault: Cut | Refuse, times: int = 1) -> Befalls:
    """Have something go wrong with the queues."""
    return lambda rig: rig.bus.faults.plan(operation, fault, times=times)


OF_STORES = [
    pytest.param(cosmos(answer=429, retry_after=MOMENT, times=2), id="cosmos throttles"),
    pytest.param(cosmos(answer=429, retry_after=MOMENT, times=9), id="cosmos throttles for long"),
    pytest.param(cosmos(answer=503), id="cosmos 503"),
    pytest.param(cosmos(answer=500, times=3), id="cosmos 500"),
    pytest.param(cosmos(answer=CLOSE), id="cosmos cut before"),
    pytest.param(cosmos(answer=CLOSE, applied=True), id="cosmos cut after"),
    pytest.param(cosmos(answer=403, times=2), id="cosmos refuses us"),
]
OF_QUEUES = [
    pytest.param(bus(Operation.SEND, Refuse("amqp:unauthorized-access")), id="queue refuses"),
    pytest.param(bus(Operation.SEND, Cut(is_done_first=True)), id="queue cut after"),
    pytest.param(bus(Operation.COMPLETE, Refuse("com.microsoft:message-lock-lost")), id="lock lost"),
    pytest.param(bus(Operation.COMPLETE, Cut(is_done_first=False)), id="completion cut"),
]
WHILE_ACCEPTING = [
    pytest.param(bus(Operation.SEND, Refuse(SERVER_BUSY), 5), id="queue throttles"),
    pytest.param(bus(Operation.SEND, Cut(is_done_first=False)), id="queue cut before"),
    pytest.param(bus(Operation.SEND, Refuse("amqp:not-found")), id="queue gone"),
    pytest.param(nobody_signs_in, id="queue refuses our credential"),
    pytest.param(cosmos(delay=3 * SECOND), id="cosmos slow"),
]
"""To wait for these once is enough."""


@pytest.mark.parametrize("goes_wrong", [*OF_STORES, *OF_QUEUES, *WHILE_ACCEPTING])
async def test_what_was_acknowledged_arrives(rig: Rig, application: Application, goes_wrong: Befalls) -> None:
    goes_wrong(rig)

    message = await rig.accepted(application)

    await rig.seen(message, lambda found: Status.SUCCESS in found)
    # An attempt that was made and could not be recorded is made again; and what the client had to send to the
    # queue again may be there twice, because the queue does not look for duplicates.
    assert 1 <= rig.sent(message) <= 2


@pytest.mark.parametrize("goes_wrong", [*OF_STORES, *OF_QUEUES])
async def test_a_retry_is_made_once(rig: Rig, application: Application, goes_wrong: Befalls) -> None:
    rig.walk.receiver.first.append(answer(500))
    message = await rig.accepted(application)
    await rig.attempted(message, Status.FAIL)
    goes_wrong(rig)

    rig.clock.move(STRANDED_AFTER + AFTER_A_FAILURE)
    await repeated(rig.walk.service.sweep)  # it was not queued, if that is what went wrong

    await rig.seen(message, lambda found: Status.SUCCESS in found)
    assert 2 <= rig.sent(message) <= 3


@pytest.mark.parametrize("goes_wrong", [*OF_STORES, *OF_QUEUES])
async def test_what_is_sent_by_hand_arrives_as_often_as_it_was_acknowledged(
    rig: Rig, application: Application, goes_wrong: Befalls
) -> None:
    message = await rig.accepted(application)
    await rig.attempted(message, Status.SUCCESS)
    goes_wrong(rig)

    await repeated(lambda: rig.walk.service.send_again(application, message.id, "here"))

    seen = await rig.seen(message, lambda found: len(found) > 1)
    assert set(seen) == {Status.SUCCESS}


@pytest.mark.parametrize("goes_wrong", OF_STORES)
async def test_a_recovery_attempts_what_was_missed_once(
    rig: Rig, application: Application, goes_wrong: Befalls
) -> None:
    """Its steps are repeated as its orchestration repeats them."""
    service, began_at = rig.walk.service, rig.clock.now()
    rig.walk.receiver.first += [answer(500), answer(500)]
    message = await rig.accepted(application)
    await rig.attempted(message, Status.FAIL)
    rig.clock.move(AFTER_A_FAILURE)
    await rig.attempted(message, Status.FAIL, Status.FAIL)
    task = await service.begin_task.recovery(application, "here", began_at, None)
    goes_wrong(rig)

    while task.status is TaskStatus.RUNNING:
        step = TaskStep(task.org_id, task.id, task.step)
        await repeated(partial(service.carry_on, step))
        task = await service.background_tasks.get(task.org_id, task.id)

    assert (task.done, task.failed) == (1, 0)
    await rig.attempted(message, Status.FAIL, Status.FAIL, Status.SUCCESS)


@pytest.mark.parametrize("goes_wrong", OF_STORES)
@pytest.mark.parametrize("payload", ['{"n": 1}', LARGE], ids=["small", "large"])
async def test_what_was_erased_is_gone(
    rig: Rig, application: Application, goes_wrong: Befalls, payload: str
) -> None:
    message = await rig.accepted(application, payload)
    await rig.attempted(message, Status.SUCCESS)
    goes_wrong(rig)

    await repeated(lambda: rig.walk.service.erase.payload(application, message.id))

    assert (await rig.walk.service.messages.get(application.id, message.id)).payload is None


async def test_a_payload_that_is_too_large_for_the_queue_arrives(rig: Rig, application: Application) -> None:
    """It is short enough to travel along, and not as JSON has to write it."""
    payload = "\x01" * INLINE_PAYLOAD_LIMIT_BYTES
    assert len(msgspec.json.encode(payload)) > rig.bus.max_message_size

    message = await rig.accepted(application, payload)

    await rig.attempted(message, Status.SUCCESS)
    assert rig.sent(message) == 1


async def test_retries_whose_blob_is_missing_end_and_it_is_said(rig: Rig, application: Application) -> None:
    """Nothing that could be tried again brings it back."""
    rig.walk.receiver.first.append(answer(500))
    message = await rig.accepted(application, LARGE)
    await rig.attempted(message, Status.FAIL)
    async with ContainerClient(rig.blobs.endpoint, CONTAINER, rig.blobs.key) as container:
        async for blob in container.list_blob_names():
            await container.delete_blob(blob)

    rig.clock.move(AFTER_A_FAILURE)

    (failed,) = await eventually(lambda: rig.walk.attempts(message), until=lambda found: found[0].ended)
    assert failed.ended is not None
    assert failed.ended.why is Ending.PAYLOAD_GONE
    assert rig.sent(message) == 1


async def repeated(does: Callable[[], Awaitable[object]]) -> None:
    """Do as a client does that tries again what has failed."""
    for _ in range(REPEATS):
        with suppress(Unavailable):
            await does()
            return
    raise AssertionError("it never succeeded")
