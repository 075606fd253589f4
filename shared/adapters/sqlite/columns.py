"""Between the domain's values and SQLite's."""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from shared.domain.paging import Scan

Value = str | int | bytes | None
Row = tuple[Value, ...]

_EPOCH = datetime.fromtimestamp(0, UTC)
_encode = msgspec.json.Encoder().encode
_texts = msgspec.json.Decoder(frozenset[str]).decode
_numbers = msgspec.json.Decoder(list[int]).decode
_mapping = msgspec.json.Decoder(dict[str, str]).decode


def micros(at: datetime) -> int:
    """An instant as microseconds since 1970."""
    age = at - _EPOCH
    return (age.days * 86_400 + age.seconds) * 1_000_000 + age.microseconds


def instant(at: int) -> datetime:
    """The instant of microseconds since 1970, in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def micros_or_none(at: datetime | None) -> int | None:
    """As `micros`."""
    return None if at is None else micros(at)


def instant_or_none(at: int | None) -> datetime | None:
    """As `instant`."""
    return None if at is None else instant(at)


def length(span: timedelta) -> int:
    """A duration in microseconds."""
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def lengths_text(spans: Iterable[timedelta] | None) -> str | None:
    """Durations as a JSON array of microseconds, in their own order."""
    return None if spans is None else _encode([length(span) for span in spans]).decode()


def lengths_of(text: str | None) -> tuple[timedelta, ...] | None:
    """What `lengths_text` wrote."""
    return None if text is None else tuple(timedelta(microseconds=length) for length in _numbers(text))


def set_text(texts: Iterable[str] | None) -> str | None:
    """A set of texts as a JSON array in order."""
    return None if texts is None else _encode(sorted(texts)).decode()


def set_of(text: str | None) -> frozenset[str] | None:
    """What `set_text` wrote."""
    return None if text is None else _texts(text)


def mapping_text(mapping: Mapping[str, str]) -> str:
    """A mapping as a JSON object, in its own order."""
    return _encode(dict(mapping)).decode()


def mapping_of(text: str) -> Mapping[str, str]:
    """What `mapping_text` wrote."""
    return _mapping(text)


def within(scan: Scan, key: str) -> tuple[str, list[Value]]:
    """The condition of a scan on a key column, beginning with AND, and its parameters."""
    sql, parameters = "", list[Value]()
    if scan.above is not None:
        sql += f" AND {key} > ?"
        parameters.append(scan.above)
    if scan.below is not None:
        sql += f" AND {key} < ?"
        parameters.append(scan.below)
    return sql, parameters


def in_order(scan: Scan, key: str) -> str:
    """The order and the limit of a scan on a key column: one row more than it wants."""
    return f" ORDER BY {key} {'DESC' if scan.descending else 'ASC'} LIMIT {scan.limit + 1:d}"


def any_of(column: str, texts: Iterable[str]) -> tuple[str, list[Value]]:
    """The condition that a column is one of some texts, the same however many, and its parameter."""
    return f"{column} IN (SELECT value FROM json_each(?))", [set_text(texts)]
