"""What is to happen at its time, on a clock that may stand still until a test moves it."""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Now(Protocol):
    """Says what time it is, in UTC."""

    def now(self) -> datetime: ...


class Alarms:
    """Instants are whole microseconds since 1970."""

    def __init__(self, clock: Now) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self.changed: Callable[[], None] = lambda: None

    def now(self) -> int:
        return (self._clock.now() - EPOCH) // MICROSECOND

    def at(self, due: int, ring: Callable[[], None]) -> None:
        """Have `ring` called when `due` has come. Nothing takes it back: it looks whether it still should."""
        heapq.heappush(self._heap, (due, next(self._order), ring))
        if self._heap[0][0] == due:
            self.changed()

    def ring(self) -> None:
        """Call what is due."""
        while self._heap and self._heap[0][0] <= self.now():
            heapq.heappop(self._heap)[2]()

    @property
    def rest(self) -> timedelta | None:
        """How long until the next."""
        return timedelta(microseconds=max(0, self._heap[0][0] - self.now())) if self._heap else None
