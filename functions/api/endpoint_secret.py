"""The key that an endpoint's messages are signed with, and exchanging it without a gap."""

import re
from datetime import timedelta
from typing import Annotated

import msgspec

from functions.api import atoms
from functions.api.answers import NO_CONTENT, Answer, json_answer
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from shared.domain.errors import Invalid

GRACE_MAX_SECONDS = 7 * 24 * 60 * 60
GRACE_DEFAULT_SECONDS = 24 * 60 * 60

EXPECTS_THE_KEY_SINCE = (2, 7)
"""SDKs of this version and later fail on an answer without the key. Other clients insist on a bare 204."""

_SDK_VERSION = re.compile(rb"svix-libs/(\d{1,6})\.(\d{1,6})\b").search

Grace = Annotated[
    int,
    msgspec.Meta(ge=0, extra_json_schema={"maximum": GRACE_MAX_SECONDS, "default": GRACE_DEFAULT_SECONDS}),
]


class EndpointSecretOut(msgspec.Struct):
    """What a receiver verifies signatures with: `whsec_…`, or the public `whpk_…` of an ed25519 pair."""

    key: str


class EndpointSecretRotateIn(msgspec.Struct, frozen=True, rename="camel"):
    """How to exchange the key.

    Attributes:
        key: The new one: `whsec_` and the base64 of 24 to 75 bytes, or `whsk_` and that of an ed25519 key
            pair. One is made if it is absent.
        grace_period_seconds: How long messages are signed with the old key, too.
    """

    key: str | None = None
    grace_period_seconds: Grace | None = None

    def grace(self) -> timedelta:
        """How long messages are signed with the old key, too.

        Raises:
            Invalid: That is too long.
        """
        seconds = self.grace_period_seconds
        if seconds is None:
            seconds = GRACE_DEFAULT_SECONDS
        if seconds > GRACE_MAX_SECONDS:
            raise Invalid(("body", "grace_period_seconds"), atoms.OUT_OF_RANGE)
        return timedelta(seconds=seconds)


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Get what the receiver verifies signatures with."""
    key = await call.service.catalogue.exposed_key(call.application, call.path["endpoint_id"])
    return json_answer(200, EndpointSecretOut(key))


async def rotate(call: Call[NoQuery, EndpointSecretRotateIn]) -> Answer:
    """Sign with another key, and for a while with the old one, too."""
    secret, grace = atoms.secret(call.body.key, "body", "key"), call.body.grace()
    key = await call.service.catalogue.rotate_key(call.application, call.path["endpoint_id"], secret, grace)
    if _expects_the_key(call.request.headers.get(b"user-agent", b"")):
        return json_answer(200, EndpointSecretOut(key))
    return NO_CONTENT


def _expects_the_key(user_agent: bytes) -> bool:
    version = _SDK_VERSION(user_agent)
    return version is not None and tuple(map(int, version.groups())) >= EXPECTS_THE_KEY_SINCE


_PATH = "/app/{app_id}/endpoint/{endpoint_id}/secret"

OPERATIONS = (
    operation("v1.endpoint.get-secret", f"GET {_PATH}", Access.SECRET, get, {200: EndpointSecretOut}),
    operation(
        "v1.endpoint.rotate-secret",
        f"POST {_PATH}/rotate",
        Access.ROTATION,
        rotate,
        {200: EndpointSecretOut, 204: None},
    ),
)
