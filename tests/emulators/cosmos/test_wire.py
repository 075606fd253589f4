"""Requests that no SDK makes."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.emulators.cosmos import CosmosEmulator
from tests.emulators.cosmos.admin import PREFIX

HUGE = 5 * 1024 * 1024


async def sent(emulator: CosmosEmulator, *parts: bytes) -> bytes:
    """What is answered to bytes, which arrive in parts, until the connection ends or an answer is there."""
    where = urlsplit(emulator.endpoint)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    answer = await reader.read(65_536)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_what_is_not_http_ends_the_connection(cosmos: CosmosEmulator) -> None:
    assert await sent(cosmos, b"\x16\x03\x01 this is not HTTP\r\n\r\n") == b""


async def test_a_request_may_arrive_in_parts(cosmos: CosmosEmulator) -> None:
    answer = await sent(cosmos, b"GET /_emula", b"tor/counts HTTP/1.1\r\nho", b"st: x\r\n\r", b"\n")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n[]")


async def test_a_request_that_is_too_large_is_refused(cosmos: CosmosEmulator) -> None:
    start = f"POST /dbs HTTP/1.1\r\nhost: x\r\ncontent-length: {HUGE}\r\n\r\n".encode()

    assert (await sent(cosmos, start, b"x" * HUGE)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("dbs", 401, "authorization"),
        ("dbs/d/users", 501, "does not know GET /dbs/d/users"),
        ("dbs/d/colls/c/docs/1", 401, "authorization"),
        ("dbs/d/colls/c/sprocs/s", 501, "does not know"),
        (PREFIX.removeprefix("/") + "weather", 400, "cannot be asked"),
    ],
)
async def test_what_is_not_known_or_allowed_is_told_so(
    cosmos: CosmosEmulator, path: str, status: int, said: str
) -> None:
    async with aiohttp.ClientSession() as session, session.get(cosmos.endpoint + path) as answer:
        body = await answer.json()

    assert answer.status == status
    assert said in body["message"]
