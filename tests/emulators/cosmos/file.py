"""What survives a restart: a SQLite file.

The file is written before a request is answered, but not forced onto the disk: it survives the end of the
process by `kill -9`, which tests do, and not the end of the machine, which they do not.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.emulators.cosmos.keys import Key, key_of_header

SCHEMA = """
CREATE TABLE IF NOT EXISTS made (only INTEGER PRIMARY KEY, number INTEGER);
CREATE TABLE IF NOT EXISTS databases (rid TEXT PRIMARY KEY, body BLOB);
CREATE TABLE IF NOT EXISTS containers (
    rid TEXT PRIMARY KEY, database TEXT, body BLOB, ranges INTEGER, number INTEGER
);
CREATE TABLE IF NOT EXISTS documents (
    number INTEGER PRIMARY KEY, key TEXT, id TEXT, expires REAL, body BLOB
);
"""

PLACES = 1 << 32
"""How many documents a container has numbers for: a document's number is its container's and its place.
New ones come at the end of the table, which makes writing them cheap."""

Stored = tuple[str, str, int, str, float | None, bytes]
"""The fields of a document in their order."""


class _System(msgspec.Struct, rename={"rid": "_rid", "etag": "_etag"}):
    rid: str
    etag: str


class File:
    """Takes changes and writes them together when it is told to.

    Args:
        path: Where it is; without it nothing survives.
    """

    def __init__(self, path: Path | None) -> None:
        self._pending: list[tuple[str, tuple[object, ...]]] = []
        self._numbers: dict[str, int] = {}
        self._connection = None if path is None else sqlite3.connect(path, isolation_level=None)
        if self._connection is not None:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=OFF")
            self._connection.executescript(SCHEMA)
        self._made: int = sum(number for _, number in self._rows("SELECT only, number FROM made"))

    def next_made(self) -> int:
        """Count the databases and containers that were ever made, so that no rid comes back."""
        self._made += 1
        self._add("INSERT OR REPLACE INTO made VALUES (0, ?)", self._made)
        return self._made

    def put_database(self, rid: str, body: bytes) -> None:
        """Keep a database's definition."""
        self._add("INSERT OR REPLACE INTO databases VALUES (?, ?)", rid, body)

    def drop_database(self, rid: str) -> None:
        """Forget a database, which has no containers any more."""
        self._add("DELETE FROM databases WHERE rid = ?", rid)

    def put_container(self, rid: str, database: str, body: bytes, ranges: int) -> None:
        """Keep a container's definition."""
        self._add(
            "INSERT INTO containers VALUES (?, ?, ?, ?, 0) "
            "ON CONFLICT (rid) DO UPDATE SET body = excluded.body",
            *(rid, database, body, ranges),
        )

    def drop_container(self, rid: str, first: int) -> None:
        """Forget a container and its documents, whose numbers begin with `first`."""
        self._add("DELETE FROM containers WHERE rid = ?", rid)
        self._add("DELETE FROM documents WHERE number BETWEEN ? AND ?", first, first + PLACES - 1)

    def put_document(self, first: int, key: str, stored: Stored) -> None:
        """Keep a document of the container whose numbers begin with `first`."""
        name, _, place, _, expires, body = stored
        self._add(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)",
            *(first + place, key, name, expires, body),
        )

    def drop_document(self, first: int, place: int) -> None:
        """Forget a document."""
        self._add("DELETE FROM documents WHERE number = ?", first + place)

    def put_number(self, container: str, number: int) -> None:
        """Keep how many changes a container has seen."""
        self._numbers[container] = number

    def commit(self) -> None:
        """Write all that has changed, together."""
        connection = self._connection
        if connection is None or not self._pending:
            return
        connection.execute("BEGIN")
        for statement, values in self._pending:
            connection.execute(statement, values)
        for container, number in self._numbers.items():
            connection.execute("UPDATE containers SET number = ? WHERE rid = ?", (number, container))
        connection.execute("COMMIT")
        self._pending.clear()
        self._numbers.clear()

    def databases(self) -> Iterator[tuple[str, bytes]]:
        """Rid and definition of each database."""
        return iter(self._rows("SELECT rid, body FROM databases"))

    def containers(self) -> Iterator[tuple[str, str, bytes, int, int]]:
        """Rid, database's rid, definition, number of ranges and number of changes of each container."""
        return iter(self._rows("SELECT rid, database, body, ranges, number FROM containers"))

    def documents(self) -> Iterator[tuple[int, Key, Stored]]:
        """First number of its container, key and fields of each document, in the order in which they came."""
        decoder = msgspec.json.Decoder(_System)
        rows = self._rows("SELECT number, key, id, expires, body FROM documents ORDER BY number")
        for number, key, name, expires, body in rows:
            system = decoder.decode(body)
            place = number % PLACES
            stored = (name, system.rid, place, system.etag, expires, body)
            yield number - place, key_of_header(key.encode()), stored

    def close(self) -> None:
        """Write what has not been written, and close."""
        self.commit()
        if self._connection is not None:
            self._connection.close()

    def _add(self, statement: str, *values: object) -> None:
        if self._connection is not None:
            self._pending.append((statement, values))

    def _rows(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        return [] if self._connection is None else self._connection.execute(query).fetchall()
