"""HTTP/1.1 for the emulator: requests in, answers out, all on the event loop.

A bare protocol instead of a web server, because tests want connections that end where an answer should begin,
and because benchmarks share the machine's cores with the emulator.

Answers of one turn of the loop are collected: what their requests changed is written to the file together,
and only then are they sent.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, cast

import httptools

MAX_BODY_BYTES = 4 * 1024 * 1024
REASONS = {200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified"}


@dataclass(slots=True)
class Request:
    """A request.

    Attributes:
        method: Of HTTP, in capitals.
        target: Path and query as they were sent.
        headers: By their names in small letters.
    """

    method: str = ""
    target: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


class Answer(NamedTuple):
    """An answer.

    Attributes:
        headers: Lines that end in CRLF.
    """

    status: int
    headers: str = ""
    body: bytes = b""

    def text(self) -> bytes:
        """As it is sent."""
        start = f"HTTP/1.1 {self.status} {REASONS.get(self.status, '-')}\r\n{self.headers}"
        if self.status in {204, 304}:
            return f"{start}\r\n".encode()
        return (
            f"{start}content-type: application/json\r\ncontent-length: {len(self.body)}\r\n\r\n".encode()
            + self.body
        )


class Course(NamedTuple):
    """How a request goes on.

    Attributes:
        rest: How long before anything happens.
        act: What happens, once; None is an answer that never comes: the connection ends instead.
        late: How long between that and the answer.
    """

    act: Callable[[], Answer | None]
    rest: timedelta = timedelta()
    late: timedelta = timedelta()


class Server:
    """Serves connections.

    Args:
        decide: Says of a request how it goes on.
        commit: Writes what has changed.
    """

    def __init__(self, decide: Callable[[Request], Course], commit: Callable[[], None]) -> None:
        self._decide = decide
        self._commit = commit
        self._loop = asyncio.get_running_loop()
        self._outbox: list[tuple[asyncio.Transport, Answer | None]] = []
        self.connections: set[asyncio.Transport] = set()

    def take(self, request: Request, transport: asyncio.Transport) -> None:
        """Take a request."""
        course = self._decide(request)
        if course.rest:
            self._loop.call_later(course.rest.total_seconds(), self._act, course, transport)
        else:
            self._act(course, transport)

    def close(self) -> None:
        """End all connections."""
        self._send()
        for transport in [*self.connections]:
            transport.abort()

    def _act(self, course: Course, transport: asyncio.Transport) -> None:
        answer = course.act()
        if not self._outbox:
            self._loop.call_soon(self._send)
        if not course.late:
            self._outbox.append((transport, answer))
            return
        # What was done is written now; only the answer is late.
        self._loop.call_later(course.late.total_seconds(), self._answer, transport, answer)

    def _send(self) -> None:
        self._commit()
        outbox, self._outbox = self._outbox, []
        for transport, answer in outbox:
            self._answer(transport, answer)

    @staticmethod
    def _answer(transport: asyncio.Transport, answer: Answer | None) -> None:
        if transport.is_closing():
            return
        if answer is None:
            transport.close()
        else:
            transport.write(answer.text())


class Connection(asyncio.Protocol):
    """One connection of a client, as httptools calls it back."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._parts: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of another family.
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self._transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._request.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= MAX_BODY_BYTES:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        request, self._request = self._request, Request()
        request.method = self._parser.get_method().decode()
        request.body = b"".join(self._parts)
        too_large = self._size > MAX_BODY_BYTES
        self._parts, self._size = [], 0
        if too_large:
            self._transport.write(Answer(413, "connection: close\r\n").text())
            self._transport.close()
            return
        self._server.take(request, self._transport)
