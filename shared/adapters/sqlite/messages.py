"""Messages on SQLite."""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.writer import Writer
from shared.domain.errors import Unknown
from shared.domain.message import Message
from shared.domain.paging import Scan
from shared.ports.clock import Clock
from shared.ports.messages import MessageFilter

_COLUMNS = (
    "m.id, m.app_id, m.org_id, m.event_type, m.event_id, m.channels, m.payload_expires_at, m.created_at"
)
_BARE = f"SELECT {_COLUMNS}, NULL FROM message m"
_WITH_PAYLOAD = (
    f"SELECT {_COLUMNS}, c.payload FROM message m"
    " LEFT JOIN content c ON c.seq = m.content AND c.expires_at > ?"
)
_ON_CHANNEL = " AND EXISTS (SELECT 1 FROM json_each(m.channels) WHERE value = ?)"


class SqliteMessages:
    """See `shared.ports.messages.Messages`."""

    def __init__(self, writer: Writer, readers: Readers, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock

    async def get(self, app_id: str, key: str) -> Message:
        now = columns.micros(self._clock.now())

        def look(connection: sqlite3.Connection) -> Message:
            for column in ("id", "event_id"):
                sql = f"{_WITH_PAYLOAD} WHERE m.app_id = ? AND m.{column} = ?"
                row = connection.execute(sql, (now, app_id, key)).fetchone()
                if row is not None:
                    return _message(row)
            raise Unknown("message", key)

        return await self._readers.run(look)

    async def scan(self, app_id: str, scan: Scan, only: MessageFilter) -> Sequence[Message]:
        select, now = (_WITH_PAYLOAD, [columns.micros(self._clock.now())]) if only.payloads else (_BARE, [])
        condition, parameters = columns.within(scan, "m.id")
        if only.channel is not None:
            condition += _ON_CHANNEL
            parameters.append(only.channel)
        if only.event_types is not None:
            one, names = columns.any_of("m.event_type", only.event_types)
            condition += f" AND {one}"
            parameters += names
        sql = f"{select} WHERE m.app_id = ?{condition}{columns.in_order(scan, 'm.id')}"

        def look(connection: sqlite3.Connection) -> Sequence[Message]:
            return [_message(row) for row in connection.execute(sql, (*now, app_id, *parameters))]

        return await self._readers.run(look)

    async def erase_payload(self, app_id: str, key: str) -> None:
        def erase(connection: sqlite3.Connection) -> None:
            for column in ("id", "event_id"):
                sql = f"SELECT content FROM message WHERE app_id = ? AND {column} = ?"
                row = connection.execute(sql, (app_id, key)).fetchone()
                if row is not None:
                    connection.execute("DELETE FROM content WHERE seq = ?", row)
                    return
            raise Unknown("message", key)

        await self._writer.run(erase)

    async def erase_payloads(self, *, expired_at: datetime, limit: int) -> int:
        def erase(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM content WHERE seq IN"
                " (SELECT seq FROM content WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
                (columns.micros(expired_at), limit),
            ).rowcount

        return await self._writer.run(erase)


def _message(row: tuple[str, str, str, str, str | None, str | None, int, int, str | None]) -> Message:
    return Message(
        id=row[0],
        app_id=row[1],
        org_id=row[2],
        event_type=row[3],
        event_id=row[4],
        channels=columns.set_of(row[5]),
        payload_expires_at=columns.instant(row[6]),
        created_at=columns.instant(row[7]),
        payload=row[8],
    )
