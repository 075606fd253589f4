"""Who asks, and portals: tokens with which a customer looks after the endpoints of one application."""

from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

import msgspec

from functions.api import atoms, docs
from functions.api.answers import NO_CONTENT, Answer, json_answer
from functions.api.application import ApplicationIn, found_or_made
from functions.api.errors import JSON_DECODE, Refused
from functions.api.operations import APP_ID, Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from functions.api.tokens import PORTAL_TOKEN_LIFETIME, AppPortalCapability, Token, mint_portal_token
from shared.domain.errors import Invalid

PERMISSION_SOURCE = "SvixJwt"
"""As clients know the only kind of token that there is here."""

EXPIRIES_SECONDS = range(60 * 60, 7 * 24 * 60 * 60 + 1)

Expiry = Annotated[
    int,
    msgspec.Meta(extra_json_schema={"minimum": EXPIRIES_SECONDS.start, "maximum": EXPIRIES_SECONDS.stop - 1}),
]


GRACES_SECONDS = range(7 * 24 * 60 * 60 + 1)

Grace = Annotated[int, msgspec.Meta(ge=0, extra_json_schema={"maximum": GRACES_SECONDS.stop - 1})]


class AppPortalAccessIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A portal token to be made.

    Attributes:
        application: Made if the path names none; then its uid must be the path's.
        feature_flags: Event types with one of these flags are shown, beside those without one.
        expiry: Seconds until the token ends; 28 days if absent.
        read_only: It is good for looking only.
        capabilities: What it is good for; everything if absent. Looking always is.
        session_id: Tokens of one session can be ended together.
    """

    application: ApplicationIn | None = None
    feature_flags: list[atoms.Limited] | None = None
    expiry: Expiry | None = None
    read_only: bool | None = None
    capabilities: list[AppPortalCapability] | None = None
    session_id: str | None = None

    def able(self) -> frozenset[str] | None:
        """What the token is good for; None is everything that a portal ever may."""
        if self.read_only:
            return frozenset({AppPortalCapability.VIEW_BASE})
        if self.capabilities is None:
            return None
        return frozenset({AppPortalCapability.VIEW_BASE, *self.capabilities})

    def flags(self) -> frozenset[str]:
        """The feature flags.

        Raises:
            Invalid: One of them is no name.
        """
        flags = frozenset(self.feature_flags or ())
        for flag in flags:
            why = atoms.broken_limit(flag)
            if why is not None:
                raise Invalid(("body", "featureFlags"), why, JSON_DECODE)
        return flags

    def lifetime(self) -> timedelta:
        """How long the token is good.

        Raises:
            Invalid: That is too short or too long.
        """
        if self.expiry is None:
            return PORTAL_TOKEN_LIFETIME
        if self.expiry not in EXPIRIES_SECONDS:
            raise Invalid(("body", "expiry"), atoms.OUT_OF_RANGE)
        return timedelta(seconds=self.expiry)


class ApplicationTokenExpireIn(msgspec.Struct, frozen=True, rename="camel"):
    """Which portal tokens are to end, and when.

    Attributes:
        expiry: Seconds for which they stay good; none if absent.
        session_ids: Only tokens of these sessions; all if absent or empty.
    """

    expiry: Grace | None = None
    session_ids: list[str] | None = None

    def after(self) -> timedelta:
        """How long they stay good.

        Raises:
            Invalid: That is too long.
        """
        seconds = self.expiry or 0
        if seconds not in GRACES_SECONDS:
            raise Invalid(("body", "expiry"), atoms.OUT_OF_RANGE)
        return timedelta(seconds=seconds)


class AppPortalAccessOut(msgspec.Struct):
    """A portal token.

    Attributes:
        url: A page about what can be done with it.
        token: To be sent as `Authorization: Bearer …`.
    """

    url: str
    token: str


class WhoamiOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """For whom a token is good. What it does not name is absent.

    Attributes:
        env_id: The organization's id.
        app_id: The only application that it is good for.
        session_id: The organization's own name for what it was made for.
        permission_source: Always `SvixJwt`: a JWT that this deployment's secret has signed.
    """

    env_id: str
    permission_source: Annotated[str, msgspec.Meta(extra_json_schema={"enum": [PERMISSION_SOURCE]})]
    app_id: str | None = None
    session_id: str | None = None


@dataclass(eq=False)
class CannotSign(Refused):
    """This deployment verifies tokens that are made elsewhere."""

    status = HTTPStatus.BAD_REQUEST
    code: str = "cannot_sign"


async def app_portal_access(call: Call[NoQuery, AppPortalAccessIn]) -> Answer:
    """Make a token with which a customer looks after the endpoints of one application."""
    body = call.body
    flags, lifetime = body.flags(), body.lifetime()
    new = None if body.application is None else body.application.checked("body", "application")
    application = await found_or_made(call.service, call.token.org_id, call.path[APP_ID], new)
    portal = Token(application.org_id, application.id, flags, body.able(), body.session_id)
    return _access(call, portal, lifetime)


async def dashboard_access(call: Call[NoQuery, NoBody]) -> Answer:
    """Make a portal token, as clients of long ago ask for it."""
    return _access(call, Token(call.token.org_id, call.application.id), PORTAL_TOKEN_LIFETIME)


async def expire_all(call: Call[NoQuery, ApplicationTokenExpireIn]) -> Answer:
    """End the portal tokens of an application before their time."""
    body = call.body
    await call.service.catalogue.end_tokens(call.application, body.session_ids, body.after())
    return NO_CONTENT


async def whoami(call: Call[NoQuery, NoBody]) -> Answer:
    """Say for whom the token of this request is good."""
    token = call.token
    return json_answer(200, WhoamiOut(token.org_id, PERMISSION_SOURCE, token.app_id, token.session_id))


async def logout(call: Call[NoQuery, NoBody]) -> Answer:
    """Say that a token is no longer used. It ends by itself at its time."""
    del call
    return NO_CONTENT


def _access(
    call: Call[NoQuery, AppPortalAccessIn] | Call[NoQuery, NoBody], portal: Token, lifetime: timedelta
) -> Answer:
    settings, now = call.service.settings, call.service.clock.now()
    try:
        token = mint_portal_token(settings, portal, now, lifetime)
    except ValueError as wrong:
        raise CannotSign(str(wrong)) from wrong
    return json_answer(200, AppPortalAccessOut(call.request.origin + docs.PATH, token))


OPERATIONS = (
    operation(
        "v1.authentication.app-portal-access",
        "POST /auth/app-portal-access/{app_id}",
        Access.ORGANIZATION,
        app_portal_access,
        {200: AppPortalAccessOut},
        finds_application=False,
    ),
    replace(
        operation(
            "v1.authentication.dashboard-access",
            "POST /auth/dashboard-access/{app_id}",
            Access.ORGANIZATION,
            dashboard_access,
            {200: AppPortalAccessOut},
        ),
        hidden=True,
    ),
    operation(
        "v1.authentication.expire-all",
        "POST /auth/app/{app_id}/expire-all",
        Access.ORGANIZATION,
        expire_all,
        {204: None},
    ),
    operation("v1.authentication.whoami", "GET /auth/whoami", Access.ANY, whoami, {200: WhoamiOut}),
    operation("v1.authentication.logout", "POST /auth/logout", Access.NONE, logout, {204: None}),
)
