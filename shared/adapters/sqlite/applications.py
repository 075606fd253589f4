"""Applications on SQLite."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.writer import Writer
from shared.domain.application import Application, TokenEnd
from shared.domain.errors import UidTaken, Unknown
from shared.domain.paging import Scan
from shared.ports.applications import ApplicationFilter

_SELECT_ANY = (
    "SELECT id, org_id, name, uid, throttle_rate, metadata, created_at, updated_at, token_ends,"
    " throttled_since"
    " FROM application WHERE org_id = ?"
)
_SELECT = f"{_SELECT_ANY} AND removed_at IS NULL"
_SELECT_REMOVED = f"{_SELECT_ANY} AND removed_at IS NOT NULL AND id = ?"
_INSERT = "INSERT INTO application VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"
_REPLACE = (
    "UPDATE application SET name = ?3, uid = ?4, throttle_rate = ?5, metadata = ?6, created_at = ?7,"
    " updated_at = ?8, token_ends = ?9, throttled_since = ?10 WHERE org_id = ?1 AND id = ?2"
)

_HAS_ENDPOINT = (
    "EXISTS (SELECT * FROM endpoint WHERE app_id = application.id AND endpoint.removed_at IS NULL{})"
)
_HAS_ANY, _HAS_ENABLED = _HAS_ENDPOINT.format(""), _HAS_ENDPOINT.format(" AND NOT disabled")

_ends = msgspec.json.Decoder(list[tuple[str | None, int, int]]).decode


class SqliteApplications:
    """See `shared.ports.applications.Applications`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def add(self, application: Application) -> None:
        await self._writer.run(partial(_write, _INSERT, application))

    async def get(self, org_id: str, key: str) -> Application:
        return await self._readers.run(partial(_find, org_id, key))

    async def get_removed(self, org_id: str, app_id: str) -> Application:
        def look(connection: sqlite3.Connection) -> Application:
            row = connection.execute(_SELECT_REMOVED, (org_id, app_id)).fetchone()
            if row is None:
                raise Unknown("application", app_id)
            return _application(row)

        return await self._readers.run(look)

    async def update(
        self, org_id: str, key: str, change: Callable[[Application], Application]
    ) -> tuple[Application, Application]:
        def update(connection: sqlite3.Connection) -> tuple[Application, Application]:
            before = _find(org_id, key, connection)
            after = change(before)
            _write(_REPLACE, after, connection)
            return before, after

        return await self._writer.run(update)

    async def scan(self, org_id: str, scan: Scan, only: ApplicationFilter) -> Sequence[Application]:
        condition, parameters = columns.within(scan, "id")
        if not only.without_endpoints:
            condition += f" AND {_HAS_ANY}"
        if not only.all_disabled:
            condition += f" AND ({_HAS_ENABLED} OR NOT {_HAS_ANY})"
        sql = _SELECT + condition + columns.in_order(scan, "id")

        def look(connection: sqlite3.Connection) -> Sequence[Application]:
            return [_application(row) for row in connection.execute(sql, (org_id, *parameters))]

        return await self._readers.run(look)

    async def erase(self, org_id: str, app_id: str) -> None:
        def erase(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM application WHERE org_id = ? AND id = ?", (org_id, app_id))

        await self._writer.run(erase)

    async def remove(self, org_id: str, app_id: str, *, at: datetime) -> None:
        def update(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                "UPDATE application SET removed_at = ?, uid = NULL"
                " WHERE org_id = ? AND id = ? AND removed_at IS NULL",
                (columns.micros(at), org_id, app_id),
            )
            if not done.rowcount:
                raise Unknown("application", app_id)

        await self._writer.run(update)


def _find(org_id: str, key: str, connection: sqlite3.Connection) -> Application:
    for column in ("id", "uid"):
        row = connection.execute(f"{_SELECT} AND {column} = ?", (org_id, key)).fetchone()
        if row is not None:
            return _application(row)
    raise Unknown("application", key)


def _write(sql: str, application: Application, connection: sqlite3.Connection) -> None:
    row = (
        application.org_id,
        application.id,
        application.name,
        application.uid,
        application.throttle_rate,
        columns.mapping_text(application.metadata),
        columns.micros(application.created_at),
        columns.micros(application.updated_at),
        _ends_text(application.token_ends),
        columns.micros_or_none(application.throttled_since),
    )
    try:
        connection.execute(sql, row)
    except sqlite3.IntegrityError as taken:
        if application.uid is None:
            raise
        raise UidTaken("application", application.uid) from taken


def _ends_text(ends: Sequence[TokenEnd]) -> str:
    """As JSON, instants as microseconds."""
    rows = [(end.session_id, columns.micros(end.made_until), columns.micros(end.ends_at)) for end in ends]
    return msgspec.json.encode(rows).decode()


def _application(row: tuple[Any, ...]) -> Application:
    return Application(
        id=row[0],
        org_id=row[1],
        name=row[2],
        uid=row[3],
        throttle_rate=row[4],
        metadata=columns.mapping_of(row[5]),
        created_at=columns.instant(row[6]),
        updated_at=columns.instant(row[7]),
        token_ends=tuple(
            TokenEnd(session_id, columns.instant(made_until), columns.instant(ends_at))
            for session_id, made_until, ends_at in _ends(row[8])
        ),
        throttled_since=columns.instant_or_none(row[9]),
    )
