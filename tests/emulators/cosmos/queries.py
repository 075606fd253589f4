"""Queries: which documents, in which order, and where the next page begins.

A continuation says after which row the next page begins, by the row's values and its place, so that pages
neither repeat nor leave out a document because others came or went in between.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict
from zlib import crc32

import msgspec

from tests.emulators.cosmos.account import Container, Document, Partition
from tests.emulators.cosmos.refusals import CROSS_PARTITION, Refused, bad, unknown
from tests.emulators.cosmos.sql.evaluation import Evaluation, evaluation
from tests.emulators.cosmos.sql.parser import CACHED_QUERIES, query_of
from tests.emulators.cosmos.sql.text import cut
from tests.emulators.cosmos.sql.tree import Aggregate, Node, Query, paths_of
from tests.emulators.cosmos.sql.values import KINDS, NUMBER, SORTED, UNDEFINED, less

PER_RANGE = "PER RANGE "
"""What a query begins with that the plan has rewritten: its rows are for the client to put together."""

PAGE_ROWS = 100
"""How many rows a page has, if the request does not say."""

MOST_ROWS = 1000
PAGE_BYTES = 4 * 1024 * 1024
"""How many rows and bytes a page has at most, whatever the request says."""

SORTED_KINDS = SORTED | {KINDS[type(None)]}

Place = tuple[str, int]
"""Where a document comes in an unsorted result: by its partition's place on the ring, and its own."""


class _Sent(msgspec.Struct):
    query: str
    parameters: list[dict[str, Any]] = []


class Asked(NamedTuple):
    """A query as it was asked.

    Attributes:
        query: What it says.
        givens: Its literals and parameters by their names.
        per_range: Whether the client puts the results of several ranges together.
        checksum: Of all of it.
    """

    query: Query
    givens: Mapping[str, object]
    per_range: bool
    checksum: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a result: rows as JSON, where the next one begins, and how many documents were looked at."""

    rows: list[bytes]
    continuation: str | None
    looked_at: int


class Row(NamedTuple):
    """A document that a query has selected; its content is what the query looks at."""

    keys: tuple[tuple[int, Any], ...]
    place: Place
    document: Document
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a page begins: after a row, with so many rows behind it. Without a row it is the beginning."""

    keys: tuple[tuple[int, Any], ...] = ()
    place: Place | None = None
    behind: int = 0

    def text(self, checksum: int) -> str:
        """As a continuation token."""
        token = json.dumps([checksum, [list(key) for key in self.keys], self.place, self.behind])
        return urlsafe_b64encode(token.encode()).decode()


@dataclass
class Scope:
    """Which documents a query is about.

    Attributes:
        partitions: The logical partitions in order.
        now: Seconds since 1970; what is gone by then is left out.
        gone: What was left out for it, with its partition.
    """

    container: Container
    partitions: Iterable[Partition]
    now: float
    looked_at: int = field(default=0)
    gone: list[tuple[Partition, Document]] = field(default_factory=list)

    def documents(self) -> Iterator[tuple[Place, Document]]:
        """Each document with its place."""
        for partition in self.partitions:
            hashed = partition.key.hashed
            for document in sorted(partition.documents.values(), key=_by_place):
                if document.is_gone(self.now):
                    self.gone.append((partition, document))
                    continue
                self.looked_at += 1
                yield (hashed, document.place), document


def _by_place(document: Document) -> int:
    return document.place


@lru_cache(maxsize=CACHED_QUERIES)
def _reader(names: frozenset[str] | None) -> msgspec.json.Decoder[dict[str, Any]]:
    """Reads of a document what a query looks at, for the rest takes most of the time; None is all of it."""
    if names is None:
        return msgspec.json.Decoder(dict[str, Any])
    properties = TypedDict("properties", dict.fromkeys(names, Any), total=False)  # type: ignore[misc]
    return msgspec.json.Decoder(properties)


def _names(query: Query) -> frozenset[str] | None:
    paths = paths_of(query.where) + paths_of(query.selects) + [one.path for one in query.order]
    if any(not path.steps for path in paths):
        return None
    return frozenset(str(path.steps[0]) for path in paths)


_QUERIES = msgspec.json.Decoder(_Sent)


