"""How one organization's messages are delivered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.signature import SignatureType


@dataclass(frozen=True, slots=True)
class SignatureHeaders:
    """The names of the three headers that every delivery carries.

    Attributes:
        name: What settings call the three.
    """

    name: str
    id: str
    timestamp: str
    signature: str


STANDARD_HEADERS = SignatureHeaders("webhook", "webhook-id", "webhook-timestamp", "webhook-signature")
"""As the Standard Webhooks specification names them."""

SVIX_HEADERS = SignatureHeaders("svix", "svix-id", "svix-timestamp", "svix-signature")

SIGNATURE_HEADERS = {headers.name: headers for headers in (STANDARD_HEADERS, SVIX_HEADERS)}


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for one organization: what it says itself, and for the rest what the process says.

    Attributes:
        retry_schedule: The rest after each failed attempt; one attempt more than it has entries is made.
        request_timeout: For the whole exchange with a receiver, its body included.
        disable_after: An endpoint that gave up messages for this long without a success is disabled.
        signature_type: Of the secret that is made for a new endpoint.
        signature_headers: Which names the signature headers have.
        endpoint_https_only: Whether the URL of a new endpoint must be https.
        operational_webhooks: Whether the organization is told of what happens to its endpoints.
        user_agent: What receivers see as `User-Agent`.
    """

    retry_schedule: Sequence[timedelta]
    request_timeout: timedelta
    disable_after: timedelta
    signature_type: SignatureType
    signature_headers: SignatureHeaders
    endpoint_https_only: bool
    operational_webhooks: bool
    user_agent: str
