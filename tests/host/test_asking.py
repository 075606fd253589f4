"""Asking a running service, for the commands."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from functions.api.dead_letters import DeadLettersOut
from infra.local.asking import NoAnswer, ask, where
from infra.local.cli import DEFAULT_ORGANIZATION
from shared.config import Settings
from tests.ports import free_port


@pytest.mark.parametrize("url", ["nowhere", "ftp://127.0.0.1", "https://", "127.0.0.1:8071"])
def test_what_is_no_url_of_a_service_is_told_so(url: str) -> None:
    with pytest.raises(NoAnswer, match="no URL of a service"):
        ask(url, DEFAULT_ORGANIZATION, "GET /diagnostics/dead-letters", DeadLettersOut)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8071"),
        ("0.0.0.0", "http://127.0.0.1:8071"),  # noqa: S104  nothing listens
        ("::", "http://[::1]:8071"),
        ("heliograph.example", "http://heliograph.example:8071"),
    ],
)
def test_a_service_on_every_address_is_asked_at_the_loopback(host: str, url: str) -> None:
    env = {
        "HELIOGRAPH_HOST": host,
        "HELIOGRAPH_JWT_SECRET": "x" * 32,
        "HELIOGRAPH_ENCRYPTION_KEY": "A" * 43 + "=",
    }

    assert where(Settings.read(env)) == url


@contextmanager
def service(status: int, body: bytes) -> Iterator[str]:
    """A service that answers everything so; its URL."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", free_port()), Answers) as server:
        threading.Thread(target=server.handle_request).start()
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, b'{"code": "not_found", "detail": "Entity not found"}', "^Entity not found$"),
        (422, b'{"detail": [{"loc": ["body", "queue"], "msg": "write one", "type": "v"}]}', "^write one$"),
        (500, b"{}", "^the service answers 500; "),
        (401, b'{"detail": "Invalid token"}', "set HELIOGRAPH_JWT_SECRET as it is set there"),
        (502, b"<html>", "^the service answers 502; "),
        (200, b"<html>", "^no service answers at "),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_service(status: int, body: bytes, why: str) -> None:
    """Only where there is no service is the person told to start one."""
    with service(status, body) as url, pytest.raises(NoAnswer, match=why):
        ask(url, DEFAULT_ORGANIZATION, "GET /diagnostics/dead-letters", DeadLettersOut)
