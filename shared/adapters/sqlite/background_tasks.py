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
from shared.adapters.sqlite.removal import Turn
from shared.adapters.sqlite.writer import Operation, Writer
from shared.domain.background_task import Arguments, BackgroundTask, Finding, TaskStatus
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
_ENDED = "SELECT org_id, id FROM background_task WHERE finished_at < ? ORDER BY finished_at LIMIT 1"
_REMOVE = "DELETE FROM background_task WHERE org_id = ? AND id = ?"
_INSERT_FINDINGS = (
    "INSERT INTO background_task_findings (task_id, step, org_id, findings) VALUES (?, ?, ?, ?)"
)
_REMOVE_FINDINGS = (
    "DELETE FROM background_task_findings WHERE task_id = ?1 AND step ="
    " (SELECT min(step) FROM background_task_findings WHERE task_id = ?1) RETURNING length(findings)"
)
_FINDINGS = "SELECT findings FROM background_task_findings WHERE task_id = ? AND org_id = ? ORDER BY step"

_page = msgspec.json.Decoder(tuple[str, ...]).decode
_findings = msgspec.json.Decoder(list[Finding]).decode
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

    async def advance(
        self, before: BackgroundTask, after: BackgroundTask, findings: Sequence[Finding] = ()
    ) -> bool:
        row = (*_row(after), before.step)
        found = (after.id, before.step, after.org_id, msgspec.json.encode(findings).decode())

        def write(connection: sqlite3.Connection) -> bool:
            if not connection.execute(_ADVANCE, row).rowcount:
                return False
            if findings:
                connection.execute(_INSERT_FINDINGS, found)
            return True

        return await self._writer.submit(Operation(write))

    async def findings(self, org_id: str, task_id: str) -> Sequence[Finding]:
        def look(connection: sqlite3.Connection) -> Sequence[Finding]:
            rows = connection.execute(_FINDINGS, (task_id, org_id)).fetchall()
            return [finding for (text,) in rows for finding in _findings(text)]

        return await self._readers.run(look)

    async def stalled(self, *, before: datetime, limit: int) -> Sequence[BackgroundTask]:
        sql = (
            f"{_SELECT} WHERE status = '{TaskStatus.RUNNING}' AND due_at < ? ORDER BY due_at LIMIT {limit:d}"
        )
        return await self._read(sql, (columns.micros(before),))

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        def forget(connection: sqlite3.Connection) -> Removed:
            turn = Turn(limit)
            while turn.goes_on():
                ended = connection.execute(_ENDED, (columns.micros(before),)).fetchone()
                if ended is None:
                    return Removed(turn.gone)
                findings = connection.execute(_REMOVE_FINDINGS, ended[1:]).fetchall()
                if findings:
                    turn.spent(findings[0][0])
                else:
                    connection.execute(_REMOVE, ended)
                    turn.removed(0)
            return Removed(turn.gone, rest="")

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
