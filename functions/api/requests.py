"""What came in: one HTTP request as an operation sees it."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import cast

from functions.api.errors import TooLarge
from shared.domain.trace import context_of

Scope = MutableMapping[str, object]
Receive = Callable[[], Awaitable[MutableMapping[str, object]]]

BODY_LIMIT_BYTES = 2 * 1024 * 1024
_LIMIT_DIGITS = 10
"""A length of more digits is over the limit without reading it as a number."""


_TRACEPARENT, _TRACESTATE = b"traceparent", b"tracestate"


class Disconnected(Exception):
    """The client went away before its request was here; nobody waits for an answer."""


class Request:
    """One HTTP request.

    Attributes:
        headers: By lower-case name; of a repeated one, the last.
        path: The parts of the path that the operation's path names in braces.
    """

    __slots__ = ("_receive", "headers", "path", "scope")

    def __init__(self, scope: Scope, receive: Receive, path: Mapping[str, str]) -> None:
        self.scope = scope
        self._receive = receive
        self.headers: dict[bytes, bytes] = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
        self.path = path

    @property
    def query_string(self) -> bytes:
        """What follows the question mark, as sent."""
        return cast("bytes", self.scope["query_string"])

    @property
    def target(self) -> bytes:
        """Path without trailing slashes, and query string: what an idempotency key belongs to."""
        path = cast("str", self.scope["path"]).encode()
        query_string = self.query_string
        return b"%b?%b" % (path, query_string) if query_string else path

    @property
    def trace(self) -> str | None:
        """The caller's trace context, as `shared.domain.trace.context_of` keeps it."""
        if _TRACEPARENT not in self.headers:
            return None
        return context_of(self._every(_TRACEPARENT), self._every(_TRACESTATE))

    @property
    def origin(self) -> str:
        """Where the caller reaches us, such as `https://hooks.example`, as far as it can be told."""
        forwarded = self.headers.get(b"x-forwarded-proto", b"").partition(b",")[0].strip()
        scheme = forwarded.decode() if forwarded in (b"http", b"https") else self.scope.get("scheme", "http")
        return f"{scheme}://{self.headers.get(b'host', b'localhost').decode('latin-1')}"

    async def body(self) -> bytes:
        """Read the body, but never more of it than one piece beyond the limit.

        Raises:
            TooLarge: It is longer than `BODY_LIMIT_BYTES`.
            Disconnected: The client went away.
        """
        length = self.headers.get(b"content-length", b"0")
        if len(length) > _LIMIT_DIGITS or (length.isdigit() and int(length) > BODY_LIMIT_BYTES):
            raise TooLarge
        piece, more = await self._piece()
        if not more:
            return piece
        pieces, size_bytes = [piece], len(piece)
        while more:
            piece, more = await self._piece()
            pieces.append(piece)
            size_bytes += len(piece)
            if size_bytes > BODY_LIMIT_BYTES:
                raise TooLarge
        return b"".join(pieces)

    def _every(self, name: bytes) -> list[str]:
        headers = cast("list[tuple[bytes, bytes]]", self.scope["headers"])
        return [value.decode("latin-1") for header, value in headers if header == name]

    async def _piece(self) -> tuple[bytes, bool]:
        message = await self._receive()
        if message["type"] != "http.request":
            raise Disconnected
        piece = cast("bytes", message.get("body", b""))
        if len(piece) > BODY_LIMIT_BYTES:
            raise TooLarge
        return piece, bool(message.get("more_body"))
