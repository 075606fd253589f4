"""Event types on SQLite."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.writer import Writer
from shared.domain.errors import EventTypeTaken, Unknown
from shared.domain.event_type import EventType
from shared.domain.paging import Scan
from shared.ports.event_types import EventTypeFilter

_SELECT = (
    "SELECT org_id, name, description, archived, deprecated, schemas, feature_flag, created_at, updated_at"
    " FROM event_type WHERE org_id = ?"
)
_REPLACE = (
    "UPDATE event_type SET description = ?3, archived = ?4, deprecated = ?5, schemas = ?6, feature_flag = ?7,"
    " created_at = ?8, updated_at = ?9 WHERE org_id = ?1 AND name = ?2"
)


class SqliteEventTypes:
    """See `shared.ports.event_types.EventTypes`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def add(self, event_type: EventType) -> None:
        row = _row(event_type)

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM event_type WHERE org_id = ? AND name = ? AND archived",
                (event_type.org_id, event_type.name),
            )
            try:
                connection.execute("INSERT INTO event_type VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as taken:
                raise EventTypeTaken(event_type.name) from taken

        await self._writer.run(insert)

    async def get(self, org_id: str, name: str) -> EventType:
        return await self._readers.run(partial(_find, org_id, name))

    async def scan(self, org_id: str, scan: Scan, only: EventTypeFilter) -> Sequence[EventType]:
        condition, parameters = columns.within(scan, "name")
        if not only.archived:
            condition += " AND NOT archived"
        if only.feature_flags is not None:
            one, flags = columns.any_of("feature_flag", only.feature_flags)
            condition += f" AND (feature_flag IS NULL OR {one})"
            parameters += flags
        sql = _SELECT + condition + columns.in_order(scan, "name")

        def look(connection: sqlite3.Connection) -> Sequence[EventType]:
            return [_event_type(row) for row in connection.execute(sql, (org_id, *parameters))]

        return await self._readers.run(look)

    async def missing(self, org_id: str, names: Collection[str]) -> frozenset[str]:
        one, parameters = columns.any_of("name", set(names))
        sql = f"SELECT name FROM event_type WHERE org_id = ? AND NOT archived AND {one}"  # noqa: S608 - a name of ours

        def look(connection: sqlite3.Connection) -> frozenset[str]:
            return frozenset(names).difference(
                name for (name,) in connection.execute(sql, (org_id, *parameters))
            )

        return await self._readers.run(look)

    async def update(self, org_id: str, name: str, change: Callable[[EventType], EventType]) -> EventType:
        def update(connection: sqlite3.Connection) -> EventType:
            after = change(_find(org_id, name, connection))
            connection.execute(_REPLACE, _row(after))
            return after

        return await self._writer.run(update)

    async def archive(self, org_id: str, name: str, *, at: datetime) -> None:
        await self._change(
            "UPDATE event_type SET archived = 1, updated_at = ? WHERE org_id = ? AND name = ?",
            (columns.micros(at), org_id, name),
            name,
        )

    async def remove(self, org_id: str, name: str) -> None:
        await self._change("DELETE FROM event_type WHERE org_id = ? AND name = ?", (org_id, name), name)

    async def _change(self, sql: str, parameters: columns.Row, name: str) -> None:
        def change(connection: sqlite3.Connection) -> None:
            if not connection.execute(sql, parameters).rowcount:
                raise Unknown("event type", name)

        await self._writer.run(change)


def _find(org_id: str, name: str, connection: sqlite3.Connection) -> EventType:
    row = connection.execute(f"{_SELECT} AND name = ?", (org_id, name)).fetchone()
    if row is None:
        raise Unknown("event type", name)
    return _event_type(row)


def _row(event_type: EventType) -> columns.Row:
    return (
        event_type.org_id,
        event_type.name,
        event_type.description,
        event_type.archived,
        event_type.deprecated,
        event_type.schemas,
        event_type.feature_flag,
        columns.micros(event_type.created_at),
        columns.micros(event_type.updated_at),
    )


def _event_type(row: tuple[str, str, str, int, int, str | None, str | None, int, int]) -> EventType:
    return EventType(
        org_id=row[0],
        name=row[1],
        description=row[2],
        archived=bool(row[3]),
        deprecated=bool(row[4]),
        schemas=row[5],
        feature_flag=row[6],
        created_at=columns.instant(row[7]),
        updated_at=columns.instant(row[8]),
    )
