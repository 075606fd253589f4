"""Asking a running service over HTTP, for the commands that a person types."""

from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from functions.api.errors import HttpErrorOut
from shared.config import HOST, PORT, Settings

PATIENCE_SECONDS = 60.0
"""To redrive thousands takes a while."""

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to reach what listens there
"""Where a service is reached that listens on every address."""

Told = TypeVar("Told", bound=msgspec.Struct)


class NoAnswer(Exception):
    """The service has not told what was asked for; the text says why, and what to do."""


def where(settings: Settings) -> str:
    """The URL of the service that runs on this machine with the same settings."""
    host = ANYWHERE.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def ask(url: str, token: str, at: str, told: type[Told], body: msgspec.Struct | None = None) -> Told:
    """Ask a service.

    Args:
        url: Where it is.
        token: Good for what is asked.
        at: Method and path, such as `GET /diagnostics`.
        told: The shape of its answer.
        body: What is sent along.

    Raises:
        NoAnswer: The service is not there, or refuses.
    """
    method, path = at.split(" ")
    connection = _connection(url)
    try:
        sent = None if body is None else msgspec.json.encode(body)
        connection.request(method, f"/api/v1{path}", sent, {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        read = answer.read()
        if answer.status == HTTPStatus.OK:
            return msgspec.json.decode(read, type=told)
        raise NoAnswer(msgspec.json.decode(read, type=HttpErrorOut).detail)
    except (OSError, HTTPException, msgspec.MsgspecError) as wrong:
        raise NoAnswer(
            f"no service answers at {url} ({wrong}); start one, or set {HOST} and {PORT} to where it is"
        ) from wrong
    finally:
        connection.close()


def _connection(url: str) -> HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise NoAnswer(f"{url!r} is no URL of a service; write one such as http://127.0.0.1:8071")
    kind = HTTPConnection if parts.scheme == "http" else HTTPSConnection
    return kind(parts.hostname, parts.port, timeout=PATIENCE_SECONDS)
