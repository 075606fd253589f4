"""Serves the ASGI app over HTTP/1.1: uvicorn with httptools, and bounds where it has none.

    too many requests at once         503, before the body is read
    too many connections              503, and the connection is closed
    requests sent ahead of answers    read a few at a time, as the answers go out
    a head without end                431, and the connection is closed
    a request that takes too long     the connection is closed
    an offer of another protocol      declined; the request is answered
    a body that goes on after the     read, so that the answer arrives, up to a bound; then the connection
    answer                            is closed

How long a body may be is the app's decision, which answers as the API promises.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn import Config, Server
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Asgi = Callable[..., Awaitable[None]]

REQUESTS_AT_ONCE = 1024
"""With a body of 2 MiB each they take 2 GiB, which is the most that a caller can make us hold."""

CONNECTIONS_AT_ONCE = 4096
"""Idle ones cost a few kilobytes each, and many clients keep a pool of them; so far more than requests."""

BACKLOG = 1024
"""Connections that the system completes before we take them; a burst beyond it is told to try again."""

HEAD_LIMIT_BYTES = 64 * 1024
"""Of the request line and the headers together, and of trailers. Ours need less than two kilobytes."""

PIECE_BYTES = 4 * 1024
"""How much is parsed before we look whether requests have been sent ahead of their turn: the usual request as
a whole, and of the shortest ones some two hundred, for each of which the parser takes kilobytes."""

LEFTOVER_LIMIT_BYTES = 16 * 1024 * 1024
"""How much of a body is read after its answer, which a client sees only when it has sent everything."""

REQUEST_PATIENCE = timedelta(seconds=30)
"""In this time a request must have arrived in full, and a new connection must have sent its first one."""

SWEEP_PERIOD = timedelta(seconds=5)
KEEP_ALIVE = timedelta(seconds=75)
"""Longer than common client pools and proxies keep an idle connection, so that they close it, not we."""

TOO_BUSY = b'{"code":"too_busy","detail":"Too many requests at once; try again in a moment."}'
"""In the form in which the app tells of errors: clients read it as JSON."""


@dataclass(eq=False)
class CannotListen(Exception):
    """The server cannot have its address.

    Attributes:
        why: What is in the way, and what to do about it.
    """

    why: str

    def __str__(self) -> str:
        return self.why


def listen(host: str, port: int) -> socket.socket:
    """Take an address to serve on.

    Args:
        host: A name or an address; of a name's addresses the first is taken.
        port: 0 lets the system choose.

    Raises:
        CannotListen: It is taken, or is none of this machine's, or we may not have it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With the protocol named, asyncio has short answers sent at once; uvloop does so anyway.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host!r}: {error.strerror}; set HELIOGRAPH_HOST") from error
    try:
        # A restart must not wait until the last connections of the former process have timed out.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            why = f"port {port} is taken; stop what uses it, or set HELIOGRAPH_PORT to another"
        elif error.errno == errno.EACCES:
            why = f"port {port} is reserved by the system; set HELIOGRAPH_PORT to one above 1023"
        else:
            why = f"cannot listen on {host!r}: {os.strerror(error.errno or 0)}; set HELIOGRAPH_HOST"
        raise CannotListen(why) from error
    return listener


