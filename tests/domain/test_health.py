"""Circuits: who fails every time is tried less often, and found soon when it is back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.health import (
    FAILING_FOR,
    FAILURES_TO_OPEN,
    LATEST,
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    TRIAL,
    Circuit,
    Health,
    failed,
    health_of,
    let_through,
    look_at,
    succeeded,
)
from tests.clock import NOON
from tests.makers import an_endpoint

SECOND = timedelta(seconds=1)
LATER = NOON + FAILING_FOR
FRESH = Health(NOON)


def after_failures(count: int, first: datetime = NOON, last: datetime = LATER) -> Health:
    """The first failures at once, and the last one later."""
    health = FRESH
    for _ in range(count - 1):
        health = failed(health, first)
    return failed(health, last)


def test_many_failures_in_a_row_over_a_while_open_the_circuit() -> None:
    health = after_failures(FAILURES_TO_OPEN)
    assert health.circuit(LATER) is Circuit.OPEN
    assert health.waits_until(LATER) == LATER + SHORTEST_PAUSE


@pytest.mark.parametrize(
    ("count", "last"),
    [
        pytest.param(FAILURES_TO_OPEN - 1, LATER, id="too few"),
        pytest.param(10 * FAILURES_TO_OPEN, LATER - SECOND, id="too soon: a deployment"),
    ],
)
def test_a_few_failures_or_a_short_outage_do_not(count: int, last: datetime) -> None:
    health = after_failures(count, last=last)
    assert (health.circuit(last), health.waits_until(last)) == (Circuit.CLOSED, None)


def test_one_success_between_the_failures_keeps_it_closed() -> None:
    health = succeeded(after_failures(FAILURES_TO_OPEN - 1), LATER)
    health = failed(health, LATER + FAILING_FOR)
    assert health.circuit(LATER + FAILING_FOR) is Circuit.CLOSED


def test_after_the_pause_one_is_let_through_and_the_others_wait_for_it() -> None:
    at = LATER + SHORTEST_PAUSE
    health = after_failures(FAILURES_TO_OPEN)
    assert (health.circuit(at), health.waits_until(at)) == (Circuit.HALF_OPEN, None)

    health = let_through(health, at)
    assert (health.circuit(at), health.waits_until(at)) == (Circuit.HALF_OPEN, at + TRIAL)
    assert health.waits_until(at + TRIAL) is None


def test_a_success_closes_it_whoever_had_it() -> None:
    """A retry or an attempt by hand, also while it is open."""
    health = after_failures(FAILURES_TO_OPEN)
    for before in (health, let_through(health, LATER + SHORTEST_PAUSE)):
        after = succeeded(before, LATER + SHORTEST_PAUSE)
        assert (after.circuit(LATER), after.in_a_row, after.delivered_at) == (
            Circuit.CLOSED,
            0,
            LATER + SHORTEST_PAUSE,
        )


def test_each_failure_after_a_pause_doubles_it_up_to_a_limit() -> None:
    health, at, pauses = after_failures(FAILURES_TO_OPEN), LATER, list[timedelta]()
    for _ in range(7):
        assert health.until is not None
        pauses.append(health.until - at)
        at = health.until
        health = failed(let_through(health, at), at)
    assert pauses == [SHORTEST_PAUSE * 2**n for n in range(5)] + [LONGEST_PAUSE] * 2


def test_failures_during_a_pause_do_not_lengthen_it() -> None:
    """Retries go on, and with many of them nothing would be let through any more."""
    health = after_failures(FAILURES_TO_OPEN)
    after = failed(health, LATER + SECOND)
    assert (after.until, after.pause, after.in_a_row) == (
        health.until,
        health.pause,
        FAILURES_TO_OPEN + 1,
    )


def test_a_closed_circuit_lets_through_as_it_is() -> None:
    assert let_through(FRESH, NOON) == FRESH


def test_what_is_kept_of_an_endpoint_tells_whether_it_fails() -> None:
    """After a start, when nothing is remembered."""
    for since in (None, NOON - FAILING_FOR + SECOND):
        assert health_of(an_endpoint(failing_since=since), NOON).circuit(NOON) is Circuit.CLOSED

    health = health_of(an_endpoint(failing_since=NOON - FAILING_FOR), NOON)

    assert (health.circuit(NOON), health.waits_until(NOON)) == (Circuit.HALF_OPEN, None)
    health = failed(let_through(health, NOON), NOON + SECOND)
    assert health.waits_until(NOON + SECOND) == NOON + SECOND + 2 * SHORTEST_PAUSE


def test_the_share_of_failures_is_that_of_the_latest_attempts() -> None:
    assert FRESH.failure_share is None
    health = FRESH
    for _ in range(10 * LATEST):
        health = succeeded(health, NOON)
    assert health.failure_share == 0
    for _ in range(LATEST):
        health = failed(health, NOON)
    assert 0.7 < (health.failure_share or 0) < 1
    for _ in range(3 * LATEST):
        health = failed(health, NOON)
    assert 0.95 < (health.failure_share or 0) <= 1


@pytest.mark.parametrize(("dice", "after"), [(0, 0 * SECOND), (0.5, SHORTEST_PAUSE / 2)])
def test_what_waits_is_spread_over_a_pause(dice: float, after: timedelta) -> None:
    assert look_at(after_failures(FAILURES_TO_OPEN), NOON, dice) == NOON + after


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from(["succeeds", "fails", "comes"])),
        min_size=1,
        max_size=300,
    )
)
def test_whatever_happens_nothing_waits_long_and_few_are_let_through(
    steps: Sequence[tuple[int, str]],
) -> None:
    """An open circuit lets one through now and then, and never has anything wait for more than its pause."""
    health, now, passed = health_of(an_endpoint(failing_since=NOON - FAILING_FOR), NOON), NOON, False
    for seconds, what in steps:
        now += timedelta(seconds=seconds)
        until = health.waits_until(now)
        if until is not None:
            assert until <= now + max(LONGEST_PAUSE, TRIAL)
            assert health.circuit(now) is not Circuit.CLOSED
        match what:
            case "succeeds":
                health = succeeded(health, now)
                assert health.waits_until(now) is None
            case "fails":
                health = failed(health, now)
            case "comes" if until is None:
                health = let_through(health, now)
                passed = health.pause is None
                assert passed or health.waits_until(now) is not None
        assert health.pause is None or SHORTEST_PAUSE <= health.pause <= LONGEST_PAUSE
