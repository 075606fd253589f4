"""Signing keys encrypted under a key of Azure Key Vault, which never leaves the vault.

    the vault's key, version v ──wraps──▶ a data key ──encrypts──▶ a text
    sealed: 2 · v · length and bytes of the wrapped data key · nonce · encrypted text

A text names the version of the vault's key and carries its wrapped data key. So what was sealed stays
readable when the vault's key is rotated, as long as its old versions stay enabled, and nothing has to be
written anew. What is sealed later than `NEWEST_FOR` after the rotation is sealed under the new version.

The vault is asked once for each data key, not for each text: an unwrapped one is kept until the process ends.
A process seals with a data key that it has met already, if that is of the newest version, so that many
processes need few. Nothing here waits but for the vault, and for it at most `PATIENCE`.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.keyvault.keys import KeyVaultKeyIdentifier
from azure.keyvault.keys.aio import KeyClient
from azure.keyvault.keys.crypto import KeyWrapAlgorithm
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.domain.errors import Unavailable
from shared.ports.clock import Clock
from shared.ports.secrets import Secrets

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.keyvault.keys.crypto.aio import CryptographyClient

NEWEST_FOR = timedelta(hours=1)
"""How long the newest version of the vault's key may go unseen."""

PATIENCE = timedelta(seconds=10)
"""For everything that sealing or opening a text asks of the vault, repetitions included."""

KNOWN_MAX = 4096
"""Data keys kept in memory, of about 1 KB each; beyond that the oldest one is asked for again."""

ROLE = "Key Vault Crypto Service Encryption User"
"""Reads a key's public half, wraps and unwraps with it; nothing else."""

_PART = "key vault"
_DAMAGED = "a signing key is damaged"
_DATA_KEY_BITS = 256
_NONCE_BYTES = 12
_FORMAT = b"\x02"
"""The first byte of what is sealed here. What is sealed under the deployment's own key begins with 1."""
_NEWEST = b""
"""In place of a header: whichever is to be sealed with."""
_VERSION = slice(1, 17)
_LENGTH = slice(17, 19)
_WRAPPED = 19
_WRAPPING = KeyWrapAlgorithm.rsa_oaep_256

# Unwrapping is the same however often it is done, so it may be repeated although it is a POST.
_REPEATING = {"retry_on_methods": frozenset({"GET", "POST"})}
_CLIENT: dict[str, object] = {
    "connection_timeout": 3,
    "read_timeout": 5,
    "retry_total": 3,
    "retry_backoff_factor": 0.2,
}
"""In seconds. A vault that is asked too often says how long to wait, which is heeded within `PATIENCE`."""


class _DataKey(NamedTuple):
    """What texts are sealed with.

    Attributes:
        header: What stands before the nonce: how the data key is found again.
    """

    header: bytes
    cipher: AESGCM


