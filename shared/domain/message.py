"""A message: one event that an organization's backend posted for one application."""

from datetime import datetime, timedelta

import msgspec

LONGEST_PAYLOAD_RETENTION = timedelta(days=90)
DEFAULT_PAYLOAD_RETENTION = LONGEST_PAYLOAD_RETENTION

JSON = "application/json"
"""What payloads are delivered as, unless their producer says otherwise."""

DELIVER_AHEAD_MIN = timedelta(minutes=1)
DELIVER_AHEAD_MAX = timedelta(hours=24)
"""How far ahead a message may be told to be delivered."""


class Message(msgspec.Struct, frozen=True):
    """One event for one application.

    Attributes:
        id: `msg_…`, from the same instant as `created_at`; receivers see it as `webhook-id`.
        event_id: The producer's own id, unique within the application.
        channels: None means: reaches only endpoints that filter by no channel.
        payload: The text as the producer wrote it, delivered byte for byte; None once erased or expired.
        payload_expires_at: When the payload is erased, in UTC.
        created_at: UTC, in whole microseconds.
        tags: Lists may be filtered by these; endpoints are not.
        content_type: What the payload is delivered as. None is `JSON`, and then the payload is an object;
            else it may be any text. It is kept and erased with the payload.
        deliver_at: When it is to be delivered, in UTC; None is at once.
        trace: Its producer's trace context, as `shared.domain.trace.context_of` keeps it, if it sent one.
    """

    id: str
    app_id: str
    org_id: str
    event_type: str
    event_id: str | None
    channels: frozenset[str] | None
    payload: str | None
    payload_expires_at: datetime
    created_at: datetime
    tags: frozenset[str] | None = None
    content_type: str | None = None
    deliver_at: datetime | None = None
    trace: str | None = None


class NewMessage(msgspec.Struct, frozen=True):
    """What a producer says of a message to be accepted; checked at the edge.

    Attributes:
        payload: The text to be delivered, as written.
        content_type: As in `Message`.
        trace: As in `Message`.
    """

    event_type: str
    payload: str
    event_id: str | None = None
    channels: frozenset[str] | None = None
    payload_retention: timedelta = DEFAULT_PAYLOAD_RETENTION
    tags: frozenset[str] | None = None
    content_type: str | None = None
    deliver_at: datetime | None = None
    trace: str | None = None
