"""Deadlines by the thousand."""

import asyncio
from typing import Protocol


class Expiring(Protocol):
    """Something that does not wait for ever."""

    def expire(self) -> None:
        """Its time is over."""
        ...


class Deadlines:
    """Ends what takes longer than a period, with one timer for all of it.

    Who comes first is due first, so a line is all the order that is needed. A timer for each would cost as
    much as reading the response, and nearly none of them would ever fire.
    """

    def __init__(self, period_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._period_seconds = period_seconds
        self._due: dict[Expiring, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiting: Expiring) -> None:
        """Let something wait for the period from now."""
        self._due[waiting] = self._loop.time() + self._period_seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._period_seconds, self._tick)

    def discard(self, waiting: Expiring) -> None:
        """It waits no more."""
        self._due.pop(waiting, None)

    def expire_oldest(self) -> None:
        """Its time is over early."""
        oldest = next(iter(self._due), None)
        if oldest is not None:
            del self._due[oldest]
            oldest.expire()

    @property
    def is_idle(self) -> bool:
        """Nothing waits."""
        return not self._due

    def stop(self) -> None:
        """Nothing expires any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._due:
            waiting, due = next(iter(self._due.items()))
            if due > now:
                self._timer = self._loop.call_at(due, self._tick)
                break
            del self._due[waiting]
            waiting.expire()
