"""How one organization's messages are delivered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class SignatureHeaders:
    """The names of the three headers that every delivery carries."""

    id: str
    timestamp: str
    signature: str


STANDARD_HEADERS = SignatureHeaders("webhook-id", "webhook-timestamp", "webhook-signature")
"""As the Standard Webhooks specification names them."""

SVIX_HEADERS = SignatureHeaders("svix-id", "svix-timestamp", "svix-signature")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say about deliveries.

    Attributes:
        retry_schedule: The rest after each failed attempt; one attempt more than it has entries is made.
        request_timeout: For the whole exchange with a receiver, its body included.
        disable_after: An endpoint that gave up messages for this long without a success is disabled.
        signature_headers: Which names the signature headers have.
        user_agent: What receivers see as `User-Agent`.
    """

    retry_schedule: Sequence[timedelta]
    request_timeout: timedelta
    disable_after: timedelta
    signature_headers: SignatureHeaders
    user_agent: str
