"""The app behind the two that serve it: uvicorn on real sockets, and the Functions host's adapter."""

import asyncio
import json
from collections.abc import AsyncIterator

import azure.functions as func
import pytest
import pytest_asyncio
import uvicorn

from functions.http import asgi
from tests.functions.api.client import Client

pytestmark = pytest.mark.usefixtures("acme")

PIECE = b"10000\r\n" + b" " * 65536 + b"\r\n"
"""One piece of a chunked body."""


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(asgi, port=0, lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.wait([serving], timeout=0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


def _head(api: Client, method: str, path: str, *lines: str) -> bytes:
    request = f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {api.token}", *lines
    return "\r\n".join((*request, "", "")).encode()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    length = int(headers.get("content-length", "0"))
    return int(status.split()[1]), headers, await reader.readexactly(length)


async def test_a_body_without_end_is_answered_before_it_ends(api: Client, port: int) -> None:
    """The client hears why, and we keep two mebibytes at most."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_head(api, "POST", "/api/v1/app/acme/msg", "Transfer-Encoding: chunked"))
    for _ in range(33):
        writer.write(PIECE)
        await writer.drain()
    status, _, body = await _answer(reader)
    assert (status, json.loads(body)["code"]) == (413, "payload_too_large")
    writer.close()


async def test_a_client_that_sends_eight_megabytes_hears_the_answer(api: Client, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_head(api, "POST", "/api/v1/app/acme/msg", "Content-Length: 8000000") + b" " * 8_000_000)
    await writer.drain()
    status, _, _ = await _answer(reader)
    assert status == 413
    writer.write(_head(api, "GET", "/api/v1/app/acme"))
    assert (await _answer(reader))[0] == 200
    writer.close()


async def test_one_connection_carries_requests_of_every_kind(api: Client, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"eventType":"a","payload":{}}'
    for method, path, sent, expected in (
        ("POST", "/api/v1/app/acme/msg/", body, 202),
        ("GET", "/api/v1/app/acme/msg?limit=1", b"", 200),
        ("GET", "/api/v1/health/ping", b"", 204),
        ("PUT", "/api/v1/app", b"{}", 405),
        ("GET", "/nope", b"", 404),
        ("GET", "/api/v1/app/%00%ff", b"", 404),
        ("POST", "/api/v1/app/acme/msg", b"{", 422),
        ("GET", "/", b"", 307),
    ):
        writer.write(_head(api, method, path, f"Content-Length: {len(sent)}") + sent)
        status, _, _ = await _answer(reader)
        assert status == expected
    writer.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/api/v1/app/acme/", b"", 200),
        ("POST", "/api/v1/app/acme/msg?with_content=false", b'{"eventType":"a","payload":{}}', 202),
        ("POST", "/api/v1/app/acme/msg", b" " * 3_000_000, 413),
        ("GET", "/api/v1/app/%2F%00%C3%BC", b"", 404),
        ("PUT", "/api/v1/app", b"", 405),
        ("DELETE", "/api/v1/app/acme", b"", 204),
        ("GET", "/docs/swagger-ui.css", b"", 200),
    ],
)
async def test_the_functions_host_hands_over_the_same_requests(
    api: Client, method: str, path: str, body: bytes, expected: int
) -> None:
    """What runs on a laptop is what is deployed."""
    request = func.HttpRequest(
        method=method,
        url=f"https://heliograph.azurewebsites.net{path}",
        headers={"Authorization": f"Bearer {api.token}", "Idempotency-Key": "k"},
        body=body,
    )
    answered = await func.AsgiMiddleware(asgi).handle_async(request)
    assert answered.status_code == expected
    if expected != 204 and answered.mimetype == "application/json":
        assert json.loads(answered.get_body())
