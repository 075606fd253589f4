"""Lists of an application, which is divided into shards: all are asked at once, and the answers are merged.

A shard is asked with one query for as many rows as the whole page has, for all of the page may lie in it. Its
order is its own and its bound is a key, so a page needs no memory of the page before it.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.adapters.cosmos.container import IN_PARTITION, Container
from shared.adapters.cosmos.documents import partitions
from shared.domain.attempt import Status
from shared.domain.paging import Scan


@dataclass
class Query:
    """A query, put together part by part.

    Attributes:
        what: What is read of each document.
        conditions: All of which a document must meet.
        given: What their parameters stand for.
        tail: What comes after the conditions.
        most: How many rows at most; None is all.
        finds_nothing: No document can meet the conditions.
    """

    what: str = "*"
    conditions: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    tail: str = ""
    most: int | None = None
    finds_nothing: bool = False

    def ask(self, condition: str, **given: object) -> "Query":
        """Ask one thing more."""
        self.conditions.append(condition)
        self.given |= given
        return self

    def among(self, path: str, values: Collection[Any]) -> "Query":
        """Ask that a value is one of some."""
        self.finds_nothing |= not values
        names = {f"{path.removeprefix('c.')}{number}": value for number, value in enumerate(values)}
        return self.ask(f"{path} IN ({', '.join(f'@{name}' for name in names)})", **names)

    def either(self, other: "Query") -> "Query":
        """Ask that one of another's conditions is met."""
        return self.ask(f"({' OR '.join(other.conditions)})", **other.given)

    def within(self, path: str, scan: Scan) -> "Query":
        """Ask that a key is in the range of a scan; what has no such key is in none."""
        self.ask(f"{path} > @above", above=scan.above or "")
        return self if scan.below is None else self.ask(f"{path} < @below", below=scan.below)

    def labelled(self, channel: str | None, tag: str | None, event_types: Collection[str] | None) -> "Query":
        """Ask what every list may be filtered by."""
        if channel is not None:
            self.ask("ARRAY_CONTAINS(c.channels, @channel)", channel=channel)
        if tag is not None:
            self.ask("ARRAY_CONTAINS(c.tags, @tag)", tag=tag)
        return self if event_types is None else self.among("c.event_type", sorted(event_types))

    def standing(self, among: Collection[Status]) -> "Query":
        """Ask how a message stands at an endpoint."""
        return self.among("c.standing", sorted(status.value for status in among))

    def first(self, most: int, scan: Scan, *paths: str) -> "Query":
        """Read at most so many, sorted by some paths in the direction of a scan."""
        direction = "DESC" if scan.descending else "ASC"
        self.most = most
        self.tail = " ORDER BY " + ", ".join(f"{path} {direction}" for path in paths)
        return self

    @property
    def sql(self) -> str:
        """As the service takes it."""
        return self._sql(self.conditions)

    @property
    def sql_in_partition(self) -> str:
        """The same for one partition, which has to be given as `pk`."""
        return self._sql([IN_PARTITION, *self.conditions])

    def _sql(self, conditions: Sequence[str]) -> str:
        top = "" if self.most is None else f"TOP {self.most:d} "
        # Of words of ours; what callers say travels as parameters.
        return f"SELECT {top}{self.what} FROM c WHERE {' AND '.join(conditions)}{self.tail}"  # noqa: S608


async def rows(container: Container, pk: str, query: Query) -> list[Any]:
    """What a partition has."""
    if query.finds_nothing:
        return []
    given = {**query.given, "pk": pk}
    return [row async for row in container.query(query.sql_in_partition, given, pk=pk, page=query.most)]


async def rows_of(container: Container, app_id: str, query: Query) -> list[Any]:
    """What all partitions of an application have: the rows of each in its order, one behind the other."""
    found = await asyncio.gather(*(rows(container, pk, query) for pk in partitions(app_id)))
    return [row for some in found for row in some]
