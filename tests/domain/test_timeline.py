"""Timelines: their order, and what is left out to keep them short."""

from datetime import timedelta
from itertools import permutations

from shared.domain.attempt import Trigger
from shared.domain.timeline import (
    ATTEMPTS_MAX,
    ENDPOINTS_MAX,
    MessageStanding,
    StandingReason,
    StationKind,
    as_far_as_kept,
    timeline,
)
from tests.clock import NOON
from tests.makers import a_failed_attempt, a_message, an_application, an_attempt, an_endpoint

ACME = an_application()
MESSAGE = a_message(ACME)
SECOND = timedelta(seconds=1)
KEPT = timedelta(days=90)


def test_stations_of_one_instant_are_always_in_the_same_order() -> None:
    """Whoever compares two looks at a message sees what is new, and nothing else."""
    endpoints = [an_endpoint(ACME) for _ in range(3)]
    attempts = [an_attempt(MESSAGE, endpoint) for endpoint in endpoints]
    expected = timeline(ACME, MESSAGE, attempts, endpoints, NOON)
    assert [station.attempt for station in expected.stations] == [None, *attempts, None]

    for shuffled in permutations(attempts):
        assert timeline(ACME, MESSAGE, shuffled, endpoints, NOON) == expected


def test_a_retry_whose_time_has_come_is_planned_until_it_is_made() -> None:
    """It may wait in a queue, or for its turn; it has not happened."""
    failed = a_failed_attempt(MESSAGE, next_attempt_at=NOON + SECOND)
    found = timeline(ACME, MESSAGE, [failed], [], NOON + 9 * SECOND)
    (due,) = [station for station in found.stations if station.kind is StationKind.RETRY_DUE]
    assert (due.at, due.planned) == (NOON + SECOND, True)


def test_a_message_that_was_brought_there_by_hand_was_not_given_up_before() -> None:
    """Whoever looks between two writes sees the attempt, and not yet that the retries were ended for it."""
    endpoint = an_endpoint(ACME)
    failed = a_failed_attempt(MESSAGE, endpoint, next_attempt_at=NOON + 300 * SECOND)
    by_hand = an_attempt(MESSAGE, endpoint, trigger=Trigger.MANUAL, timestamp=NOON + 9 * SECOND)
    found = timeline(ACME, MESSAGE, [failed, by_hand], [endpoint], NOON + 10 * SECOND)
    (ended,) = [station for station in found.stations if station.kind is StationKind.ENDED]
    assert (ended.at, ended.why) == (by_hand.timestamp + by_hand.duration, StandingReason.DELIVERED)


def test_of_very_many_attempts_the_last_are_left_out() -> None:
    endpoint = an_endpoint(ACME)
    attempts = [
        a_failed_attempt(MESSAGE, endpoint, number=number, timestamp=NOON + number * SECOND)
        for number in range(1, ATTEMPTS_MAX + 2)
    ]
    assert timeline(ACME, MESSAGE, attempts[:-1], [endpoint], NOON).complete

    found = timeline(ACME, MESSAGE, attempts, [endpoint], NOON)

    assert not found.complete
    assert found.endpoints[0].attempts == ATTEMPTS_MAX
    assert attempts[-1] not in [station.attempt for station in found.stations]


def test_of_very_many_endpoints_those_without_an_attempt_are_left_out_first() -> None:
    endpoints = [an_endpoint(ACME) for _ in range(ENDPOINTS_MAX + 1)]
    assert timeline(ACME, MESSAGE, [], endpoints[1:], NOON).complete

    found = timeline(ACME, MESSAGE, [an_attempt(MESSAGE, endpoints[-1])], endpoints, NOON)

    assert not found.complete
    assert [one.endpoint_id for one in found.endpoints] == [
        endpoints[-1].id,
        *(one.id for one in endpoints[: ENDPOINTS_MAX - 1]),
    ]
    assert found.endpoints[0].standing is MessageStanding.DELIVERED


def test_how_a_message_without_attempts_stands_is_told_only_while_they_would_be_kept() -> None:
    """Later nobody knows whether it was delivered."""
    endpoint = an_endpoint(ACME)
    at = MESSAGE.created_at + KEPT
    known = as_far_as_kept(timeline(ACME, MESSAGE, [], [endpoint], at), KEPT)
    assert known.endpoints[0].standing is MessageStanding.WAITING
    later = as_far_as_kept(timeline(ACME, MESSAGE, [], [endpoint], at + SECOND), KEPT)
    assert (later.endpoints[0].standing, later.endpoints[0].why) == (MessageStanding.FORGOTTEN, ())


def test_an_endpoint_beside_one_with_an_attempt_never_had_one() -> None:
    """The attempts on a message are forgotten together."""
    tried, untried = an_endpoint(ACME), an_endpoint(ACME)
    at = MESSAGE.created_at + 2 * KEPT
    found = timeline(ACME, MESSAGE, [an_attempt(MESSAGE, tried)], [tried, untried], at)
    assert as_far_as_kept(found, KEPT) == found
