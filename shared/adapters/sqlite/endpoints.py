"""Endpoints on SQLite."""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.writer import Writer
from shared.domain.endpoint import Endpoint, SealedKey
from shared.domain.errors import UidTaken, Unknown
from shared.domain.paging import Scan
from shared.ports.endpoints import EndpointHealth, Watched

_COLUMNS = (
    "id, app_id, org_id, url, description, version, disabled, uid, throttle_rate, event_types, channels,"
    " metadata, headers, keys, failing_since, created_at, updated_at, throttled_since, switched_off_at"
)
_EVERY = f"SELECT {_COLUMNS} FROM endpoint WHERE app_id = ?"
_SELECT = f"{_EVERY} AND removed_at IS NULL"
_INSERT = f"INSERT INTO endpoint ({_COLUMNS}) VALUES ({', '.join('?' * 19)})"
_REPLACE = (
    f"UPDATE endpoint SET ({_COLUMNS}) = ({', '.join(f'?{n}' for n in range(1, 20))})"
    " WHERE app_id = ?2 AND id = ?1"
)
_LIVE_ONE = "WHERE app_id = ? AND id = ? AND removed_at IS NULL"

_OF_A_LIVE_APPLICATION = (
    "EXISTS (SELECT 1 FROM application a WHERE a.org_id = endpoint.org_id AND a.id = endpoint.app_id"
    " AND a.removed_at IS NULL)"
)
# Word for word as the indexes that have these alone.
_NOT_WELL = (
    "SELECT count(*) FROM endpoint WHERE disabled AND removed_at IS NULL",
    "SELECT count(*) FROM endpoint WHERE failing_since IS NOT NULL AND NOT disabled AND removed_at IS NULL",
)
_WATCHED = {
    which: f"SELECT {_COLUMNS} FROM endpoint WHERE org_id = ? AND {condition} AND removed_at IS NULL"
    f" AND {_OF_A_LIVE_APPLICATION} ORDER BY {order} LIMIT ?"
    for which, condition, order in (
        (Watched.FAILING, "failing_since IS NOT NULL AND NOT disabled", "failing_since, app_id, id"),
        (Watched.SWITCHED_OFF, "switched_off_at IS NOT NULL", "switched_off_at DESC, app_id, id"),
        (Watched.RATED, "throttle_rate IS NOT NULL", "app_id, id"),
    )
}

# Bytes as base64 text, instants as microseconds.
_keys = msgspec.json.Decoder(list[tuple[bytes, int | None]]).decode


