"""Background tasks on SQLite: a task and its next step are one transaction."""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.line import Entry
from shared.adapters.sqlite.lines import Lines
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.writer import Operation, Writer
from shared.domain.background_task import Arguments, BackgroundTask, TaskStatus
from shared.domain.errors import Unknown
from shared.domain.paging import Scan
from shared.domain.work import TASKS_QUEUE, TaskStep, to_body
from shared.ports.background_tasks import BackgroundTaskFilter
from shared.ports.clock import Clock

_COLUMNS = (
    "org_id, id, app_id, name, arguments, asked_at, updated_at, status, step, page, done, failed, total,"
    " why, finished_at"
)
_PLACES = ", ".join(f"?{n}" for n in range(1, 16))
_INSERT = f"INSERT INTO background_task ({_COLUMNS}) VALUES ({_PLACES})"
_ADVANCE = (
    f"UPDATE background_task SET ({_COLUMNS}) = ({_PLACES})"
    f" WHERE org_id = ?1 AND id = ?2 AND status = '{TaskStatus.RUNNING}' AND step = ?16"
)
_SELECT = f"SELECT {_COLUMNS} FROM background_task"

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
        await self._write(_INSERT, _row(task), task)

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
        return await self._write(_ADVANCE, (*_row(after), before.step), after)

    async def stalled(self, *, before: datetime, limit: int) -> Sequence[BackgroundTask]:
        sql = (
            f"{_SELECT} WHERE status = '{TaskStatus.RUNNING}' AND updated_at < ?"
            f" ORDER BY updated_at LIMIT {limit:d}"
        )
        return await self._read(sql, (columns.micros(before),))

    async def _write(self, sql: str, row: columns.Row, task: BackgroundTask) -> bool:
        """Write a task and, while it runs, its next step; say whether there was something to write to."""
        entry = self._next_step(task) if task.status is TaskStatus.RUNNING else None

        def write(connection: sqlite3.Connection) -> bool | None:
            if not connection.execute(sql, row).rowcount:
                return False
            if entry is not None:
                table, step = entry.row
                table.insert(connection, step)
            return None

        operation = Operation(write)
        writing = (
            self._writer.submit(operation) if entry is None else entry.written_by(self._writer, operation)
        )
        return await writing is None

    def _next_step(self, task: BackgroundTask) -> Entry:
        body = to_body(TaskStep(task.org_id, task.id, task.step))
        return self._lines.of(TASKS_QUEUE).enter(body, at=self._clock.now())

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
    )
