"""Lists of any filter out of one index: the ranges that the filter lets through, merged by their key.

An index `(owner, facet, facet, …, key)` has the rows of one owner in as many ranges as there are different
combinations of facets. Leaping from one to the next finds them all, however many rows lie between. Each range
that is wanted is in order of the key, and is read only as far as the page goes. A leap and the first rows of
a range take some 35 us together, however many rows there are: a page of 500 combinations takes under 20 ms.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.columns import Row, Value
from shared.domain.paging import Scan

FIRST_ROWS = 8
"""Read of each range at first; then twice as many each time, until the page is full."""

_BEHIND_ALL_KEYS = "~"

Wanted = Collection[Value] | None
"""The values of a facet that are let through; None lets all through."""


@dataclass(frozen=True)
class Ranges:
    """An index that lists are read from.

    Attributes:
        table: The table, or what stands for it after FROM.
        owner: The columns that say whose list it is.
        facets: The columns that lists are filtered by; the first is the event type.
        key: The column that lists are in order of.
        beside: Another column that is read with the key.
        condition: What a row must meet to be in the index.
    """

    table: str
    owner: Sequence[str]
    facets: Sequence[str]
    key: str
    beside: str
    condition: str = "TRUE"

    def read(
        self, connection: sqlite3.Connection, owner: Row, wanted: Sequence[Wanted], scan: Scan
    ) -> Sequence[tuple[str, str]]:
        """Read key and column beside it: in the scan's order, one more than its limit, each key once.

        Args:
            connection: A reader's.
            owner: The values of the owner's columns.
            wanted: What each facet lets through.
            scan: The range of keys.
        """
        first = self._part(scan, FIRST_ROWS)
        ranges = [
            self._range(connection, (*owner, *facets), scan, first)
            for facets in self.combinations(connection, owner, wanted)
        ]
        rows = merge(*ranges, key=itemgetter(0), reverse=scan.descending)
        return list(islice(_each_once(rows), scan.limit + 1))

    def count(self, connection: sqlite3.Connection, owner: Row, wanted: Sequence[Wanted], scan: Scan) -> int:
        """Count the rows in the range of a scan; the arguments are those of `read`."""
        condition, parameters = columns.within(scan, self.key)
        sql = f"SELECT count(*) {self._of((*self.owner, *self.facets))}{condition}"
        # Range by range: nothing is read but the part of the index that is counted.
        combinations = list(self.combinations(connection, owner, wanted))
        return sum(
            connection.execute(sql, (*owner, *facets, *parameters)).fetchone()[0] for facets in combinations
        )

    def combinations(
        self, connection: sqlite3.Connection, owner: Row, wanted: Sequence[Wanted]
    ) -> Iterator[tuple[Any, ...]]:
        """Those combinations of facets that are wanted; of more than one facet, those that the owner has.

        The arguments are those of `read`.
        """
        first = wanted[0]
        if first is None:
            found = connection.execute(self._leap_first, owner).fetchone()
            while found is not None:
                if all(some is None or value in some for value, some in zip(found, wanted, strict=True)):
                    yield found
                found = connection.execute(self._leap_on, (*owner, *found)).fetchone()
        elif len(wanted) == 1:
            yield from ((value,) for value in first)
        else:
            rest = replace(self, owner=(*self.owner, self.facets[0]), facets=self.facets[1:])
            for value in first:
                for others in rest.combinations(connection, (*owner, value), wanted[1:]):
                    yield (value, *others)

    def _range(
        self, connection: sqlite3.Connection, prefix: Row, scan: Scan, part: tuple[str, Sequence[Value]]
    ) -> Iterator[tuple[str, str]]:
        """The rows of one range; `part` is how its first ones are read, the same for every range."""
        count = FIRST_ROWS
        while True:
            sql, parameters = part
            rows: list[tuple[str, str]] = connection.execute(sql, (*prefix, *parameters)).fetchall()
            yield from rows
            if len(rows) < count:
                return
            last, count = rows[-1][0], 2 * count
            rest = replace(scan, below=last) if scan.descending else replace(scan, above=last)
            part = self._part(rest, count)

    def _part(self, scan: Scan, count: int) -> tuple[str, Sequence[Value]]:
        """The statement that reads the first rows of a range, and its parameters after the range's prefix."""
        condition, parameters = columns.within(scan, self.key)
        order = columns.in_order(replace(scan, limit=count - 1), self.key)
        return f"{self._of_one}{condition}{order}", parameters

    @cached_property
    def _leap_first(self) -> str:
        facets = ", ".join(self.facets)
        return f"SELECT {facets} {self._of(self.owner)} ORDER BY {facets} LIMIT 1"

    @cached_property
    def _leap_on(self) -> str:
        facets, places = ", ".join(self.facets), ", ".join("?" * len(self.facets))
        # Without the key, all rows of the combination that it leaps from would be looked at.
        beyond = f"({facets}, {self.key}) > ({places}, '{_BEHIND_ALL_KEYS}')"
        return f"SELECT {facets} {self._of(self.owner)} AND {beyond} ORDER BY {facets} LIMIT 1"

    @cached_property
    def _of_one(self) -> str:
        return f"SELECT {self.key}, {self.beside} {self._of((*self.owner, *self.facets))}"

    def _of(self, names: Sequence[str]) -> str:
        same = " AND ".join(f"{name} = ?" for name in names)
        return f"FROM {self.table} WHERE {self.condition} AND {same}"


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Let several statements of a reader see the same moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _each_once(rows: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    last = None
    for row in rows:
        if row[0] != last:
            yield row
        last = row[0]
