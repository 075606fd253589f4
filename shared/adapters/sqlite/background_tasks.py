"""Background tasks on SQLite: a new task and its first step are one transaction."""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.lines import Lines
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.removal import remove_some
from shared.adapters.sqlite.writer import Operation, Writer
from shared.domain.background_task import Arguments, BackgroundTask, TaskStatus
from shared.domain.errors import Unknown
from shared.domain.paging import Scan
from shared.domain.work import TASKS_QUEUE, TaskStep, to_body
from shared.ports.background_tasks import BackgroundTaskFilter
from shared.ports.clock import Clock
from shared.ports.removal import Removed

_COLUMNS = (
    "org_id, id, app_id, name, arguments, asked_at, updated_at, status, step, page, done, failed, total,"
    " why, finished_at, scanned, due_at"
)
_PLACES = ", ".join(f"?{n}" for n in range(1, 18))
_INSERT = f"INSERT INTO background_task ({_COLUMNS}) VALUES ({_PLACES}) ON CONFLICT (org_id, id) DO NOTHING"
_ADVANCE = (
    f"UPDATE background_task SET ({_COLUMNS}) = ({_PLACES})"
    f" WHERE org_id = ?1 AND id = ?2 AND status = '{TaskStatus.RUNNING}' AND step = ?18"
)
_SELECT = f"SELECT {_COLUMNS} FROM background_task"
_FORGET = (
    "DELETE FROM background_task WHERE (org_id, id) IN"
    " (SELECT org_id, id FROM background_task WHERE finished_at < ? ORDER BY finished_at LIMIT 1)"
    " RETURNING length(page)"
)

_page = msgspec.json.Decoder(tuple[str, ...]).decode
_arguments: msgspec.json.Decoder[Arguments] = msgspec.json.Decoder(Arguments)


class SqliteBackgroundTasks:
    """See `shared.ports.background_tasks.BackgroundTasks`."""

    def __init__(self, writer: Writer, readers: Readers, lines: Lines, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._lines = lines
        self._clock = clock

    async def begin(self, task: BackgroundTask) -> None:
        step = to_body(TaskStep(task.org_id, task.id, task.step))
        entry = self._lines.of(TASKS_QUEUE).enter(step, at=self._clock.now())

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(_INSERT, _row(task))
            table, row = entry.row
            table.insert(connection, row)

        await entry.written_by(self._writer, Operation(write))

    async def get(self, org_id: str, task_id: str) -> BackgroundTask:
        found = await self._read(f"{_SELECT} WHERE org_id = ? AND id = ?", (org_id, task_id))
        if not found:
            raise Unknown("background task", task_id)
        return found[0]

    async def scan(self, org_id: str, scan: Scan, only: BackgroundTaskFilter) -> Sequence[BackgroundTask]:
        condition, parameters = columns.within(scan, "id")
        if only.status is not None:
            condition += " AND status = ?"
            parameters.append(only.status)
        if only.names is not None:
            one, names = columns.any_of("name", only.names)
            condition += f" AND {one}"
            parameters += names
        sql = f"{_SELECT} WHERE org_id = ?{condition}{columns.in_order(scan, 'id')}"
        return await self._read(sql, (org_id, *parameters))

    async def advance(self, before: BackgroundTask, after: BackgroundTask) -> bool:
        row = (*_row(after), before.step)

        def write(connection: sqlite3.Connection) -> bool:
            return bool(connection.execute(_ADVANCE, row).rowcount)

        return await self._writer.submit(Operation(write))

    async def stalled(self, *, before: datetime, limit: int) -> Sequence[BackgroundTask]:
        sql = (
            f"{_SELECT} WHERE status = '{TaskStatus.RUNNING}' AND due_at < ? ORDER BY due_at LIMIT {limit:d}"
        )
        return await self._read(sql, (columns.micros(before),))

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        def forget(connection: sqlite3.Connection) -> Removed:
            return remove_some(connection, _FORGET, [columns.micros(before)], limit)

        return await self._writer.run(forget)

    async def _read(self, sql: str, parameters: columns.Row) -> Sequence[BackgroundTask]:
        def look(connection: sqlite3.Connection) -> Sequence[BackgroundTask]:
            return [_task(row) for row in connection.execute(sql, parameters)]

        return await self._readers.run(look)


def _row(task: BackgroundTask) -> columns.Row:
    return (
        task.org_id,
        task.id,
        task.app_id,
        task.name,
        msgspec.json.encode(task.arguments).decode(),
        columns.micros(task.asked_at),
        columns.micros(task.updated_at),
        task.status,
        task.step,
        msgspec.json.encode(task.page).decode(),
        task.done,
        task.failed,
        task.total,
        task.why,
        columns.micros_or_none(task.finished_at),
        task.scanned,
        columns.micros(task.due_at or task.updated_at),
    )


def _task(row: tuple[Any, ...]) -> BackgroundTask:
    return BackgroundTask(
        org_id=row[0],
        id=row[1],
        app_id=row[2],
        arguments=_arguments.decode(row[4]),
        asked_at=columns.instant(row[5]),
        updated_at=columns.instant(row[6]),
        status=TaskStatus(row[7]),
        step=row[8],
        page=_page(row[9]),
        done=row[10],
        failed=row[11],
        total=row[12],
        why=row[13],
        finished_at=columns.instant_or_none(row[14]),
        scanned=row[15],
        due_at=None if row[16] == row[6] else columns.instant(row[16]),
    )
