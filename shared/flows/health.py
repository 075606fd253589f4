"""Whether a part of ours does its work."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.domain.errors import Unavailable
from shared.ports.clock import Clock

GOOD_FOR = timedelta(seconds=1)
"""So long an answer is given to whoever asks. Anybody may, without a token, and each look is a write, or a
request to a service that bills it."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class Check:
    """Looks at one part, once for all who ask meanwhile and soon after."""

    look: Callable[[], Awaitable[None]]
    clock: Clock
    _looked_at: datetime = field(default=_LONG_AGO, init=False)
    _looking: asyncio.Task[bool] | None = field(default=None, init=False)

    async def __call__(self) -> bool:
        """Say whether it does its work."""
        now = self.clock.now()
        if self._looking is None or (self._looking.done() and now - self._looked_at >= GOOD_FOR):
            self._looked_at, self._looking = now, asyncio.create_task(self._is_well())
        return await asyncio.shield(self._looking)

    async def _is_well(self) -> bool:
        try:
            await self.look()
        except Unavailable:
            return False
        return True
