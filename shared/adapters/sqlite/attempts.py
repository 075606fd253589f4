"""Attempts on SQLite."""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import product
from typing import Any

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.writer import Writer
from shared.domain.attempt import ERASED_RESPONSE, Attempt, Status, Trigger
from shared.domain.errors import Unknown
from shared.domain.paging import Scan
from shared.ports.attempts import AttemptFilter

CODE_CLASSES = range(0, 1000, 100)
"""What `code_class` can be: the hundreds of a response code."""

_COLUMNS = (
    "t.id, t.message_id, t.endpoint_id, t.app_id, t.org_id, t.event_type, t.channels, t.number, t.url,"
    " t.status, t.response_status_code, t.response, t.duration, t.trigger_type, t.made_at, t.next_attempt_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM attempt t"

# Beside max() SQLite shows the columns of the row that has it.
_LATEST = (
    f"SELECT {_COLUMNS}, max(t.id) FROM attempt t"
    f" WHERE t.message_id = ? AND t.trigger_type = {Trigger.SCHEDULED:d} GROUP BY t.endpoint_id"
)

# Naming every status and class makes it a few ranges of the index, and nothing but the index.
_COUNT = (
    "SELECT status, count(*) FROM attempt WHERE endpoint_id = ?"
    f" AND status IN ({', '.join(str(int(status)) for status in Status)})"
    f" AND code_class IN ({', '.join(map(str, CODE_CLASSES))}) AND id BETWEEN ? AND ? GROUP BY status"
)


class SqliteAttempts:
    """See `shared.ports.attempts.Attempts`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def get(self, message_id: str, attempt_id: str) -> Attempt:
        found = await self._read(f"{_SELECT} WHERE t.message_id = ? AND t.id = ?", (message_id, attempt_id))
        if not found:
            raise Unknown("attempt", attempt_id)
        return found[0]

    async def of_message(self, message_id: str, scan: Scan, only: AttemptFilter) -> Sequence[Attempt]:
        condition, parameters = columns.within(scan, "t.id")
        for part, values in _conditions(only):
            condition += part
            parameters += values
        sql = f"{_SELECT} WHERE t.message_id = ?{condition}{columns.in_order(scan, 't.id')}"
        return await self._read(sql, (message_id, *parameters))

    async def of_endpoint(self, endpoint_id: str, scan: Scan, only: AttemptFilter) -> Sequence[Attempt]:
        if only.endpoint_id not in {None, endpoint_id}:
            return []
        statuses = [only.status] if only.status is not None else [Status.SUCCESS, Status.FAIL]
        classes = [only.status_code_class] if only.status_code_class is not None else CODE_CLASSES
        condition, parameters = columns.within(scan, "t.id")
        for part, values in _conditions(AttemptFilter(channel=only.channel, event_types=only.event_types)):
            condition += part
            parameters += values
        order = columns.in_order(scan, "id")
        # One range of the index for each status and class, merged: each is read only as far as the page goes.
        one = (
            "SELECT * FROM (SELECT t.message_id, t.id FROM attempt t"
            f" WHERE t.endpoint_id = ? AND t.status = ? AND t.code_class = ?{condition}{order})"
        )
        ranges = list(product(statuses, classes))
        sql = (
            f"WITH found AS ({' UNION ALL '.join([one] * len(ranges))}{order})"
            f" SELECT {_COLUMNS} FROM found"
            " JOIN attempt t ON t.message_id = found.message_id AND t.id = found.id"
            f" {columns.in_order(scan, 'found.id')}"
        )
        values = [value for status, code in ranges for value in (endpoint_id, status, code, *parameters)]
        return await self._read(sql, tuple(values))

    async def latest(self, message_id: str) -> Mapping[str, Attempt]:
        return {attempt.endpoint_id: attempt for attempt in await self._read(_LATEST, (message_id,))}

    async def at_endpoint(self, message_id: str, endpoint_id: str) -> Sequence[Attempt]:
        sql = f"{_SELECT} WHERE t.message_id = ? AND t.endpoint_id = ? ORDER BY t.id"
        return await self._read(sql, (message_id, endpoint_id))

    async def count(self, endpoint_id: str, *, first: str, last: str) -> Mapping[Status, int]:
        def look(connection: sqlite3.Connection) -> Mapping[Status, int]:
            rows = connection.execute(_COUNT, (endpoint_id, first, last))
            return {Status(status): count for status, count in rows}

        return await self._readers.run(look)

    async def erase_response(self, message_id: str, attempt_id: str) -> None:
        def erase(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                "UPDATE attempt SET response = ? WHERE message_id = ? AND id = ?",
                (ERASED_RESPONSE, message_id, attempt_id),
            )
            if not done.rowcount:
                raise Unknown("attempt", attempt_id)

        await self._writer.run(erase)

    async def end_chain(self, message_id: str, endpoint_id: str) -> None:
        def clear(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE attempt SET next_attempt_at = NULL WHERE message_id = ? AND endpoint_id = ?",
                (message_id, endpoint_id),
            )

        await self._writer.run(clear)

    async def _read(self, sql: str, parameters: columns.Row) -> Sequence[Attempt]:
        def look(connection: sqlite3.Connection) -> Sequence[Attempt]:
            return [_attempt(row) for row in connection.execute(sql, parameters)]

        return await self._readers.run(look)


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
    if only.channel is not None:
        found.append((" AND EXISTS (SELECT 1 FROM json_each(t.channels) WHERE value = ?)", [only.channel]))
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
    )