class SqliteEndpoints:
    """See `shared.ports.endpoints.Endpoints`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def add(self, endpoint: Endpoint) -> None:
        await self._writer.run(partial(_write, _INSERT, endpoint))

    async def get(self, app_id: str, key: str) -> Endpoint:
        return await self._readers.run(partial(_find, app_id, key))

    async def update(
        self, app_id: str, key: str, change: Callable[[Endpoint], Endpoint]
    ) -> tuple[Endpoint, Endpoint]:
        def update(connection: sqlite3.Connection) -> tuple[Endpoint, Endpoint]:
            before = _find(app_id, key, connection)
            after = change(before)
            _write(_REPLACE, after, connection)
            return before, after

        return await self._writer.run(update)

    async def scan(self, app_id: str, scan: Scan) -> Sequence[Endpoint]:
        condition, parameters = columns.within(scan, "id")
        return await self._read(_SELECT + condition + columns.in_order(scan, "id"), (app_id, *parameters))

    async def of_application(self, app_id: str) -> Sequence[Endpoint]:
        return await self._read(f"{_SELECT} ORDER BY id", (app_id,))

    async def remove(self, app_id: str, endpoint_id: str, *, at: datetime) -> None:
        sql = f"UPDATE endpoint SET removed_at = ?, uid = NULL {_LIVE_ONE}"
        if not await self._change(sql, (columns.micros(at), app_id, endpoint_id)):
            raise Unknown("endpoint", endpoint_id)

    async def erase(self, app_id: str) -> None:
        await self._change("DELETE FROM endpoint WHERE app_id = ?", (app_id,))

    async def disable(self, app_id: str, endpoint_id: str, *, at: datetime) -> bool:
        off = "disabled = 1, updated_at = ?1, switched_off_at = ?1"
        sql = f"UPDATE endpoint SET {off} {_LIVE_ONE} AND NOT disabled"
        return await self._change(sql, (columns.micros(at), app_id, endpoint_id))

    async def begin_failing(self, app_id: str, endpoint_id: str, *, at: datetime) -> datetime:
        def update(connection: sqlite3.Connection) -> datetime:
            row = connection.execute(
                f"UPDATE endpoint SET failing_since = coalesce(failing_since, ?) {_LIVE_ONE}"
                " RETURNING failing_since",
                (columns.micros(at), app_id, endpoint_id),
            ).fetchall()
            return columns.instant(row[0][0]) if row else at

        return await self._writer.run(update)

    async def end_failing(self, app_id: str, endpoint_id: str) -> None:
        await self._change(f"UPDATE endpoint SET failing_since = NULL {_LIVE_ONE}", (app_id, endpoint_id))

    async def health(self) -> EndpointHealth:
        def look(connection: sqlite3.Connection) -> EndpointHealth:
            return EndpointHealth(*(connection.execute(sql).fetchone()[0] for sql in _NOT_WELL))

        return await self._readers.run(look)

    async def watched(self, org_id: str, which: Watched, *, limit: int) -> Sequence[Endpoint]:
        return await self._read(_WATCHED[which], (org_id, limit))

    async def _read(self, sql: str, parameters: columns.Row) -> Sequence[Endpoint]:
        def look(connection: sqlite3.Connection) -> Sequence[Endpoint]:
            return [_endpoint(row) for row in connection.execute(sql, parameters)]

        return await self._readers.run(look)

    async def _change(self, sql: str, parameters: columns.Row) -> bool:
        """Write one statement; say whether there was something to change."""

        def change(connection: sqlite3.Connection) -> bool:
            return connection.execute(sql, parameters).rowcount > 0

        return await self._writer.run(change)


def _find(app_id: str, key: str, connection: sqlite3.Connection) -> Endpoint:
    for column in ("id", "uid"):
        row = connection.execute(f"{_SELECT} AND {column} = ?", (app_id, key)).fetchone()
        if row is not None:
            return _endpoint(row)
    raise Unknown("endpoint", key)


def _write(sql: str, endpoint: Endpoint, connection: sqlite3.Connection) -> None:
    try:
        connection.execute(sql, _row(endpoint))
    except sqlite3.IntegrityError as taken:
        if endpoint.uid is None:
            raise
        raise UidTaken("endpoint", endpoint.uid) from taken


def read_every(connection: sqlite3.Connection, app_id: str, ids: Iterable[str]) -> Sequence[Endpoint]:
    """Read some endpoints of an application, removed ones too, in the order of their ids."""
    rows = (connection.execute(f"{_EVERY} AND id = ?", (app_id, key)).fetchone() for key in ids)
    return [_endpoint(row) for row in rows if row is not None]


def _row(endpoint: Endpoint) -> columns.Row:
    return (
        endpoint.id,
        endpoint.app_id,
        endpoint.org_id,
        endpoint.url,
        endpoint.description,
        endpoint.version,
        endpoint.disabled,
        endpoint.uid,
        endpoint.throttle_rate,
        columns.set_text(endpoint.event_types),
        columns.set_text(endpoint.channels),
        columns.mapping_text(endpoint.metadata),
        columns.mapping_text(endpoint.headers),
        msgspec.json.encode(
            [(key.sealed, columns.micros_or_none(key.expires_at)) for key in endpoint.keys]
        ).decode(),
        columns.micros_or_none(endpoint.failing_since),
        columns.micros(endpoint.created_at),
        columns.micros(endpoint.updated_at),
        columns.micros_or_none(endpoint.throttled_since),
        columns.micros_or_none(endpoint.switched_off_at),
    )


def _endpoint(row: tuple[Any, ...]) -> Endpoint:
    return Endpoint(
        id=row[0],
        app_id=row[1],
        org_id=row[2],
        url=row[3],
        description=row[4],
        version=row[5],
        disabled=bool(row[6]),
        uid=row[7],
        throttle_rate=row[8],
        event_types=columns.set_of(row[9]),
        channels=columns.set_of(row[10]),
        metadata=columns.mapping_of(row[11]),
        headers=columns.mapping_of(row[12]),
        keys=[SealedKey(sealed, columns.instant_or_none(expires)) for sealed, expires in _keys(row[13])],
        failing_since=columns.instant_or_none(row[14]),
        created_at=columns.instant(row[15]),
        updated_at=columns.instant(row[16]),
        throttled_since=columns.instant_or_none(row[17]),
        switched_off_at=columns.instant_or_none(row[18]),
    )
