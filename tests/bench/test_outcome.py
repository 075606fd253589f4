"""A benchmark that cannot see a loss proves nothing by seeing none."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.bench.generator import Report as Posted
from tests.bench.outcome import compared, percentiles, rates_in_windows
from tests.bench.receiver import Report as Arrived

MILLISECOND = 1_000_000
POSTED = Posted(
    started_ns=0,
    ended_ns=9 * MILLISECOND,
    cpu_seconds=0,
    intended_ns=[1 * MILLISECOND, 2 * MILLISECOND, 3 * MILLISECOND],
    answered_ns=[2 * MILLISECOND, 4 * MILLISECOND, 6 * MILLISECOND],
    statuses=[202, 202, 500],
    message_ids=["msg_a", "msg_b", ""],
)
ARRIVED = Arrived(
    arrivals_ns=[[5 * MILLISECOND, 6 * MILLISECOND], [7 * MILLISECOND, 8 * MILLISECOND]],
    message_ids=["msg_a", "msg_b"],
    mixed_ids=0,
)
SERVED = {"msg_a": 2, "msg_b": 2}


def test_nothing_is_lost_when_all_accepted_has_arrived_and_is_recorded() -> None:
    outcome = compared(POSTED, ARRIVED, SERVED, first=0)

    assert outcome.lost == 0
    assert outcome.acceptance_ms == [1, 2]
    assert sorted(outcome.delivery_ms) == [4, 4, 6, 6]


def test_what_has_not_arrived_everywhere_is_lost() -> None:
    arrived = replace(ARRIVED, arrivals_ns=[[5 * MILLISECOND, 6 * MILLISECOND], [7 * MILLISECOND, 0]])

    assert compared(POSTED, arrived, SERVED, first=0).lost == 1


def test_what_is_not_recorded_is_lost() -> None:
    """The customer sees it fail to arrive in every list."""
    assert compared(POSTED, ARRIVED, {"msg_a": 2}, first=0).lost == 2


def test_what_arrives_under_another_id_is_lost() -> None:
    """Receivers tell repeats by the id."""
    assert compared(POSTED, replace(ARRIVED, message_ids=["msg_a", "msg_c"]), SERVED, first=0).lost == 2
    assert compared(POSTED, replace(ARRIVED, mixed_ids=1), SERVED, first=0).lost == 1


def test_a_second_load_is_told_from_the_first_by_its_numbers() -> None:
    second = replace(POSTED, message_ids=["msg_c", "msg_d", ""])

    assert compared(second, ARRIVED, SERVED, first=2).lost == 4


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (1, 1, 1, 1)), (100, (50, 95, 99, 100)), (3, (2, 3, 3, 3))]
)
def test_a_percentile_is_a_latency_that_somebody_had(
    count: int, expected: tuple[float, float, float, float]
) -> None:
    found = percentiles(range(count, 0, -1))

    assert (found.p50, found.p95, found.p99, found.highest) == expected


def test_no_latencies_have_no_percentiles() -> None:
    assert math.isnan(percentiles([]).p50)


def test_a_rate_is_looked_for_in_every_window() -> None:
    """Ten in the first second do not count; then there are two a second, and at the end four."""
    window = timedelta(seconds=2)
    arrivals_ms = [*range(0, 1_000, 100), *range(1_000, 6_000, 500), *range(6_000, 9_000, 250)]
    assert rates_in_windows([at * MILLISECOND for at in arrivals_ms], window) == (2, 4)


def test_of_too_little_there_is_no_rate() -> None:
    lowest, highest = rates_in_windows([0, 1], timedelta(seconds=10))
    assert math.isnan(lowest)
    assert math.isnan(highest)
