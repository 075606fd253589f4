"""NCRONTAB as Azure reads it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.schedule import Schedule
from tests.clock import NOON


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("0 * * * * *", "2026-11-24 12:01:00", "2026-11-24 12:02:00"),
        ("0 */5 * * * *", "2026-11-24 12:05:00", "2026-11-24 12:10:00"),
        ("*/30 * * * * *", "2026-11-24 12:00:30", "2026-11-24 12:01:00"),
        ("15 0 0 * * *", "2026-11-25 00:00:15", "2026-11-26 00:00:15"),
        ("0 30 9 * * 1-5", "2026-11-25 09:30:00", "2026-11-26 09:30:00"),
        ("0 30 9 * Jan Mon", "2027-01-04 09:30:00", "2027-01-11 09:30:00"),
        ("0 0 9-17/4 * * *", "2026-11-24 13:00:00", "2026-11-24 17:00:00"),
        ("0 0 0 29 2 *", "2028-02-29 00:00:00", "2032-02-29 00:00:00"),
    ],
)
def test_runs_come_when_the_text_says(text: str, first: str, second: str) -> None:
    runs = [datetime.fromisoformat(run).replace(tzinfo=UTC) for run in (first, second)]

    schedule = Schedule(text)

    assert [schedule.after(NOON), schedule.after(runs[0])] == runs


def test_day_and_weekday_must_both_fit() -> None:
    """Unix's cron takes either; Azure wants both, so Friday the 13th is Friday the 13th."""
    assert Schedule("0 0 0 13 * Fri").after(NOON) == datetime(2027, 8, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*/5 * * * *",
        "0 */5 * * * * 2027",
        "60 * * * * *",
        "0 0 25 * * *",
        "0 0 0 0 * *",
        "0 0 0 30 2 *",
        "0 0 0 L * *",
        "0 0 0 ? * *",
        "R * * * * *",
        "@daily",
        "00:05:00",
        "0 0 0 * * Someday",
    ],
)
def test_what_azure_would_not_take_is_refused(text: str) -> None:
    """A timer that works on a laptop and silently never runs in the cloud is the worst of both."""
    with pytest.raises(ValueError, match="write six fields, the seconds first, such as"):
        Schedule(text)


@given(instant=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_next_run_is_later_and_there_is_none_between(instant: datetime) -> None:
    run = Schedule("0 */5 * * * *").after(instant)

    assert timedelta() < run - instant <= timedelta(minutes=5)
    assert (run.minute % 5, run.second, run.microsecond) == (0, 0, 0)
