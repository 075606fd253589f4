"""Taking turns at a receiver."""

import asyncio

SENDS_PER_RECEIVER = 128
"""How many requests run at one receiver at once.

A receiver that answers within 100 ms gets 1,280 a second that way; one that hangs holds so many connections
and no more.
"""


class Turns:
    """Who is being sent to, and who waits for it."""

    def __init__(self, limit: int) -> None:
        """Let `limit` in at once at each receiver."""
        self._limit = limit
        self._lines: dict[str, Line] = {}

    def at(self, origin: str) -> "Line":
        """The line at a receiver; it exists while anybody stands in it, so memory follows the traffic."""
        return self._lines.get(origin) or Line(self._lines, origin, self._limit)


class Line:
    """`async with` waits for a turn, first come first served, and holds it."""

    __slots__ = ("_lines", "_origin", "_people", "_places")

    def __init__(self, lines: dict[str, "Line"], origin: str, limit: int) -> None:
        self._lines = lines
        self._origin = origin
        self._places = asyncio.Semaphore(limit)
        self._people = 0

    async def __aenter__(self) -> None:
        self._lines[self._origin] = self
        self._people += 1
        try:
            await self._places.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._places.release()
        self._leave()

    def _leave(self) -> None:
        self._people -= 1
        if not self._people:
            del self._lines[self._origin]
