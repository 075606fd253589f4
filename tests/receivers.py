"""A real webhook receiver for tests: a raw HTTP/1.1 server on a free local port that does as it is told.

    async with Receiver() as receiver:
        receiver.answers_with(503, times=1)     # once; then as before, which is 204
        ...                                     # make the service send to receiver.url
        await receiver.got(2)
        assert receiver.requests[0].body == receiver.requests[1].body

It writes down what was on the wire: the casing and order of header names, the raw body, the connection.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Self

PATIENCE = timedelta(seconds=10)
"""How long `got` waits for what is certain to come, before it calls the test failed."""

GIGABYTE = 1_000_000_000
CHUNK_BYTES = 64 * 1024
HEAD_LIMIT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as it came.

    Attributes:
        headers: Names as they were written, in their order.
        connection: Which connection brought it, counted from 1.
    """

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes = field(repr=False)
    connection: int

    def header(self, name: str) -> str | None:
        """The first value of a header, however its name was written; None if it was not sent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Behaviour = Callable[[Received, asyncio.StreamWriter], Awaitable[bool]]
"""Answers one request; says whether the connection stays open for the next."""


class Receiver:
    """Listens on 127.0.0.1, answers 204 until told otherwise, and keeps every request.

    Each `answers_…`, `closes_…` and so on holds from now on, or, with `times`, only for so many requests:
    those come first, in the order in which they were asked for.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        """Take a TLS context to be an https receiver."""
        self.requests: list[Received] = []
        self.connections = 0
        """How many connections were accepted so far."""
        self._tls = tls
        self._port = 0
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._came = asyncio.Condition()
        self._leaving = asyncio.Event()
        self._next: deque[Behaviour] = deque()
        self._always: Behaviour
        self.answers_with(HTTPStatus.NO_CONTENT)

    async def __aenter__(self) -> Self:
        await self.comes_back()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.goes_down()

    @property
    def port(self) -> int:
        """The port, which stays the same when the receiver goes down and comes back."""
        return self._port

    @property
    def url(self) -> str:
        """Where to send to: normalised, as the service keeps URLs."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}/hook"

    async def got(self, count: int) -> Sequence[Received]:
        """Wait until at least `count` requests have come; return all of them.

        Raises:
            AssertionError: They did not come within `PATIENCE`.
        """
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()), self._came:
                await self._came.wait_for(lambda: len(self.requests) >= count)
        except TimeoutError:
            raise AssertionError(f"{len(self.requests)} of {count} requests came") from None
        return self.requests

    # What it does with a request.

    def answers_with(
        self,
        status: int,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        delay: timedelta | None = None,
        times: int | None = None,
    ) -> None:
        """Answer in full, after `delay`, and keep the connection open."""
        self._does(partial(self._answer, head(status, headers, length=len(body)) + body, delay), times)

    def never_answers(self, *, times: int | None = None) -> None:
        """Take the request and stay silent, with the connection open."""
        self._does(partial(self._say_and_wait, b""), times)

    def stops_mid_answer(self, *, times: int | None = None) -> None:
        """Send the head of a 200 and a part of its body, then stay silent, with the connection open."""
        self._does(partial(self._say_and_wait, head(HTTPStatus.OK, length=100) + b"begun"), times)

    def closes_mid_answer(self, *, times: int | None = None) -> None:
        """Send the head of a 200 and a part of its body, then close the connection."""
        self._does(partial(self._say_and_close, head(HTTPStatus.OK, length=100) + b"begun"), times)

    def closes_before_answer(self, *, times: int | None = None) -> None:
        """Take the request and close the connection without a word."""
        self._does(partial(self._say_and_close, b""), times)

    def answers_garbage(self, *, times: int | None = None) -> None:
        """Send something that is not HTTP, and close."""
        self._does(partial(self._say_and_close, b"\x16\x03\x01 not http at all\r\n\r\n"), times)

    def answers_raw(self, raw: bytes, *, times: int | None = None) -> None:
        """Send exactly these bytes, and close."""
        self._does(partial(self._say_and_close, raw), times)

    def answers_endlessly(self, *, size_bytes: int = GIGABYTE, times: int | None = None) -> None:
        """Answer 200 with a huge body, as fast as the other side takes it."""
        self._does(partial(self._flood, size_bytes), times)

    # What it does on its own.

    def hangs_up(self) -> None:
        """Close every open connection, and go on listening."""
        for writer in self._open:
            writer.close()

    async def goes_down(self) -> None:
        """Refuse connections from now on, and drop the open ones."""
        if self._server is None:
            return
        self._leaving.set()
        self._server.close()
        self._server = None
        conversations = list(self._open.values())
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    async def comes_back(self) -> None:
        """Listen again, on the same port."""
        self._leaving.clear()
        self._server = await asyncio.start_server(
            self._converse, "127.0.0.1", self._port, ssl=self._tls, limit=HEAD_LIMIT_BYTES
        )
        self._port = self._server.sockets[0].getsockname()[1]

    # How it does it.

    def _does(self, behaviour: Behaviour, times: int | None) -> None:
        if times is None:
            self._always = behaviour
        else:
            self._next.extend([behaviour] * times)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        async with self._kept_in_view(writer):
            while (received := await read_request(reader, connection)) is not None:
                behave = self._next.popleft() if self._next else self._always
                async with self._came:
                    self.requests.append(received)
                    self._came.notify_all()
                if not await behave(received, writer):
                    break

    @asynccontextmanager
    async def _kept_in_view(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        conversation = asyncio.current_task()
        assert conversation is not None  # asyncio runs every conversation in a task of its own
        self._open[writer] = conversation
        try:
            # The other side may go away at any moment, and `goes_down` ends a conversation by cancelling it.
            with suppress(ConnectionError, asyncio.CancelledError):
                yield
        finally:
            del self._open[writer]
            writer.close()

    async def _answer(
        self, raw: bytes, delay: timedelta | None, _: Received, writer: asyncio.StreamWriter
    ) -> bool:
        if delay is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), delay.total_seconds())
        writer.write(raw)
        await writer.drain()
        return True

    async def _say_and_wait(self, raw: bytes, _: Received, writer: asyncio.StreamWriter) -> bool:
        writer.write(raw)
        await writer.drain()
        await self._leaving.wait()
        return False

    async def _say_and_close(self, raw: bytes, _: Received, writer: asyncio.StreamWriter) -> bool:
        writer.write(raw)
        await writer.drain()
        return False

    async def _flood(self, size_bytes: int, _: Received, writer: asyncio.StreamWriter) -> bool:
        writer.write(head(HTTPStatus.OK, length=size_bytes))
        for _sent in range(0, size_bytes, CHUNK_BYTES):
            writer.write(b"x" * CHUNK_BYTES)
            await writer.drain()
        return False


async def read_request(reader: asyncio.StreamReader, connection: int) -> Received | None:
    """Read one request; None when the other side has closed the connection instead."""
    try:
        raw_head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = raw_head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        body = await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = first.split(" ")
    return Received(method, target, headers, body, connection)


def head(status: int, headers: Sequence[tuple[str, str]] = (), *, length: int) -> bytes:
    """The head of a response whose body has `length` bytes."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
