"""Pages: what callers may rely on when they walk through a list."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import ids
from shared.domain.paging import Page, Scan, TimeQuery, page_of, scan_by_key, scan_by_time

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
keys = st.lists(st.text("abcdef", min_size=1, max_size=3), unique=True, max_size=12).map(sorted)


def run(stored: Sequence[str], scan: Scan) -> list[str]:
    """What a store answers: the keys between the bounds, in the scan's order, one more than its limit."""
    found = [
        key
        for key in stored
        if (scan.above is None or key > scan.above) and (scan.below is None or key < scan.below)
    ]
    found.sort(reverse=scan.descending)
    return found[: scan.limit + 1]


def page(stored: Sequence[str], scan: Scan) -> Page[str]:
    return page_of(run(stored, scan), scan, str)


def by_key(stored: Sequence[str], limit: int, iterator: str | None, *, descending: bool) -> Page[str]:
    return page(stored, scan_by_key(limit, iterator, descending=descending))


@given(stored=keys, limit=st.integers(1, 5), descending=st.booleans())
def test_walking_forward_shows_every_row_once(stored: list[str], limit: int, *, descending: bool) -> None:
    shown: list[str] = []
    iterator, done = None, False
    while not done:
        now = by_key(stored, limit, iterator, descending=descending)
        shown += now.rows
        iterator, done = now.iterator, now.done
    assert shown == sorted(stored, reverse=descending)


@given(stored=keys, limit=st.integers(1, 5), descending=st.booleans())
def test_going_back_shows_the_page_before_in_the_same_order(
    stored: list[str], limit: int, *, descending: bool
) -> None:
    first = by_key(stored, limit, None, descending=descending)
    if first.done:
        return
    second = by_key(stored, limit, first.iterator, descending=descending)
    back = by_key(stored, limit, second.prev_iterator, descending=descending)
    assert back.rows == first.rows
    assert back.done


def test_an_empty_page_has_no_iterators_and_is_done() -> None:
    assert by_key([], 50, None, descending=False) == Page([], None, None, done=True)


def test_the_last_page_still_names_its_last_row() -> None:
    """Callers keep the iterator and ask again later for what is new."""
    assert by_key(["a", "b"], 50, None, descending=False) == Page(["a", "b"], "b", "-a", done=True)


def test_a_limit_of_zero_tells_whether_there_is_anything() -> None:
    assert by_key(["a"], 0, None, descending=False) == Page([], None, None, done=False)


def message_ids(count: int) -> list[str]:
    """Ids of messages one minute apart, the newest made now; oldest first."""
    return [
        ids.new_id(ids.MESSAGE, NOW - (count - 1 - place) * MINUTE, bytes([place]) * ids.DICE_BYTES)
        for place in range(count)
    ]


def by_time(stored: Sequence[str], query: TimeQuery) -> Page[str]:
    return page(stored, scan_by_time(query, ids.MESSAGE, NOW))


def test_without_a_question_the_newest_come_first() -> None:
    stored = message_ids(6)
    assert by_time(stored, TimeQuery(limit=2)).rows == [stored[5], stored[4]]


def test_before_leaves_out_its_own_instant_and_after_keeps_it() -> None:
    stored = message_ids(6)
    at = NOW - 3 * MINUTE  # the instant of stored[2]
    assert by_time(stored, TimeQuery(before=at)).rows == [stored[1], stored[0]]
    assert by_time(stored, TimeQuery(after=at)).rows == stored[:1:-1]


def test_after_alone_shows_the_oldest_rows_after_it_newest_first() -> None:
    """Whoever catches up from an instant misses nothing in between."""
    stored = message_ids(6)
    found = by_time(stored, TimeQuery(limit=2, after=NOW - 4 * MINUTE))
    assert found.rows == [stored[2], stored[1]]
    assert not found.done


def test_both_bounds_hold_together() -> None:
    stored = message_ids(6)
    query = TimeQuery(before=NOW - MINUTE, after=NOW - 4 * MINUTE)
    assert by_time(stored, query).rows == [stored[3], stored[2], stored[1]]


def test_iterators_walk_there_and_back() -> None:
    stored = message_ids(6)
    first = by_time(stored, TimeQuery(limit=2))
    second = by_time(stored, TimeQuery(limit=2, iterator=first.iterator))
    assert second.rows == [stored[3], stored[2]]
    assert by_time(stored, TimeQuery(limit=2, iterator=second.prev_iterator)).rows == first.rows


def test_what_is_older_than_90_days_needs_to_be_asked_for() -> None:
    old = ids.new_id(ids.MESSAGE, NOW - timedelta(days=91), bytes(ids.DICE_BYTES))
    assert by_time([old], TimeQuery()).rows == []
    assert by_time([old], TimeQuery(before=NOW - timedelta(days=30))).rows == [old]


def test_bounds_outside_of_what_ids_can_say_are_taken_as_the_nearest() -> None:
    stored = message_ids(2)
    for year in (1, 1970):
        at = datetime(year, 1, 1, tzinfo=UTC)
        assert by_time(stored, TimeQuery(before=at)).rows == []
    for year in (2200, 9999):
        at = datetime(year, 12, 31, tzinfo=UTC)
        assert by_time(stored, TimeQuery(after=at)).rows == []


@pytest.mark.parametrize(
    "iterator", ["BAD-$$$ITERATOR", "-BAD", "atmpt_1srOrr5WjKyYWLajIlnglfBaJQu", "msg_short"]
)
def test_an_iterator_of_another_list_is_refused(iterator: str) -> None:
    with pytest.raises(ValueError, match=r"an iterator of this list begins|is not an id"):
        scan_by_time(TimeQuery(iterator=iterator), ids.MESSAGE, NOW)
