"""The emulator as a whole, started and stopped.

async with CosmosEmulator() as emulator:
    client = CosmosClient(emulator.endpoint, emulator.key)
    emulator.inject(Fault("create", answer=429))
    ...
    assert emulator.counts.operations() == 2
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from ssl import SSLContext
from typing import Self

from tests.emulators.cosmos.account import Account
from tests.emulators.cosmos.admin import PREFIX, Admin
from tests.emulators.cosmos.authorization import Authorization
from tests.emulators.cosmos.clock import Clock
from tests.emulators.cosmos.counts import Counts
from tests.emulators.cosmos.faults import Fault, Faults
from tests.emulators.cosmos.file import File
from tests.emulators.cosmos.gateway import Gateway
from tests.emulators.cosmos.wire import Connection, Course, Request, Server

HOST = "127.0.0.1"
RANGES = 4
"""Into how many physical ranges a container is divided: what works within one alone shall fail in a test."""


class CosmosEmulator:
    """A Cosmos DB account on a local port, on the running event loop.

    Args:
        path: The file that survives; without it nothing does.
        port: Where it listens; 0 takes a free one.
        ranges: Into how many physical ranges new containers are divided.
        now: Tells the time, in place of the machine's clock.
        tls: Has it speak HTTPS, without which no SDK sends a token of Entra.

    Attributes:
        gateway: Holds what tests may change: `page_rows`, `empty_pages`, `long_tokens`, `consistency`.
        authorization: Who is let in.
        clock: The time by which documents end.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        port: int = 0,
        ranges: int = RANGES,
        now: Callable[[], datetime] | None = None,
        tls: SSLContext | None = None,
    ) -> None:
        self.clock = Clock(now)
        self.authorization = Authorization()
        self._file = File(path)
        self.gateway = Gateway(Account(self.clock, self._file, ranges), self.authorization)
        self._admin = Admin(self.counts, self.faults, self.clock)
        self._port = port
        self._tls = tls

    @property
    def endpoint(self) -> str:
        """Where it is, as a URL."""
        return self.gateway.endpoint

    @property
    def key(self) -> str:
        """The account's key."""
        return self.authorization.key

    @property
    def counts(self) -> Counts:
        """How often it was asked for what."""
        return self.gateway.counts

    @property
    def faults(self) -> Faults:
        """What it does wrong on purpose."""
        return self.gateway.faults

    def inject(self, fault: Fault) -> Fault:
        """Put a fault in force."""
        return self.faults.inject(fault)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._connections = Server(self._decide, self._file.commit)
        self._listener = await loop.create_server(
            lambda: Connection(self._connections), HOST, self._port, ssl=self._tls
        )
        port = self._listener.sockets[0].getsockname()[1]
        self.gateway.endpoint = f"http{'s' if self._tls else ''}://{HOST}:{port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self._connections.close()
        self._file.close()

    def _decide(self, request: Request) -> Course:
        if request.target.startswith(PREFIX.encode()):
            return Course(lambda: self._admin.answer(request))
        return self.gateway.decide(request)
