"""Reading query strings: declared as structs, read strictly, checked before anything else is looked at.

A field's type carries a `Reads`, which turns the text into the value; without one it is the text. What
cannot be read is 400; what can be read but breaks a rule is 422. Unknown parameters are ignored.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qsl

import msgspec

from functions.api.atoms import Limited, TagName, broken_limit, broken_tag
from functions.api.errors import UnreadableQuery
from shared.domain import ids
from shared.domain.errors import Invalid
from shared.domain.paging import DEFAULT_LIMIT, MAX_LIMIT, TimeQuery
from shared.domain.timestamps import from_wire
from shared.domain.work import QUEUES

Query = TypeVar("Query", bound=msgspec.Struct)

U64_MAX = 2**64 - 1
U64_MAX_DIGITS = len(str(U64_MAX))

_UNREADABLE = "Failed to deserialize query string: "
_DEAD_LETTER = re.compile(rf"({'|'.join(QUEUES)}):([a-z]{{1,9}}-)?[0-9]{{1,19}}")
_INDEX = re.compile(r"\[\d*\]$")


@dataclass(frozen=True, slots=True)
class Reads:
    """How a parameter is read.

    Attributes:
        one: From one text to the value. ValueError: it cannot be read; `Invalid`: it must not be so.
        many: It may be given several times, each with several items between commas, and is a set.
    """

    one: Callable[[str], object]
    many: bool = False


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("write true or false")
    return text == "true"


def _unsigned(text: str) -> int:
    digits = text.removeprefix("+")
    # The length first: Python itself refuses to read a number of thousands of digits.
    if digits.isascii() and digits.isdigit() and len(digits) <= U64_MAX_DIGITS:
        number = int(digits)
        if number <= U64_MAX:
            return number
    raise ValueError(f"write a whole number, at most {U64_MAX}")


def _limit(text: str) -> int:
    number = _unsigned(text)
    if number > MAX_LIMIT:
        raise Invalid(("query", "limit", "limit"), f"Given limit must not exceed {MAX_LIMIT}")
    return number


def one_of(*choices: int) -> Reads:
    """Reads one of a few numbers."""

    def read(text: str) -> int:
        number = _unsigned(text)
        if number not in choices:
            raise ValueError(f"write one of {', '.join(map(str, choices))}")
        return number

    return Reads(read)


def word_of(*choices: str) -> Reads:
    """Reads one of a few words."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"write {', '.join(choices[:-1])} or {choices[-1]}")
        return text

    return Reads(read)


def named(parameter: str, broken: Callable[[str], str | None] = broken_limit) -> Callable[[str], str]:
    """Reads a name of limited length and characters; `broken` says what is wrong with one."""

    def read(text: str) -> str:
        why = broken(text)
        if why is not None:
            raise Invalid(("query", parameter, "__all__"), why)
        return text

    return read


def _event_type_iterator(text: str) -> str:
    named("iterator")(text.removeprefix("-"))
    return text


def _dead_letter_iterator(text: str) -> str:
    if _DEAD_LETTER.fullmatch(text) is None:
        raise Invalid(("query", "iterator", "__all__"), "Give the iterator of an earlier page of this list")
    return text


def _iterator(prefix: str, *, is_dated: bool) -> Reads:
    """Reads an id of the listed kind, perhaps with a leading `-`.

    Args:
        prefix: What the ids of this list begin with.
        is_dated: The list needs the instant that the id holds.
    """

    def read(text: str) -> str:
        key = text.removeprefix("-")
        if not key.startswith(prefix):
            raise Invalid(("query", "iterator", "__all__"), f"An iterator of this list starts with {prefix}")
        if is_dated:
            _check_date_of(key)
        return text

    return Reads(read)


def _looks_like(prefix: str) -> msgspec.Meta:
    """What the OpenAPI document says of an iterator."""
    return msgspec.Meta(extra_json_schema={"pattern": rf"^-?{prefix}[0-9A-Za-z]{{27}}$"})


