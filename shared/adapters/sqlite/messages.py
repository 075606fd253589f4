"""Messages on SQLite."""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.adapters.sqlite import attempts, columns
from shared.adapters.sqlite.labels import label_of, labels
from shared.adapters.sqlite.merge import Ranges, one_moment
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.removal import Turn, remove_some
from shared.adapters.sqlite.writer import Writer
from shared.domain.errors import Unknown
from shared.domain.ids import MESSAGE, clamp, start_id
from shared.domain.message import Message
from shared.domain.paging import Scan
from shared.ports.clock import Clock
from shared.ports.messages import MessageFilter
from shared.ports.removal import Removed

_COLUMNS = (
    "m.id, m.app_id, m.org_id, m.event_type, m.event_id, m.channels, m.payload_expires_at, m.created_at,"
    " m.tags, m.deliver_at, m.trace"
)
_BARE = f"SELECT {_COLUMNS}, NULL, NULL FROM message m"
_WITH_PAYLOAD = (
    f"SELECT {_COLUMNS}, c.payload, c.content_type FROM message m"
    " LEFT JOIN content c ON c.seq = m.content AND c.expires_at > ?"
)
_REMOVE_LABEL = (
    "DELETE FROM message_label WHERE app_id = ? AND channel = ? AND tag = ? AND event_type = ? AND id = ?"
)
_ERASE_ONE = (
    "DELETE FROM content WHERE seq = (SELECT content FROM message WHERE app_id = ? AND id = ?)"
    " RETURNING length(payload)"
)
_ERASE_EXPIRED = (
    "DELETE FROM content WHERE seq IN"
    " (SELECT seq FROM content WHERE expires_at <= ? ORDER BY expires_at LIMIT 1)"
    " RETURNING length(payload)"
)
# Leaps from application to application, so that nothing needs an index by time.
_OLDEST_OF_NEXT = "SELECT app_id, id FROM message WHERE app_id > ? ORDER BY app_id, id LIMIT 1"
_BY_TYPE = Ranges("message INDEXED BY message_type", ("app_id",), ("event_type",), "id", "id")
_BY_LABEL = Ranges("message_label", ("app_id", "channel", "tag"), ("event_type",), "id", "id")


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
        now = self._clock.now()
        label = label_of(only.channel, only.tag)
        if label is None and only.event_types is None:
            select, first = _select(app_id, now if only.payloads else None)
            condition, parameters = columns.within(scan, "m.id")
            sql = f"{select}{condition}{columns.in_order(scan, 'm.id')}"

            def look(connection: sqlite3.Connection) -> Sequence[Message]:
                return [_message(row) for row in connection.execute(sql, (*first, *parameters))]

            return await self._readers.run(look)
        ranges, owner = (_BY_TYPE, (app_id,)) if label is None else (_BY_LABEL, (app_id, *label))

        def filtered(connection: sqlite3.Connection) -> Sequence[Message]:
            with one_moment(connection):
                found = [key for key, _ in ranges.read(connection, owner, (only.event_types,), scan)]
                return read(connection, app_id, found, payloads_at=now if only.payloads else None)

        return await self._readers.run(filtered)

    async def several(self, app_id: str, ids: Collection[str], *, payloads: bool) -> Mapping[str, Message]:
        now = self._clock.now() if payloads else None

        def look(connection: sqlite3.Connection) -> Mapping[str, Message]:
            return {message.id: message for message in read(connection, app_id, ids, payloads_at=now)}

        return await self._readers.run(look)

    async def erase_payload(self, app_id: str, key: str) -> None:
        if not await self.erase_several(app_id, [key]):
            raise Unknown("message", key)

    async def erase_several(self, app_id: str, keys: Collection[str]) -> Collection[str]:
        def erase(connection: sqlite3.Connection) -> Collection[str]:
            return [key for key in keys if _erase(connection, app_id, key)]

        return await self._writer.run(erase)

    async def remove_several(self, app_id: str, ids: Collection[str]) -> None:
        def remove(connection: sqlite3.Connection) -> None:
            for message in read(connection, app_id, ids, payloads_at=None):
                attempts.remove(connection, message.id)
                _remove(connection, message)

        await self._writer.run(remove)

    async def erase_payloads(self, *, expired_at: datetime, limit: int) -> Removed:
        def erase(connection: sqlite3.Connection) -> Removed:
            return remove_some(connection, _ERASE_EXPIRED, [columns.micros(expired_at)], limit)

        return await self._writer.run(erase)

    async def forget(self, *, before: datetime, after: str, limit: int) -> Removed:
        end = start_id(MESSAGE, clamp(before))

        def forget(connection: sqlite3.Connection) -> Removed:
            done, turn = after, Turn(limit)  # all applications up to this one
            while turn.goes_on():
                row = connection.execute(_OLDEST_OF_NEXT, (done,)).fetchone()
                if row is None:
                    return Removed(turn.gone)
                app_id, message_id = row
                if message_id >= end:
                    done = app_id
                elif attempted := attempts.remove(connection, message_id, limit=1):
                    turn.spent(len(attempted[0].response))
                else:
                    for message in read(connection, app_id, [message_id], payloads_at=None):
                        turn.removed(_remove(connection, message))
            return Removed(turn.gone, rest=done)

        return await self._writer.run(forget)


