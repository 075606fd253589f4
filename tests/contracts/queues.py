"""Every adapter of the queues' ports, and what a test has to do to each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import pytest

from shared.adapters.servicebus.consumer import ServiceBusConsumer
from shared.adapters.servicebus.dead_letters import ServiceBusDeadLetters
from shared.adapters.servicebus.namespace import Namespace
from shared.adapters.servicebus.queue import ServiceBusQueue
from shared.adapters.servicebus.queues import LOCK, REJECTING, rejected
from shared.adapters.sqlite.store import SqliteStore
from shared.adapters.system import SystemClock
from shared.domain.work import EVENTS_QUEUE, RETRY_QUEUE
from shared.ports.queue import Consumer, DeadLetters, Delivery, Queue
from tests.clock import MovedClock
from tests.emulators.servicebus.bench import MOMENT_ELSEWHERE_SECONDS
from tests.emulators.servicebus.elsewhere import SERVICE_BUS, WHY, emptied
from tests.emulators.servicebus.server import Server
from tests.emulators.servicebus.settings import QueueSettings

LEASE = LOCK
NAMES = (EVENTS_QUEUE, RETRY_QUEUE)
"""One that bodies are rejected from, and one that they are not."""

EVERY = (*NAMES, *map(rejected, REJECTING))
NO_MORE: Mapping[str, QueueSettings] = MappingProxyType({})


@dataclass(frozen=True)
class Queues:
    """The queues of one deployment.

    Attributes:
        began: What time it was at first.
        moment: How long to wait for what is there already.
        move: Let time pass.
        close: End it in good order.
        reborn: Another process's view of the same, after this one has died without a word.
    """

    began: datetime
    moment: timedelta
    queue: Queue
    consumer: Consumer
    dead_letters: DeadLetters
    move: Callable[[timedelta], None]
    close: Callable[[], Awaitable[None]]
    reborn: Callable[[], Awaitable["Queues"]]


class Deployment(Protocol):
    """Where queues are; empty ones for every test."""

    async def fresh(self, folder: Path, /) -> Queues: ...


class Sqlite:
    """On one SQLite file for each test."""

    async def fresh(self, folder: Path) -> Queues:
        return self._open(folder / "heliograph.db", MovedClock())

    def _open(self, path: Path, clock: MovedClock) -> Queues:
        store = SqliteStore.open(path, clock)

        async def reborn() -> Queues:
            await store.close()
            return self._open(path, clock)

        return Queues(
            clock.now(),
            timedelta(),
            store.queue,
            store.queue,
            store.dead_letters,
            clock.move,
            store.close,
            reborn,
        )


class ServiceBus:
    """On an emulator of Service Bus, whose links stay open from test to test."""

    def __init__(self, server: Server, clock: MovedClock) -> None:
        self.server = server
        self._clock = clock
        self._namespaces: list[Namespace] = []
        self._queues: Queues | None = None

    async def fresh(self, _: Path) -> Queues:
        self.server.clear()
        if self._queues is None:
            self._queues = self.connect()
        for name in NAMES:
            while await self._queues.consumer.receive(name, limit=100, lease=LEASE, patience=timedelta()):
                pass
        return replace(self._queues, began=self._clock.now())

    def connect(self) -> Queues:
        at_once = timedelta(milliseconds=1)
        namespace = Namespace("emulator", self.server.connection_string, retries=1, first_rest=at_once)
        self._namespaces.append(namespace)
        queue = ServiceBusQueue(namespace, self._clock)

        def move(by: timedelta) -> None:
            self._clock.move(by)
            self.server.ring()

        async def close() -> None:
            self._queues = None
            await namespace.close()

        async def reborn() -> Queues:
            await close()
            return self.connect()

        return Queues(
            self._clock.now(),
            timedelta(milliseconds=100),
            queue,
            ServiceBusConsumer(namespace),
            ServiceBusDeadLetters(namespace, queue, self._clock),
            move,
            close,
            reborn,
        )

    async def close(self) -> None:
        for namespace in self._namespaces:
            await namespace.close()


class Elsewhere:
    """On a Service Bus that the environment names: each test has its own links and leaves nothing."""

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string
        self._queues: Queues | None = None

    async def fresh(self, _: Path) -> Queues:
        await self.close()
        return self._connect()

    def _connect(self) -> Queues:
        namespace = Namespace("elsewhere", self._connection_string)
        queue, consumer = ServiceBusQueue(namespace, SystemClock()), _Tidy(namespace)

        def move(_: timedelta) -> None:
            pytest.skip(WHY)

        async def close() -> None:
            await consumer.settle_all()
            await namespace.close()

        async def reborn() -> Queues:
            await close()
            return self._connect()

        self._queues = Queues(
            SystemClock().now(),
            timedelta(seconds=MOMENT_ELSEWHERE_SECONDS),
            queue,
            consumer,
            ServiceBusDeadLetters(namespace, queue, SystemClock()),
            move,
            close,
            reborn,
        )
        return self._queues

    async def close(self) -> None:
        if self._queues is not None:
            await self._queues.close()
        await emptied(self._connection_string, EVERY)


class _Tidy(ServiceBusConsumer):
    """Has nothing stay locked in the end."""

    def __init__(self, namespace: Namespace) -> None:
        super().__init__(namespace)
        self._received: list[Delivery] = []

    async def receive(
        self, queue: str, *, limit: int, lease: timedelta, patience: timedelta
    ) -> Sequence[Delivery]:
        found = await super().receive(queue, limit=limit, lease=lease, patience=patience)
        self._received += found
        return found

    async def settle_all(self) -> None:
        received, self._received = self._received, []
        await asyncio.gather(*map(self.complete, received))


@asynccontextmanager
async def azure_queues() -> AsyncIterator[Deployment]:
    """Where the environment says, or on an emulator of ours."""
    if SERVICE_BUS is None:
        async with service_bus() as ours:
            yield ours
    else:
        elsewhere = Elsewhere(SERVICE_BUS)
        yield elsewhere
        await elsewhere.close()


@asynccontextmanager
async def service_bus(more: Mapping[str, QueueSettings] = NO_MORE) -> AsyncIterator[ServiceBus]:
    """An emulator whose clock stands still at about the present: the SDK compares locks with its own."""
    clock = MovedClock(SystemClock().now().astimezone(UTC).replace(microsecond=0))
    settings = {name: QueueSettings(lock=LEASE) for name in EVERY}
    async with Server({**settings, **more}, clock=clock) as server:
        deployment = ServiceBus(server, clock)
        yield deployment
        await deployment.close()
