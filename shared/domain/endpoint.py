"""An endpoint: where one application wants its messages, and which of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from msgspec import UNSET, UnsetType

from shared.domain.edits import said_in
from shared.domain.errors import TooManyKeys

URL_SCHEMES = ("http", "https")

OLD_KEYS_MAX = 10
"""Rotated keys that sign at the same time: each makes every delivery's signature header longer."""


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
        throttled_since: When `throttle_rate` was changed last, in UTC; None if never.
        switched_off_at: When it was disabled without a person's doing: it had given up messages for too long,
            or its receiver asked for it. UTC; None if it was not, or was enabled since.
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
    throttled_since: datetime | None = None
    switched_off_at: datetime | None = None


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


@dataclass(frozen=True, slots=True)
class EndpointEdit:
    """What a caller says of an endpoint to be changed; checked at the edge. Headers and keys change apart."""

    url: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    uid: str | UnsetType | None = UNSET
    throttle_rate: int | UnsetType | None = UNSET
    event_types: frozenset[str] | UnsetType | None = UNSET
    channels: frozenset[str] | UnsetType | None = UNSET
    metadata: Mapping[str, str] | UnsetType = UNSET

    @classmethod
    def to_become(cls, new: NewEndpoint) -> "EndpointEdit":
        """The edit that is about every part, and makes of an endpoint what `new` says."""
        return cls(**{part: getattr(new, part) for part in cls.__slots__})


@lru_cache(1024)
def receiver_of(url: str) -> str:
    """Who is called at a URL: its scheme, host and port. The rest is a secret at many receivers."""
    scheme, _, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    return f"{scheme}://{authority.rpartition('@')[2]}"


def edited(endpoint: Endpoint, said: EndpointEdit, at: datetime) -> Endpoint:
    """An endpoint after an edit. One that is enabled again starts with a clean record."""
    after = replace(endpoint, **said_in(said), updated_at=at)
    if endpoint.disabled and not after.disabled:
        after = replace(after, failing_since=None, switched_off_at=None)
    return after if after.throttle_rate == endpoint.throttle_rate else replace(after, throttled_since=at)


def rotated(endpoint: Endpoint, sealed: bytes, grace: timedelta, at: datetime) -> Endpoint:
    """An endpoint with another signing key.

    Args:
        endpoint: It.
        sealed: The key to sign with from now on, sealed.
        grace: For how long the key that signed until now goes on signing beside it.
        at: Now, in UTC.

    Raises:
        TooManyKeys: More than `OLD_KEYS_MAX` old keys would go on signing.
    """
    current, *old = endpoint.keys
    signing = [SealedKey(current.sealed, at + grace), *old]
    signing = [key for key in signing if key.expires_at is not None and key.expires_at > at]
    if len(signing) > OLD_KEYS_MAX:
        raise TooManyKeys(OLD_KEYS_MAX)
    return replace(endpoint, keys=(SealedKey(sealed, None), *signing), updated_at=at)


def with_headers(
    endpoint: Endpoint, changes: Mapping[str, str | None], at: datetime, *, keep: bool
) -> Endpoint:
    """An endpoint with other request headers.

    Args:
        endpoint: It.
        changes: The headers to be set; None takes one away. The casing of names matters.
        at: Now, in UTC.
        keep: Whether the headers that `changes` does not name stay.
    """
    headers = {**(endpoint.headers if keep else {}), **changes}
    present = {name: value for name, value in headers.items() if value is not None}
    return replace(endpoint, headers=present, updated_at=at)
