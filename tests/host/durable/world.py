"""One process that drives durable functions, and may die at any moment."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import azure.durable_functions as df
from azure.durable_functions.models.DurableOrchestrationStatus import DurableOrchestrationStatus
from azure.functions.servicebus import ServiceBusMessage

from infra.local import registrations
from infra.local.durable.driver import Durable, close_client
from infra.local.durable.surroundings import Surroundings
from shared.adapters.sqlite.orchestrations import SqliteOrchestrations
from shared.adapters.sqlite.store import SqliteStore
from shared.adapters.system import SystemDice
from shared.ports.orchestrations import ACTIVITY_QUEUE, ORCHESTRATOR_QUEUE, Orchestrations
from tests.clock import MovedClock
from tests.host.durable.functions import Clients, Effects, app
from tests.host.fakes import KeptLines


@dataclass
class World:
    """The host's part for durable functions, on a store of its own; the client is the real one, over HTTP.

    Attributes:
        mood: The release that is deployed.
    """

    folder: Path
    clock: MovedClock
    effects: Effects
    mood: str = "steady"

    def __post_init__(self) -> None:
        self.journal = KeptLines()
        self.store = SqliteStore.open(self.folder / "heliograph.db", self.clock)
        self.orchestrations: Orchestrations = SqliteOrchestrations(
            self.store.writer, self.store.readers, self.store.lines, self.clock
        )
        self._clients = Clients()
        self._running: list[asyncio.Task[None]] = []
        self._durable: Durable | None = None
        self._next: World | None = None

    async def starts(self) -> Self:
        """Drive the functions until `stops`."""
        registered = registrations.read(app(self.effects, self._clients, mood=self.mood), {})
        around = Surroundings(self.orchestrations, self.clock, SystemDice(), self.journal)
        self._durable = Durable.on(registered, self.store.queue, around)
        self._running = [asyncio.create_task(driver.run()) for driver in self._durable.drivers]
        (ask,) = self._durable.registered.queues
        message = ServiceBusMessage(body=b"", message_id="1", application_properties={}, user_properties={})
        await ask.call(message=message)
        return self

    async def stops(self) -> None:
        """End in good order, and the processes after this one, too."""
        if self._next:
            await self._next.stops()
        else:
            await self._end()

    async def _end(self) -> None:
        for task in self._running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self._durable:
            await asyncio.gather(*(driver.release() for driver in self._durable.drivers))
        await close_client()
        await self.store.close()

    async def dies(
        self, *, mood: str | None = None, through: Callable[[Orchestrations], Orchestrations] | None = None
    ) -> "World":
        """The next process, on what this one leaves behind if it is killed just now.

        Args:
            mood: The release that it runs, if it is another.
            through: What stands before its store.
        """
        elsewhere = self.folder.with_name(f"{self.folder.name}+")
        shutil.copytree(self.folder, elsewhere)
        await self._end()
        self._next = World(elsewhere, self.clock, self.effects, mood or self.mood)
        if through:
            self._next.orchestrations = through(self._next.orchestrations)
        return await self._next.starts()

    @property
    def client(self) -> df.DurableOrchestrationClient:
        """What the host gives to a function that asks for it."""
        assert self._clients.client is not None
        return self._clients.client

    async def settles(self) -> None:
        """Wait until nothing that is due is left to do."""
        while await self.waiting(due=True):
            await self.store.check()

    async def passes(self, time: timedelta) -> None:
        """Let time go by, and what comes due be done."""
        await self.settles()
        self.clock.move(time)
        await self.settles()

    async def runs(
        self, name: str, given: object = None, instance_id: str | None = None
    ) -> DurableOrchestrationStatus:
        """Start an orchestration, and return its status when nothing that is due is left to do."""
        return await self.status(await self.client.start_new(name, instance_id, given))

    async def status(self, instance_id: str) -> DurableOrchestrationStatus:
        """How an instance stands when nothing that is due is left to do."""
        await self.settles()
        return await self.client.get_status(instance_id, show_input=True)

    async def waiting(self, *, due: bool) -> int:
        """How many queue messages there are, or only how many are due."""
        until = int(self.clock.now().timestamp() * 1_000_000) if due else 2**62
        parameters = (until, ORCHESTRATOR_QUEUE, ACTIVITY_QUEUE)

        def look(connection: sqlite3.Connection) -> int:
            rows = connection.execute(
                "SELECT count(*) FROM work WHERE due_at <= ? AND queue IN (?, ?)", parameters
            ).fetchall()
            count: int = rows[0][0]
            return count

        return await self.store.readers.run(look)
