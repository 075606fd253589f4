"""Operational webhooks: what an organization is told about its own endpoints and deliveries.

    endpoint.created, .updated, .deleted    by an edit; a new signing key is an update, other headers are none
    endpoint.enabled                        by an edit of one that was disabled; told beside the update
    endpoint.disabled                       by us: it gave up messages too long, or its receiver asked for it
    message.attempt.failing                 the fourth attempt failed, and more will follow
    message.attempt.exhausted               an automatic attempt failed, and none will follow
    message.attempt.recovered               the fifth attempt or a later one succeeded

What is told is a message of one organization that belongs to nobody, the management organization, in its
application whose uid is the id of the organization that is told.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from shared.domain.attempt import Attempt, Status, Trigger
from shared.domain.event_type import EventType

MANAGEMENT_ORG = "org_00000000000SvixManagement00"

FAILING_AT = 4
"""The attempt whose failure is told: those before may be a receiver that starts anew."""

RECOVERED_FROM = FAILING_AT + 1
"""A success before this one ends no failure that was told."""

SCHEMA_VERSION = "1"


class Kind(StrEnum):
    """What is told; the message's event type."""

    ENDPOINT_CREATED = "endpoint.created"
    ENDPOINT_UPDATED = "endpoint.updated"
    ENDPOINT_DELETED = "endpoint.deleted"
    ENDPOINT_ENABLED = "endpoint.enabled"
    ENDPOINT_DISABLED = "endpoint.disabled"
    ATTEMPT_FAILING = "message.attempt.failing"
    ATTEMPT_EXHAUSTED = "message.attempt.exhausted"
    ATTEMPT_RECOVERED = "message.attempt.recovered"


AppId = Annotated[str, msgspec.Meta(description="The application's id.")]
AppUid = Annotated[str | None, msgspec.Meta(description="The application's uid.")]
EndpointId = Annotated[str, msgspec.Meta(description="The endpoint's id.")]
MessageEventId = Annotated[str | None, msgspec.Meta(description="The producer's own id of the message.")]
Instant = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class EndpointFacts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which endpoint it is about."""

    app_id: AppId
    app_uid: AppUid = None
    endpoint_id: EndpointId
    endpoint_uid: Annotated[str | None, msgspec.Meta(description="The endpoint's uid.")]


class DisabledEndpointFacts(EndpointFacts, frozen=True, kw_only=True, rename="camel"):
    """Which endpoint was disabled, and since when its messages have failed."""

    fail_since: Instant


class LastAttemptFacts(msgspec.Struct, frozen=True, rename="camel"):
    """The attempt that it is about."""

    id: str
    response_status_code: Annotated[int, msgspec.Meta(description="0 when no HTTP response came.")]
    timestamp: Instant


class AttemptFacts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which message it is about, and how it fared at which endpoint."""

    app_id: AppId
    app_uid: AppUid = None
    msg_id: Annotated[str, msgspec.Meta(description="The message's id.")]
    msg_event_id: MessageEventId = None
    endpoint_id: EndpointId
    last_attempt: LastAttemptFacts


Facts = EndpointFacts | AttemptFacts


def kind_after(attempt: Attempt) -> Kind | None:
    """What is told after an attempt, if anything is; of a manual one, nothing."""
    if attempt.trigger is Trigger.MANUAL:
        return None
    if attempt.status is Status.SUCCESS:
        return Kind.ATTEMPT_RECOVERED if attempt.number >= RECOVERED_FROM else None
    if attempt.next_attempt_at is None:
        return Kind.ATTEMPT_EXHAUSTED
    return Kind.ATTEMPT_FAILING if attempt.number == FAILING_AT else None


def event_id_of(kind: Kind, attempt: Attempt) -> str:
    """The eventId under which it is told of a message at an endpoint: once, however often it is found out."""
    return f"{kind}.{attempt.message_id}.{attempt.endpoint_id}"


def payload_of(kind: Kind, facts: Facts) -> str:
    """What the receiver gets, as JSON."""
    return msgspec.json.encode({"type": kind, "data": facts}).decode()


def seeded(at: datetime) -> Sequence[EventType]:
    """The event types of the management organization, as they are when nobody has changed them."""
    return [
        EventType(
            org_id=MANAGEMENT_ORG,
            name=kind,
            description=description,
            archived=False,
            deprecated=False,
            schemas=_schemas(kind, example),
            group_name=None,
            feature_flags=None,
            created_at=at,
            updated_at=at,
        )
        for kind, (description, example) in _TOLD.items()
    ]


def _schemas(kind: Kind, example: Facts) -> str:
    (reference,), shapes = msgspec.json.schema_components(
        [type(example)], ref_template="#/definitions/{name}"
    )
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": kind,
        "type": "object",
        "properties": {"type": {"const": kind}, "data": reference},
        "required": ["type", "data"],
        "definitions": shapes,
        "examples": [{"type": kind, "data": example}],
    }
    return msgspec.json.encode({SCHEMA_VERSION: schema}).decode()


_APP_ID = "app_1srOrx2ZWZBpBUvZwXKQmoEYga2"
_ENDPOINT_ID = "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"
_MESSAGE_ID = "msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"
_ATTEMPT_ID = "atmpt_1srOrx2ZWZBpBUvZwXKQmoEYga2"
_AT = "2021-05-21T20:04:03.900Z"
_APP_UID = "acme-42"
_ENDPOINT = EndpointFacts(app_id=_APP_ID, app_uid=_APP_UID, endpoint_id=_ENDPOINT_ID, endpoint_uid="main")
_DISABLED = DisabledEndpointFacts(**msgspec.structs.asdict(_ENDPOINT), fail_since=_AT)


def _attempt(status_code: int) -> AttemptFacts:
    return AttemptFacts(
        app_id=_APP_ID,
        app_uid=_APP_UID,
        msg_id=_MESSAGE_ID,
        msg_event_id="invoice-17",
        endpoint_id=_ENDPOINT_ID,
        last_attempt=LastAttemptFacts(_ATTEMPT_ID, status_code, _AT),
    )


_TOLD: Mapping[Kind, tuple[str, Facts]] = {
    Kind.ENDPOINT_CREATED: ("An endpoint was created.", _ENDPOINT),
    Kind.ENDPOINT_UPDATED: ("An endpoint was changed, or its secret rotated.", _ENDPOINT),
    Kind.ENDPOINT_DELETED: ("An endpoint was deleted.", _ENDPOINT),
    Kind.ENDPOINT_ENABLED: ("An endpoint that was disabled was enabled.", _ENDPOINT),
    Kind.ENDPOINT_DISABLED: (
        "An endpoint was disabled automatically: its messages failed for too long, or its receiver asked.",
        _DISABLED,
    ),
    Kind.ATTEMPT_FAILING: ("A message has failed four times at an endpoint; it is retried.", _attempt(500)),
    Kind.ATTEMPT_EXHAUSTED: (
        "A message was given up at an endpoint: its last attempt failed.",
        _attempt(500),
    ),
    Kind.ATTEMPT_RECOVERED: (
        "A message has arrived at an endpoint where it had been failing.",
        _attempt(200),
    ),
}