def asked(body: bytes) -> Asked:
    """Read a request.

    Raises:
        Refused: It is wrong, or asks what the emulator does not know.
    """
    try:
        sent = _QUERIES.decode(body)
        parameters = {one["name"]: one["value"] for one in sent.parameters}
    except (msgspec.ValidationError, msgspec.DecodeError, KeyError) as error:
        raise bad(f"The query is not understood: {error}") from error
    per_range = sent.query.startswith(PER_RANGE)
    words, literals = cut(sent.query.removeprefix(PER_RANGE))
    return Asked(query_of(words), literals | parameters, per_range, crc32(body))


EVERYTHING = asked(b'{"query": "SELECT * FROM c"}')
"""What reads all documents of a scope."""


def check_across_partitions(query: Query) -> None:
    """Let a query pass whose rows need only be put one behind the other.

    Raises:
        Refused: The client must ask for the plan.
    """
    if query.needs_a_plan:
        raise Refused(
            400,
            "The provided cross partition query can not be directly served by the gateway. This is a first "
            "chance (internal) exception that all newer clients will know how to handle gracefully.",
            CROSS_PARTITION,
        )


def plan(question: Asked, text: str) -> bytes:
    """What the client is to do with the rows of several ranges."""
    query, givens = question.query, question.givens
    aggregate = query.aggregate
    steps: dict[str, object] = {
        "distinctType": "None",
        "top": _count(query.top, givens),
        "offset": _count(query.skips, givens),
        "limit": _count(query.limit, givens),
        "orderBy": ["Descending" if one.descending else "Ascending" for one in query.order],
        "orderByExpressions": ["c." + ".".join(map(str, one.path.steps)) for one in query.order],
        "groupByExpressions": [],
        "groupByAliases": [],
        "aggregates": [aggregate.name.capitalize()] if aggregate else [],
        "groupByAliasToAggregateType": {},
        "rewrittenQuery": PER_RANGE + text,
        "hasSelectValue": query.selects is not None and not query.names_columns,
        "hasNonStreamingOrderBy": False,
    }
    everywhere = [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}]
    return msgspec.json.encode(
        {"partitionedQueryExecutionInfoVersion": 2, "queryInfo": steps, "queryRanges": everywhere}
    )


def run(question: Asked, scope: Scope, rows_at_most: int, continuation: str | None) -> Page:
    """One page of a result.

    Raises:
        Refused: The container's indexes do not serve the query, it has no answer that can be relied upon, or
            the continuation is of another one.
    """
    query, givens = question.query, question.givens
    scope.container.policy.check(query)
    mark = _mark(continuation, question)
    selected = _selected(query, givens, scope)
    if query.aggregate is not None:
        value = _aggregated(query.aggregate, givens, selected)
        if value is not UNDEFINED:
            value = [{"item": value}] if question.per_range else value
        return Page([] if value is UNDEFINED else [msgspec.json.encode(value)], None, scope.looked_at)
    rows = iter(_sorted(query, selected)) if query.order else selected
    if mark.place is not None:
        rows = (row for row in rows if _is_after(row, mark, query))
    return _page(question, scope, _window(question, rows, mark), (mark, rows_at_most))


def _window(question: Asked, rows: Iterator[Row], mark: Mark) -> Iterator[Row]:
    """The rows that TOP or OFFSET and LIMIT leave, of those after the mark."""
    query, givens = question.query, question.givens
    skips = _count(query.skips, givens) or 0
    limit = _count(query.top or query.limit, givens)
    if question.per_range and limit is not None:
        # What is left out is left out of all ranges together, by the client.
        skips, limit = 0, limit + skips
    if mark.place is None:
        for _ in range(skips):
            next(rows, None)
    if limit is None:
        return rows
    return (row for row, _ in zip(rows, range(limit - mark.behind), strict=False))


def _page(question: Asked, scope: Scope, rows: Iterator[Row], bounds: tuple[Mark, int]) -> Page:
    mark, rows_at_most = bounds
    shown = _shown(question, scope.container)
    page: list[bytes] = []
    size, last = 0, None
    for behind, row in enumerate(rows, start=mark.behind):
        if last is not None and (len(page) == rows_at_most or size > PAGE_BYTES):
            following = Mark(last.keys, last.place, behind)
            return Page(page, following.text(question.checksum), scope.looked_at)
        last = row
        if (text := shown(row)) is not None:
            page.append(text)
            size += len(text)
    return Page(page, None, scope.looked_at)


