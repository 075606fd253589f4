"""Partition keys lie where the SDK expects them."""

from itertools import pairwise
from typing import Any

from azure.cosmos.partition_key import PartitionKey
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json

from tests.emulators.cosmos.keys import BEYOND, FIRST, divided, key_of_document, key_of_header

# Without a negative zero: to the SDK it is another key than zero, to readers of the document it is not.
numbers = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=80) | numbers


@settings(max_examples=50)
@given(st.lists(values, min_size=1, max_size=3))
def test_a_key_lies_where_the_sdk_puts_it(levels: list[Any]) -> None:
    paths = ["/a", "/b", "/c"][: len(levels)]
    definition = PartitionKey(paths) if len(levels) > 1 else PartitionKey(paths[0])

    key = key_of_header(json.encode(levels))

    assert key.hashed == definition._get_effective_partition_key_string(levels)
    document = dict(zip("abc", levels, strict=False))
    assert key_of_document(document, tuple((path[1:],) for path in paths)) == key


@given(st.integers(1, 64), values)
def test_every_key_lies_in_one_range(ranges: int, value: object) -> None:
    parts = divided(ranges)
    key = key_of_header(json.encode([value]))

    assert [one.holds(key.hashed) for one in parts].count(True) == 1
    assert (parts[0].start, parts[-1].end) == (FIRST, BEYOND)
    assert all(one.end == following.start for one, following in pairwise(parts))
