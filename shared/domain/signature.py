"""Signatures that prove to a receiver who sent a message, as Standard Webhooks 1.0 lays down.

What is signed is `<message id>.<unix seconds of the attempt>.<body>`:

    kind        secret      signature   what the receiver holds
    symmetric   `whsec_…`   `v1,…`      the secret itself; HMAC-SHA256
    asymmetric  `whsk_…`    `v1a,…`     the public key `whpk_…`; Ed25519

While a rotated secret is still valid every message carries one signature per secret, so a receiver that
knows only one of them goes on verifying.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SYMMETRIC_PREFIX = "whsec_"
ASYMMETRIC_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"

MIN_KEY_BYTES = 24
MAX_KEY_BYTES = 75
SEED_BYTES = 32

_WHAT_TO_WRITE = (
    f"write {SYMMETRIC_PREFIX} and the base64 of {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes, "
    f"or {ASYMMETRIC_PREFIX} and the base64 of an Ed25519 seed and its public key"
)


class SignatureType(StrEnum):
    """The kind of secret that is made for a new endpoint, by its name in settings."""

    HMAC256 = "hmac256"
    ED25519 = "ed25519"

    @property
    def dice_bytes(self) -> int:
        """How many bytes of chance `generate_secret` takes for this kind."""
        return MIN_KEY_BYTES if self is SignatureType.HMAC256 else SEED_BYTES


@dataclass(frozen=True, slots=True)
class SymmetricSecret:
    """A key that sender and receiver share.

    Attributes:
        key: 24 to 75 bytes, raw.

    Raises:
        ValueError: The key is shorter or longer.
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not MIN_KEY_BYTES <= len(self.key) <= MAX_KEY_BYTES:
            raise ValueError(f"a signing key of {len(self.key)} bytes is not allowed: {_WHAT_TO_WRITE}")

    @property
    def text(self) -> str:
        """`whsec_…`, as `parse_secret` reads it."""
        return SYMMETRIC_PREFIX + b64encode(self.key).decode()

    def signature(self, content: bytes) -> str:
        """The HMAC-SHA256 of the content as `v1,<base64>`."""
        return "v1," + b2a_base64(hmac.digest(self.key, content, "sha256"), newline=False).decode()


@dataclass(frozen=True, slots=True)
class AsymmetricSecret:
    """An Ed25519 key pair: the sender keeps the seed, the receiver gets the public key.

    Attributes:
        seed: 32 bytes, raw.
        public_key: 32 bytes, raw; follows from the seed.

    Raises:
        ValueError: The seed is shorter or longer.
    """

    seed: bytes = field(repr=False)
    public_key: bytes = field(init=False, compare=False)
    _private_key: Ed25519PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise ValueError(f"an Ed25519 seed of {len(self.seed)} bytes is not allowed: {_WHAT_TO_WRITE}")
        private_key = Ed25519PrivateKey.from_private_bytes(self.seed)
        object.__setattr__(self, "_private_key", private_key)
        object.__setattr__(self, "public_key", private_key.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """`whsk_…`, as `parse_secret` reads it."""
        return ASYMMETRIC_PREFIX + b64encode(self.seed + self.public_key).decode()

    @property
    def public_text(self) -> str:
        """`whpk_…`, for the receiver."""
        return PUBLIC_PREFIX + b64encode(self.public_key).decode()

    def signature(self, content: bytes) -> str:
        """The Ed25519 signature of the content as `v1a,<base64>`."""
        return "v1a," + b2a_base64(self._private_key.sign(content), newline=False).decode()


Secret: TypeAlias = SymmetricSecret | AsymmetricSecret


def parse_secret(text: str) -> Secret:
    """Read a secret in its text form.

    Raises:
        ValueError: It has another prefix, is not base64, has a wrong length, or its public key does not
            follow from its seed. The text says what to write and never repeats the secret.
    """
    if text.startswith(SYMMETRIC_PREFIX):
        return SymmetricSecret(_decoded(text.removeprefix(SYMMETRIC_PREFIX)))
    if text.startswith(ASYMMETRIC_PREFIX):
        pair = _decoded(text.removeprefix(ASYMMETRIC_PREFIX))
        secret = AsymmetricSecret(pair[:SEED_BYTES])
        if secret.public_key != pair[SEED_BYTES:]:
            raise ValueError(f"the public key does not belong to the seed: {_WHAT_TO_WRITE}")
        return secret
    if text.startswith(PUBLIC_PREFIX):
        raise ValueError(f"a public key cannot sign: {_WHAT_TO_WRITE}")
    raise ValueError(f"a signing secret begins with its kind: {_WHAT_TO_WRITE}")


def generate_secret(kind: SignatureType, dice: bytes) -> Secret:
    """Make a new secret.

    Args:
        kind: Which kind.
        dice: `kind.dice_bytes` bytes that nobody can predict.

    Raises:
        ValueError: There are more or fewer dice.
    """
    if len(dice) != kind.dice_bytes:
        raise ValueError(f"a secret of type {kind} takes {kind.dice_bytes} bytes of chance, not {len(dice)}")
    return SymmetricSecret(dice) if kind is SignatureType.HMAC256 else AsymmetricSecret(dice)


def exposed_key(secret: Secret) -> str:
    """What the receiver needs in order to verify: `whsec_…`, or `whpk_…` of an asymmetric secret."""
    return secret.text if isinstance(secret, SymmetricSecret) else secret.public_text


def sign(secrets: Sequence[Secret], message_id: str, timestamp_seconds: int, body: bytes) -> str:
    """The value of the signature header.

    Args:
        secrets: The current secret, then the rotated ones that are still valid.
        message_id: As in the id header; without a dot, which would blur where it ends.
        timestamp_seconds: As in the timestamp header: unix time of this attempt.
        body: As it goes on the wire, byte for byte.

    Returns:
        One signature per secret, in their order, with single spaces between.

    Raises:
        ValueError: There is no secret.
    """
    if not secrets:
        raise ValueError("a message is signed with at least one secret")
    content = f"{message_id}.{timestamp_seconds}.".encode() + body
    return " ".join([secret.signature(content) for secret in secrets])


def _decoded(text: str) -> bytes:
    """Decode base64 that is written in the one canonical way, so that a secret reads back as it was given.

    Raises:
        ValueError: It is written in another way.
    """
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        # The cause is dropped on purpose: a traceback must not lead to the secret.
        raise ValueError(f"the secret is not standard base64: {_WHAT_TO_WRITE}") from None
    if b64encode(raw).decode() != text:
        raise ValueError(f"the secret is not standard base64: {_WHAT_TO_WRITE}")
    return raw
