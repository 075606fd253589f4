"""The HTTP server: what it takes, and the bounds that no caller can make it pass."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from infra.local.server import (
    HEAD_LIMIT_BYTES,
    LEFTOVER_LIMIT_BYTES,
    BoundedProtocol,
    CannotListen,
    HttpServer,
    listen,
)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Asgi = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(_: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with the body that was sent."""
    body, more = b"", True
    while more:
        piece = await receive()
        body, more = body + piece["body"], piece["more_body"]
    await _answer(send, 200, body)


async def refuse(_: dict[str, Any], __: Receive, send: Send) -> None:
    """Answer without reading what is sent."""
    await _answer(send, 413, b"too large")


class Caller:
    """A client that sends bytes as it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def sends(self, *pieces: bytes) -> None:
        """Send; what the other side does not take any more is lost."""
        with suppress(ConnectionError):
            for piece in pieces:
                self._writer.write(piece)
                await self._writer.drain()

    async def status(self) -> int:
        """Read one answer and return its status."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.body = await self._reader.readexactly(length)
        return int(head.split(b" ")[1])

    async def is_told_to_continue(self) -> None:
        """Wait until the other side wants the body."""
        assert (await self._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")

    async def is_cut_off(self) -> bool:
        """Read to the end of what comes, and say True when the connection has ended."""
        with suppress(ConnectionError):
            while await self._reader.read(2**16):
                pass
        return True


class Serving:
    """A server, its task, and callers."""

    def __init__(self, server: HttpServer, port: int) -> None:
        self.server = server
        self.running = asyncio.create_task(server.run())
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def caller(self) -> Caller:
        """A new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        return Caller(reader, writer)

    async def stops(self) -> None:
        """Take no more connections."""
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def ends(self) -> None:
        """Stop, and break off what is left."""
        for writer in self._writers:
            writer.close()
        await self.stops()
        await self.server.release()


@asynccontextmanager
async def serving(app: Asgi, *, requests: int = 100, connections: int = 100) -> AsyncIterator[Serving]:
    """Serve an app for the length of a test."""
    listener = listen("127.0.0.1", 0)
    made = Serving(
        HttpServer(app, listener, requests=requests, connections=connections), listener.getsockname()[1]
    )
    await made.server.ready.wait()
    try:
        yield made
    finally:
        await made.ends()


async def test_requests_follow_each_other_on_one_connection() -> None:
    async with serving(echo) as service:
        caller = await service.caller()
        for body in (b"first", b"second"):
            await caller.sends(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body), body)

            assert (await caller.status(), caller.body) == (200, body)


async def test_an_offer_to_speak_http_2_is_passed_over() -> None:
    """`curl --http2` makes it with every request, and must get its answer."""
    async with serving(echo) as service:
        caller = await service.caller()
        await caller.sends(
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABk\r\nContent-Length: 2\r\n\r\n{}"
        )

        assert (await caller.status(), caller.body) == (200, b"{}")


async def test_a_connection_goes_on_after_an_offer() -> None:
    async with serving(echo) as service:
        caller = await service.caller()
        await caller.sends(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert await caller.status() == 200

        await caller.sends(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")

        assert (await caller.status(), caller.body) == (200, b"{}")


@pytest.mark.parametrize(
    "request_text",
    [
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["proxy", "two lengths", "TLS"],
)
async def test_what_is_no_request_to_us_is_a_400_and_the_end(request_text: bytes) -> None:
    async with serving(echo) as service:
        caller = await service.caller()
        await caller.sends(request_text)

        assert await caller.status() == 400
        assert await caller.is_cut_off()


async def test_what_follows_a_bad_request_is_not_read() -> None:
    async with serving(echo) as service:
        caller = await service.caller()
        await caller.sends(b"\x16\x03\x01" + b"x" * 100_000)

        assert await caller.status() == 400
        assert await caller.is_cut_off()


async def test_a_head_without_end_is_refused() -> None:
    """Uvicorn would keep every header that is sent, until the memory is full."""
    async with serving(echo) as service:
        caller = await service.caller()
        await caller.sends(b"GET / HTTP/1.1\r\n", *[b"x-%d: %s\r\n" % (n, b"y" * 1000) for n in range(1000)])

        assert await caller.is_cut_off()


async def test_a_head_that_is_too_large_is_told_so() -> None:
    async with serving(echo) as service:
        caller = await service.caller()
        await caller.sends(b"GET / HTTP/1.1\r\nx: " + b"y" * HEAD_LIMIT_BYTES)

        assert await caller.status() == 431


async def test_trailers_without_end_are_refused() -> None:
    async with serving(echo) as service:
        caller = await service.caller()
        await caller.sends(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
        await caller.sends(*[b"x-%d: %s\r\n" % (n, b"y" * 1000) for n in range(1000)])

        assert await caller.is_cut_off()


async def test_a_large_body_in_many_pieces_is_no_large_head() -> None:
    async with serving(echo) as service:
        caller = await service.caller()
        await caller.sends(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await caller.sends(*[b"1\r\nx\r\n"] * 40_000, b"0\r\n\r\n")

        assert (await caller.status(), len(caller.body)) == (200, 40_000)


async def test_who_sends_too_much_still_gets_the_answer() -> None:
    """Most clients read the answer only when they have sent everything."""
    async with serving(refuse) as service:
        caller = await service.caller()
        await caller.sends(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n", b"x" * 3_000_000)

        assert (await caller.status(), caller.body) == (413, b"too large")


async def test_who_never_stops_sending_is_cut_off() -> None:
    async with serving(refuse) as service:
        caller = await service.caller()
        await caller.sends(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        await caller.sends(*[b"x" * 2**20] * (2 * LEFTOVER_LIMIT_BYTES // 2**20))

        assert await caller.is_cut_off()


async def test_too_many_at_once_are_asked_to_come_again() -> None:
    """In JSON, which SDKs read from every error."""
    async with serving(echo, requests=1) as service:
        busy, second = await service.caller(), await service.caller()
        await busy.sends(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        await busy.is_told_to_continue()
        await second.sends(GET)

        assert await second.status() == 503
        assert json.loads(second.body)["code"] == "too_busy"
        await busy.sends(b"{}")
        assert (await busy.status(), busy.body) == (200, b"{}")


async def test_idle_connections_are_no_requests() -> None:
    """A fleet of producers keeps a pool each; the pools must not lock out one of them."""
    async with serving(echo, requests=1) as service:
        callers = [await service.caller() for _ in range(3)]
        for caller in callers:
            await caller.sends(GET)

            assert await caller.status() == 200


async def test_too_many_connections_are_told_so_and_cut_off() -> None:
    async with serving(echo, connections=1) as service:
        first, second = await service.caller(), await service.caller()

        assert await second.status() == 503
        assert await second.is_cut_off()
        await first.sends(GET)
        assert await first.status() == 200


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    async with serving(echo) as service:
        caller = await service.caller()
        bodies = [b"%d" % n * (n % 5000) for n in range(0, 12_000, 41)]
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        sending = asyncio.create_task(caller.sends(*[head % len(body) + body for body in bodies]))

        for body in bodies:
            assert (await caller.status(), caller.body) == (200, body)
        await sending


async def test_an_offer_among_requests_sent_ahead_is_passed_over() -> None:
    async with serving(echo) as service:
        caller = await service.caller()
        offer = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        await caller.sends((GET + offer) * 200)

        assert [await caller.status() for _ in range(400)] == [200] * 400


async def test_requests_sent_ahead_wait_with_the_sender() -> None:
    """A gigabyte of requests on one connection would become many gigabytes of requests in memory."""
    begun, gate = asyncio.Event(), asyncio.Event()

    async def slow(_: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        begun.set()
        await gate.wait()
        await _answer(send, 200, b"")

    async with serving(slow) as service:
        caller = await service.caller()
        await caller.sends(GET * 5000)
        await begun.wait()
        (connection,) = service.server._server.server_state.connections
        assert isinstance(connection, BoundedProtocol)

        assert len(connection.pipeline) < 200
        assert connection.flow.read_paused
        gate.set()
        assert [await caller.status() for _ in range(5000)] == [200] * 5000


async def test_a_request_that_does_not_come_to_its_end_is_cut_off() -> None:
    """A thousand of them would hold every place, for the price of a thousand bytes."""
    async with serving(echo) as service:
        halting = await service.caller()
        patient = await service.caller()
        await halting.sends(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
        await patient.sends(GET)
        await patient.status()
        long_ago = asyncio.get_running_loop().time() - 31
        for connection in service.server._server.server_state.connections:
            assert isinstance(connection, BoundedProtocol)
            connection.waiting_since = connection.waiting_since and long_ago

        await service.server._server._sweep()

        assert await halting.is_cut_off()
        await patient.sends(GET)
        assert await patient.status() == 200


async def test_stopping_lets_a_request_in_flight_have_its_answer() -> None:
    """A deployment must not cost a customer a single failed request."""
    begun, gate = asyncio.Event(), asyncio.Event()

    async def slow(_: dict[str, Any], __: Receive, send: Send) -> None:
        begun.set()
        await gate.wait()
        await _answer(send, 200, b"done")

    async with serving(slow) as service:
        caller = await service.caller()
        await caller.sends(GET)
        await begun.wait()

        await service.stops()
        gate.set()

        assert (await caller.status(), caller.body) == (200, b"done")
        await service.server.drain()


async def test_stopping_does_not_wait_for_idle_connections() -> None:
    async with serving(echo) as service:
        caller = await service.caller()
        await caller.sends(GET)
        await caller.status()

        await service.stops()
        await service.server.drain()

        assert await caller.is_cut_off()


async def test_what_is_still_in_flight_can_be_broken_off() -> None:
    begun = asyncio.Event()

    async def endless(_: dict[str, Any], __: Receive, ___: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with serving(endless) as service:
        caller = await service.caller()
        await caller.sends(GET)
        await begun.wait()
        await service.stops()

        await service.server.release()

        assert await caller.is_cut_off()


def test_a_taken_port_is_told_with_what_to_do() -> None:
    taken = listen("127.0.0.1", 0)
    port = taken.getsockname()[1]

    with pytest.raises(CannotListen) as refused:
        listen("127.0.0.1", port)

    taken.close()
    assert str(refused.value) == f"port {port} is taken; stop what uses it, or set HELIOGRAPH_PORT to another"


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_an_address_of_another_machine_is_told_with_what_to_do(host: str) -> None:
    with pytest.raises(CannotListen, match="; set HELIOGRAPH_HOST"):
        listen(host, 0)
