"""A clock that stands still until a test moves it."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""When a moved clock starts."""


class MovedClock:
    """See `shared.ports.clock.Clock`."""

    def __init__(self, now: datetime = NOON) -> None:
        """Stand at `now`."""
        self._now = now
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []
        self._watchers: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """As the port says."""
        return self._now

    def sleep(self, pause: timedelta) -> Coroutine[Any, Any, None]:
        """As the port says: until the clock has been moved far enough, counted from this call.

        Whoever makes a task of it is asleep from now on, though the task begins later.
        """
        return self._sleep(self._now + pause)

    async def _sleep(self, wakes_at: datetime) -> None:
        if wakes_at <= self._now:
            return
        sleeper = (wakes_at, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        self._tell_watchers()
        try:
            await sleeper[1]
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    def move(self, by: timedelta) -> None:
        """Let time pass at once, and wake whoever has slept long enough."""
        self._now += by
        for wakes_at, sleeper in sorted(self._sleepers, key=lambda one: one[0]):
            if wakes_at <= self._now and not sleeper.done():
                sleeper.set_result(None)

    def wake(self) -> None:
        """Wake whoever is asleep, though no time has passed."""
        for _, sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    async def asleep(self, sleepers: int = 1) -> None:
        """Wait until so many are asleep, so that moving the clock reaches them."""
        watcher = asyncio.get_running_loop().create_future()
        self._watchers.append((sleepers, watcher))
        self._tell_watchers()
        await watcher

    def _tell_watchers(self) -> None:
        asleep = sum(not sleeper.done() for _, sleeper in self._sleepers)
        for wanted, watcher in self._watchers:
            if asleep >= wanted and not watcher.done():
                watcher.set_result(None)
        self._watchers = [one for one in self._watchers if not one[1].done()]
