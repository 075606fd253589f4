"""AMQP 1.0's types: bytes from values, and values from bytes.

Whoever encodes says the type, because the width of a number and the difference between a string and a symbol
matter to the other side; each function returns the encoded bytes. Reading gives plain Python values.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

NULL = b"\x40"
TRUE = b"\x41"
FALSE = b"\x42"

DESCRIBED = 0x00
LONG = 0x81
TIMESTAMP = 0x83
STRING = 0xB1
SYMBOL = 0xB3


class Symbol(str):
    """A name out of a fixed vocabulary, which AMQP keeps apart from text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Described:
    """A value that says what it stands for."""

    descriptor: object
    value: object


def boolean(value: bool) -> bytes:  # noqa: FBT001  it is what is encoded
    return TRUE if value else FALSE


def ubyte(value: int) -> bytes:
    return struct.pack(">BB", 0x50, value)


def ushort(value: int) -> bytes:
    return struct.pack(">BH", 0x60, value)


def uint(value: int) -> bytes:
    return struct.pack(">BI", 0x70, value)


def ulong(value: int) -> bytes:
    return struct.pack(">BQ", 0x80, value)


def int32(value: int) -> bytes:
    return struct.pack(">Bi", 0x71, value)


def long(value: int) -> bytes:
    return struct.pack(">Bq", LONG, value)


def timestamp(millis: int) -> bytes:
    return struct.pack(">Bq", TIMESTAMP, millis)


def uuid(value: UUID) -> bytes:
    return b"\x98" + value.bytes


def binary(value: bytes) -> bytes:
    return struct.pack(">BI", 0xB0, len(value)) + value


def string(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">BI", STRING, len(raw)) + raw


def symbol(value: str) -> bytes:
    raw = value.encode("ascii")
    return struct.pack(">BI", SYMBOL, len(raw)) + raw


def compound(items: Sequence[bytes]) -> bytes:
    """A list of values that are encoded already."""
    return _counted(0xD0, len(items), b"".join(items))


def mapping(pairs: Mapping[bytes, bytes]) -> bytes:
    """A map whose keys and values are encoded already."""
    return _counted(0xD1, 2 * len(pairs), b"".join(chain.from_iterable(pairs.items())))


def array(code: int, items: Sequence[bytes]) -> bytes:
    """An array of values that are encoded already, all with the constructor `code`."""
    body = bytes([code]) + b"".join(item[1:] for item in items)
    return _counted(0xF0, len(items), body)


def described(descriptor: int, value: bytes) -> bytes:
    return bytes([DESCRIBED, 0x53, descriptor]) + value


def _counted(code: int, count: int, body: bytes) -> bytes:
    return struct.pack(">BII", code, len(body) + 4, count) + body


def end_of(data: bytes, at: int) -> int:
    """Where the value ends that begins at `at`."""
    code = data[at]
    at += 1
    if code == DESCRIBED:
        return end_of(data, end_of(data, at))
    width = code >> 4
    if width < 0xA:
        return at + (0, 1, 2, 4, 8, 16)[width - 4]
    if width % 2 == 0:
        return at + 1 + data[at]
    return at + 4 + int.from_bytes(data[at : at + 4])


def slices(data: bytes, at: int = 0) -> list[bytes]:
    """The items of a list, or the keys and values of a map in turn, each still encoded."""
    count, at = _count(data, at)
    found: list[bytes] = []
    for _ in range(count):
        end = end_of(data, at)
        found.append(data[at:end])
        at = end
    return found


def pairs(data: bytes) -> dict[bytes, bytes]:
    """The entries of a map, both sides still encoded; none if the value is null."""
    if data == NULL:
        return {}
    flat = slices(data)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _count(data: bytes, at: int) -> tuple[int, int]:
    code = data[at]
    if code == 0x45:
        return 0, at + 1
    if code in {0xC0, 0xC1}:
        return data[at + 2], at + 3
    if code in {0xD0, 0xD1}:
        return int.from_bytes(data[at + 5 : at + 9]), at + 9
    raise ValueError(f"neither a list nor a map: {code:#x}")


def value_of(data: bytes) -> object:
    """The one value that the bytes are."""
    return decode(data, 0)[0]


def decode(data: bytes, at: int) -> tuple[object, int]:
    """The value that begins at `at`, and where it ends."""
    code = data[at]
    if code == DESCRIBED:
        descriptor, at = decode(data, at + 1)
        value, at = decode(data, at)
        return Described(descriptor, value), at
    return _body(code, data, at + 1)


def _body(code: int, data: bytes, at: int) -> tuple[object, int]:
    width = code >> 4
    if width < 0xA:
        end = at + (0, 1, 2, 4, 8, 16)[width - 4]
        return _FIXED[code](data[at:end]), end
    size_width = 4 if width % 2 else 1
    start = at + size_width
    end = start + int.from_bytes(data[at:start])
    if width < 0xC:
        return _VARIABLE[code & 0xF](data[start:end]), end
    count = int.from_bytes(data[start : start + size_width])
    start += size_width
    if width >= 0xE:
        return _array(data, start, count), end
    items: list[object] = []
    for _ in range(count):
        item, start = decode(data, start)
        items.append(item)
    return (dict(zip(items[::2], items[1::2], strict=True)) if code & 0xF else items), end


def _array(data: bytes, at: int, count: int) -> list[object]:
    code = data[at]
    at += 1
    items: list[object] = []
    for _ in range(count):
        item, at = _body(code, data, at)
        items.append(item)
    return items


def _unsigned(raw: bytes) -> object:
    return int.from_bytes(raw)


def _signed(raw: bytes) -> object:
    return int.from_bytes(raw, signed=True)


_FIXED: Mapping[int, Callable[[bytes], object]] = {
    0x40: lambda _: None,
    0x41: lambda _: True,
    0x42: lambda _: False,
    0x43: lambda _: 0,
    0x44: lambda _: 0,
    0x45: lambda _: [],
    0x50: _unsigned,
    0x51: _signed,
    0x52: _unsigned,
    0x53: _unsigned,
    0x54: _signed,
    0x55: _signed,
    0x56: lambda raw: raw != b"\x00",
    0x60: _unsigned,
    0x61: _signed,
    0x70: _unsigned,
    0x71: _signed,
    0x72: lambda raw: struct.unpack(">f", raw)[0],
    0x80: _unsigned,
    LONG: _signed,
    0x82: lambda raw: struct.unpack(">d", raw)[0],
    TIMESTAMP: _signed,
    0x98: lambda raw: UUID(bytes=raw),
}

_VARIABLE: Mapping[int, Callable[[bytes], object]] = {
    0x0: bytes,
    0x1: lambda raw: raw.decode(),
    0x3: lambda raw: Symbol(raw.decode("ascii")),
}
