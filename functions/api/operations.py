"""An operation of the API, and the order in which a request is checked.

1. The query string (400, 422), even before the token.
2. The token and what it may do (401, 403; 400 if it names nobody).
3. The idempotency key of a POST: an answer that is kept already is the answer.
4. The application that the path names (404).
5. The body (413, 422).
6. The function that carries the operation out.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from traceback import walk_tb
from typing import Generic, cast, get_args, get_type_hints

import msgspec

from functions.api.answers import Answer
from functions.api.bodies import Body, BodyReader
from functions.api.errors import INTERNAL_ERROR, NotAllowed, NotAuthenticated, answer_for
from functions.api.idempotency import claim_key, once
from functions.api.queries import Query, QueryReader
from functions.api.requests import Disconnected, Request
from functions.api.tokens import AppPortalCapability, Token, authority
from shared.domain.application import Application, is_ended
from shared.domain.errors import HeliographError, Unknown
from shared.domain.policy import Policy
from shared.wiring import Service

PREFIX = "/api/v1"
APP_ID = "app_id"
NOBODY = Token("")
"""Who asks where nobody needs to say."""

Successes = Mapping[int, type[msgspec.Struct] | None]


class Access(Enum):
    """Which token an operation takes."""

    NONE = "none"
    ANY = "any"
    APPLICATION = "an organization's, or the portal token of that application"
    SECRET = "the same, if the portal may see secrets"  # noqa: S105 - no password
    ROTATION = "the same, if the portal may exchange secrets"
    ATTEMPT = "the same, if the portal may have messages sent again"
    ORGANIZATION = "an organization's"


class NoBody(msgspec.Struct):
    """No body is read."""


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """A request that has passed every check, as the function that carries it out sees it.

    Attributes:
        path: The parts of the path that the operation's path names in braces.
        request: The same as it came in; its body has been read.
        found: The application that the path names, if it names one.
    """

    service: Service
    token: Token
    path: Mapping[str, str]
    request: Request
    query: Query
    body: Body
    found: Application | None

    @property
    def application(self) -> Application:
        """The application that the path names.

        Raises:
            LookupError: It names none, or the operation looks for it itself.
        """
        if self.found is None:
            raise LookupError("the operation's path names no application")
        return self.found

    async def policy(self) -> Policy:
        """What holds for the organization that asks.

        Raises:
            Unavailable: The store is out of reach.
        """
        return await self.service.directory.policy(self.token.org_id)


_MANAGES = frozenset({AppPortalCapability.MANAGE_ENDPOINT})
_ROTATES = _MANAGES | {AppPortalCapability.MANAGE_ENDPOINT_SECRET}
_CAPABILITIES: Mapping[Access, frozenset[str]] = {
    Access.ATTEMPT: frozenset({AppPortalCapability.CREATE_ATTEMPTS}),
    Access.ROTATION: _ROTATES,
    Access.SECRET: _ROTATES | {AppPortalCapability.VIEW_ENDPOINT_SECRET},
}
"""Each of which is enough."""

CarryOut = Callable[[Service, Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the API: what the router and the OpenAPI document need to know.

    Attributes:
        name: As in the OpenAPI document, such as `v1.application.create`.
        method: In capitals.
        path: Below the API's prefix, with `{names}` for its parts.
        successes: What each status of success answers; None for an empty body.
        query: The shape of the query string.
        body: The shape of the body; None if none is read.
        summary: What it does, in one line.
        hidden: It is served for old clients, and is not in the OpenAPI document.
        failures: What statuses of failure answer that have a shape of their own.
        carry_out: From a request to its answer. Errors pass through.
    """

    name: str
    method: str
    path: str
    access: Access
    successes: Successes
    query: type[msgspec.Struct]
    body: type[msgspec.Struct] | None
    summary: str
    carry_out: CarryOut = field(repr=False)
    hidden: bool = False
    failures: Successes = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The chapter of the OpenAPI document: `v1.event-type.create` stands in `Event Type`."""
        _, *resource, _ = self.name.split(".")
        return " ".join(resource).replace("-", " ").title()


def operation(
    name: str,
    at: str,
    access: Access,
    run: Callable[[Call[Query, Body]], Awaitable[Answer]],
    successes: Successes,
    *,
    finds_application: bool = True,
) -> Operation:
    """Make an operation of a function, with every check before it.

    Args:
        name: As in the OpenAPI document.
        at: Method and path, such as `POST /app`.
        access: Which token it takes.
        run: Carries it out. The type of its argument names the shapes of query and body; the first line of
            its docstring is the summary.
        successes: What each status of success answers.
        finds_application: An application that the path names must be there before the body is looked at.
    """
    method, path = at.split(" ")
    query, body = cast("tuple[type[Query], type[Body]]", get_args(get_type_hints(run)["call"]))
    queries = QueryReader(query)
    bodies = None if body is NoBody else BodyReader(body)
    finds = finds_application and f"{{{APP_ID}}}" in path

    async def carry_out(service: Service, request: Request) -> Answer:
        asked = queries.read(request.query_string)
        token = authenticated(service, request, access)
        await check_portal(service, token, is_looked_for=finds)

        async def rest() -> Answer:
            found = await application_of(service, token, request.path[APP_ID]) if finds else None
            read = body() if bodies is None else bodies.read(await request.body())
            return await run(Call(service, token, request.path, request, asked, read, found))

        key = claim_key(request) if method == "POST" else None
        return await (rest() if key is None else once(service, key, rest))

    return Operation(
        name=name,
        method=method,
        path=path,
        access=access,
        successes=successes,
        query=query,
        body=None if body is NoBody else body,
        summary=summary_of(run),
        carry_out=carry_out,
    )


def authenticated(service: Service, request: Request, access: Access) -> Token:
    """Who asks.

    Raises:
        NotAuthenticated: There is no token, or it is not good now.
        NamesNobody: It is good, and names no organization or application.
        NotAllowed: It is good, but not for this.
    """
    if access is Access.NONE:
        return NOBODY
    settings = service.settings
    keeper = authority(settings.jwt_secret, settings.jwt_algorithm)
    token = keeper.verify(request.headers.get(b"authorization"), service.clock.now())
    if token.app_id is not None and not _may(token, access, request):
        raise NotAllowed
    return token


def _may(portal: Token, access: Access, request: Request) -> bool:
    """Whether a portal may do what it asks for."""
    if access is Access.ORGANIZATION:
        return False
    if portal.capabilities is None:
        return True
    enough = _CAPABILITIES.get(access)
    if enough is None:
        return request.scope["method"] == "GET" or not portal.capabilities.isdisjoint(_MANAGES)
    return not portal.capabilities.isdisjoint(enough)


async def application_of(service: Service, token: Token, key: str) -> Application:
    """The application that a path names by id or uid.

    Raises:
        Unknown: The organization has none, or the token is another application's.
    """
    application = await service.directory.application(token.org_id, key)
    if token.app_id not in (None, application.id):
        raise Unknown("application", key)
    return application


async def check_portal(service: Service, token: Token, *, is_looked_for: bool) -> None:
    """Check that a portal's token was not ended before its time, and that its application is there.

    Args:
        service: Ours.
        token: Any token.
        is_looked_for: The path names an application, and will not be found if this one was removed.

    Raises:
        NotAuthenticated: The token is not good any more.
    """
    if token.app_id is None:
        return
    try:
        application = await service.directory.application(token.org_id, token.app_id)
    except Unknown as gone:
        if is_looked_for:
            return
        raise NotAuthenticated from gone
    if is_ended(application, token.session_id, token.made_at, service.clock.now()):
        raise NotAuthenticated


async def answer(carry_out: CarryOut, service: Callable[[], Service], request: Request) -> Answer:
    """Carry an operation out; whatever goes wrong is an answer, too.

    Raises:
        Disconnected: The client went away.
    """
    try:
        return await carry_out(service(), request)
    except Disconnected:
        raise
    except Exception as wrong:  # noqa: BLE001 - no error of any kind may leave the client without an answer
        return answer_for(wrong) or internal_error(wrong, service)


def summary_of(run: Callable[..., object]) -> str:
    """The first line of a function's docstring."""
    return (run.__doc__ or "").strip().partition("\n")[0]


def internal_error(wrong: Exception, service: Callable[[], Service]) -> Answer:
    """Tell ourselves where it went wrong, without the values, which may be payloads or secrets."""
    *_, (frame, line) = walk_tb(wrong.__traceback__)
    with suppress(Exception):  # the service may be what is broken
        service().journal.note(
            "request.failed",
            error=type(wrong).__name__,
            why=str(wrong) if isinstance(wrong, HeliographError) else None,
            file=frame.f_code.co_filename,
            line=line,
            function=frame.f_code.co_name,
        )
    return INTERNAL_ERROR
