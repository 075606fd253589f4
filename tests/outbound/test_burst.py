"""Requests of one turn of the event loop leave together, in order, and not before."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.adapters.outbound.burst import Burst
from shared.adapters.outbound.connection import Connection, ConnectionLost
from shared.adapters.outbound.exchange import Exchange

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


async def end_of_turn() -> None:
    """Come back when the loop has called what was waiting to be called."""
    called = asyncio.Event()
    asyncio.get_running_loop().call_soon(called.set)
    await called.wait()


@asynccontextmanager
async def connected(burst: Burst) -> AsyncIterator[tuple[Connection, socket.socket]]:
    """A connection, and the receiver's end of it."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(burst, lambda _: None), sock=ours)
    with theirs:
        yield connection, theirs
        connection.expire()


async def test_writes_of_one_turn_follow_one_another_when_it_is_over() -> None:
    burst, written = Burst(), list[str]()
    burst.add(lambda: written.append("first"))
    burst.add(lambda: written.append("second"))
    assert written == []
    await end_of_turn()
    assert written == ["first", "second"]


async def test_a_request_is_sent_whole() -> None:
    async with connected(Burst()) as (connection, receiver):
        answered = connection.ask(b"head\r\n\r\n", b"body", Exchange())
        got = await asyncio.get_running_loop().sock_recv(receiver, 100)
        assert got == b"head\r\n\r\nbody"
        receiver.send(ANSWER)
        await answered


async def test_an_answer_to_a_request_that_was_not_sent_yet_is_nobodys() -> None:
    """A receiver that says "204" ahead of time must not have the next message counted as delivered."""
    async with connected(Burst()) as (connection, receiver):
        answered = connection.ask(b"head\r\n\r\n", b"body", Exchange())
        connection.data_received(ANSWER)
        with pytest.raises(ConnectionLost):
            await answered
        assert await asyncio.get_running_loop().sock_recv(receiver, 100) == b""
