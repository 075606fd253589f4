"""AMQP 1.0's frames: what the client says, read; and what we say, written.

Every field of a performative is spelled out, trailing nulls too: older SDKs read them by position.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tests.emulators.servicebus import codec
from tests.emulators.servicebus.codec import NULL, Described, boolean, symbol, ubyte, uint, ulong, ushort

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"

OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
SASL_MECHANISMS, SASL_INIT, SASL_OUTCOME = 0x40, 0x41, 0x44
ACCEPTED, REJECTED, RELEASED, MODIFIED = range(0x24, 0x28)
ERROR = 0x1D
SOURCE, TARGET = 0x28, 0x29

MAX_FRAME_SIZE = 64 * 1024
WINDOW = 2**31 - 1
"""Of transfers: more than any client sends, so that the session holds nobody up."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A performative: which one, and its fields, still encoded."""

    kind: int
    raw: Sequence[bytes]
    payload: bytes = b""

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read the body of a frame."""
        kind, at = codec.decode(body, 1)
        assert isinstance(kind, int)
        end = codec.end_of(body, at)
        return cls(kind, codec.slices(body, at), body[end:])

    def at(self, place: int) -> object:
        """The field at a place, None if it was left out."""
        return codec.value_of(self.raw[place]) if place < len(self.raw) else None

    def slice(self, place: int) -> bytes:
        return self.raw[place] if place < len(self.raw) else NULL

    def number(self, place: int, default: int = 0) -> int:
        value = self.at(place)
        return value if isinstance(value, int) else default

    def text(self, place: int) -> str:
        return str(self.at(place))


def frame(performative: bytes, *, channel: int = 0, kind: int = 0) -> bytes:
    return struct.pack(">IBBH", len(performative) + 8, 2, kind, channel) + performative


def sasl_mechanisms() -> bytes:
    mechanisms = codec.array(codec.SYMBOL, [symbol("ANONYMOUS")])
    return frame(codec.described(SASL_MECHANISMS, codec.compound([mechanisms])), kind=1)


def sasl_outcome() -> bytes:
    return frame(codec.described(SASL_OUTCOME, codec.compound([ubyte(0), NULL])), kind=1)


def opened(container: str) -> bytes:
    fields = [codec.string(container), NULL, uint(MAX_FRAME_SIZE), ushort(65535), *[NULL] * 6]
    return frame(codec.described(OPEN, codec.compound(fields)))


def begun(channel: int) -> bytes:
    fields = [ushort(channel), uint(0), uint(WINDOW), uint(WINDOW), uint(255), NULL, NULL, NULL]
    return frame(codec.described(BEGIN, codec.compound(fields)), channel=channel)


@dataclass(frozen=True, slots=True)
class Attached:
    """Our half of an attach. A refusal has neither source nor target."""

    name: bytes
    handle: int
    is_receiver: bool
    settle_modes: tuple[bytes, bytes]
    source: bytes = NULL
    target: bytes = NULL
    max_message_size: int = 0
    properties: bytes = NULL

    def frame(self, channel: int) -> bytes:
        fields = [
            self.name,
            uint(self.handle),
            boolean(self.is_receiver),
            *self.settle_modes,
            self.source,
            self.target,
            NULL,
            NULL,
            NULL if self.is_receiver else uint(0),
            ulong(self.max_message_size),
            NULL,
            NULL,
            self.properties,
        ]
        return frame(codec.described(ATTACH, codec.compound(fields)), channel=channel)


def flowed(  # noqa: PLR0913  a flow has so many fields
    channel: int, *, incoming: int, outgoing: int, handle: int, count: int, credit: int, drain: bool = False
) -> bytes:
    window = uint(WINDOW)
    fields = [
        *(uint(incoming), window, uint(outgoing), window, uint(handle), uint(count), uint(credit)),
        *(uint(0), boolean(drain), codec.FALSE, NULL),
    ]
    return frame(codec.described(FLOW, codec.compound(fields)), channel=channel)


def transferred(
    channel: int, *, handle: int, delivery_id: int, tag: bytes, settled: bool, payload: bytes
) -> list[bytes]:
    """The frames of one delivery."""
    room = MAX_FRAME_SIZE - 128
    parts = [payload[at : at + room] for at in range(0, len(payload), room)] or [b""]
    frames: list[bytes] = []
    for part in parts:
        more = len(frames) < len(parts) - 1
        fields = [
            *(uint(handle), uint(delivery_id), codec.binary(tag), uint(0), boolean(settled), boolean(more)),
            *[NULL] * 5,
        ]
        frames.append(frame(codec.described(TRANSFER, codec.compound(fields)) + part, channel=channel))
    return frames


def disposed(channel: int, *, is_receiver: bool, delivery_id: int, state: bytes) -> bytes:
    number = uint(delivery_id)
    fields = [boolean(is_receiver), number, number, codec.TRUE, state, NULL]
    return frame(codec.described(DISPOSITION, codec.compound(fields)), channel=channel)


def detached(channel: int, handle: int, error: bytes = NULL) -> bytes:
    return frame(codec.described(DETACH, codec.compound([uint(handle), codec.TRUE, error])), channel=channel)


def ended(channel: int) -> bytes:
    return frame(codec.described(END, codec.compound([NULL])), channel=channel)


def closed(error: bytes = NULL) -> bytes:
    return frame(codec.described(CLOSE, codec.compound([error])))


def error(condition: str, description: str) -> bytes:
    """An error of three elements: the SDK stumbles over a missing last one."""
    parts = [symbol(condition), codec.string(description), codec.mapping({})]
    return codec.described(ERROR, codec.compound(parts))


ACCEPT = codec.described(ACCEPTED, codec.compound([]))
REJECT = codec.described(REJECTED, codec.compound([NULL]))


def rejected(condition: str, description: str) -> bytes:
    return codec.described(REJECTED, codec.compound([error(condition, description)]))


def modified(*, is_deferred: bool) -> bytes:
    return codec.described(MODIFIED, codec.compound([codec.TRUE, boolean(is_deferred), NULL]))


def address_of(terminus: object) -> str:
    """The path that a source or target names: `queue`, `queue/$management`, without host."""
    if not isinstance(terminus, Described) or not isinstance(terminus.value, list) or not terminus.value:
        return ""
    return path_of(str(terminus.value[0]))


def path_of(address: str) -> str:
    """The path of an address, which may be a URL."""
    _, _, rest = address.partition("://")
    return rest.partition("/")[2] if rest else address
