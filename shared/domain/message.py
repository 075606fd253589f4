"""A message: one event that an organization's backend posted for one application."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

DEFAULT_PAYLOAD_RETENTION = timedelta(days=90)


class Message(msgspec.Struct, frozen=True):
    """One event for one application.

    Attributes:
        id: `msg_…`, from the same instant as `created_at`; receivers see it as `webhook-id`.
        event_id: The producer's own id, unique within the application.
        channels: None means: reaches only endpoints that filter by no channel.
        payload: The JSON text as the producer wrote it, delivered byte for byte; None once erased or expired.
        payload_expires_at: When the payload is erased, in UTC.
        created_at: UTC, in whole microseconds.
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


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What a producer says of a message to be accepted; checked at the edge.

    Attributes:
        payload: The JSON text of an object, as written.
    """

    event_type: str
    payload: str
    event_id: str | None = None
    channels: frozenset[str] | None = None
    payload_retention: timedelta = DEFAULT_PAYLOAD_RETENTION
