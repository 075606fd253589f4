"""Deadlines: one timer for all who wait equally long."""

import asyncio
from dataclasses import dataclass, field

from shared.adapters.outbound.deadlines import Deadlines
from shared.adapters.outbound.exchange import Exchange

MOMENT_SECONDS = 0.01


@dataclass(eq=False)
class Guest:
    """Waits, and leaves word when its time is over."""

    name: str
    left: list[str]
    is_gone: asyncio.Event = field(default_factory=asyncio.Event)

    def expire(self) -> None:
        self.left.append(self.name)
        self.is_gone.set()


async def test_who_came_first_is_due_first() -> None:
    left: list[str] = []
    guests = [Guest(name, left) for name in ("first", "second", "third")]
    deadlines = Deadlines(MOMENT_SECONDS)
    for guest in guests:
        deadlines.add(guest)

    await guests[-1].is_gone.wait()

    assert left == ["first", "second", "third"]


async def test_who_is_done_in_time_is_left_alone() -> None:
    left: list[str] = []
    early, late = Guest("early", left), Guest("late", left)
    deadlines = Deadlines(MOMENT_SECONDS)
    deadlines.add(early)
    deadlines.add(late)
    deadlines.discard(early)

    await late.is_gone.wait()

    assert left == ["late"]


async def test_who_comes_after_all_have_left_is_due_as_well() -> None:
    left: list[str] = []
    deadlines = Deadlines(MOMENT_SECONDS)
    for name in ("first", "second"):
        guest = Guest(name, left)
        deadlines.add(guest)
        await guest.is_gone.wait()

    assert left == ["first", "second"]


async def test_the_oldest_can_be_sent_away_early() -> None:
    left: list[str] = []
    deadlines = Deadlines(3600)
    for name in ("first", "second"):
        deadlines.add(Guest(name, left))

    deadlines.expire_oldest()

    assert left == ["first"]
    deadlines.stop()


async def test_nothing_is_awaited_any_more_when_the_time_is_over() -> None:
    """The time may run out between two steps of an exchange, when there is nothing to interrupt."""
    exchange = Exchange()
    exchange.expire()
    step: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    exchange.waits_for(step)

    assert step.cancelled()
