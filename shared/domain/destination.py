"""A destination: an endpoint that a message was attempted at, and how the message stands there."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.attempt import Status
from shared.domain.endpoint import Endpoint
from shared.domain.message import Message


@dataclass(frozen=True, slots=True)
class Destination:
    """An endpoint, as seen from a message.

    Attributes:
        endpoint: Removed ones, too.
        status: Of the newest attempt.
        next_attempt_at: When the retry is due that the newest attempt announces, in UTC; None if none does.
    """

    endpoint: Endpoint
    status: Status
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptedMessage:
    """A message, as seen from an endpoint.

    Attributes:
        status: SENDING while a retry follows.
        next_attempt_at: When it is due, in UTC; None if none follows.
    """

    message: Message
    status: Status
    next_attempt_at: datetime | None
