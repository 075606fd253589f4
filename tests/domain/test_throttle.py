"""Deliveries per second: turns keep a rate, whenever deliveries come."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import application as applications
from shared.domain import endpoint as endpoints
from shared.domain.application import ApplicationEdit
from shared.domain.endpoint import EndpointEdit
from shared.domain.throttle import EARLY, LOOK, Limit, Turn, limit_of, look_at, take, waiting
from tests.clock import NOON
from tests.makers import an_application, an_endpoint

SECOND = timedelta(seconds=1)


def test_an_endpoint_and_its_application_may_each_have_a_rate() -> None:
    assert limit_of(an_endpoint()) is None
    endpoint, application = an_endpoint(throttle_rate=50), an_application(throttle_rate=8)
    assert limit_of(endpoint) == Limit(endpoint.id, timedelta(milliseconds=20))
    assert limit_of(application) == Limit(application.id, timedelta(milliseconds=125))


def test_each_change_of_a_rate_begins_another_line() -> None:
    """Also one back to what it was: nobody knows how many still wait in the old one."""
    endpoint = an_endpoint(throttle_rate=50)
    lines = [limit_of(endpoint)]
    for hours, rate in ((1, 7), (2, 50)):
        endpoint = endpoints.edited(endpoint, EndpointEdit(throttle_rate=rate), NOON + timedelta(hours=hours))
        lines.append(limit_of(endpoint))
    assert len({limit.line for limit in lines if limit}) == 3

    endpoint = endpoints.edited(endpoint, EndpointEdit(description="…", throttle_rate=50), NOON + 3 * SECOND)
    assert limit_of(endpoint) == lines[-1]

    application = an_application(throttle_rate=1)
    edited = applications.edited(application, ApplicationEdit(throttle_rate=2), NOON)
    assert limit_of(edited) != limit_of(application)
    assert limit_of(applications.edited(edited, ApplicationEdit(name="Beta"), NOON)) == limit_of(edited)


def test_turns_follow_each_other_one_interval_apart() -> None:
    line, free_at, turns = [Limit("ep_1@1", SECOND)], dict[str, datetime](), list[Turn | None]()
    for _ in range(3):
        turn, taken = take(free_at, line, NOON)
        free_at |= taken
        turns.append(turn)
    assert turns == [None, Turn(NOON + SECOND, "ep_1@1"), Turn(NOON + 2 * SECOND, "ep_1@1")]


def test_turns_that_nobody_took_are_not_saved_up() -> None:
    """After an hour without messages an endpoint gets no hour's worth of them at once."""
    line = [Limit("ep_1@1", SECOND)]
    _, taken = take({"ep_1@1": NOON}, line, NOON + timedelta(hours=1))
    assert taken == {"ep_1@1": NOON + timedelta(hours=1) + SECOND}


def test_who_waits_for_the_endpoint_uses_up_nothing_of_the_application() -> None:
    both = [Limit("ep_1@1", SECOND), Limit("app_1@10", SECOND / 10)]
    turn, taken = take({"ep_1@1": NOON + SECOND}, both, NOON)
    assert turn == Turn(NOON + SECOND, "ep_1@1")
    assert taken == {"ep_1@1": NOON + 2 * SECOND}


def test_who_waits_for_the_application_has_had_a_turn_at_the_endpoint() -> None:
    both = [Limit("ep_1@1", SECOND), Limit("app_1@10", SECOND / 10)]
    turn, taken = take({"app_1@10": NOON + SECOND}, both, NOON)
    assert turn == Turn(NOON + SECOND, "app_1@10")
    assert taken == {"ep_1@1": NOON + SECOND, "app_1@10": NOON + SECOND * 1.1}


@given(
    rate=st.sampled_from([1, 7, 50, 500, 65_535]),
    gaps_us=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=200),
)
def test_whenever_deliveries_come_no_ten_seconds_have_more_than_the_rate(
    rate: int, gaps_us: list[int]
) -> None:
    """Five percent more are promised; leaving early adds one percent of them."""
    limit = Limit("ep_1", SECOND / rate)
    now, free_at, left = NOON, dict[str, datetime](), list[datetime]()
    for gap_us in gaps_us:
        now += timedelta(microseconds=gap_us)
        turn, taken = take(free_at, [limit], now)
        free_at |= taken
        left.append(now if turn is None else turn.at)
    left.sort()
    for index, first in enumerate(left):
        among = sum(1 for at in left[index:] if at < first + 10 * SECOND)
        # One fits at either end.
        assert among <= rate * (10 + EARLY / SECOND) * 1.0001 + 1


@pytest.mark.parametrize(
    ("wait", "looks_in"),
    [
        pytest.param(SECOND, SECOND, id="soon: at the turn"),
        pytest.param(LOOK, LOOK, id="just short enough"),
        pytest.param(LOOK + SECOND, SECOND, id="long: a whole number of looks before the turn"),
        pytest.param(10 * LOOK + 7 * SECOND, 7 * SECOND, id="very long"),
        pytest.param(-SECOND, -SECOND, id="it is past"),
    ],
)
def test_who_waits_long_looks_in_between(wait: timedelta, looks_in: timedelta) -> None:
    """So a rate that was raised or removed is known to them in minutes, however long the line."""
    assert look_at(Turn(NOON + wait, "ep_1@1"), NOON) == NOON + looks_in


@pytest.mark.parametrize(("next_turn", "count"), [(NOON, 0), (NOON + SECOND, 0), (NOON + 3 * SECOND, 2)])
def test_who_waits_is_counted_by_the_turns_ahead(next_turn: datetime, count: int) -> None:
    """The turn of whoever has just left is no turn that somebody waits for."""
    assert waiting(Limit("ep_1@1", SECOND), next_turn, NOON) == count
