"""Time and chance of the machine that we run on."""

import asyncio
import os
import random  # noqa: TID251 - here is what the dice port stands for
from datetime import UTC, datetime, timedelta

POOL_BYTES = 4096
"""How many octets the dice ask the system for at once."""


class SystemClock:
    """See `shared.ports.clock.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - here is what the clock port stands for

    async def sleep(self, pause: timedelta) -> None:
        end = self.now() + pause
        # A timer may ring a little early, and wall time may be set back.
        while (rest := (end - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - time rings no bell
            await asyncio.sleep(rest)  # noqa: TID251 - here is what the clock port stands for


class SystemDice:
    """See `shared.ports.dice.Dice`."""

    def __init__(self) -> None:
        self._pool = b""
        self._used = 0

    def share(self) -> float:
        return random.random()  # noqa: S311 - for jitter; need not be unpredictable

    def octets(self, count: int) -> bytes:
        begin, end = self._used, self._used + count
        if end > len(self._pool):
            # Asking the system gives the interpreter lock away, and another thread may keep it for long.
            self._pool = os.urandom(POOL_BYTES + count)
            begin, end = 0, count
        self._used = end
        return self._pool[begin:end]
