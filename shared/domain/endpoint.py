"""An endpoint: where one application wants its messages, and which of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

URL_SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A signing key of an endpoint, encrypted at rest.

    Attributes:
        sealed: What `Secrets.seal` made of the key's text form (`whsec_…` or `whsk_…`).
        expires_at: When a rotated key stops signing, in UTC; None for the current key.
    """

    sealed: bytes = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one application wants its messages.

    Attributes:
        id: `ep_…`, from the same instant as `created_at`.
        url: As the WHATWG URL standard normalises it; http or https.
        event_types: The names it wants; None means every one.
        channels: It wants messages on one of these; None means messages on any channel or none.
        headers: Extra request headers with the casing that goes on the wire.
        keys: Signing keys, the current one first.
        failing_since: When its messages began to be given up without a success since, in UTC.
        created_at: UTC, in whole microseconds.
        updated_at: UTC, in whole microseconds.
    """

    id: str
    app_id: str
    org_id: str
    url: str
    description: str
    version: int
    disabled: bool
    uid: str | None
    throttle_rate: int | None
    event_types: frozenset[str] | None
    channels: frozenset[str] | None
    metadata: Mapping[str, str]
    headers: Mapping[str, str]
    keys: Sequence[SealedKey]
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """What a caller says of an endpoint to be made; checked at the edge.

    Attributes:
        url: Normalised already.
        secret: `whsec_…` or `whsk_…`; None has one made.
    """

    url: str
    description: str = ""
    version: int = 1
    disabled: bool = False
    uid: str | None = None
    throttle_rate: int | None = None
    event_types: frozenset[str] | None = None
    channels: frozenset[str] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)
