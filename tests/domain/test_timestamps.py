"""Instants on the wire: every client reads ours, and we read what clients really send."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.timestamps import from_wire, to_wire

AT = datetime(2026, 11, 23, 22, 14, 2, 94_123, tzinfo=UTC)

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# A day's distance to either end of the calendar, so that every offset fits.
instants = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC) | offsets)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 8, 21, 22, 24, 36, 123_456, tzinfo=UTC), "2026-08-21T22:24:36.123456Z"),
        (datetime(2026, 8, 21, 22, 24, 36, 123_000, tzinfo=UTC), "2026-08-21T22:24:36.123Z"),
        (datetime(2026, 8, 21, 22, 24, 36, tzinfo=UTC), "2026-08-21T22:24:36Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=UTC), "2026-01-02T03:04:05.000001Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 1_000, tzinfo=UTC), "2026-01-02T03:04:05.001Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T23:00:00Z"),
    ],
)
def test_an_instant_is_written_in_utc_with_the_digits_it_needs(at: datetime, expected: str) -> None:
    assert to_wire(at) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T22:14:02.094123Z",
        "2026-11-23t22:14:02.094123z",
        "2026-11-23 22:14:02.094123Z",
        "2026-11-23T22:14:02.094123 Z",
        "2026-11-23 22:14:02.094123 UTC",
        "2026-11-23T22:14:02.094123UTC",
        "2026-11-23T22:14:02.094123utc",
        "2026-11-23T22:14:02.0941239Z",
        "2026-11-23 22:14:02.094123456 UTC",
        "2026-11-23T22:14:02.094123999Z",
        "2026-11-23T22:14:02.094123+00:00",
        "2026-11-23T22:14:02.094123-00:00",
        "2026-11-23T22:14:02.094123+0000",
        "2026-11-23T22:14:02.094123 +00:00",
        "2026-11-23T23:44:02.094123+01:30",
        "2026-11-23T23:44:02.094123+0130",
        "2026-11-23 23:44:02.094123 +0130",
        "2026-11-23T14:14:02.094123-08:00",
        "2026-11-24T22:13:02.094123+23:59",
    ],
)
def test_every_form_that_clients_send_is_read(text: str) -> None:
    """One known client writes a space, nanoseconds and the word UTC; the nanoseconds are cut, not rounded."""
    read = from_wire(text)

    assert read == AT
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    ("digits", "microsecond"),
    [
        ("", 0),
        (".0", 0),
        (".5", 500_000),
        (".05", 50_000),
        (".123", 123_000),
        (".1234", 123_400),
        (".999999", 999_999),
        (".9999999", 999_999),
        (".999999999", 999_999),
    ],
)
def test_a_fraction_has_up_to_nine_digits_and_is_cut_to_six(digits: str, microsecond: int) -> None:
    """Rounding up could move a filter past the very row it came from."""
    assert from_wire(f"2026-12-31T23:59:59{digits}Z") == datetime(2026, 12, 31, 23, 59, 59, microsecond, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1700000000",
        "2026-11-23",
        "2026-11-23T22:14Z",
        "2026-11-23T22:14:02",
        "2026-11-23 22:14:02.094123",
        "2026-11-23T22:14:02.Z",
        "2026-11-23T22:14:02,5Z",
        "2026-11-23T22:14:02.0123456789Z",
        "2026-11-23T22:14:02  Z",
        "2026-11-23  22:14:02Z",
        "2026-11-23_22:14:02Z",
        "2026-11-23T22:14:02+01",
        "2026-11-23T22:14:02 00:00",
        "2026-11-23T22:14:02+24:00",
        "2026-11-23T22:14:02+01:60",
        "2026-11-23T22:14:02CET",
        "2026-13-23T22:14:02Z",
        "2026-02-29T22:14:02Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T22:60:00Z",
        "2026-11-23T22:14:60Z",
        "0000-11-23T22:14:02Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "26-11-23T22:14:02Z",
        "20261123T221402Z",
        "2026-W48-1T22:14:02Z",
        " 2026-11-23T22:14:02Z",
        "2026-11-23T22:14:02Z\n",
        "２０２６-11-23T22:14:02Z",  # noqa: RUF001 (digits of another script)
    ],
)
def test_anything_else_is_refused_and_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write an instant with its offset, such as 2026-11-23T22:14:02Z"):
        from_wire(text)


def test_an_instant_without_a_time_zone_is_not_written() -> None:
    """It would mean another moment on every machine."""
    with pytest.raises(ValueError, match="has no time zone"):
        to_wire(datetime(2026, 11, 23))  # noqa: DTZ001 (the mistake under test)


@settings(deadline=None)
@given(instants)
def test_what_is_written_reads_back_as_the_same_instant(at: datetime) -> None:
    """A client that sends back a timestamp it got from us means the very same row."""
    assert from_wire(to_wire(at)) == at


@settings(deadline=None)
@given(instants)
def test_what_python_writes_is_read(at: datetime) -> None:
    """SDKs send `isoformat()`."""
    assert from_wire(at.isoformat()) == at
    assert from_wire(at.isoformat(" ")) == at


@settings(deadline=None)
@given(instants)
def test_what_is_written_is_the_shortest_of_its_three_lengths(at: datetime) -> None:
    fraction = to_wire(at).removesuffix("Z").partition(".")[2]

    assert len(fraction) in (0, 3, 6)
    assert not fraction.endswith("000")
