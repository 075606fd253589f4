"""What is told of an attempt, and the event types that it is told as."""

from datetime import timedelta

import msgspec
import pytest
from jsonschema import Draft7Validator

from shared.domain.attempt import Attempt, Trigger
from shared.domain.event_type import EventType
from shared.domain.operational import MANAGEMENT_ORG, Kind, event_id_of, kind_after, seeded
from tests.clock import NOON
from tests.makers import a_failed_attempt, a_message, an_attempt, an_endpoint

SOON = NOON + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("attempt", "kind"),
    [
        pytest.param(an_attempt(), None, id="a first success"),
        pytest.param(an_attempt(number=4), None, id="it has not been told as failing"),
        pytest.param(an_attempt(number=5), Kind.ATTEMPT_RECOVERED, id="success at the fifth"),
        pytest.param(an_attempt(number=8), Kind.ATTEMPT_RECOVERED, id="success at a later one"),
        pytest.param(a_failed_attempt(number=3), None, id="the third failure"),
        pytest.param(a_failed_attempt(number=4), Kind.ATTEMPT_FAILING, id="the fourth failure"),
        pytest.param(a_failed_attempt(number=5), None, id="the fifth: it was told"),
        pytest.param(
            a_failed_attempt(number=4, next_attempt_at=None),
            Kind.ATTEMPT_EXHAUSTED,
            id="the fourth, and it was the last",
        ),
        pytest.param(
            a_failed_attempt(next_attempt_at=None), Kind.ATTEMPT_EXHAUSTED, id="the first and only one"
        ),
        pytest.param(
            a_failed_attempt(number=0, trigger=Trigger.MANUAL, next_attempt_at=None),
            None,
            id="by hand, failed",
        ),
        pytest.param(an_attempt(number=0, trigger=Trigger.MANUAL), None, id="by hand, arrived"),
    ],
)
def test_what_is_told_follows_from_the_attempt(attempt: Attempt, kind: Kind | None) -> None:
    assert kind_after(attempt) is kind


def test_what_is_told_twice_of_a_message_at_an_endpoint_has_one_event_id() -> None:
    message, endpoint = a_message(), an_endpoint()
    once, twice = (a_failed_attempt(message, endpoint, number=4) for _ in range(2))
    kind = Kind.ATTEMPT_FAILING
    assert event_id_of(kind, once) == event_id_of(kind, twice)
    others = [
        event_id_of(Kind.ATTEMPT_EXHAUSTED, once),
        event_id_of(kind, a_failed_attempt(message)),
        event_id_of(kind, a_failed_attempt(endpoint=endpoint)),
    ]
    assert event_id_of(kind, once) not in others


def test_everything_that_is_told_has_an_event_type() -> None:
    assert {event_type.name for event_type in seeded(NOON)} == set(Kind)
    assert {event_type.org_id for event_type in seeded(NOON)} == {MANAGEMENT_ORG}


@pytest.mark.parametrize("event_type", seeded(NOON), ids=lambda event_type: event_type.name)
def test_an_event_type_shows_an_example_of_its_own_schema(event_type: EventType) -> None:
    """Portals show it, and `send-example` sends it."""
    schema = msgspec.json.decode(event_type.schemas or "")["1"]
    Draft7Validator.check_schema(schema)
    (example,) = schema["examples"]
    Draft7Validator(schema).validate(example)
    assert example["type"] == event_type.name
    del example["data"]["appId"]
    assert not Draft7Validator(schema).is_valid(example)
