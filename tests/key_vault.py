"""A Key Vault for tests: a real https server on a free local port that speaks as much of the wire as we use.

    async with KeyVault(folder) as vault:
        vault.rotate()                          # a new version of the key
        vault.faults.append(503)                # the next question is answered so, and then as ever
        ...                                     # have something sealed with `vault.options`
        assert vault.asked == ["get", "get v1", "unwrap v1"]

It asks who is there as Key Vault does (401 with a challenge, then a token), and its keys are real RSA keys.
"""

import asyncio
import base64
import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from aiohttp import ClientSession, TCPConnector, web
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AioHttpTransport
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.certificates import Certificate

KEY_NAME = "endpoint-secrets"
CHALLENGE = 'Bearer authorization="https://login.example/00000000-0000", resource="https://vault.azure.net"'
CUT, HANG = "cut", "hang"
_OAEP_256 = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label=None)
_CODES = {400: "BadParameter", 403: "Forbidden", 404: "KeyNotFound", 429: "Throttled"}


@cache
def _rsa(seed: str) -> rsa.RSAPrivateKey:
    """One key for each seed, in this process; half as long as Key Vault's shortest, to be quick."""
    del seed
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - guards nothing


class Token:
    """A credential without anybody behind it."""

    async def get_token(self, *scopes: str, **options: object) -> AccessToken:
        """The same for everything and for ever."""
        del options
        return AccessToken(f"a token for {scopes[0]}", 4_102_488_000)

    async def close(self) -> None:
        """There is nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@dataclass
class KeyVault:
    """A vault with one key.

    Attributes:
        seed: Vaults with the same one have the same keys.
        versions: Of the key, by their names, the newest last; one that is removed is known no more.
        faults: What the next questions are answered with: a status, `CUT` or `HANG`.
        faulty: How questions begin that are answered so: `get`, or `unwrap`; empty for all.
        retry_after: What a fault says about when to come back, in seconds.
        asked: Every question of somebody with a token, with the version that it is about.
        tokens: What they have shown.
    """

    folder: Path
    seed: str = ""
    versions: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    faults: deque[int | str] = field(default_factory=deque)
    faulty: str = ""
    retry_after: str | None = None
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._made = 0
        self.rotate()

    async def __aenter__(self) -> Self:
        self._certificate = Certificate.of_this_machine(self.folder)
        app = web.Application()
        app.router.add_route("*", "/keys/{name}/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._certificate.serving()).start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def key_url(self) -> str:
        """The key, as the setting names it."""
        return f"{self.url}/keys/{KEY_NAME}"

    @property
    def options(self) -> dict[str, Any]:
        """What a client must know to trust it, and to be quick."""
        connector = TCPConnector(ssl=self._certificate.trusting())
        return {
            "transport": AioHttpTransport(session=ClientSession(connector=connector)),
            "verify_challenge_resource": False,
            "retry_backoff_factor": 0.001,
        }

    def rotate(self) -> None:
        """Make a new version of the key; the old ones go on to unwrap."""
        self._made += 1
        name = hashlib.sha256(f"{self.seed} {self._made}".encode()).hexdigest()[:32]
        self.versions[name] = _rsa(name)

    def number(self, version: str) -> str:
        """Which version it is, for people."""
        return f"v{list(self.versions).index(version) + 1}" if version in self.versions else "unknown"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("authorization")
        if token is None:
            return _refusal(401, "Unauthorized", {"www-authenticate": CHALLENGE})
        self.tokens.add(token)
        version, _, operation = request.match_info["rest"].partition("/")
        verb = operation.removesuffix("key") or "get"
        self.asked.append(f"{verb} {self.number(version)}" if version else verb)
        if self.faults and verb.startswith(self.faulty):
            return await self._fault(request, self.faults.popleft())
        version = version or list(self.versions)[-1]
        key = self.versions.get(version)
        if key is None or request.match_info["name"] != KEY_NAME:
            return _refusal(404, "A key with this name and version was not found")
        if verb == "get":
            return web.json_response(self._described(version, key))
        sent = await request.json()
        assert sent["alg"] == "RSA-OAEP-256"
        try:
            value = _carried_out(verb, key, _bytes(sent["value"]))
        except ValueError:
            return _refusal(400, "The parameter is incorrect")
        return web.json_response({"kid": self._id(version), "value": _text(value)})

    async def _fault(self, request: web.Request, fault: int | str) -> web.StreamResponse:
        if fault == HANG:
            await asyncio.Event().wait()
        if isinstance(fault, str):
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        said = "Caller is not authorized" if fault == 403 else "Come again later"
        return _refusal(fault, said, {} if self.retry_after is None else {"retry-after": self.retry_after})

    def _id(self, version: str) -> str:
        return f"{self.key_url}/{version}"

    def _described(self, version: str, key: rsa.RSAPrivateKey) -> object:
        numbers = key.public_key().public_numbers()
        return {
            "key": {
                "kid": self._id(version),
                "kty": "RSA",
                "key_ops": ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"],
                "n": _text(numbers.n.to_bytes(256)),
                "e": _text(numbers.e.to_bytes(3)),
            },
            "attributes": {"enabled": True, "created": 1_790_000_000, "updated": 1_790_000_000},
        }


def _carried_out(verb: str, key: rsa.RSAPrivateKey, value: bytes) -> bytes:
    if verb == "unwrap":
        return key.decrypt(value, _OAEP_256)
    return key.public_key().encrypt(value, _OAEP_256)


def _refusal(status: int, said: str, headers: Mapping[str, str] = MappingProxyType({})) -> web.Response:
    error = {"error": {"code": _CODES.get(status, "ServiceUnavailable"), "message": said}}
    return web.json_response(error, status=status, headers=headers)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
