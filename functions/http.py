"""The HTTP trigger: one ASGI app that takes every request.

The Functions host hands requests over as a catch-all; the embedded host serves them. The app needs no
lifespan: what it uses is built by the first request. On its way in, a request passes

1. the net, which turns what nobody foresaw into a 500 with the body `{}`,
2. the trimming of trailing slashes,
3. for a message to be created, nothing more: that path leads straight to its operation,
4. else CORS and the router.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from itertools import chain

from starlette.routing import Match, Route, Router, compile_path
from starlette.types import Message, Receive, Scope, Send

from functions.api import docs, message
from functions.api.answers import JSON_HEADERS, Answer, send_answer
from functions.api.errors import unknown_route
from functions.api.openapi import document
from functions.api.operations import APP_ID, PREFIX, answer, internal_error
from functions.api.requests import Disconnected, Request
from functions.api.table import OPERATIONS
from shared.wiring import service

Respond = Callable[[Request], Awaitable[Answer]]

ANY_ORIGIN = (b"access-control-allow-origin", b"*")
CORS_MAX_AGE_SECONDS = 600

_BEFORE_APP, _AFTER_APP = f"{PREFIX}/app/", "/msg"
_SLASHES = f"{_BEFORE_APP}x{_AFTER_APP}".count("/")


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request, whatever happens."""
    try:
        if scope["type"] == "http":
            await _request(_trimmed(scope), receive, send)
        else:
            await _router(scope, receive, send)
    except Disconnected:
        return
    except Exception as wrong:  # noqa: BLE001 - the host would answer with a page of its own
        with suppress(RuntimeError):  # the server's word for an answer that has begun already
            await send_answer(internal_error(wrong, service), send)


async def _request(scope: Scope, receive: Receive, send: Send) -> None:
    path: str = scope["path"]
    if (
        path.endswith(_AFTER_APP)
        and scope["method"] == "POST"
        and path.startswith(_BEFORE_APP)
        and path.count("/") == _SLASHES
    ):
        request = Request(scope, receive, {APP_ID: path[len(_BEFORE_APP) : -len(_AFTER_APP)]})
        if b"origin" not in request.headers and request.path[APP_ID]:
            await send_answer(await answer(message.create, service, request), send)
            return
    headers = dict(scope["headers"])
    if b"origin" in headers:
        await _shared(headers, scope, receive, send)
    else:
        await _routed(scope, receive, send)


async def _shared(headers: Mapping[bytes, bytes], scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the page of any origin, by CORS: it may use every method and every header."""
    method = headers.get(b"access-control-request-method")
    if scope["method"] == "OPTIONS" and method is not None:
        await send_answer(_preflight(method, headers.get(b"access-control-request-headers")), send)
        return

    async def send_shared(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], ANY_ORIGIN]}
        await send(message)

    await _routed(scope, receive, send_shared)


def _preflight(method: bytes, names: bytes | None) -> Answer:
    allowed = [ANY_ORIGIN, (b"access-control-max-age", b"%d" % CORS_MAX_AGE_SECONDS)]
    allowed.append((b"access-control-allow-methods", method))
    if names is not None:
        allowed.append((b"access-control-allow-headers", names))
    return Answer(200, tuple((name.decode(), value.decode("latin-1")) for name, value in allowed), b"")


async def _routed(scope: Scope, receive: Receive, send: Send) -> None:
    # The router compares by patterns whose end is also before a last line feed.
    await (_nowhere if scope["path"].endswith("\n") else _router)(scope, receive, send)


def _trimmed(scope: Scope) -> Scope:
    path: str = scope["path"]
    if path.isascii() and (path == "/" or not path.endswith("/")):
        return scope
    # Half a surrogate pair, which no id has, could be neither stored nor shown.
    whole = path.encode(errors="replace").decode()
    return {**scope, "path": whole.rstrip("/") or "/"}


class _Resource:
    """What is at one path, by method."""

    def __init__(self, by_method: Mapping[str, Respond], allowed: Iterable[str]) -> None:
        """Take the methods of the path, and those that are allowed there in all."""
        self.by_method = by_method
        self._not_allowed = Answer(405, (("allow", ", ".join(allowed)),), b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        respond = self.by_method.get(scope["method"])
        if respond is None:
            await send_answer(self._not_allowed, send)
            return
        await send_answer(await respond(Request(scope, receive, scope["path_params"])), send)


class _Place(Route):
    """A path that leaves the methods it has not itself to a more general one.

    So there may be a message with the eventId `bulk-expunge`.
    """

    def __init__(self, path: str, resource: _Resource) -> None:
        super().__init__(path, resource)
        self._methods = resource.by_method

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        if match is Match.FULL and scope["method"] not in self._methods:
            match = Match.PARTIAL
        return match, found


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    del receive
    if scope["type"] == "http":
        await send_answer(unknown_route(scope["path"]), send)
    else:
        await send({"type": "websocket.close", "code": 1000})


async def _page(make: Callable[[], Answer], request: Request) -> Answer:
    del request
    return make()


@cache
def _openapi() -> Answer:
    return Answer(200, JSON_HEADERS, document([one for one in OPERATIONS if not one.hidden]))


def _pages() -> Iterator[tuple[str, Callable[[], Answer]]]:
    yield "/", lambda: docs.FRONT_DOOR
    yield docs.PATH, lambda: docs.PAGE
    yield docs.OPENAPI_PATH, _openapi
    for name in docs.ASSETS:
        yield f"{docs.PATH}/{name}", partial(docs.asset, name)


def _routes() -> Iterator[_Place]:
    by_path: defaultdict[str, dict[str, Respond]] = defaultdict(dict)
    for operation in OPERATIONS:
        by_path[PREFIX + operation.path][operation.method] = partial(answer, operation.carry_out, service)
    for path, make in _pages():
        by_path[path] = dict.fromkeys(("GET", "HEAD"), partial(_page, make))
    patterns = {path: compile_path(path)[0] for path in by_path}
    for path in sorted(by_path, key=lambda path: path.count("{")):  # the general ones last
        there = (by_path[other] for other, pattern in patterns.items() if pattern.match(path))
        yield _Place(path, _Resource(by_path[path], dict.fromkeys(chain.from_iterable(there))))


_router = Router(list(_routes()), redirect_slashes=False, default=_nowhere)
