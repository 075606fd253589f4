"""Values of documents, and how they compare: only with their like."""

from collections.abc import Mapping
from typing import Final, final


@final
class Undefined:
    """What a document says of a property that it does not have."""

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()

NULL, BOOL, NUMBER, TEXT, LIST, OBJECT = 1, 2, 4, 5, 6, 7
KINDS: Mapping[type, int] = {
    type(None): NULL,
    bool: BOOL,
    int: NUMBER,
    float: NUMBER,
    str: TEXT,
    list: LIST,
    dict: OBJECT,
}
"""What kind a value is of. The numbers are the order in which the service sorts kinds; undefined has none."""

SORTED = {BOOL, NUMBER, TEXT}
"""The kinds of which one value can be less than another."""


def equal(left: object, right: object) -> object:
    """Whether two values are equal; undefined, if they are of different kinds."""
    kind = KINDS.get(type(left))
    if kind is None or kind != KINDS.get(type(right)):
        return UNDEFINED
    return left == right if kind < LIST else _same(left, right)


def _same(left: object, right: object) -> bool:
    """Equality to the depth: for Python alone True is 1."""
    if KINDS.get(type(left)) != KINDS.get(type(right)):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(value, right[name]) for name, value in left.items())
    return left == right


def less(left: object, right: object) -> object:
    """Whether one value is less than another; undefined, if they are of different kinds or have no order."""
    kind = KINDS.get(type(left))
    if kind not in SORTED or kind != KINDS.get(type(right)):
        return UNDEFINED
    return left < right  # type: ignore[operator]  # both are of one kind that has an order


def opposite(value: object) -> object:
    """Not true, not false, or neither."""
    return UNDEFINED if value.__class__ is not bool else not value
