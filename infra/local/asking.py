"""Asking a running service over HTTP, for the commands that a person types."""

from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from functions.api.errors import ValidationError
from shared.config import DATABASE, HOST, JWT_SECRET, PORT, Settings

PATIENCE_SECONDS = 60.0
"""To redrive thousands takes a while."""

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to reach what listens there
"""Where a service is reached that listens on every address."""

Told = TypeVar("Told", bound=msgspec.Struct)


class _Refusal(msgspec.Struct):
    """What `HttpErrorOut` and `HTTPValidationError` have in common."""

    detail: str | list[ValidationError]


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
    except (OSError, HTTPException, msgspec.MsgspecError) as wrong:
        raise NoAnswer(
            f"no service answers at {url} ({wrong}); start one, or set {HOST} and {PORT} to where it is"
        ) from wrong
    finally:
        connection.close()
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise NoAnswer(
            f"the service at {url} does not take a token made with these settings; "
            f"set {JWT_SECRET} as it is set there, or {DATABASE} to the file that it uses"
        )
    raise NoAnswer(_refusal(answer.status, read))


def _refusal(status: int, body: bytes) -> str:
    """What a service says that does not do what it is asked for, as far as it can be read."""
    try:
        detail = msgspec.json.decode(body, type=_Refusal).detail
    except msgspec.MsgspecError:
        return f"the service answers {status}; what is wrong stands in its log"
    return detail if isinstance(detail, str) else "; ".join(one.msg for one in detail)


def _connection(url: str) -> HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise NoAnswer(f"{url!r} is no URL of a service; write one such as http://127.0.0.1:8071")
    kind = HTTPConnection if parts.scheme == "http" else HTTPSConnection
    return kind(parts.hostname, parts.port, timeout=PATIENCE_SECONDS)
