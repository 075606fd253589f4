"""Probation: how often an endpoint is pinged, and that the same is begun only once."""

from datetime import timedelta

import pytest
from msgspec import structs

from shared.domain.background_task import Probation, Recovery, Replay
from shared.domain.policy import STANDARD_HEADERS, Policy
from shared.domain.probation import (
    FIRST_REST,
    LONGEST,
    LONGEST_REST,
    SETTLING,
    WAITED,
    missed,
    payload_of_ping,
    probation_of,
    rest_before,
)
from shared.domain.signature import SignatureType
from shared.flows.directory import KEEP
from tests.clock import NOON
from tests.makers import a_task, an_endpoint

HOUR = timedelta(hours=1)
POLICY = Policy(
    retry_schedule=(HOUR, HOUR),
    request_timeout=timedelta(seconds=30),
    disable_after=120 * HOUR,
    signature_type=SignatureType.HMAC256,
    signature_headers=STANDARD_HEADERS,
    endpoint_https_only=False,
    operational_webhooks=True,
    endpoint_probation=True,
    user_agent="Heliograph/1",
    event_type_schedules={"slow": (10 * HOUR,), "never": ()},
)


@pytest.mark.parametrize(
    ("ping", "rest"),
    [(1, FIRST_REST), (2, 2 * FIRST_REST), (6, 32 * FIRST_REST), (7, LONGEST_REST), (10**6, LONGEST_REST)],
)
def test_rests_grow_up_to_a_limit_a_fifth_more_or_less(ping: int, rest: timedelta) -> None:
    assert [rest_before(ping, dice) for dice in (0, 0.5, 1)] == [0.8 * rest, rest, 1.2 * rest]


def test_limits_are_what_the_documentation_says() -> None:
    assert (timedelta(minutes=5), 4 * HOUR, timedelta(days=14)) == (FIRST_REST, LONGEST_REST, LONGEST)
    assert SETTLING > KEEP


def test_whoever_asks_for_the_probation_of_a_failure_asks_for_the_same() -> None:
    endpoint, now = an_endpoint(), NOON + 121 * HOUR
    task = probation_of(endpoint, POLICY, NOON, now)
    assert probation_of(endpoint, POLICY, NOON, now + HOUR).id == task.id
    assert (task.org_id, task.app_id, task.asked_at) == (endpoint.org_id, endpoint.app_id, NOON + 120 * HOUR)
    others = [
        probation_of(an_endpoint(), POLICY, NOON, now),
        probation_of(endpoint, POLICY, NOON + timedelta(microseconds=1), now),
    ]
    assert len({task.id, *(other.id for other in others)}) == 3


def test_what_was_given_up_first_was_posted_before() -> None:
    """By the longest schedule that messages may have, with all that a receiver may ask for."""
    old, young = [an_endpoint(id="ep_1", created_at=NOON - age * HOUR) for age in (48, 1)]
    assert probation_of(old, POLICY, NOON, NOON).arguments == Probation("ep_1", NOON - 24 * HOUR)
    assert probation_of(young, POLICY, NOON, NOON).arguments == Probation("ep_1", NOON - HOUR)


def test_what_was_missed_is_sent_by_the_same_tasks_whenever_they_are_asked_for() -> None:
    probation = Probation("ep_1", NOON - HOUR, NOON, NOON + HOUR)
    task = a_task(arguments=probation)
    recovery, replay = missed(task, probation)
    until = NOON + HOUR + SETTLING
    assert recovery.arguments == Recovery("ep_1", NOON - HOUR - WAITED, until)
    assert replay.arguments == Replay("ep_1", NOON - HOUR, until)
    assert recovery.id != replay.id
    later = structs.replace(task, step=9, updated_at=NOON + 2 * HOUR)
    assert list(missed(later, probation)) == [recovery, replay]


def test_a_ping_names_its_type_and_says_nothing_of_messages() -> None:
    payload = payload_of_ping(Probation("ep_1", NOON), NOON)
    assert payload == (
        b'{"type":"heliograph.ping","data":{"endpointId":"ep_1","disabledAt":"2026-11-24T12:00:00Z"}}'
    )
