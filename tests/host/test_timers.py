"""Timers under a clock that is moved by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from azure.functions.timer import TimerRequest

from infra.local.registrations import TimerFunction
from infra.local.timers import LONGEST_WAIT, FileRuns, Timer
from tests.clock import NOON, MovedClock
from tests.host.fakes import Called, Gate, KeptLines, fails

FIVE_MINUTES = timedelta(minutes=5)
SECOND = timedelta(seconds=1)


class Bench:
    """Timers that run every five minutes, and everything around them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = MovedClock()
        self.journal = KeptLines()
        self._running: list[asyncio.Task[None]] = []

    def starts(self, called: Called[TimerRequest], *, is_run_at_start: bool = False) -> Timer:
        """A timer that runs until `stops`, with what it remembers from the last one."""
        function = TimerFunction("retention", "0 */5 * * * *", "timer", called, is_run_at_start)
        timer = Timer(function, FileRuns(self.path), self.clock, self.journal)
        self._running.append(asyncio.create_task(timer.run()))
        return timer

    async def stops(self) -> None:
        """End every `run`."""
        for task in self._running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def passes(self, pause: timedelta) -> None:
        """Let time pass as it does: a little at a time."""
        end = self.clock.now() + pause
        while self.clock.now() < end:
            await self.clock.asleep()
            self.clock.move(min(LONGEST_WAIT, end - self.clock.now()))
        await self.clock.asleep()


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "timers")
    yield made
    await made.stops()


async def test_a_timer_runs_when_it_is_due_and_not_before(bench: Bench) -> None:
    called = Called[TimerRequest]()
    bench.starts(called)

    await bench.passes(FIVE_MINUTES - SECOND)
    before = len(called.requests)
    await bench.passes(SECOND)

    assert (before, len(called.requests)) == (0, 1)


async def test_a_timer_runs_every_time(bench: Bench) -> None:
    called = Called[TimerRequest]()
    bench.starts(called)

    await bench.passes(12 * FIVE_MINUTES)

    assert len(called.requests) == 12


async def test_a_run_is_told_what_azure_tells_it(bench: Bench) -> None:
    called = Called[TimerRequest]()
    bench.starts(called)

    await bench.passes(2 * FIVE_MINUTES)
    first, second = called.requests

    assert isinstance(first, TimerRequest)
    assert first.past_due is second.past_due is False
    assert first.schedule_status["Last"] == "0001-01-01T00:00:00+00:00"
    assert second.schedule_status == {
        "Last": (NOON + FIVE_MINUTES).isoformat(),
        "Next": (NOON + 3 * FIVE_MINUTES).isoformat(),
        "LastUpdated": (NOON + FIVE_MINUTES).isoformat(),
    }


async def test_runs_missed_while_the_host_was_down_are_made_up_for_once(bench: Bench) -> None:
    """After a weekend in which the laptop was off, one sweep does; 800 would do nothing more."""
    called = Called[TimerRequest]()
    bench.starts(called)
    await bench.passes(FIVE_MINUTES)
    await bench.stops()
    bench.clock.move(timedelta(days=3))

    bench.starts(called)
    await bench.clock.asleep()

    assert [request.past_due for request in called.requests] == [False, True]


async def test_a_restart_between_two_runs_makes_up_for_nothing(bench: Bench) -> None:
    called = Called[TimerRequest]()
    bench.starts(called)
    await bench.passes(FIVE_MINUTES)
    await bench.stops()
    bench.clock.move(FIVE_MINUTES - SECOND)

    bench.starts(called)
    await bench.clock.asleep()

    assert len(called.requests) == 1


async def test_the_very_first_start_makes_up_for_nothing(bench: Bench) -> None:
    called = Called[TimerRequest]()
    bench.starts(called)

    await bench.clock.asleep()

    assert called.requests == []


async def test_a_timer_may_ask_for_a_run_at_each_start(bench: Bench) -> None:
    called = Called[TimerRequest]()
    bench.starts(called, is_run_at_start=True)

    await bench.clock.asleep()

    assert [request.past_due for request in called.requests] == [False]


async def test_one_run_at_a_time(bench: Bench) -> None:
    """Two sweeps at once would queue everything twice."""
    gate = Gate()
    called = Called[TimerRequest](gate.passes)
    bench.starts(called)
    await bench.clock.asleep()
    bench.clock.move(FIVE_MINUTES)
    await called.next()

    bench.clock.move(3 * FIVE_MINUTES + SECOND)
    gate.open()
    await bench.clock.asleep()

    assert len(called.requests) == 1
    await bench.passes(FIVE_MINUTES - SECOND)
    assert len(called.requests) == 2


async def test_a_late_run_is_told_so(bench: Bench) -> None:
    """A laptop that was asleep wakes up long after the run was due."""
    called = Called[TimerRequest]()
    bench.starts(called)
    await bench.clock.asleep()

    bench.clock.move(timedelta(hours=8))
    request = await called.next()

    assert request.past_due is True


async def test_a_failure_is_noted_and_the_timer_goes_on(bench: Bench) -> None:
    called = Called[TimerRequest](fails)
    bench.starts(called)

    await bench.passes(2 * FIVE_MINUTES)

    assert [facts["why"] for facts in bench.journal.of("function.failed")] == ["the disk is full"] * 2


async def test_stopping_waits_for_the_run_in_flight(bench: Bench) -> None:
    gate = Gate()
    called = Called[TimerRequest](gate.passes)
    timer = bench.starts(called)
    await bench.clock.asleep()
    bench.clock.move(FIVE_MINUTES)
    await called.next()

    await bench.stops()
    gate.open()
    await timer.drain()

    assert FileRuns(bench.path).last("retention") == NOON + FIVE_MINUTES


async def test_a_run_that_was_broken_off_counts_as_missed(bench: Bench) -> None:
    called = Called[TimerRequest]()
    bench.starts(called)
    await bench.passes(FIVE_MINUTES)
    await bench.stops()
    broken = Called[TimerRequest](Gate().passes)
    timer = bench.starts(broken)
    await bench.clock.asleep()
    bench.clock.move(FIVE_MINUTES)
    await broken.next()
    await bench.stops()
    await timer.release()

    bench.starts(called)
    await bench.clock.asleep()

    assert [request.past_due for request in called.requests] == [False, True]


async def test_a_folder_that_cannot_be_written_stops_no_timer(bench: Bench) -> None:
    called = Called[TimerRequest]()
    bench.path = bench.path / "gone" / "timers"
    bench.starts(called)

    await bench.passes(2 * FIVE_MINUTES)

    assert len(called.requests) == 2
    assert len(bench.journal.of("timer.unrecorded")) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"retention": 1}', '{"retention": "yesterday"}'])
def test_a_file_that_cannot_be_read_is_forgotten(tmp_path: Path, text: str) -> None:
    """What it costs is a missed run that is not made up for, not a service that does not start."""
    path = tmp_path / "timers"
    path.write_text(text)

    runs = FileRuns(path)
    runs.keep("retention", NOON)

    assert FileRuns(path).last("retention") == NOON


def test_runs_of_several_timers_are_kept_side_by_side(tmp_path: Path) -> None:
    runs = FileRuns(tmp_path / "timers")
    runs.keep("sweep", NOON)
    runs.keep("retention", NOON + SECOND)

    kept = FileRuns(tmp_path / "timers")

    assert (kept.last("sweep"), kept.last("retention"), kept.last("gauges")) == (NOON, NOON + SECOND, None)
