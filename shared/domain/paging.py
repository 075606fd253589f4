"""Pages of lists: from a caller's `limit`, `iterator`, `before` and `after` to one range scan, and back.

Stores know only `Scan`: a range of keys, a direction and a limit. Everything that the contract says
about iterators, windows and `done` is decided here, once for every store and every list.

Two families of lists:
- by key (applications, endpoints, event types): `scan_by_key`;
- by time (messages, attempts), newest first, within a window of 90 days: `scan_by_time`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from shared.domain import ids

DEFAULT_LIMIT = 50
MAX_LIMIT = 250
WINDOW = timedelta(days=90)
AHEAD = timedelta(hours=1)
"""How far in the future an id may lie: clocks of several hosts differ."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Scan:
    """One range of keys, compared bytewise.

    Attributes:
        above: Only keys greater than this; None for no lower bound.
        below: Only keys less than this; None for no upper bound.
        descending: From the greatest key down.
        limit: How many rows the caller wants; a store reads one more to know whether there are more.
        reverse: The rows are to be shown in the opposite order of the scan.
    """

    above: str | None
    below: str | None
    descending: bool
    limit: int
    reverse: bool = False

    def of(self, keys: Iterable[str]) -> Sequence[str]:
        """Those of some keys that it finds, in its order, one more than its limit."""
        within = (
            key
            for key in keys
            if (self.above is None or key > self.above) and (self.below is None or key < self.below)
        )
        return sorted(within, reverse=self.descending)[: self.limit + 1]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """What a list answers.

    Attributes:
        rows: In the order to be shown.
        iterator: Where the next page begins; None if this page is empty.
        prev_iterator: Where the page before begins; None if this page is empty.
        done: There is nothing more in the direction travelled.
    """

    rows: Sequence[Row]
    iterator: str | None
    prev_iterator: str | None
    done: bool

    def map(self, change: Callable[[Row], "Other"]) -> "Page[Other]":
        """The same page with every row changed."""
        return Page([change(row) for row in self.rows], self.iterator, self.prev_iterator, self.done)


Other = TypeVar("Other")


def scan_by_key(limit: int, iterator: str | None, *, descending: bool) -> Scan:
    """The scan for a list in order of its keys.

    Args:
        limit: Rows wanted.
        iterator: A key to go on after, in the list's order; with a leading `-`, to go back before.
        descending: The list's order.
    """
    if iterator is None:
        return Scan(None, None, descending, limit)
    back = iterator.startswith("-")
    key = iterator.removeprefix("-")
    downward = descending != back
    return Scan(None if downward else key, key if downward else None, downward, limit, reverse=back)


@dataclass(frozen=True, slots=True)
class TimeQuery:
    """What a caller asks of a list that is ordered by time."""

    limit: int = DEFAULT_LIMIT
    iterator: str | None = None
    before: datetime | None = None
    after: datetime | None = None


def scan_by_time(query: TimeQuery, prefix: str, now: datetime) -> Scan:
    """The scan for a list that shows the newest first.

    The window is the 90 days before `before`, else after `after`, else around the iterator, else before now;
    bounds hold at the 4 ms ticks of the ids. With `after` alone, the page holds the *oldest* rows after it.

    Args:
        query: The caller's words.
        prefix: The prefix of the listed ids, such as `msg_`.
        now: UTC.

    Raises:
        ValueError: The iterator is not an id of this list.
    """
    key, back, middle = None, False, now
    if query.iterator is not None:
        back = query.iterator.startswith("-")
        key = query.iterator.removeprefix("-")
        if not key.startswith(prefix):
            raise ValueError(f"an iterator of this list begins with {prefix!r}")
        middle = ids.instant_of(key)
    lower, upper = _window(query, prefix, middle, now, back=back)
    if key is not None and back:
        lower = max(lower, key)
    elif key is not None:
        upper = min(upper, key)
    upward = back or (key is None and query.after is not None and query.before is None)
    return Scan(lower, upper, descending=not upward, limit=query.limit, reverse=upward)


def _window(query: TimeQuery, prefix: str, middle: datetime, now: datetime, *, back: bool) -> tuple[str, str]:
    lowers, uppers = [], [ids.start_id(prefix, now + AHEAD)]
    # Clamped first: a year 0001 or 9999 has no room for a window beside it.
    if query.before is not None:
        before = ids.clamp(query.before)
        uppers.append(_start(prefix, before))
        lowers.append(_start(prefix, before - WINDOW))
    if query.after is not None:
        after = ids.clamp(query.after)
        lowers.append(_start(prefix, after))
        if query.before is None:
            uppers.append(_end(prefix, after + WINDOW))
    if not lowers:
        lowers.append(_start(prefix, middle if back else middle - WINDOW))
        if back:
            uppers.append(_end(prefix, middle + WINDOW))
    return max(lowers), min(uppers)


def _start(prefix: str, at: datetime) -> str:
    return ids.start_id(prefix, ids.clamp(at))


def _end(prefix: str, at: datetime) -> str:
    return ids.end_id(prefix, ids.clamp(at))


def page_of(rows: Sequence[Row], scan: Scan, key_of: Callable[[Row], str]) -> Page[Row]:
    """Make a page of what a scan found.

    Args:
        rows: In the scan's order, at most one more than its limit.
        scan: The scan that found them.
        key_of: The key of a row.
    """
    shown = list(rows[: scan.limit])
    if scan.reverse:
        shown.reverse()
    return Page(
        rows=shown,
        iterator=key_of(shown[-1]) if shown else None,
        prev_iterator=f"-{key_of(shown[0])}" if shown else None,
        done=len(rows) <= scan.limit,
    )
