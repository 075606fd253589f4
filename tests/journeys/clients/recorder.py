"""A proxy in front of the service, which writes down what clients ask and how it was answered.

async with Recorder(service.port, loses={"/api/v1/app/lossy/msg"}) as recorder:
    ...                                 # let clients talk to recorder.url
    recorder.exchanges
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tests.receivers import Received, read_request

LOST = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}"
"""What a client sees instead of an answer that got lost on its way."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as they were on the wire."""

    request: Received
    status: int
    body: bytes

    @property
    def path(self) -> str:
        return self.request.target.partition("?")[0]


class Recorder:
    """Passes everything on as it is, except the answers that it loses."""

    def __init__(self, port: int, *, loses: Collection[str] = ()) -> None:
        """Stand before a port; lose the answer to the first try of each POST to the paths `loses`."""
        self.exchanges: list[Exchange] = []
        self._service = port
        self._loses = loses
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def gets(self, path: str) -> Exchange:
        """What is served at a path."""
        await self._passed_on(Received("GET", path, [("Host", "127.0.0.1")], b"", connection=0))
        return self.exchanges.pop()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.current_task()
        assert conversation is not None
        self._conversations.add(conversation)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                while (request := await read_request(reader, 0)) is not None:
                    writer.write(await self._passed_on(request))
                    await writer.drain()
        finally:
            self._conversations.discard(conversation)
            writer.close()

    async def _passed_on(self, request: Received) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._service)
        try:
            lines = [f"{request.method} {request.target} HTTP/1.1"]
            lines += [f"{name}: {value}" for name, value in request.headers]
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + request.body)
            head, body = await answer_of(reader, request.method)
        finally:
            writer.close()
        self.exchanges.append(Exchange(request, int(head.split(b" ", 2)[1]), body))
        return LOST if self._is_lost(request) else head + body

    def _is_lost(self, request: Received) -> bool:
        is_first = request.header("svix-retry-count") is None
        return is_first and request.method == "POST" and request.target.partition("?")[0] in self._loses


async def answer_of(reader: asyncio.StreamReader, method: str) -> tuple[bytes, bytes]:
    """The head and the body of an answer; our service always says how long a body is."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if method == "HEAD" or not lengths:
        return head, b""
    return head, await reader.readexactly(int(lengths[0]))
