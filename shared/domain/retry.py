"""When a message is attempted again, and how schedules are written.

The rest after a failed attempt is found in this order:
1. The schedule's rest for this attempt. Used up: no retry.
2. After our timeout, and after a 429, at least `OVERLOAD_FLOOR`: the receiver has too much to do already.
3. A response that is not 2xx may ask with `Retry-After`: it is heard, between 2's rest and twice that.
4. Jitter of `JITTER_SHARE` either way, so that what failed together does not return together.

The floor holds for every schedule, also for one that is all milliseconds; and since the jitter comes
last, a rest may end up to a fifth below the floor or below what the receiver asked for.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import ceil

from shared.domain.verdict import Answer, Failure

RETRY_AFTER_HEADER = "retry-after"
OVERLOAD_FLOOR = timedelta(seconds=60)
JITTER_SHARE = 0.2
SHORTEST_BUSY_REST = timedelta(seconds=4)
LONGEST_BUSY_REST = timedelta(minutes=10)
LONGEST_DURATION = timedelta(days=3650)

DEFAULT_SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)
"""Eight attempts over a bit more than a day."""

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_DURATION = re.compile(r"(\d{1,12})(ms|s|m|h|d)", re.ASCII)
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def wait_after(
    attempt: int, waits: Sequence[timedelta], answer: Answer, now: datetime, dice: float
) -> timedelta | None:
    """How long to rest after a failed attempt.

    Args:
        attempt: The attempt that just failed, counted from 1.
        waits: The schedule: the n-th rest follows the n-th failure.
        answer: What the attempt brought.
        now: The instant of the failure, in UTC, from which the rest counts.
        dice: A number in [0, 1), thrown by the caller; 0.5 gives the rest without jitter.

    Returns:
        The rest, or None when the schedule is used up and the message is given up.

    Raises:
        ValueError: `attempt` is below 1.
    """
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, not {attempt}")
    if attempt > len(waits):
        return None
    rest = waits[attempt - 1]
    if answer.failure is Failure.TIMEOUT or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        rest = max(rest, OVERLOAD_FLOOR)
    asked = _asked_for(answer, now)
    if asked is not None:
        rest = min(max(asked, rest), 2 * rest)
    return rest * (1 - JITTER_SHARE + 2 * JITTER_SHARE * dice)


def longest_chain(waits: Sequence[timedelta]) -> timedelta:
    """How long the rests of a schedule are at most, whatever receivers ask for."""
    return sum((2 * max(rest, OVERLOAD_FLOOR) for rest in waits), timedelta(0)) * (1 + JITTER_SHARE)


def wait_for_receiver(times: int, dice: float) -> timedelta:
    """How long a message rests that found no turn at a receiver which is slow.

    Args:
        times: How often it has rested so before.
        dice: A number in [0, 1), thrown by the caller, so that what came together does not return together.
    """
    longest = min(SHORTEST_BUSY_REST * (1 << min(times, 30)), LONGEST_BUSY_REST)
    return longest * (0.5 + 0.5 * dice)


def parse_duration(text: str) -> timedelta:
    """Read a whole number and its unit: `1ms`, `5s`, `30m`, `120h`, `7d`.

    Raises:
        ValueError: It is something else, or longer than `LONGEST_DURATION`. The text says what to write.
    """
    form = _DURATION.fullmatch(text)
    if form is None:
        raise ValueError(f"{text!r} is not a duration; write a duration such as 30s or 2m")
    count, unit = int(form[1]), _UNITS[form[2]]
    if count > LONGEST_DURATION // unit:
        raise ValueError(f"{text!r} is too long; write a duration such as 30s or 2m, of at most 3650d")
    return count * unit


def parse_schedule(text: str) -> tuple[timedelta, ...]:
    """Read the rests of a schedule, separated by commas: `5s,5m,30m`. Empty text: nothing is retried.

    Raises:
        ValueError: One of them is not a duration. The text says what to write.
    """
    if not text.strip():
        return ()
    return tuple(parse_duration(rest.strip()) for rest in text.split(","))


def _asked_for(answer: Answer, now: datetime) -> timedelta | None:
    """The rest that the receiver asks for, rounded up to whole seconds; None if we understand none."""
    text = answer.headers.get(RETRY_AFTER_HEADER)
    if text is None or answer.status_code == 0 or answer.is_success:
        return None
    text = text.strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        until = _date(text)
        if until is None:
            return None
        seconds = (until - now).total_seconds()
    return timedelta(seconds=ceil(min(seconds, LONGEST_DURATION.total_seconds())))


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # an offset of many digits overflows
        return None
    # The old asctime form names no zone; HTTP dates are always in UTC.
    return at if at.tzinfo else at.replace(tzinfo=UTC)
