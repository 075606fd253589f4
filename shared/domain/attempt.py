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
