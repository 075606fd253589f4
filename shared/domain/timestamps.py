"""Instants as the API writes and reads them: strict in what it writes, lenient in what it reads.

Written: `2026-08-21T22:24:36Z`, `2026-08-21T22:24:36.123Z` or `2026-08-21T22:24:36.123456Z`.

Read, besides these:
    between date and time    `T`, `t` or a space
    fraction of a second     none, or 1 to 9 digits; what is finer than a microsecond is cut off
    offset                   `Z`, `UTC`, `+HH:MM`, `-HH:MM`, `+HHMM` or `-HHMM`, after at most one space
"""

import re
from datetime import UTC, datetime

_TWO = tuple(f"{number:02d}" for number in range(100))
_THREE = tuple(f"{number:03d}" for number in range(1000))

_FORM = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt ](?P<clock>([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,9})?)"
    r" ?(?P<offset>[Zz]|[Uu][Tt][Cc]|[+-]\d\d:?[0-5]\d)",
    re.ASCII,
)
_WHAT_TO_WRITE = (
    "write an instant with its offset, such as 2026-11-23T22:14:02Z or 2026-11-23T22:14:02.094+01:00 "
    "(in a URL the + is written %2B)"
)


def to_wire(at: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, with 0, 3 or 6 digits after the second, as many as it needs.

    Args:
        at: The instant, with any time zone.

    Raises:
        ValueError: `at` has no time zone.
    """
    if at.tzinfo is not UTC:
        at = _in_utc(at)
    two = _TWO
    # Table look-ups take half the time of `isoformat`, and every answer holds several instants.
    seconds = (
        f"{two[at.year // 100]}{two[at.year % 100]}-{two[at.month]}-{two[at.day]}"
        f"T{two[at.hour]}:{two[at.minute]}:{two[at.second]}"
    )
    microseconds = at.microsecond
    if not microseconds:
        return f"{seconds}Z"
    milliseconds, rest = divmod(microseconds, 1000)
    if not rest:
        return f"{seconds}.{_THREE[milliseconds]}Z"
    return f"{seconds}.{_THREE[milliseconds]}{_THREE[rest]}Z"


def from_wire(text: str) -> datetime:
    """Read an instant in one of the forms above; the answer is in UTC and whole microseconds.

    Raises:
        ValueError: It has none of the forms, no offset, or names a day or time that does not exist.
            The text says what to write instead.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(f"{text!r} is not an instant: {_WHAT_TO_WRITE}")
    offset = form["offset"] if form["offset"][0] in "+-" else "Z"
    try:
        return datetime.fromisoformat(f"{form['day']}T{form['clock']}{offset}").astimezone(UTC)
    except (ValueError, OverflowError) as wrong:
        raise ValueError(f"{text!r} is not an instant ({wrong}): {_WHAT_TO_WRITE}") from wrong


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone; give it one, such as UTC")
    return at.astimezone(UTC)
