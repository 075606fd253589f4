"""One thing done with each of several, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

Thing = TypeVar("Thing")
Outcome = TypeVar("Outcome")


async def with_each(
    things: Iterable[Thing], do: Callable[[Thing], Awaitable[Outcome]], *, at_once: int
) -> Sequence[Outcome]:
    """What came of each, in their order. Only when all are done, the first error among them is raised."""
    turns = asyncio.Semaphore(at_once)

    async def one(thing: Thing) -> Outcome:
        async with turns:
            return await do(thing)

    outcomes = await asyncio.gather(*map(one, things), return_exceptions=True)
    return [_returned(outcome) for outcome in outcomes]


def _returned(outcome: Outcome | BaseException) -> Outcome:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
