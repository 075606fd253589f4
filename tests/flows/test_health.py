"""Looking whether a part does its work."""

import asyncio

import pytest

from shared.domain.errors import Unavailable
from shared.flows.health import GOOD_FOR, Check
from tests.clock import MovedClock


class Part:
    """Counts who looks at it."""

    def __init__(self) -> None:
        self.looks = 0
        self.is_well = True
        self.answers = asyncio.Event()

    async def look(self) -> None:
        self.looks += 1
        await self.answers.wait()
        if not self.is_well:
            raise Unavailable("store", "a test says so")


async def test_many_who_ask_at_once_have_it_looked_at_once() -> None:
    part = Part()
    check = Check(part.look, MovedClock())
    asking = [asyncio.ensure_future(check()) for _ in range(20)]
    await asyncio.sleep(0)  # noqa: TID251 - lets them begin; no time passes
    asking[0].cancel()
    part.answers.set()

    assert await asyncio.gather(*asking[1:]) == [True] * 19
    assert part.looks == 1


@pytest.mark.parametrize("is_well", [True, False])
async def test_an_answer_is_good_for_a_second_whatever_it_is(*, is_well: bool) -> None:
    part, clock = Part(), MovedClock()
    part.answers.set()
    check = Check(part.look, clock)
    part.is_well = is_well
    assert await check() is is_well

    part.is_well = not is_well
    assert await check() is is_well
    assert part.looks == 1
    clock.move(GOOD_FOR)
    assert await check() is not is_well


async def test_a_look_that_takes_long_is_not_begun_again_meanwhile() -> None:
    part, clock = Part(), MovedClock()
    check = Check(part.look, clock)
    first = asyncio.ensure_future(check())
    await asyncio.sleep(0)  # noqa: TID251 - as above
    clock.move(10 * GOOD_FOR)
    second = asyncio.ensure_future(check())
    await asyncio.sleep(0)  # noqa: TID251 - as above
    part.answers.set()

    assert [await first, await second] == [True, True]
    assert part.looks == 1
