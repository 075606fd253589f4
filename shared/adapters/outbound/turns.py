"""Taking turns at a receiver.

Who waits here holds a place that is for all receivers. So nobody waits at one that hangs: where every turn
is taken and nothing has been answered for a while, whoever comes is told so at once, and whoever waits is let
go. A turn that becomes free is taken as ever; by its answer the receiver is known to be well again.

Nor does anybody wait long at one that answers, but too slowly for what is sent to it. After somebody has
waited in vain, whoever finds no free turn is sent away at once for a while.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from types import TracebackType

from shared.domain.verdict import Answer, Failure
from shared.ports.sender import NoTurn

SENDS_PER_RECEIVER = 128
"""How many requests run at one receiver at once.

A receiver that answers within 100 ms gets 1,280 a second that way; one that hangs holds so many connections
and no more. It has to be less than the calls that a host makes at once (200 by host.json), so that one
receiver that hangs leaves places for the others.
"""

SILENCE = timedelta(seconds=10)
"""After so long without any answer a receiver at which every turn is taken is said to hang."""

PATIENCE = timedelta(seconds=2)
"""How long one waits for a turn in a line that is slow."""

BRISK = 1_000
"""A line in which so many got a turn within the patience is not slow but long: its receiver answers within
250 ms, or we are the ones who are slow, and whoever waits had better go on waiting."""

CLOSED_SECONDS = 10.0
"""How long nobody is let into the line in which somebody has waited in vain."""

NOT_SENT = Answer(
    0,
    f"{Failure.TIMEOUT.value}: not sent, because every request before it is without an answer",
    timedelta(0),
    failure=Failure.TIMEOUT,
)


class Turns:
    """Who is being sent to, and who waits for it.

    Attributes:
        limit: So many are let in at once at each receiver.
        silence_seconds: How long a receiver may be silent until nobody waits there.
        patience_seconds: How long one waits at most in a line that is slow.
        brisk: See `BRISK`.
        lines: Those in which somebody stands, by receiver; so memory follows the traffic.
    """

    def __init__(
        self,
        limit: int = SENDS_PER_RECEIVER,
        silence: timedelta = SILENCE,
        patience: timedelta = PATIENCE,
        brisk: int = BRISK,
    ) -> None:
        self.limit = limit
        self.brisk = brisk
        self.silence_seconds = silence.total_seconds()
        self.patience_seconds = patience.total_seconds()
        self.lines: dict[str, Line] = {}

    def at(self, origin: str) -> "Turn":
        """A turn at a receiver."""
        return Turn(self.lines.get(origin) or Line(self, origin))

    def heard_from(self, origin: str) -> None:
        """A receiver has answered, whatever it was."""
        line = self.lines.get(origin)
        if line is not None:
            line.heard_at = monotonic()


class Turn:
    """`async with` waits for it, first come first served, and holds it.

    It gives None, or the answer of an attempt that is not made: then there is no turn. Where one would have
    to wait long, it raises `NoTurn`.
    """

    __slots__ = ("_is_held", "_line")

    def __init__(self, line: "Line") -> None:
        self._line = line
        self._is_held = False

    async def __aenter__(self) -> Answer | None:
        self._is_held = await self._line.enter()
        return None if self._is_held else NOT_SENT

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_held:
            self._line.leave()


class Line:
    """Everybody at one receiver.

    Attributes:
        heard_at: When the receiver last answered, or the first of those who are here came; in the seconds of
            the monotonic clock.
    """

    __slots__ = ("_given", "_opens_at", "_origin", "_people", "_places", "_turns", "heard_at")

    def __init__(self, turns: Turns, origin: str) -> None:
        self.heard_at = self._opens_at = monotonic()
        self._turns = turns
        self._origin = origin
        self._places = asyncio.Semaphore(turns.limit)
        self._people = 0
        self._given = 0

    async def enter(self) -> bool:
        """Wait for a turn; say False if there is no use in it.

        Raises:
            NoTurn: There is none soon.
        """
        self._turns.lines[self._origin] = self
        self._people += 1
        is_in = False
        try:
            is_in = await self._has_place()
        finally:
            if not is_in:
                self._go()
        return is_in

    def leave(self) -> None:
        """Give the turn to the next."""
        self._given += 1
        self._places.release()
        self._go()

    async def _has_place(self) -> bool:
        if not self._places.locked():
            return await self._places.acquire()
        now, given = monotonic(), self._given
        leaves_at = now + self._turns.patience_seconds
        # Answers come while one waits, and each of them is a reason to wait on.
        while now < (hangs_at := self.heard_at + self._turns.silence_seconds):
            if now < self._opens_at:
                raise NoTurn
            if now >= leaves_at:
                if self._given - given < self._turns.brisk:
                    self._opens_at = now + CLOSED_SECONDS
                    raise NoTurn
                leaves_at, given = now + self._turns.patience_seconds, self._given
            with suppress(TimeoutError):
                async with asyncio.timeout(min(hangs_at, leaves_at) - now):
                    return await self._places.acquire()
            now = monotonic()
        return False

    def _go(self) -> None:
        self._people -= 1
        if not self._people:
            del self._turns.lines[self._origin]
