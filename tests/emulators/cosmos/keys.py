"""Partition keys, and where they lie on the ring that the physical ranges divide.

Version 2 of the service's hashing: MurmurHash3 (x64, 128 bits) over the typed bytes of each level.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from tests.emulators.cosmos.refusals import KEY_MISMATCH, Refused, bad, unknown

FIRST = ""
BEYOND = "FF"
"""The ends of the ring: the first is inside, the second is not."""

MAX_LEVELS = 3
CACHED_KEYS = 65_536
HIGHEST_DIGIT = 0x3F
"""The two highest bits of a hash are cleared, so that every hash is below the end of the ring."""

_MASK = (1 << 64) - 1
_C1 = 0x87C37B91114253D5
_C2 = 0x4CF5AD432745937F
_NULL, _FALSE, _TRUE, _NUMBER, _STRING = 1, 2, 3, 5, 8

KeyPaths = tuple[tuple[str, ...], ...]
"""The properties of a document that make its key, each as the steps to it."""


@dataclass(frozen=True, slots=True)
class Key:
    """One partition key.

    Attributes:
        text: The values as JSON, which is one text for equal keys.
        hashed: Its place on the ring.
        levels: How many values it has.
    """

    text: str
    hashed: str
    levels: int


@dataclass(frozen=True, slots=True)
class Range:
    """One physical range: where keys from `start` on and before `end` are kept."""

    id: str
    start: str
    end: str

    def holds(self, hashed: str) -> bool:
        """Whether a place on the ring is in it."""
        return self.start <= hashed < self.end


def divided(ranges: int) -> tuple[Range, ...]:
    """The ring in so many ranges of one size."""
    bounds = [f"{(HIGHEST_DIGIT + 1) * one // ranges:02X}" for one in range(1, ranges)]
    return tuple(
        Range(str(number), start, end)
        for number, (start, end) in enumerate(zip([FIRST, *bounds], [*bounds, BEYOND], strict=True))
    )


@lru_cache(maxsize=CACHED_KEYS)
def key_of_header(header: bytes) -> Key:
    """What the request's header says, a list in JSON.

    Raises:
        Refused: It is no such list.
    """
    try:
        values = msgspec.json.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        values = None
    if not isinstance(values, list) or not 0 < len(values) <= MAX_LEVELS:
        raise bad(f"x-ms-documentdb-partitionkey must be a list of 1 to {MAX_LEVELS} values in JSON")
    return _key(values)


def key_of_document(content: Mapping[str, object], paths: KeyPaths) -> Key:
    """The key under which a document is kept.

    Raises:
        Refused: A value of it cannot be part of a key.
    """
    return _key([_value(content, steps) for steps in paths])


def check_same(key: Key, content: Mapping[str, object], paths: KeyPaths) -> None:
    """A document may only be written under its own key.

    Raises:
        Refused: It has another one.
    """
    if key_of_document(content, paths).text != key.text:
        raise Refused(
            400,
            "PartitionKey extracted from document doesn't match the one specified in the header",
            KEY_MISMATCH,
        )


def _value(content: Mapping[str, object], steps: tuple[str, ...]) -> object:
    value: object = content
    for step in steps:
        if not isinstance(value, dict) or step not in value:
            return {}
        value = value[step]
    return value


def _key(values: Sequence[object]) -> Key:
    plain = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    return _hashed_key(msgspec.json.encode(plain).decode(), tuple(map(_typed_bytes, plain)))


@lru_cache(maxsize=CACHED_KEYS)
def _hashed_key(text: str, levels: tuple[bytes, ...]) -> Key:
    return Key(text, "".join(map(_place, levels)), len(levels))


def _typed_bytes(value: object) -> bytes:
    match value:
        case None:
            return bytes([_NULL])
        case bool():
            return bytes([_TRUE if value else _FALSE])
        case int() | float():
            return bytes([_NUMBER]) + struct.pack("<d", value)
        case str():
            return bytes([_STRING]) + value.encode() + b"\xff"
        case dict() if not value:
            return b"\x00"
    raise unknown(f"a partition key with the value {value!r}")


def _place(typed: bytes) -> str:
    low, high = murmur3(typed)
    digits = bytearray(high.to_bytes(8, "big") + low.to_bytes(8, "big"))
    digits[0] &= HIGHEST_DIGIT
    return digits.hex().upper()


def murmur3(content: bytes) -> tuple[int, int]:
    """MurmurHash3 x64 128 with seed 0: its two halves."""
    h1 = h2 = 0
    whole = len(content) & ~15
    for at in range(0, whole, 16):
        k1, k2 = struct.unpack_from("<QQ", content, at)
        h1 ^= _scrambled(k1, _C1, 31, _C2)
        h1 = (_rotated(h1, 27) + h2) & _MASK
        h1 = (h1 * 5 + 0x52DCE729) & _MASK
        h2 ^= _scrambled(k2, _C2, 33, _C1)
        h2 = (_rotated(h2, 31) + h1) & _MASK
        h2 = (h2 * 5 + 0x38495AB5) & _MASK
    k1, k2 = struct.unpack("<QQ", content[whole:].ljust(16, b"\0"))
    h1 ^= _scrambled(k1, _C1, 31, _C2) ^ len(content)
    h2 ^= _scrambled(k2, _C2, 33, _C1) ^ len(content)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    h1, h2 = _mixed(h1), _mixed(h2)
    h1 = (h1 + h2) & _MASK
    return h1, (h2 + h1) & _MASK


def _rotated(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _MASK


def _scrambled(block: int, first: int, by: int, second: int) -> int:
    return _rotated(block * first & _MASK, by) * second & _MASK


def _mixed(value: int) -> int:
    value = (value ^ (value >> 33)) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ (value >> 33)
