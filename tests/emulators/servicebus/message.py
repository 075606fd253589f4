"""A message as it travels: its sections kept as bytes, and rewritten only where the service does so."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from tests.emulators.servicebus import codec
from tests.emulators.servicebus.codec import NULL, string, symbol

HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES, APPLICATION_PROPERTIES, DATA, _, VALUE, _ = range(
    0x70, 0x79
)

BATCH_FORMAT = 0x80013700
"""A transfer of this format holds one whole message in each data section."""

SCHEDULED_FOR = symbol("x-opt-scheduled-enqueue-time")


def sections(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Each section's descriptor, and its value still encoded."""
    at = 0
    while at < len(payload):
        kind, at = codec.decode(payload, at + 1)
        assert isinstance(kind, int)
        end = codec.end_of(payload, at)
        yield kind, payload[at:end]
        at = end


def from_transfer(payload: bytes, message_format: int) -> list[bytes]:
    """The messages of a transfer, each as bytes."""
    if message_format != BATCH_FORMAT:
        return [payload]
    inner = [codec.value_of(value) for kind, value in sections(payload) if kind == DATA]
    return [one for one in inner if isinstance(one, bytes)]


@dataclass(frozen=True, slots=True)
class Parts:
    """A message taken apart.

    Attributes:
        header: Its fields, still encoded.
        annotations: Key and value, both still encoded; likewise `application_properties`.
        properties: The section's value, still encoded.
        body: The sections after the application properties, as they came.
    """

    header: list[bytes] = field(default_factory=list)
    annotations: Mapping[bytes, bytes] = field(default_factory=dict)
    properties: bytes = NULL
    application_properties: Mapping[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def read(cls, payload: bytes) -> Self:
        found: dict[int, bytes] = {}
        body = b""
        for kind, value in sections(payload):
            if kind < DATA:
                found[kind] = value
            else:
                body += codec.described(kind, value)
        return cls(
            header=codec.slices(found[HEADER]) if HEADER in found else [],
            annotations=_keyed(symbol, found.get(ANNOTATIONS, NULL)),
            properties=found.get(PROPERTIES, NULL),
            application_properties=_keyed(string, found.get(APPLICATION_PROPERTIES, NULL)),
            body=body,
        )

    def write(self, annotations: Mapping[bytes, bytes], *, delivery_count: int, token: bytes = NULL) -> bytes:
        """The whole message, as a receiver gets it."""
        header = [*self.header, *[NULL] * 5][:5]
        header[4] = codec.uint(delivery_count)
        parts = [codec.described(HEADER, codec.compound(header))]
        if token != NULL:
            lock = codec.mapping({symbol("x-opt-lock-token"): token})
            parts.append(codec.described(DELIVERY_ANNOTATIONS, lock))
        every = {**self.annotations, **annotations}
        parts.append(codec.described(ANNOTATIONS, codec.mapping(every)))
        if self.properties != NULL:
            parts.append(codec.described(PROPERTIES, self.properties))
        if self.application_properties:
            properties = codec.mapping(self.application_properties)
            parts.append(codec.described(APPLICATION_PROPERTIES, properties))
        parts.append(self.body)
        return b"".join(parts)

    def dead(self, reason: str | None, description: str | None) -> "Parts":
        """The same with the reason why it is a dead letter."""
        told = {"DeadLetterReason": reason, "DeadLetterErrorDescription": description}
        added = {string(key): string(text) for key, text in told.items() if text is not None}
        return replace(self, application_properties={**self.application_properties, **added})

    @property
    def message_id(self) -> str | None:
        return self._property(0)

    @property
    def session_id(self) -> str | None:
        return self._property(10)

    @property
    def ttl_ms(self) -> int | None:
        value = codec.value_of(self.header[2]) if len(self.header) > 2 else None
        return value if isinstance(value, int) else None

    @property
    def scheduled_for_ms(self) -> int | None:
        value = codec.value_of(self.annotations.get(SCHEDULED_FOR, NULL))
        return value if isinstance(value, int) else None

    def _property(self, place: int) -> str | None:
        if self.properties == NULL:
            return None
        raw = codec.slices(self.properties)
        value = codec.value_of(raw[place]) if place < len(raw) else None
        return None if value is None else str(value)


def _keyed(encode: Callable[[str], bytes], section: bytes) -> Mapping[bytes, bytes]:
    """The entries of a map, each key in the one form in which we write it, so that keys can be compared."""
    return {encode(str(codec.value_of(key))): value for key, value in codec.pairs(section).items()}
