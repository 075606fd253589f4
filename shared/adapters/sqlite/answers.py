"""Answers to requests with an idempotency key, on SQLite."""

import sqlite3
from datetime import datetime
from hashlib import blake2b

import msgspec

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.removal import remove_some
from shared.adapters.sqlite.rows import ANSWER
from shared.adapters.sqlite.writer import Writer
from shared.ports.answers import Begun, StoredAnswer
from shared.ports.removal import Removed

_KEY_BYTES = 16
"""Keys are kept as digests of this length: still no two are the same, and a page of the index holds many."""

_FORGET = (
    "DELETE FROM answer WHERE seq IN (SELECT seq FROM answer WHERE ends_at < ? ORDER BY ends_at LIMIT 1)"
    " RETURNING coalesce(length(body), 0)"
)

_headers = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode


class SqliteAnswers:
    """See `shared.ports.answers.Answers`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def begin(self, key: bytes, *, now: datetime, lock_until: datetime) -> StoredAnswer | Begun:
        at = columns.micros(now)

        def take(connection: sqlite3.Connection) -> StoredAnswer | Begun:
            answer = find(connection, key, at)
            if answer is None:
                put(connection, (_digest(key), None, None, None, columns.micros(lock_until)))
                return Begun.MINE
            return answer

        return await self._writer.run(take)

    async def finish(self, key: bytes, answer: StoredAnswer, *, expires_at: datetime) -> None:
        row = row_of(key, answer, expires_at)

        def keep(connection: sqlite3.Connection) -> None:
            put(connection, row)

        await self._writer.run(keep)

    async def give_up(self, key: bytes, *, lock_until: datetime) -> None:
        lock = (_digest(key), columns.micros(lock_until))

        def free(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM answer WHERE key = ? AND ends_at = ? AND status IS NULL", lock)

        await self._writer.run(free)

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        def forget(connection: sqlite3.Connection) -> Removed:
            return remove_some(connection, _FORGET, [columns.micros(before)], limit)

        return await self._writer.run(forget)


def row_of(key: bytes, answer: StoredAnswer, expires_at: datetime) -> columns.Row:
    """The row of table `answer`."""
    headers = msgspec.json.encode(answer.headers).decode()
    return (_digest(key), answer.status, headers, answer.body, columns.micros(expires_at))


def find(connection: sqlite3.Connection, key: bytes, now: int) -> StoredAnswer | Begun | None:
    """What is kept for a key at an instant: an answer, somebody's lock, or nothing that still counts."""
    rows = connection.execute(
        "SELECT status, headers, body FROM answer WHERE key = ? AND ends_at > ?", (_digest(key), now)
    ).fetchall()
    if not rows:
        return None
    status, headers, body = rows[0]
    if status is None:
        return Begun.SOMEONE_ELSES
    return StoredAnswer(status, _headers(headers), body)


def put(connection: sqlite3.Connection, row: columns.Row) -> None:
    """Keep the row of an answer or a lock in place of what was kept for its key."""
    connection.execute("DELETE FROM answer WHERE key = ?", row[:1])
    ANSWER.insert(connection, row)


def remove(connection: sqlite3.Connection, key: bytes) -> None:
    """Keep nothing for a key."""
    connection.execute("DELETE FROM answer WHERE key = ?", (_digest(key),))


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=_KEY_BYTES).digest()
