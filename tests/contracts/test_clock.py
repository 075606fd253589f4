"""What `shared.ports.clock` promises."""

import asyncio
from datetime import UTC, timedelta

import pytest

from tests.contracts.adapters import CLOCKS, Ticking

MOMENT = timedelta(milliseconds=2)


@pytest.fixture(params=CLOCKS)
def ticking(request: pytest.FixtureRequest) -> Ticking:
    ticking: Ticking = request.param()
    return ticking


def test_the_present_is_in_utc(ticking: Ticking) -> None:
    """Everything that is written down says UTC; a zone of the machine would shift it."""
    assert ticking.clock.now().tzinfo is UTC


def test_time_does_not_run_backwards(ticking: Ticking) -> None:
    assert ticking.clock.now() <= ticking.clock.now()


async def test_whoever_sleeps_wakes_when_the_time_has_passed(ticking: Ticking) -> None:
    asleep_at = ticking.clock.now()
    sleeping = asyncio.ensure_future(ticking.clock.sleep(MOMENT))
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin; no time passes

    assert not sleeping.done()
    ticking.move(MOMENT)
    await sleeping

    assert ticking.clock.now() - asleep_at >= MOMENT


async def test_time_that_passes_before_a_sleeper_has_begun_counts(ticking: Ticking) -> None:
    """Whoever has asked to be woken need not have had a turn of the event loop yet."""
    sleeping = asyncio.ensure_future(ticking.clock.sleep(MOMENT))
    ticking.move(MOMENT)
    async with asyncio.timeout(10):
        await sleeping


async def test_sleepers_wake_in_order_of_their_time(ticking: Ticking) -> None:
    woken = list[int]()

    async def sleep(moments: int) -> None:
        await ticking.clock.sleep(moments * MOMENT)
        woken.append(moments)

    sleeping = [asyncio.ensure_future(sleep(moments)) for moments in (9, 1, 5)]
    await asyncio.sleep(0)  # noqa: TID251 - lets them begin; no time passes
    ticking.move(10 * MOMENT)
    await asyncio.gather(*sleeping)

    assert woken == [1, 5, 9]


@pytest.mark.parametrize("pause", [timedelta(), timedelta(seconds=-1)])
async def test_no_pause_is_no_wait(ticking: Ticking, pause: timedelta) -> None:
    await ticking.clock.sleep(pause)