def _check_date_of(key: str) -> None:
    try:
        ids.instant_of(key)
    except ValueError as wrong:
        raise Invalid(("query", "iterator", "__all__"), str(wrong)) from wrong


Flag = Annotated[bool, Reads(_flag)]
Limit = Annotated[int, msgspec.Meta(ge=0, le=MAX_LIMIT), Reads(_limit)]
At = Annotated[datetime, msgspec.Meta(extra_json_schema={"format": "date-time"}), Reads(from_wire)]
Order = Annotated[
    str,
    msgspec.Meta(extra_json_schema={"enum": ["ascending", "descending"]}),
    word_of("ascending", "descending"),
]
Channel = Annotated[Limited, Reads(named("channel"))]
Tag = Annotated[TagName, Reads(named("tag", broken_tag))]
EventTypeNames = Annotated[frozenset[Limited], Reads(named("event_types"), many=True)]
AppIterator = Annotated[str, _looks_like(ids.APPLICATION), _iterator(ids.APPLICATION, is_dated=False)]
EndpointIterator = Annotated[str, _looks_like(ids.ENDPOINT), _iterator(ids.ENDPOINT, is_dated=False)]
MessageIterator = Annotated[str, _looks_like(ids.MESSAGE), _iterator(ids.MESSAGE, is_dated=True)]
AttemptIterator = Annotated[str, _looks_like(ids.ATTEMPT), _iterator(ids.ATTEMPT, is_dated=True)]
BackgroundTaskIterator = Annotated[
    str, _looks_like(ids.BACKGROUND_TASK), _iterator(ids.BACKGROUND_TASK, is_dated=False)
]
DeadLetterIterator = Annotated[str, Reads(_dead_letter_iterator)]
QueueName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(QUEUES)}), word_of(*QUEUES)]
EventTypeIterator = Annotated[str, Reads(_event_type_iterator)]


class NoQuery(msgspec.Struct, frozen=True):
    """Nothing is asked for in the query string."""


class TimedQuery(msgspec.Struct, frozen=True):
    """What every list in order of time may be asked; each list adds the iterator of its kind."""

    limit: Limit = DEFAULT_LIMIT
    before: At | None = None
    after: At | None = None

    def window(self, iterator: str | None) -> TimeQuery:
        """The part that says which rows of the list are wanted."""
        return TimeQuery(self.limit, iterator, self.before, self.after)


class QueryReader(Generic[Query]):
    """Reads the query strings of one shape."""

    def __init__(self, kind: type[Query]) -> None:
        self._kind = kind
        hints = get_type_hints(kind, include_extras=True)
        self._reads = {name: _reads_of(hint) or Reads(str) for name, hint in hints.items()}
        self._nothing_asked = kind()

    def read(self, query_string: bytes) -> Query:
        """Read a query string.

        Raises:
            UnreadableQuery: A parameter cannot be read, or is given twice.
            Invalid: A parameter breaks a rule.
        """
        if not query_string:
            return self._nothing_asked
        single: dict[str, object] = {}
        sets: defaultdict[str, set[object]] = defaultdict(set)
        for key, text in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
            name = _INDEX.sub("", key)
            reads = self._reads.get(name)
            if reads is None or (name != key and not reads.many):
                continue
            if name in single:
                raise UnreadableQuery(f"{_UNREADABLE}duplicate field `{name}`")
            try:
                if reads.many:
                    sets[name].update(map(reads.one, text.split(",")))
                else:
                    single[name] = reads.one(text)
            except ValueError as wrong:
                raise UnreadableQuery(f"{_UNREADABLE}`{name}`: {wrong}") from wrong
        return self._kind(**single, **{name: frozenset(items) for name, items in sets.items()})


def _reads_of(hint: object) -> Reads | None:
    """The `Reads` in a type, which may stand inside `… | None`."""
    for part in (*getattr(hint, "__metadata__", ()), *get_args(hint)):
        if isinstance(part, Reads):
            return part
        found = _reads_of(part)
        if found is not None:
            return found
    return None