class BoundedProtocol(HttpToolsProtocol):
    """One connection, which cannot make us hold or wait more than the bounds of this module."""

    def __init__(self, *args: Any, connections: int, **kwargs: Any) -> None:  # noqa: ANN401  uvicorn's own, passed on
        super().__init__(*args, **kwargs)
        self.waiting_since: float | None = self.loop.time()
        """Since when we wait for the rest of a request, in the loop's seconds; None while we do not."""
        self.unread = b""
        """What has come ahead of its turn: it is parsed when the requests before it have been answered."""
        self._app = self.app
        self._connections_limit = connections
        # uvicorn counts connections as requests, idle ones, too.
        self._requests_limit, self.limit_concurrency = self.limit_concurrency, None
        self._head_bytes = 0
        self._leftover_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection has come."""
        super().connection_made(transport)
        self.flow = Flow(transport, self)
        if len(self.connections) > self._connections_limit:
            transport.write(b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n")
            transport.write(b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(TOO_BUSY))
            transport.write(TOO_BUSY)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the connection."""
        self._unset_keepalive_if_required()
        self._parse(self.unread + data if self.unread else data)

    def _parse(self, data: bytes) -> None:
        """Take requests out of the bytes, until one must wait for its turn."""
        parsed_bytes = 0
        while parsed_bytes < len(data) and not self.pipeline and not self.transport.is_closing():
            piece = data if len(data) <= PIECE_BYTES else data[parsed_bytes : parsed_bytes + PIECE_BYTES]
            parsed_bytes += len(piece)
            rest = self._parse_piece(piece)
            if rest:
                data, parsed_bytes = rest + data[parsed_bytes:], 0
        self.unread = data[parsed_bytes:]
        if self.unread and not self.transport.is_closing():
            self.flow.pause_reading()

    def _parse_piece(self, data: bytes) -> bytes:
        """Parse; return what must be parsed again."""
        # The parser resets the count as soon as it finds a piece of a body or the end of a request in them.
        # What remains uncounted by it is a head, or trailers: the parts that uvicorn would keep without end.
        self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as offer:
            (parsed_bytes,) = offer.args
            return self._without_offer() + data[parsed_bytes:]
        except HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self._head_bytes > HEAD_LIMIT_BYTES and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n")
            self.transport.write(b"content-length: 0\r\n\r\n")
            self.transport.close()
        return b""

    def on_headers_complete(self) -> None:
        """The head of a request has come."""
        if not self.parser.should_upgrade():
            self.app = self._app if len(self.tasks) < (self._requests_limit or 0) else too_busy
            super().on_headers_complete()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.waiting_since = self.loop.time()
        self._leftover_bytes = 0

    def on_body(self, body: bytes) -> None:
        """A piece of a body has come."""
        super().on_body(body)
        self._head_bytes = 0
        if self.cycle.response_complete:
            self._leftover_bytes += len(body)
            if self._leftover_bytes > LEFTOVER_LIMIT_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        """A request has come in full."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._head_bytes = 0
        self.waiting_since = None

    def on_response_complete(self) -> None:
        """A request has been answered; uvicorn goes on with the next that it has."""
        super().on_response_complete()
        if self.pipeline or self.transport.is_closing():
            return
        if self.waiting_since is not None:
            # So far it was we who did not read on.
            self.waiting_since = self.loop.time()
        if self.unread:
            self.data_received(b"")
        self.flow.resume_reading()

    def _without_offer(self) -> bytes:
        """The head of a request that offers another protocol (Java's client and curl do), without the offer.

        The parser believes that the other protocol has begun and takes the body for a part of it. So a new
        parser reads the request again, without the offer.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("This is not a proxy.")
            return b""
        head = [b"%s %s HTTP/1.1\r\n" % (method, self.url)]
        head += [b"%s: %s\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"".join(head) + b"\r\n"


class Flow(FlowControl):
    """Keeps reading paused while requests wait for their turn, whatever the request in turn asks for."""

    def __init__(self, transport: asyncio.Transport, connection: BoundedProtocol) -> None:
        """Pause and resume this connection."""
        super().__init__(transport)
        self._connection = connection

    def resume_reading(self) -> None:
        """Read on, if nothing waits."""
        if not self._connection.pipeline and not self._connection.unread:
            super().resume_reading()


async def too_busy(scope: object, receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
    """The ASGI app of a request too many."""
    del scope, receive
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(TOO_BUSY))]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": TOO_BUSY})


class HttpServer:
    """Serves one ASGI app on one address."""

    def __init__(
        self,
        app: Asgi,
        listener: socket.socket,
        *,
        requests: int = REQUESTS_AT_ONCE,
        connections: int = CONNECTIONS_AT_ONCE,
    ) -> None:
        """Prepare to serve `app` on what `listen` has taken; the numbers bound how many at once."""
        self._server = _Server(app, requests, connections)
        self._listener = listener
        self._serving: asyncio.Task[None] | None = None

    @property
    def ready(self) -> asyncio.Event:
        """Set when requests are taken."""
        return self._server.ready

    async def run(self) -> None:
        """Serve until cancelled. Requests in flight go on after that: see `drain` and `release`."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        try:
            await asyncio.shield(self._serving)
        finally:
            self._server.should_exit = True

    async def drain(self) -> None:
        """Wait until every request in flight has been answered and its connection closed."""
        if self._serving:
            await asyncio.wait([self._serving])

    async def release(self) -> None:
        """Break off the requests in flight."""
        self._server.force_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.close()
        for task in list(self._server.server_state.tasks):
            task.cancel()
        await self.drain()


class _Server(Server):
    """uvicorn's server, stopped by us instead of by signals."""

    def __init__(self, app: Asgi, requests: int, connections: int) -> None:
        super().__init__(
            Config(
                app,
                http=partial(BoundedProtocol, connections=connections),  # type: ignore[arg-type]
                ws="none",
                lifespan="off",  # on Azure nothing would run it either
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=requests,
                timeout_keep_alive=int(KEEP_ALIVE.total_seconds()),
                callback_notify=self._sweep,
                timeout_notify=int(SWEEP_PERIOD.total_seconds()),
            )
        )
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take requests."""
        await super().startup(sockets)
        self.ready.set()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Leave signals alone; they are the host's."""
        return nullcontext()

    async def _sweep(self) -> None:
        """Close connections whose request does not come to its end."""
        oldest = asyncio.get_running_loop().time() - REQUEST_PATIENCE.total_seconds()
        for connection in list(self.server_state.connections):
            if not isinstance(connection, BoundedProtocol) or connection.pipeline:
                continue  # it waits for us
            if (connection.waiting_since or oldest) < oldest:
                connection.transport.close()
