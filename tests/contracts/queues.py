"""Every adapter of the queues' ports, and what a test has to do to each."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from shared.adapters.servicebus.consumer import ServiceBusConsumer
from shared.adapters.servicebus.dead_letters import ServiceBusDeadLetters
from shared.adapters.servicebus.namespace import Namespace
from shared.adapters.servicebus.queue import ServiceBusQueue
from shared.adapters.servicebus.queues import LOCK, rejected
from shared.adapters.sqlite.store import SqliteStore
from shared.adapters.system import SystemClock
from shared.ports.queue import Consumer, DeadLetters, Queue
from tests.clock import MovedClock
from tests.emulators.servicebus.bench import forget_unclosed
from tests.emulators.servicebus.server import Server
from tests.emulators.servicebus.settings import QueueSettings

LEASE = LOCK
NAMES = ("dispatch", "retry")
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
        queue = ServiceBusQueue(namespace, self._clock, rejecting=NAMES)

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
            ServiceBusDeadLetters(namespace, queue, rejecting=NAMES),
            move,
            close,
            reborn,
        )

    async def close(self) -> None:
        for namespace in self._namespaces:
            await namespace.close()
        forget_unclosed()


@asynccontextmanager
async def service_bus(more: Mapping[str, QueueSettings] = NO_MORE) -> AsyncIterator[ServiceBus]:
    """An emulator whose clock stands still at about the present: the SDK compares locks with its own."""
    clock = MovedClock(SystemClock().now().astimezone(UTC).replace(microsecond=0))
    settings = {name: QueueSettings(lock=LEASE) for name in (*NAMES, *map(rejected, NAMES))}
    async with Server({**settings, **more}, clock=clock) as server:
        deployment = ServiceBus(server, clock)
        yield deployment
        await deployment.close()