class KeyVaultSecrets:
    """See `shared.ports.secrets.Secrets`."""

    def __init__(
        self,
        key_url: str,
        credential: "AsyncTokenCredential",
        clock: Clock,
        *,
        earlier: Secrets | None = None,
        patience: timedelta = PATIENCE,
        known_max: int = KNOWN_MAX,
        **client: Any,  # noqa: ANN401 - whatever the SDK understands
    ) -> None:
        """Prepare; the vault is asked when it is needed.

        Args:
            key_url: The key's URL, without a version.
            credential: Who we are; closed by whom it belongs to.
            clock: For `NEWEST_FOR`.
            earlier: Opens what was sealed before Key Vault was used.
            patience: See `PATIENCE`.
            known_max: See `KNOWN_MAX`.
            client: Options of the SDK's client, such as whom to trust.
        """
        key = KeyVaultKeyIdentifier(key_url)
        self._name = key.name
        self._keys = KeyClient(key.vault_url, credential, **_CLIENT | client)
        self._clock = clock
        self._earlier = earlier
        self._patience = patience
        self._known_max = known_max
        self._by_version: dict[bytes, CryptographyClient] = {}
        self._known: dict[bytes, _DataKey] = {}
        self._underway: dict[bytes, asyncio.Task[_DataKey]] = {}
        self._sealing: tuple[_DataKey, datetime] | None = None

    async def seal(self, text: str) -> bytes:
        if self._sealing is None or self._clock.now() >= self._sealing[1]:
            header, cipher = await self._once(_NEWEST, self._chosen)
        else:
            header, cipher = self._sealing[0]
        nonce = os.urandom(_NONCE_BYTES)
        return header + nonce + cipher.encrypt(nonce, text.encode(), header)

    async def open(self, sealed: bytes) -> str:
        if sealed[:1] != _FORMAT:
            if self._earlier is None:
                raise Unavailable(_PART, f"{_DAMAGED}, or was sealed with an encryption key that is not set")
            return await self._earlier.open(sealed)
        end = _WRAPPED + int.from_bytes(sealed[_LENGTH])
        header, nonce, rest = sealed[:end], sealed[end : end + _NONCE_BYTES], sealed[end + _NONCE_BYTES :]
        if not rest:
            raise Unavailable(_PART, _DAMAGED)
        data_key = self._known.get(header) or await self._once(header, self._unwrapped)
        try:
            return data_key.cipher.decrypt(nonce, rest, header).decode()
        except InvalidTag as wrong:
            raise Unavailable(_PART, _DAMAGED) from wrong

    async def close(self) -> None:
        """Close the connections to the vault."""
        for task in self._underway.values():
            task.cancel()
        await self._keys.close()

    async def _chosen(self, _: bytes) -> _DataKey:
        """A data key of the newest version: one that is known, or a new one."""
        now = self._clock.now()
        key = await self._keys.get_key(self._name)
        version = UUID(hex=key.properties.version).bytes
        known = (data_key for header, data_key in self._known.items() if header[_VERSION] == version)
        data_key = next(known, None) or await self._made(version)
        self._sealing = data_key, now + NEWEST_FOR
        return data_key

    async def _made(self, version: bytes) -> _DataKey:
        """A new data key."""
        data_key = AESGCM.generate_key(_DATA_KEY_BITS)
        wrapped = (await self._at(version).wrap_key(_WRAPPING, data_key, **_REPEATING)).encrypted_key
        length = len(wrapped).to_bytes(_LENGTH.stop - _LENGTH.start)
        return self._keep(_FORMAT + version + length + wrapped, data_key)

    async def _unwrapped(self, header: bytes) -> _DataKey:
        client = self._at(header[_VERSION])
        unwrapped = await client.unwrap_key(_WRAPPING, header[_WRAPPED:], **_REPEATING)
        return self._keep(header, unwrapped.key)

    async def _once(self, what: bytes, find: Callable[[bytes], Coroutine[None, None, _DataKey]]) -> _DataKey:
        """Find a data key once for all who want it now, whoever of them gives up waiting."""
        task = self._underway.get(what)
        if task is None:
            task = self._underway[what] = asyncio.create_task(self._asked(find(what)))
            task.add_done_callback(lambda done: self._forget(what, done))
        return await asyncio.shield(task)

    def _forget(self, what: bytes, done: asyncio.Task[_DataKey]) -> None:
        del self._underway[what]
        if not done.cancelled():
            done.exception()  # is told to all who wait; if nobody does, it is of no interest

    def _keep(self, header: bytes, data_key: bytes) -> _DataKey:
        if len(self._known) >= self._known_max:
            del self._known[next(iter(self._known))]
        kept = self._known[header] = _DataKey(header, AESGCM(data_key))
        return kept

    def _at(self, version: bytes) -> "CryptographyClient":
        """The client of one version of the key, which reads its public half when it is first used."""
        client = self._by_version.get(version)
        if client is None:
            client = self._keys.get_cryptography_client(self._name, key_version=version.hex())
            self._by_version[version] = client
        return client

    async def _asked(self, finding: Awaitable[_DataKey]) -> _DataKey:
        """What is found at the vault.

        Raises:
            Unavailable: It does not answer, or not what was hoped for.
        """
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                return await finding
        except TimeoutError as late:
            why = f"it has not answered within {self._patience.total_seconds():g} s"
            raise Unavailable(_PART, why) from late
        except (AzureError, ValueError) as wrong:
            raise Unavailable(_PART, self._reason(wrong)) from wrong

    def _reason(self, wrong: Exception) -> str:
        said = str(wrong).partition("\n")[0]
        status = wrong.status_code if isinstance(wrong, HttpResponseError) else None
        if status == HTTPStatus.FORBIDDEN:
            return f"give the app's managed identity the role {ROLE} on the key {self._name}; it says: {said}"
        if isinstance(wrong, ClientAuthenticationError):
            return f"it does not know us: {said}"
        return said
