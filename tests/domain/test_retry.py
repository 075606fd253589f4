"""When a message is attempted again, rule by rule."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.retry import (
    DEFAULT_SCHEDULE,
    LONGEST_BUSY_REST,
    longest_chain,
    parse_duration,
    parse_schedule,
    wait_after,
    wait_for_receiver,
)
from shared.domain.verdict import Answer, Failure

NOW = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
NO_JITTER = 0.5

dice = st.floats(0, 1, exclude_max=True)
rests = st.integers(1, 30 * 86_400_000).map(lambda milliseconds: timedelta(milliseconds=milliseconds))


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def an_answer(
    status_code: int = 500, headers: Mapping[str, str] | None = None, failure: Failure | None = None
) -> Answer:
    return Answer(status_code, "", seconds(0.1), headers or {}, failure)


def asking_for(retry_after: str, status_code: int = 503) -> Answer:
    return an_answer(status_code, {"retry-after": retry_after})


TIMED_OUT = an_answer(0, failure=Failure.TIMEOUT)


def rest_of(base: timedelta, answer: Answer, dice: float = NO_JITTER) -> timedelta:
    rest = wait_after(1, [base], answer, NOW, dice)
    assert rest is not None
    return rest


def test_the_schedule_is_walked_one_rest_per_failure_and_then_the_message_is_given_up() -> None:
    walked = [wait_after(attempt, DEFAULT_SCHEDULE, an_answer(), NOW, NO_JITTER) for attempt in range(1, 10)]

    assert walked == [*DEFAULT_SCHEDULE, None, None]


def test_the_default_schedule_is_the_one_that_receivers_know() -> None:
    assert [rest.total_seconds() for rest in DEFAULT_SCHEDULE] == [5, 300, 1800, 7200, 18000, 36000, 36000]
    assert parse_schedule("5s,5m,30m,2h,5h,10h,10h") == DEFAULT_SCHEDULE


def test_a_chain_of_retries_is_no_longer_than_receivers_can_make_it() -> None:
    """They may ask for twice the rest, and rest a minute if they are overloaded; the dice add a fifth."""
    assert longest_chain(()) == timedelta(0)
    assert longest_chain((timedelta(seconds=1), timedelta(hours=1))) == 1.2 * timedelta(hours=2, minutes=2)


def test_an_empty_schedule_retries_nothing() -> None:
    assert wait_after(1, (), an_answer(), NOW, NO_JITTER) is None


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_are_counted_from_one(attempt: int) -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        wait_after(attempt, DEFAULT_SCHEDULE, an_answer(), NOW, NO_JITTER)


@pytest.mark.parametrize(("thrown", "expected"), [(0.0, 80), (0.25, 90), (0.5, 100), (0.75, 110), (1.0, 120)])
def test_the_dice_move_a_rest_by_a_fifth_at_most(thrown: float, expected: int) -> None:
    """What failed together does not come back together."""
    assert rest_of(seconds(100), an_answer(), thrown) == seconds(expected)


@pytest.mark.parametrize("answer", [TIMED_OUT, an_answer(429)])
@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (timedelta(milliseconds=1), seconds(60)),
        (seconds(5), seconds(60)),
        (seconds(60), seconds(60)),
        (seconds(300), seconds(300)),
    ],
)
def test_an_overloaded_receiver_rests_for_a_minute_at_least(
    answer: Answer, base: timedelta, expected: timedelta
) -> None:
    """Also when the schedule is all milliseconds: the receiver, not the schedule, is what is at its end."""
    assert rest_of(base, answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        an_answer(0, failure=Failure.CONNECTION),
        an_answer(0, failure=Failure.RESOLUTION),
        an_answer(0, failure=Failure.BLOCKED),
        an_answer(308),
        an_answer(404),
        an_answer(408),
        an_answer(500),
        an_answer(503),
        an_answer(504),
    ],
)
@pytest.mark.parametrize("base", [timedelta(milliseconds=1), timedelta(milliseconds=200), seconds(5)])
def test_every_other_failure_rests_as_the_schedule_says_below_a_second_too(
    answer: Answer, base: timedelta
) -> None:
    """Schedules of milliseconds make a test suite or a private network recover at once."""
    assert rest_of(base, answer) == base


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 100),
        ("1", 100),
        ("100", 100),
        ("150", 150),
        ("150.0", 150),
        ("150.2", 151),
        (" 150 ", 150),
        ("200", 200),
        ("201", 200),
        ("9" * 400, 200),
    ],
)
def test_retry_after_in_seconds_is_heard_up_to_twice_the_rest(text: str, expected: int) -> None:
    """A receiver can ask for more time; it can neither hurry us nor park a message for years."""
    assert rest_of(seconds(100), asking_for(text)) == seconds(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tue, 24 Nov 2026 06:32:30 GMT", 150),
        ("Tuesday, 24-Nov-26 06:32:30 GMT", 150),
        ("Tue Nov 24 06:32:30 2026", 150),
        ("Tue, 24 Nov 2026 06:29:00 GMT", 100),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 100),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 200),
    ],
)
def test_retry_after_as_a_date_is_heard_the_same_way(text: str, expected: int) -> None:
    assert rest_of(seconds(100), asking_for(text)) == seconds(expected)


def test_a_date_less_than_whole_seconds_away_is_rounded_up() -> None:
    """We never come before the second that the receiver named."""
    until = NOW + seconds(150)

    rest = wait_after(
        1, [seconds(100)], asking_for(format_datetime(until, usegmt=True)), NOW + seconds(0.3), NO_JITTER
    )

    assert rest == seconds(150)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-5",
        "+150",
        "1e3",
        "inf",
        "nan",
        "150s",
        "150, 160",
        "١٥٠",  # noqa: RUF001 (digits of another script)
        "Tue, 24 Nov 2026 99:99:99 GMT",
        "Tue, 24 Nov 199 06:32:30 +9999999999",
        "\0",
    ],
)
def test_a_retry_after_that_nobody_understands_is_not_heard(text: str) -> None:
    assert rest_of(seconds(100), asking_for(text)) == seconds(100)


@settings(deadline=None)
@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [+-]\d+", fullmatch=True))
def test_no_retry_after_breaks_the_decision(text: str) -> None:
    """The header is a stranger's text."""
    assert seconds(100) <= rest_of(seconds(100), asking_for(text)) <= seconds(200)


