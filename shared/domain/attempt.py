"""An attempt: one HTTP exchange with one endpoint about one message, and what came of it."""

from datetime import datetime, timedelta
from enum import IntEnum

import msgspec

ERASED_RESPONSE = "EXPUNGED"
"""What the response of an attempt is once it was erased."""


class Status(IntEnum):
    """What the API calls an attempt's status. Only SUCCESS and FAIL are ever stored."""

    SUCCESS = 0
    PENDING = 1
    FAIL = 2
    SENDING = 3


class Trigger(IntEnum):
    """Why an attempt was made."""

    SCHEDULED = 0
    MANUAL = 1


class Ending(IntEnum):
    """Why no retry follows though the schedule has some left."""

    DELIVERED = 1
    """Another attempt delivered the message."""
    REFUSED = 2
    """The receiver wants no more of it: 410, or in a header."""
    REMOVED = 3
    """The endpoint, its application or the message was removed."""
    UNWANTED = 4
    """The endpoint was disabled, or wants other messages now."""
    PAYLOAD_GONE = 5
    """The payload was erased or has expired."""
    CANCELED = 6
    """A person called off what the endpoint was still to get."""


class Ended(msgspec.Struct, frozen=True):
    """That retries have ended before their schedule did, and when, in UTC."""

    why: Ending
    at: datetime


class Attempt(msgspec.Struct, frozen=True):
    """One exchange with one endpoint about one message.

    Attributes:
        id: `atmpt_…`, from the instant of `timestamp`.
        event_type: The message's, kept here so that lists filter without the message.
        channels: The message's, likewise.
        tags: The message's, likewise.
        number: Which automatic attempt of this message at this endpoint, counted from 1; 0 for a manual one.
        url: The endpoint's URL at that time.
        response_status_code: 0 when no HTTP response came.
        response: The answer's body, or the error's text.
        timestamp: When the exchange began; of a manual attempt, when it was asked for.
        duration: From the start of the exchange to the response's headers.
        next_attempt_at: When the retry is due, in UTC; None if nothing follows.
        ended: Why nothing follows though the schedule has some rests left; the newest automatic one says it.
    """

    id: str
    message_id: str
    endpoint_id: str
    app_id: str
    org_id: str
    event_type: str
    channels: frozenset[str] | None
    number: int
    url: str
    status: Status
    response_status_code: int
    response: str
    duration: timedelta
    trigger: Trigger
    timestamp: datetime
    next_attempt_at: datetime | None
    tags: frozenset[str] | None = None
    ended: Ended | None = None
