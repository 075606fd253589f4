"""How one organization's messages are delivered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
        endpoint_probation: Whether an endpoint that was disabled because it failed is to be brought back.
        user_agent: What receivers see as `User-Agent`.
        event_type_schedules: As `retry_schedule`, which they go before, by the message's event type.
    """

    retry_schedule: Sequence[timedelta]
    request_timeout: timedelta
    disable_after: timedelta
    signature_type: SignatureType
    signature_headers: SignatureHeaders
    endpoint_https_only: bool
    operational_webhooks: bool
    endpoint_probation: bool
    user_agent: str
    event_type_schedules: Mapping[str, Sequence[timedelta]] = field(default_factory=dict)

    def schedule_for(self, event_type: str) -> Sequence[timedelta]:
        """The rests between the attempts on a message of some type."""
        return self.event_type_schedules.get(event_type, self.retry_schedule)
