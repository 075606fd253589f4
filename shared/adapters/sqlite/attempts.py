"""Attempts on SQLite."""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.labels import label_of, labels
from shared.adapters.sqlite.merge import Ranges, one_moment
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.removal import Turn
from shared.adapters.sqlite.rows import STANDING_LABEL
from shared.adapters.sqlite.writer import Writer
from shared.domain import ids
from shared.domain.attempt import ERASED_RESPONSE, Attempt, Ended, Ending, Status, Trigger
from shared.domain.chain import message_status
from shared.domain.errors import Unknown
from shared.domain.paging import Scan
from shared.ports.attempts import AttemptFilter
from shared.ports.removal import Removed

CODE_CLASSES = range(0, 1000, 100)
"""What `code_class` can be: the hundreds of a response code."""

_COLUMNS = (
    "t.id, t.message_id, t.endpoint_id, t.app_id, t.org_id, t.event_type, t.channels, t.number, t.url,"
    " t.status, t.response_status_code, t.response, t.duration, t.trigger_type, t.made_at, t.next_attempt_at,"
    " t.tags, t.ended_why, t.ended_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM attempt t"

_ONE = f"{_SELECT} WHERE t.message_id = ? AND t.id = ?"
_OLDEST = f"{_SELECT} WHERE t.message_id = ? ORDER BY t.id LIMIT ?"
_ALL = -1
"""A limit that is none."""

_REMOVE_OLDEST = "DELETE FROM attempt WHERE message_id = ? AND id <= ?"
# In the order in which attempts are kept, so that nothing needs an index by time.
_NEXT_MESSAGE = (
    "SELECT message_id, max(max(made_at, coalesce(next_attempt_at, 0))) FROM attempt"
    " WHERE message_id > ? AND message_id < ? GROUP BY message_id ORDER BY message_id LIMIT 1"
)
_AT_ENDPOINT = f"{_SELECT} WHERE t.message_id = ? AND t.endpoint_id = ? ORDER BY t.id"
# The + keeps SQLite from going through all attempts at the endpoint for the few on the message.
_TOGETHER = "WHERE message_id = ? AND +endpoint_id = ?"
END_CHAIN = f"UPDATE attempt SET next_attempt_at = NULL {_TOGETHER}"
TELL_END = (
    "UPDATE attempt SET (ended_why, ended_at) = (?1, ?2) WHERE message_id = ?3 AND id = (SELECT max(id)"
    " FROM attempt WHERE message_id = ?3 AND +endpoint_id = ?4 AND next_attempt_at IS NOT NULL"
    f" AND trigger_type = {Trigger.SCHEDULED:d})"
)
SETTLE = f"UPDATE attempt SET standing = CASE id WHEN ? THEN ? END {_TOGETHER}"
_STANDINGS = f"({Status.SUCCESS:d}, {Status.FAIL:d}, {Status.SENDING:d})"

_PLACE = "endpoint_id = ? AND channel = ? AND tag = ? AND event_type = ?"
_REMOVE_STANDING = (
    f"DELETE FROM standing_label WHERE {_PLACE} AND standing IN {_STANDINGS} AND message_id = ?"
)
_REMOVE_LABEL = f"DELETE FROM attempt_label WHERE {_PLACE} AND status = ? AND code_class = ? AND id = ?"

_FACETS = ("event_type", "status", "code_class")
_BY_ENDPOINT = Ranges("attempt INDEXED BY attempt_endpoint", ("endpoint_id",), _FACETS, "id", "message_id")
_BY_LABEL = Ranges("attempt_label", ("endpoint_id", "channel", "tag"), _FACETS, "id", "message_id")

# Beside max() SQLite shows the columns of the row that has it.
_OF_MESSAGE = f"SELECT {_COLUMNS}, max(t.id) FROM attempt t WHERE t.message_id = ?"
_LATEST = f"{_OF_MESSAGE} AND t.trigger_type = {Trigger.SCHEDULED:d} GROUP BY t.endpoint_id"
_NEWEST = f"{_OF_MESSAGE} GROUP BY t.endpoint_id"

_COUNT = (
    "SELECT count(*) FROM attempt INDEXED BY attempt_endpoint"
    " WHERE endpoint_id = ? AND event_type = ? AND status = ? AND code_class = ? AND id BETWEEN ? AND ?"
)


class SqliteAttempts:
    """See `shared.ports.attempts.Attempts`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def get(self, app_id: str, message_id: str, attempt_id: str) -> Attempt:
        del app_id  # here and below: every application's are in one file, and no two have one id
        found = await self._read(_ONE, (message_id, attempt_id))
        if not found:
            raise Unknown("attempt", attempt_id)
        return found[0]

    async def of_message(
        self, app_id: str, message_id: str, scan: Scan, only: AttemptFilter
    ) -> Sequence[Attempt]:
        del app_id
        condition, parameters = columns.within(scan, "t.id")
        for part, values in _conditions(only):
            condition += part
            parameters += values
        sql = f"{_SELECT} WHERE t.message_id = ?{condition}{columns.in_order(scan, 't.id')}"
        return await self._read(sql, (message_id, *parameters))

    async def of_endpoint(
        self, app_id: str, endpoint_id: str, scan: Scan, only: AttemptFilter
    ) -> Sequence[Attempt]:
        del app_id
        if only.endpoint_id not in {None, endpoint_id}:
            return []
        statuses = None if only.status is None else (only.status,)
        classes = None if only.status_code_class is None else (only.status_code_class,)
        wanted = (only.event_types, statuses, classes)
        label = label_of(only.channel, only.tag)
        ranges, owner = (
            (_BY_ENDPOINT, (endpoint_id,)) if label is None else (_BY_LABEL, (endpoint_id, *label))
        )

        def look(connection: sqlite3.Connection) -> Sequence[Attempt]:
            with one_moment(connection):
                found = ranges.read(connection, owner, wanted, scan)
                return [
                    attempt
                    for attempt_id, message_id in found
                    for attempt in _found(connection, _ONE, (message_id, attempt_id))
                ]

        return await self._readers.run(look)

    async def latest(self, app_id: str, message_id: str) -> Mapping[str, Attempt]:
        del app_id
        return {attempt.endpoint_id: attempt for attempt in await self._read(_LATEST, (message_id,))}

    async def at_endpoint(self, app_id: str, message_id: str, endpoint_id: str) -> Sequence[Attempt]:
        del app_id
        return await self._read(_AT_ENDPOINT, (message_id, endpoint_id))

    async def count(self, app_id: str, endpoint_id: str, *, first: str, last: str) -> Mapping[Status, int]:
        del app_id

        def look(connection: sqlite3.Connection) -> Mapping[Status, int]:
            counts = Counter[Status]()
            with one_moment(connection):
                # Range by range: nothing is read but the part of the index that is counted.
                for facets in _BY_ENDPOINT.combinations(connection, (endpoint_id,), (None, None, None)):
                    row = connection.execute(_COUNT, (endpoint_id, *facets, first, last)).fetchone()
                    counts[Status(facets[1])] += row[0]
            return +counts

        return await self._readers.run(look)

    async def erase_response(self, app_id: str, message_id: str, attempt_id: str) -> None:
        del app_id

        def erase(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                "UPDATE attempt SET response = ? WHERE message_id = ? AND id = ?",
                (ERASED_RESPONSE, message_id, attempt_id),
            )
            if not done.rowcount:
                raise Unknown("attempt", attempt_id)

        await self._writer.run(erase)

    async def end_chain(self, app_id: str, message_id: str, endpoint_id: str, ended: Ended) -> None:
        del app_id

        def clear(connection: sqlite3.Connection) -> None:
            connection.execute(TELL_END, (ended.why, columns.micros(ended.at), message_id, endpoint_id))
            connection.execute(END_CHAIN, (message_id, endpoint_id))
            settle(connection, message_id, endpoint_id)

        await self._writer.run(clear)

    async def forget(self, *, before: datetime, after: str, limit: int) -> Removed:
        # A message is not younger than the attempts on it.
        end, at = ids.start_id(ids.MESSAGE, ids.clamp(before)), columns.micros(before)

        def forget(connection: sqlite3.Connection) -> Removed:
            message_id, turn = after, Turn(limit)
            while turn.goes_on():
                row = connection.execute(_NEXT_MESSAGE, (message_id, end)).fetchone()
                if row is None:
                    return Removed(turn.gone)
                if row[1] < at:
                    (oldest,) = remove(connection, row[0], limit=1)
                    turn.removed(len(oldest.response))
                else:
                    message_id = row[0]
            return Removed(turn.gone, rest=message_id)

        return await self._writer.run(forget)

    async def _read(self, sql: str, parameters: columns.Row) -> Sequence[Attempt]:
        def look(connection: sqlite3.Connection) -> Sequence[Attempt]:
            return _found(connection, sql, parameters)

        return await self._readers.run(look)


def settle(connection: sqlite3.Connection, message_id: str, endpoint_id: str) -> None:
    """Have the newest attempt on a message at an endpoint say how the message stands there, and no other."""
    attempts = _found(connection, _AT_ENDPOINT, (message_id, endpoint_id))
    if not attempts:
        return
    newest, standing = attempts[-1], message_status(attempts)
    connection.execute(SETTLE, (newest.id, standing, message_id, endpoint_id))
    for label in labels(newest):
        place = (endpoint_id, *label, newest.event_type)
        connection.execute(_REMOVE_STANDING, (*place, message_id))
        STANDING_LABEL.insert(connection, (*place, standing, message_id, newest.id))


def remove(connection: sqlite3.Connection, message_id: str, limit: int = _ALL) -> Sequence[Attempt]:
    """Remove the oldest attempts on a message, with their places in lists; say which."""
    attempts = _found(connection, _OLDEST, (message_id, limit))
    for attempt in attempts:
        facets = (attempt.status, code_class(attempt.response_status_code))
        for label in labels(attempt):
            place = (attempt.endpoint_id, *label, attempt.event_type)
            connection.execute(_REMOVE_LABEL, (*place, *facets, attempt.id))
            connection.execute(f"{_REMOVE_STANDING} AND id = ?", (*place, message_id, attempt.id))
    if attempts:
        connection.execute(_REMOVE_OLDEST, (message_id, attempts[-1].id))
    return attempts


def newest_at_endpoints(connection: sqlite3.Connection, message_id: str) -> Sequence[Attempt]:
    """The newest attempt on a message at each endpoint that has one, manual ones too."""
    return _found(connection, _NEWEST, (message_id,))


def _found(connection: sqlite3.Connection, sql: str, parameters: columns.Row) -> Sequence[Attempt]:
    return [_attempt(row) for row in connection.execute(sql, parameters)]


def code_class(code: int) -> int:
    """The hundreds of a response code, as lists are filtered by."""
    return min(code // 100 * 100, CODE_CLASSES[-1])


def _conditions(only: AttemptFilter) -> list[tuple[str, list[columns.Value]]]:
    found: list[tuple[str, list[columns.Value]]] = []
    if only.status is not None:
        found.append((" AND t.status = ?", [only.status]))
    if only.status_code_class is not None:
        found.append((" AND t.code_class = ?", [only.status_code_class]))
    if only.endpoint_id is not None:
        found.append((" AND t.endpoint_id = ?", [only.endpoint_id]))
    for column, name in (("t.channels", only.channel), ("t.tags", only.tag)):
        if name is not None:
            found.append((f" AND EXISTS (SELECT 1 FROM json_each({column}) WHERE value = ?)", [name]))
    if only.event_types is not None:
        one, names = columns.any_of("t.event_type", only.event_types)
        found.append((f" AND {one}", names))
    return found


def _attempt(row: tuple[Any, ...]) -> Attempt:
    return Attempt(
        id=row[0],
        message_id=row[1],
        endpoint_id=row[2],
        app_id=row[3],
        org_id=row[4],
        event_type=row[5],
        channels=columns.set_of(row[6]),
        number=row[7],
        url=row[8],
        status=Status(row[9]),
        response_status_code=row[10],
        response=row[11],
        duration=timedelta(microseconds=row[12]),
        trigger=Trigger(row[13]),
        timestamp=columns.instant(row[14]),
        next_attempt_at=columns.instant_or_none(row[15]),
        tags=columns.set_of(row[16]),
        ended=None if row[17] is None else Ended(Ending(row[17]), columns.instant(row[18])),
    )
