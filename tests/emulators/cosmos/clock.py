"""The emulator's time, which tests can move."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _present() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)  # noqa: TID251  # the clock that stands for the service's own


class Clock:
    """Tells the time of a source, moved on by as much as it was told to.

    Args:
        source: Tells the time; the machine's clock, or one that a test moves by hand.
    """

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        self._source = source or _present
        self._ahead = timedelta()

    def seconds(self) -> float:
        """The present in seconds since 1970."""
        return (self._source() + self._ahead).timestamp()

    def move(self, by: timedelta) -> None:
        """Let time pass at once."""
        self._ahead += by
