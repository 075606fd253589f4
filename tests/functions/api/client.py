"""A client that calls the ASGI app in process, and the service behind it."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from functions.api.tokens import authority, mint_organization_token
from functions.http import asgi
from shared.config import Settings
from tests.makers import ORG


@dataclass(frozen=True)
class Reply:
    """An answer as the client sees it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        return msgspec.json.decode(self.body)

    @property
    def loc(self) -> list[str]:
        """Where the first broken rule is."""
        found: list[str] = self.json["detail"][0]["loc"]
        return found


@dataclass
class Client:
    """Calls the API with a token."""

    token: str | None

    async def get(self, target: str, **headers: str) -> Reply:
        return await self.call("GET", target, **headers)

    async def delete(self, target: str, **headers: str) -> Reply:
        return await self.call("DELETE", target, **headers)

    async def post(self, target: str, body: object = b"", **headers: str) -> Reply:
        return await self.call("POST", target, _octets(body), **headers)

    async def put(self, target: str, body: object, **headers: str) -> Reply:
        return await self.call("PUT", target, _octets(body), **headers)

    async def patch(self, target: str, body: object, **headers: str) -> Reply:
        return await self.call("PATCH", target, _octets(body), **headers)

    async def call(self, method: str, target: str, *pieces: bytes, **headers: str) -> Reply:
        """Call the app.

        Args:
            method: In capitals.
            target: Path and query string.
            pieces: The body as it comes in.
            headers: With underscores for dashes.
        """
        path, _, query_string = target.partition("?")
        named = {"authorization": f"Bearer {self.token}"} if self.token else {}
        named |= {name.replace("_", "-"): text for name, text in headers.items()}
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "query_string": query_string.encode(),
            "headers": [(name.encode(), text.encode()) for name, text in named.items()],
        }
        return await _called(scope, list(pieces or (b"",)))


def _octets(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


async def _called(scope: MutableMapping[str, Any], pieces: list[bytes]) -> Reply:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await asgi(scope, receive, send)
    start, *rest = sent
    headers = {name.decode(): text.decode() for name, text in start["headers"]}
    return Reply(start["status"], headers, b"".join(piece["body"] for piece in rest))


def organization_token(settings: Settings, now: datetime, org_id: str = ORG) -> str:
    return mint_organization_token(settings, org_id, now)


def portal_token(settings: Settings, app_id: str, *flags: str, org_id: str = ORG) -> str:
    claims: dict[str, object] = {"sub": app_id, "org": org_id, "feature_flags": list(flags)}
    return authority(settings.jwt_secret, settings.jwt_algorithm).sign(claims)
