"""Calls timer functions when their schedule says so, as Azure's host does.

1. A run that was missed while the host was down is made up for at the start: once, however many were missed.
2. Between runs the clock is waited for.
3. A timer runs one call at a time; what comes due meanwhile is left out.
4. After a run, not before it, its instant is kept: a run that a crash broke off counts as missed.
"""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from azure.functions.timer import TimerRequest

from infra.local import files
from infra.local.lines import facts_of
from infra.local.registrations import TimerFunction
from infra.local.schedule import Schedule
from shared.ports.clock import Clock
from shared.ports.journal import Journal

LONGEST_WAIT = timedelta(minutes=1)
"""The clock is asked this often: a machine that slept, or whose clock was set, is back on time soon after."""

PUNCTUAL = timedelta(minutes=1)
"""A run that begins later than this after its instant is told that it is past due."""

NEVER = datetime.min.replace(tzinfo=UTC)
"""How Azure writes the last run of a timer that never ran."""


class Runs(Protocol):
    """Remembers each timer's last run beyond the life of the process."""

    def last(self, timer: str) -> datetime | None:
        """When the timer ran last, in UTC; None if it never did."""
        ...

    def keep(self, timer: str, at: datetime) -> None:
        """Remember a run.

        Raises:
            OSError: It cannot be written down.
        """
        ...


class FileRuns:
    """Last runs in a JSON file: `{"sweep": "2026-11-24T12:00:00+00:00"}`."""

    def __init__(self, path: Path) -> None:
        """Use this file; it need not be there."""
        self._path = path
        self._runs: dict[str, datetime] = {}
        # Runs that cannot be read are forgotten: the cost is a missed run that is not made up for.
        with suppress(OSError, ValueError, AttributeError, TypeError):
            kept = json.loads(path.read_text(encoding="utf-8"))
            self._runs = {name: datetime.fromisoformat(at).astimezone(UTC) for name, at in kept.items()}

    def last(self, timer: str) -> datetime | None:
        """See `Runs`."""
        return self._runs.get(timer)

    def keep(self, timer: str, at: datetime) -> None:
        """See `Runs`."""
        self._runs[timer] = at
        runs = {name: run.isoformat() for name, run in sorted(self._runs.items())}
        files.replace(self._path, json.dumps(runs, indent=2) + "\n")


class Timer:
    """Drives one timer function."""

    def __init__(self, function: TimerFunction, runs: Runs, clock: Clock, journal: Journal) -> None:
        """Prepare.

        Raises:
            ValueError: The function's schedule is not NCRONTAB.
        """
        self._function = function
        self._schedule = Schedule(function.schedule)
        self._runs = runs
        self._clock = clock
        self._journal = journal
        self._in_flight: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Call the function on schedule until cancelled. A call in flight goes on: see `drain`, `release`."""
        last = self._runs.last(self._function.name)
        now = self._clock.now()
        # 1.
        if last and self._schedule.after(last) <= now:
            await self._begin(past_due=True)
        elif self._function.is_run_at_start:
            await self._begin(past_due=False)
        while True:
            due = self._schedule.after(self._clock.now())
            # 2.
            while (wait := due - self._clock.now()) > timedelta():
                await self._clock.sleep(min(wait, LONGEST_WAIT))
            # 3.
            await self._begin(past_due=self._clock.now() - due > PUNCTUAL)

    async def drain(self) -> None:
        """Wait until no call is in flight."""
        if self._in_flight:
            await asyncio.wait([self._in_flight])

    async def release(self) -> None:
        """Break off the call in flight; it counts as missed."""
        if self._in_flight:
            self._in_flight.cancel()
            await self.drain()

    async def _begin(self, *, past_due: bool) -> None:
        self._in_flight = asyncio.create_task(self._call(past_due=past_due))
        await asyncio.shield(self._in_flight)

    async def _call(self, *, past_due: bool) -> None:
        began = self._clock.now()
        try:
            await self._function.call(**{self._function.parameter: self._request(began, past_due)})
        except Exception as error:  # noqa: BLE001  whatever it is, the next run is another try
            self._journal.note("function.failed", function=self._function.name, **facts_of(error))
        # 4.
        try:
            self._runs.keep(self._function.name, began)
        except OSError as error:
            self._journal.note("timer.unrecorded", function=self._function.name, **facts_of(error))

    def _request(self, began: datetime, past_due: bool) -> TimerRequest:  # noqa: FBT001  a value, not a switch
        last = self._runs.last(self._function.name)
        status = {
            "Last": (last or NEVER).isoformat(),
            "Next": self._schedule.after(began).isoformat(),
            "LastUpdated": (last or NEVER).isoformat(),
        }
        return TimerRequest(past_due=past_due, schedule_status=status, schedule={"AdjustForDST": True})
