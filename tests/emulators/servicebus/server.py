"""The emulator: a broker behind a socket.

async with Server([QueueConfig("dispatch")]).running() as server:
    ServiceBusClient.from_connection_string(server.connection_string)
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from shared.adapters.system import SystemClock
from tests.emulators.servicebus.alarms import Alarms, Now
from tests.emulators.servicebus.broker import Broker
from tests.emulators.servicebus.connection import Connection
from tests.emulators.servicebus.errors import NOT_FOUND, Refused
from tests.emulators.servicebus.faults import Faults
from tests.emulators.servicebus.settings import QueueSettings
from tests.emulators.servicebus.store import File, Nowhere

HOST = "127.0.0.1"
KEY_NAME = "RootManageSharedAccessKey"
KEY = "SAS_KEY_VALUE"
"""What Microsoft's own emulator takes."""

MAX_MESSAGE_SIZE = 256 * 1024
"""Of the tiers Basic and Standard; a batch counts as one message."""


class AheadClock:
    """The machine's time, and what a test has moved it on by."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._clock = SystemClock()

    def now(self) -> datetime:
        return self._clock.now() + self._ahead

    def move(self, by: timedelta) -> None:
        self._ahead += by


class Server:
    """Serves queues until it is closed."""

    def __init__(
        self,
        queues: Mapping[str, QueueSettings],
        *,
        file: Path | None = None,
        clock: Now | None = None,
        port: int = 0,
        max_message_size: int = MAX_MESSAGE_SIZE,
    ) -> None:
        """Prepare.

        Args:
            queues: Which there are.
            file: Where they survive the process; None is nowhere.
            clock: What time it is; None is the machine's clock. If it stands still, `ring` after moving it.
            port: 0 takes a free one.
            max_message_size: In bytes.
        """
        self.faults = Faults()
        self.alarms = Alarms(clock or SystemClock())
        self.keys: Mapping[str, str] = {KEY_NAME: KEY}
        self.max_message_size = max_message_size
        self.connections: set[Connection] = set()
        self._store = File(file) if file else Nowhere()
        self.broker = Broker(self.alarms, self._store)
        self._queues = queues
        self._port = port
        self._server: asyncio.Server | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._said: set[Connection] = set()
        self._is_flush_due = False
        self._is_closed = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connection_string(self) -> str:
        """What a client needs to be told."""
        where = f"Endpoint=sb://{HOST}:{self._port};SharedAccessKeyName={KEY_NAME};SharedAccessKey={KEY}"
        return f"{where};UseDevelopmentEmulator=true"

    async def start(self) -> None:
        """Take the queues from where they lie, and serve."""
        for name, settings in self._queues.items():
            self.broker.create(name, settings)
        if isinstance(self._store, File):
            self._store.load(self.broker)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.alarms.changed = self._set_alarm
        self._set_alarm()

    async def close(self) -> None:
        """End every connection without a word, and serve no more."""
        self.alarms.changed = lambda: None
        if self._alarm is not None:
            self._alarm.cancel()
        if self._server is not None:
            self._server.close()
        self.cut()
        self.flush()
        self._is_closed = True
        self._store.close()

    def cut(self) -> None:
        """End every connection without a word."""
        for connection in list(self.connections):
            connection.cut()

    def ring(self) -> None:
        """Have everything happen that is due by now."""
        self.alarms.ring()
        self._set_alarm()
        self.flush_soon()

    def create(self, name: str, settings: QueueSettings | None = None) -> None:
        """Make a queue."""
        self.broker.create(name, settings or QueueSettings())

    def delete(self, name: str) -> None:
        """Remove a queue and all that is in it; whoever has a link to it loses that."""
        self.broker.delete(name)
        for connection in self.connections:
            connection.drop_links(name.lower(), Refused(NOT_FOUND, "the queue is gone"))

    def clear(self) -> None:
        """Empty every queue, and forget what was counted and planned."""
        for queue in self.broker.queues.values():
            queue.clear()
        self.faults.mend()
        self.faults.counts.clear()
        self.faults.messages.clear()

    def flush_soon(self, connection: Connection | None = None) -> None:
        """Keep what was done and then say so, once for everything that happens in this turn of the loop."""
        if connection is not None:
            self._said.add(connection)
        if not self._is_flush_due:
            self._is_flush_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Keep what was done, then say so."""
        if self._is_closed:  # what was to be kept soon is kept
            return
        self._is_flush_due = False
        self._store.commit()
        for connection in self._said:
            connection.flush()
        self._said.clear()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        rest = self.alarms.rest
        if rest is not None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(max(rest.total_seconds(), 0.001), self.ring)
