"""Time and chance of the machine that we run on."""

import asyncio
import os
import random  # noqa: TID251 - here is what the dice port stands for
from datetime import UTC, datetime, timedelta


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

    def share(self) -> float:
        return random.random()  # noqa: S311 - for jitter; need not be unpredictable

    def octets(self, count: int) -> bytes:
        return os.urandom(count)