@pytest.mark.parametrize("status_code", [301, 400, 404, 429, 500, 503])
def test_retry_after_is_heard_on_every_response_that_is_not_2xx(status_code: int) -> None:
    assert rest_of(seconds(100), asking_for("150", status_code)) == seconds(150)


def test_retry_after_without_a_response_is_not_heard() -> None:
    answer = an_answer(0, {"retry-after": "150"}, Failure.CONNECTION)

    assert rest_of(seconds(100), answer) == seconds(100)


@pytest.mark.parametrize(("asked", "expected"), [("1", 60), ("90", 90), ("3600", 120)])
def test_a_429_that_asks_for_time_gets_between_one_and_two_minutes_of_a_short_rest(
    asked: str, expected: int
) -> None:
    assert rest_of(seconds(5), asking_for(asked, 429)) == seconds(expected)


def test_a_schedule_of_milliseconds_is_stretched_to_twice_its_rest_by_retry_after() -> None:
    """A careless header cannot turn a fast schedule into a slow one."""
    assert rest_of(timedelta(milliseconds=10), asking_for("1")) == timedelta(milliseconds=20)


@settings(deadline=None)
@given(rests, st.sampled_from([500, 429, 503, 308]), st.integers(0, 10**7), dice)
def test_a_rest_stays_between_its_bounds(
    base: timedelta, status_code: int, asked_seconds: int, thrown: float
) -> None:
    rest = rest_of(base, asking_for(str(asked_seconds), status_code), thrown)

    floor = max(base, seconds(60)) if status_code == 429 else base
    rounding = timedelta(microseconds=1)
    assert floor * 0.8 - rounding <= rest <= floor * 2.4 + rounding


@settings(deadline=None)
@given(rests, dice)
def test_the_same_dice_give_the_same_rest(base: timedelta, thrown: float) -> None:
    assert rest_of(base, an_answer(), thrown) == rest_of(base, an_answer(), thrown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1ms", timedelta(milliseconds=1)),
        ("250ms", timedelta(milliseconds=250)),
        ("0s", timedelta(0)),
        ("30s", timedelta(seconds=30)),
        ("2m", timedelta(minutes=2)),
        ("120h", timedelta(days=5)),
        ("7d", timedelta(days=7)),
        ("3650d", timedelta(days=3650)),
        ("315360000000ms", timedelta(days=3650)),
    ],
)
def test_a_duration_is_a_whole_number_and_its_unit(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "s",
        "-5s",
        "+5s",
        "1.5h",
        "5 s",
        " 5s",
        "5s ",
        "5S",
        "5sec",
        "1h30m",
        "5w",
        "٥s",  # noqa: RUF001 (digits of another script)
        "3651d",
        "9" * 13 + "s",
    ],
)
def test_what_is_no_duration_is_refused_and_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write a duration such as 30s or 2m"):
        parse_duration(text)


@settings(deadline=None)
@given(st.integers(0, 3650), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_every_unit_counts(count: int, unit: str) -> None:
    one = parse_duration(f"1{unit}")

    assert parse_duration(f"{count}{unit}") == count * one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("  ", ()),
        ("5s", (seconds(5),)),
        ("1ms,2ms", (timedelta(milliseconds=1), timedelta(milliseconds=2))),
        (" 5s , 5m ", (seconds(5), seconds(300))),
        ("0s,0s", (seconds(0), seconds(0))),
    ],
)
def test_a_schedule_is_durations_with_commas_between(text: str, expected: tuple[timedelta, ...]) -> None:
    assert parse_schedule(text) == expected


@pytest.mark.parametrize("text", [",", "5s,", ",5s", "5s,,5m", "5s 5m", "5s;5m", "[5,300]", "5,300"])
def test_a_schedule_with_a_rest_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a duration such as 30s or 2m"):
        parse_schedule(text)


@pytest.mark.parametrize(
    ("times", "shortest", "longest"), [(0, 2, 4), (1, 4, 8), (5, 64, 128), (8, 300, 600), (10**6, 300, 600)]
)
def test_a_message_rests_longer_each_time_it_finds_its_receiver_too_busy(
    times: int, shortest: float, longest: float
) -> None:
    """So a backlog at a slow receiver is looked at less often the longer it lasts."""
    assert wait_for_receiver(times, 0) == seconds(shortest)
    assert seconds(0.99 * longest) < wait_for_receiver(times, 0.999) < seconds(longest)
    assert seconds(longest) <= LONGEST_BUSY_REST
