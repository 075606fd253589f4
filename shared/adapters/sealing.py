"""Signing keys encrypted with AES-256-GCM under one key of the deployment."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.domain.errors import Unavailable

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"
"""The first byte of what is sealed, so that another cipher or key can be told apart one day."""


class AesSecrets:
    """See `shared.ports.secrets.Secrets`.

    A nonce of 96 random bits is safe for some billions of texts under one key; a deployment has thousands.
    """

    def __init__(self, key: bytes) -> None:
        """Seal and open with a key.

        Raises:
            ValueError: The key has another length than `KEY_BYTES`.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"an encryption key has {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)

    async def seal(self, text: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, text.encode(), _VERSION)

    async def open(self, sealed: bytes) -> str:
        version, nonce, rest = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if version != _VERSION or len(nonce) != _NONCE_BYTES:
            raise Unavailable(
                "encryption key", "a signing key was sealed in a way that this release does not know"
            )
        try:
            return self._cipher.decrypt(nonce, rest, version).decode()
        except InvalidTag as wrong:
            why = "a signing key is damaged or was sealed with another encryption key"
            raise Unavailable("encryption key", why) from wrong
