"""The bytes of AMQP's types."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulators.servicebus import codec
from tests.emulators.servicebus.codec import Described, Symbol

LEAVES = st.one_of(
    st.just((codec.NULL, None)),
    st.booleans().map(lambda value: (codec.boolean(value), value)),
    st.integers(0, 2**32 - 1).map(lambda value: (codec.uint(value), value)),
    st.integers(0, 2**64 - 1).map(lambda value: (codec.ulong(value), value)),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: (codec.long(value), value)),
    st.integers(-(2**31), 2**31 - 1).map(lambda value: (codec.int32(value), value)),
    st.text().map(lambda value: (codec.string(value), value)),
    st.binary().map(lambda value: (codec.binary(value), value)),
    st.uuids().map(lambda value: (codec.uuid(value), value)),
)


@given(st.lists(LEAVES))
def test_what_is_written_is_read(items: list[tuple[bytes, object]]) -> None:
    raw = codec.compound([encoded for encoded, _ in items])

    assert codec.decode(raw + b"more", 0) == ([value for _, value in items], len(raw))
    assert codec.end_of(raw + b"more", 0) == len(raw)
    assert codec.slices(raw) == [encoded for encoded, _ in items]


@given(st.dictionaries(st.text(), LEAVES))
def test_maps_keep_their_entries(entries: dict[str, tuple[bytes, object]]) -> None:
    raw = codec.mapping({codec.string(key): encoded for key, (encoded, _) in entries.items()})

    assert codec.value_of(raw) == {key: value for key, (_, value) in entries.items()}
    assert list(codec.pairs(raw).values()) == [encoded for encoded, _ in entries.values()]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"\x43", 0),
        (b"\x44", 0),
        (b"\x45", []),
        (b"\x52\x07", 7),
        (b"\x53\x07", 7),
        (b"\x54\xff", -1),
        (b"\x55\xff", -1),
        (b"\x56\x01", True),
        (b"\xa0\x02hi", b"hi"),
        (b"\xa1\x02hi", "hi"),
        (b"\xa3\x02hi", Symbol("hi")),
        (b"\xc0\x03\x01\x52\x07", [7]),
        (b"\xc1\x05\x02\xa1\x01a\x43", {"a": 0}),
        (b"\xe0\x04\x02\x55\x01\x02", [1, 2]),
        (b"\x00\x53\x24\x45", Described(0x24, [])),
        (codec.array(codec.LONG, [codec.long(1), codec.long(-2)]), [1, -2]),
        (codec.uuid(UUID(int=7)), UUID(int=7)),
    ],
)
def test_short_forms_and_arrays_are_read(raw: bytes, value: object) -> None:
    assert codec.decode(raw, 0) == (value, len(raw))
