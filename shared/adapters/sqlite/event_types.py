"""Event types on SQLite."""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.writer import Writer
from shared.domain.errors import EventTypeTaken, Unknown
from shared.domain.event_type import EventType
from shared.domain.paging import Scan
from shared.ports.event_types import EventTypeFilter

_SELECT = (
    "SELECT org_id, name, description, archived, deprecated, schemas, group_name, feature_flags, created_at,"
    " updated_at, retry_schedule FROM event_type WHERE org_id = ?"
)
_REPLACE = (
    "UPDATE event_type SET description = ?3, archived = ?4, deprecated = ?5, schemas = ?6, group_name = ?7,"
    " feature_flags = ?8, created_at = ?9, updated_at = ?10, retry_schedule = ?11"
    " WHERE org_id = ?1 AND name = ?2"
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
                connection.execute("INSERT INTO event_type VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
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
            one, flags = columns.any_of("flag.value", only.feature_flags)
            condition += (
                " AND (feature_flags IS NULL"
                f" OR EXISTS (SELECT * FROM json_each(feature_flags) AS flag WHERE {one}))"
            )
            parameters += flags
        sql = _SELECT + condition + columns.in_order(scan, "name")

        def look(connection: sqlite3.Connection) -> Sequence[EventType]:
            return [_event_type(row) for row in connection.execute(sql, (org_id, *parameters))]

        return await self._readers.run(look)

    async def missing(self, org_id: str, names: Collection[str]) -> frozenset[str]:
        one, parameters = columns.any_of("name", set(names))
        sql = f"SELECT name FROM event_type WHERE org_id = ? AND NOT archived AND {one}"

        def look(connection: sqlite3.Connection) -> frozenset[str]:
            return frozenset(names).difference(
                name for (name,) in connection.execute(sql, (org_id, *parameters))
            )

        return await self._readers.run(look)

    async def schedules(self, org_id: str) -> Mapping[str, Sequence[timedelta]]:
        def look(connection: sqlite3.Connection) -> Mapping[str, Sequence[timedelta]]:
            found = connection.execute(
                "SELECT name, retry_schedule FROM event_type WHERE org_id = ? AND retry_schedule IS NOT NULL",
                (org_id,),
            )
            return {name: columns.lengths_of(text) or () for name, text in found}

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
        event_type.group_name,
        columns.set_text(event_type.feature_flags),
        columns.micros(event_type.created_at),
        columns.micros(event_type.updated_at),
        columns.lengths_text(event_type.retry_schedule),
    )


def _event_type(
    row: tuple[str, str, str, int, int, str | None, str | None, str | None, int, int, str | None],
) -> EventType:
    return EventType(
        org_id=row[0],
        name=row[1],
        description=row[2],
        archived=bool(row[3]),
        deprecated=bool(row[4]),
        schemas=row[5],
        group_name=row[6],
        feature_flags=columns.set_of(row[7]),
        created_at=columns.instant(row[8]),
        updated_at=columns.instant(row[9]),
        retry_schedule=columns.lengths_of(row[10]),
    )
