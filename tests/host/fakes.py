"""What stands in for the rest of the service when one part of the host is tested."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from shared.ports.journal import Fact

Request = TypeVar("Request")


class KeptLines:
    """See `shared.ports.journal.Journal`: keeps the lines for a test to read."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Fact]]] = []
        self._written = asyncio.Event()

    def note(self, event: str, **facts: Fact) -> None:
        """As the port says."""
        self.lines.append((event, facts))
        self._written.set()

    def close(self) -> None:
        """As the port says; the lines stay readable."""

    def of(self, event: str) -> list[dict[str, Fact]]:
        """The facts of every line about this event."""
        return [facts for name, facts in self.lines if name == event]

    async def has(self, event: str, times: int = 1) -> None:
        """Wait until the event has been noted so often."""
        while len(self.of(event)) < times:
            self._written.clear()
            await self._written.wait()


class Called(Generic[Request]):
    """A function that the host calls: says when it is called, and does what the test wants."""

    def __init__(self, behave: Callable[[Request], Awaitable[None]] | None = None) -> None:
        self.requests: list[Request] = []
        self._behave = behave
        self._new: asyncio.Queue[Request] = asyncio.Queue()

    async def __call__(self, **parameters: Request) -> None:
        """Take the one parameter that a trigger has."""
        (request,) = parameters.values()
        self.requests.append(request)
        self._new.put_nowait(request)
        if self._behave:
            await self._behave(request)

    async def next(self) -> Request:
        """Wait for the next call and return what it was given."""
        return await self._new.get()


class Gate:
    """Holds calls until the test lets them go on."""

    def __init__(self) -> None:
        self._is_open = asyncio.Event()

    async def passes(self, _: object) -> None:
        """Wait until the gate is open."""
        await self._is_open.wait()

    def open(self) -> None:
        """Let everybody go on, now and later."""
        self._is_open.set()


async def fails(_: object) -> None:
    """Fail as a function does whose store is out of reach.

    Raises:
        RuntimeError: Always.
    """
    raise RuntimeError("the disk is full")
