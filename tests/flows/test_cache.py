"""The cache that every message goes through: one read for all, no error kept, no caller in another's way."""

import asyncio
from datetime import timedelta

import pytest

from shared.domain.errors import Unavailable
from shared.flows.cache import Cache
from tests.clock import MovedClock

KEEP = timedelta(seconds=5)


class Shelf:
    """Something to be read, slowly, and now and then in vain."""

    def __init__(self) -> None:
        self.reads = 0
        self.is_broken = False
        self.is_open = asyncio.Event()

    async def read(self) -> int:
        """How often it has been read, when it is open."""
        self.reads += 1
        mine = self.reads
        await self.is_open.wait()
        if self.is_broken:
            raise Unavailable("store", "it is closed")
        return mine


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def cache(clock: MovedClock) -> Cache[str, int]:
    return Cache(clock, keep=KEEP, size=2)


@pytest.fixture
async def shelf() -> Shelf:
    return Shelf()


async def begun(getting: asyncio.Task[int]) -> asyncio.Task[int]:
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin; no time passes
    return getting


async def test_who_wants_the_same_at_once_shares_one_read(cache: Cache[str, int], shelf: Shelf) -> None:
    several = [asyncio.ensure_future(cache.get("a", shelf.read)) for _ in range(3)]
    shelf.is_open.set()

    assert await asyncio.gather(*several) == [1, 1, 1]


async def test_what_was_read_is_kept_for_its_time(
    cache: Cache[str, int], shelf: Shelf, clock: MovedClock
) -> None:
    shelf.is_open.set()

    assert await cache.get("a", shelf.read) == 1
    clock.move(KEEP - timedelta(microseconds=1))
    assert await cache.get("a", shelf.read) == 1
    clock.move(timedelta(microseconds=1))
    assert await cache.get("a", shelf.read) == 2


async def test_what_was_used_least_recently_goes_first(cache: Cache[str, int], shelf: Shelf) -> None:
    shelf.is_open.set()
    for key in ("a", "b", "a", "c"):
        await cache.get(key, shelf.read)

    assert await cache.get("a", shelf.read) == 1
    assert await cache.get("c", shelf.read) == 3
    assert await cache.get("b", shelf.read) == 4


async def test_what_is_read_anew_counts_as_used(
    cache: Cache[str, int], shelf: Shelf, clock: MovedClock
) -> None:
    shelf.is_open.set()
    for key in ("a", "b"):
        await cache.get(key, shelf.read)
    clock.move(KEEP)
    assert await cache.get("a", shelf.read) == 3

    assert await cache.get("c", shelf.read) == 4

    assert await cache.get("a", shelf.read) == 3


async def test_what_is_forgotten_while_it_is_read_is_not_kept(cache: Cache[str, int], shelf: Shelf) -> None:
    """The read may have begun before the edit."""
    before = await begun(asyncio.ensure_future(cache.get("a", shelf.read)))
    cache.forget("a")
    shelf.is_open.set()

    assert await before == 1
    assert await cache.get("a", shelf.read) == 2


async def test_a_read_that_failed_is_not_kept(cache: Cache[str, int], shelf: Shelf) -> None:
    shelf.is_broken = True
    several = [asyncio.ensure_future(cache.get("a", shelf.read)) for _ in range(2)]
    shelf.is_open.set()
    failed = await asyncio.gather(*several, return_exceptions=True)
    assert [type(each) for each in failed] == [Unavailable, Unavailable]

    shelf.is_broken = False
    assert await cache.get("a", shelf.read) == 2


async def test_a_caller_that_goes_away_takes_nothing_from_the_others(
    cache: Cache[str, int], shelf: Shelf
) -> None:
    gone = await begun(asyncio.ensure_future(cache.get("a", shelf.read)))
    patient = await begun(asyncio.ensure_future(cache.get("a", shelf.read)))
    gone.cancel()
    shelf.is_open.set()

    assert await patient == 1
    assert gone.cancelled()


async def test_a_failure_that_nobody_waited_for_is_not_kept_either(
    cache: Cache[str, int], shelf: Shelf
) -> None:
    """One client hangs up while the disk hiccups: the next one must not be told of it."""
    gone = await begun(asyncio.ensure_future(cache.get("a", shelf.read)))
    gone.cancel()
    await asyncio.wait([gone])
    shelf.is_broken = True
    shelf.is_open.set()
    for _ in range(3):
        await asyncio.sleep(0)  # noqa: TID251 - lets the read end; no time passes

    shelf.is_broken = False
    assert await cache.get("a", shelf.read) == 2