def _remove(connection: sqlite3.Connection, message: Message) -> int:
    """Remove a message that has no attempts, with its places in lists; say how long its payload was."""
    app_id, message_id = message.app_id, message.id
    erased = connection.execute(_ERASE_ONE, (app_id, message_id)).fetchall()
    for label in labels(message):
        connection.execute(_REMOVE_LABEL, (app_id, *label, message.event_type, message_id))
    connection.execute("DELETE FROM message WHERE app_id = ? AND id = ?", (app_id, message_id))
    return sum(size for (size,) in erased)


def _erase(connection: sqlite3.Connection, app_id: str, key: str) -> bool:
    """Erase the payload of a message by id or eventId; say False if there is no such message."""
    for column in ("id", "event_id"):
        sql = f"SELECT content FROM message WHERE app_id = ? AND {column} = ?"
        row = connection.execute(sql, (app_id, key)).fetchone()
        if row is not None:
            connection.execute("DELETE FROM content WHERE seq = ?", row)
            return True
    return False


def read(
    connection: sqlite3.Connection, app_id: str, ids: Iterable[str], *, payloads_at: datetime | None
) -> Sequence[Message]:
    """Read those of some messages that an application has, in the order of their ids.

    Args:
        connection: A reader's.
        app_id: The application.
        ids: Of the messages.
        payloads_at: Show payloads that have not expired at this instant; None shows none.
    """
    select, first = _select(app_id, payloads_at)
    rows = (connection.execute(f"{select} AND m.id = ?", (*first, key)).fetchone() for key in ids)
    return [_message(row) for row in rows if row is not None]


def _select(app_id: str, payloads_at: datetime | None) -> tuple[str, columns.Row]:
    """What begins a statement that reads an application's messages, and its parameters."""
    if payloads_at is None:
        return f"{_BARE} WHERE m.app_id = ?", (app_id,)
    return f"{_WITH_PAYLOAD} WHERE m.app_id = ?", (columns.micros(payloads_at), app_id)


def _message(row: tuple[Any, ...]) -> Message:
    return Message(
        id=row[0],
        app_id=row[1],
        org_id=row[2],
        event_type=row[3],
        event_id=row[4],
        channels=columns.set_of(row[5]),
        payload_expires_at=columns.instant(row[6]),
        created_at=columns.instant(row[7]),
        tags=columns.set_of(row[8]),
        deliver_at=columns.instant_or_none(row[9]),
        trace=row[10],
        payload=row[11],
        content_type=row[12],
    )