def _shown(question: Asked, container: Container) -> Callable[[Row], bytes | None]:
    """How a row reads: the document, what is selected of it, or that with what the client sorts by."""
    query, givens = question.query, question.givens
    selects = query.selects
    assert not isinstance(selects, Aggregate)
    value = None if selects is None else evaluation(selects)
    if question.per_range and query.order:
        return lambda row: _to_be_sorted(row, container, value, givens)
    if value is None:
        return lambda row: row.document.body
    return lambda row: None if (one := value(row.content, givens)) is UNDEFINED else msgspec.json.encode(one)


def _to_be_sorted(
    row: Row, container: Container, value: Evaluation | None, givens: Mapping[str, object]
) -> bytes:
    payload = msgspec.Raw(row.document.body) if value is None else value(row.content, givens)
    keys = [{"item": key} for _, key in row.keys]
    return msgspec.json.encode(
        {"_rid": row.document.rid, "orderByItems": keys}
        | ({} if payload is UNDEFINED else {"payload": payload})
    )


def _selected(query: Query, givens: Mapping[str, object], scope: Scope) -> Iterator[Row]:
    where = None if query.where is None else evaluation(query.where)
    paths = [evaluation(one.path) for one in query.order]
    decode = _reader(_names(query)).decode
    for place, document in scope.documents():
        content = decode(document.body)
        if where is None or where(content, givens) is True:
            keys = tuple([_key(path(content, givens)) for path in paths]) if paths else ()
            yield Row(keys, place, document, content)


def _key(value: object) -> tuple[int, object]:
    kind = KINDS.get(type(value), 0)
    if kind not in SORTED_KINDS:
        raise unknown("ORDER BY over documents of which one has no text, number, boolean or null there")
    return (kind, 0 if value is None else value)


def _sorted(query: Query, rows: Iterator[Row]) -> list[Row]:
    every = list(rows)
    # From the last field to the first: sorting keeps the order of what is equal.
    for at in range(len(query.order) - 1, -1, -1):
        every.sort(key=lambda row, at=at: row.keys[at], reverse=query.order[at].descending)  # type: ignore[misc]
    return every


def _is_after(row: Row, mark: Mark, query: Query) -> bool:
    for key, past, one in zip(row.keys, mark.keys, query.order, strict=True):
        if key != past:
            return (key < past) is one.descending
    assert mark.place is not None
    return row.place > mark.place


def _mark(continuation: str | None, question: Asked) -> Mark:
    if not continuation:
        return Mark()
    try:
        checksum, keys, place, behind = json.loads(urlsafe_b64decode(continuation.rstrip("~")))
    except ValueError as error:
        raise bad(f"The continuation token is not one of ours: {continuation[:100]!r}") from error
    if checksum != question.checksum:
        raise bad("The continuation token is of another query, or of other parameters")
    return Mark(tuple((kind, value) for kind, value in keys), place and (place[0], place[1]), behind)


def _count(node: Node | None, givens: Mapping[str, object]) -> int | None:
    if node is None:
        return None
    number = evaluation(node)({}, givens)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise bad(f"TOP, OFFSET and LIMIT take whole numbers, not {number!r}")
    return number


def _aggregated(aggregate: Aggregate, givens: Mapping[str, object], rows: Iterator[Row]) -> object:
    of = evaluation(aggregate.of)
    values = [value for row in rows if (value := of(row.content, givens)) is not UNDEFINED]
    match aggregate.name:
        case "COUNT":
            return len(values)
        case "SUM":
            if any(KINDS.get(type(value)) != NUMBER for value in values):
                raise unknown("SUM over anything but numbers")
            return sum(values)  # type: ignore[arg-type]  # numbers all of them
        case "MIN":
            return _extreme(values, less)
        case "MAX":
            return _extreme(values, lambda one, other: less(other, one))
    raise unknown(aggregate.name)


def _extreme(values: list[object], precedes: Callable[[object, object], object]) -> object:
    best = values[0] if values else UNDEFINED
    for value in values[1:]:
        if precedes(value, best) is UNDEFINED:
            raise unknown("MIN or MAX over values of several kinds, or that have no order")
        if precedes(value, best) is True:
            best = value
    return best
