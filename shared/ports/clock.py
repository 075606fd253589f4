"""Time, as the flows see it."""

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time and waiting. `tests/contracts/test_clock.py` holds every adapter to it."""

    def now(self) -> datetime:
        """The present in UTC, in whole microseconds."""
        ...

    async def sleep(self, pause: timedelta) -> None:
        """Return when `now()` has moved on by at least `pause`."""
        ...
