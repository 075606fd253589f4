"""Durations on the wire: seconds, fractions allowed. A retry schedule is a list of them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import msgspec

from shared.domain.errors import Invalid
from shared.domain.organization import LONGEST_REST, SCHEDULE_MAX_RESTS, SHORTEST_REST

_SECOND = timedelta(seconds=1)

Rest = Annotated[
    float,
    msgspec.Meta(extra_json_schema={"minimum": SHORTEST_REST / _SECOND, "maximum": LONGEST_REST // _SECOND}),
]
RetrySchedule = Annotated[
    list[Rest], msgspec.Meta(extra_json_schema={"maxItems": SCHEDULE_MAX_RESTS, "example": [5, 300, 1800]})
]


def duration(seconds: float, shortest: timedelta, longest: timedelta, *where: str) -> timedelta:
    """Check a number of seconds.

    Raises:
        Invalid: It is shorter or longer than allowed.
    """
    if not shortest / _SECOND <= seconds <= longest / _SECOND:
        raise Invalid(where, f"write seconds, from {to_seconds(shortest)} to {to_seconds(longest)}")
    return timedelta(seconds=seconds)


def retry_schedule(rests: Sequence[float] | None, *where: str) -> tuple[timedelta, ...] | None:
    """Check a retry schedule; None stays None.

    Raises:
        Invalid: It has too many rests, or one of them is too short or too long.
    """
    if rests is None:
        return None
    if len(rests) > SCHEDULE_MAX_RESTS:
        raise Invalid(where, f"write at most {SCHEDULE_MAX_RESTS} rests; an empty list means no retry")
    return tuple(duration(rest, SHORTEST_REST, LONGEST_REST, *where) for rest in rests)


def to_seconds(span: timedelta) -> float:
    """A duration on the wire: whole seconds without a fraction."""
    seconds = span / _SECOND
    return int(seconds) if seconds.is_integer() else seconds
