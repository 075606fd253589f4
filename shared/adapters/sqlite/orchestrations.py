"""Durable orchestrations on SQLite: a step and the queue messages that follow from it are one transaction."""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.lines import Lines
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.rows import WAITING
from shared.adapters.sqlite.writer import Operation, Writer
from shared.ports.clock import Clock
from shared.ports.orchestrations import (
    ACTIVITY_QUEUE,
    ARRIVALS_AT_ONCE,
    ORCHESTRATOR_QUEUE,
    ActivityCall,
    Arrival,
    Instance,
    Letter,
    Parent,
    RuntimeStatus,
    Start,
    State,
    Step,
    Wanted,
)

Result = TypeVar("Result")

_COLUMNS = (
    "id, execution, name, version, status, parent_id, parent_execution, parent_task, step,"
    " created_at, updated_at, custom_status, output"
)
_TRACES = ("orchestration_history", "orchestration_arrival", "orchestration_call")


class SqliteOrchestrations:
    """See `shared.ports.orchestrations.Orchestrations`."""

    def __init__(self, writer: Writer, readers: Readers, lines: Lines, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._lines = lines
        self._clock = clock

    async def start(self, instance: Instance) -> bool:
        return await self._write(lambda sheet: sheet.start(instance))

    async def load(self, instance_id: str) -> State | None:
        now = columns.micros(self._clock.now())

        def look(connection: sqlite3.Connection) -> State | None:
            connection.execute("BEGIN")  # all of it as of one instant
            try:
                instance = _find(connection, instance_id)
                if instance is None:
                    return None
                arrivals = connection.execute(
                    "SELECT place, event FROM orchestration_arrival WHERE instance_id = ? AND due_at <= ?"
                    " ORDER BY due_at, place LIMIT ?",
                    (instance_id, now, ARRIVALS_AT_ONCE),
                ).fetchall()
                return State(
                    instance, _history(connection, instance_id), [Arrival(*arrival) for arrival in arrivals]
                )
            finally:
                connection.execute("COMMIT")

        return await self._readers.run(look)

    async def commit(self, step: Step) -> bool:
        return await self._write(lambda sheet: sheet.commit(step))

    async def call(self, instance_id: str, execution: str, task_id: int) -> ActivityCall | None:
        key = (instance_id, execution, task_id)

        def look(connection: sqlite3.Connection) -> ActivityCall | None:
            rows = connection.execute(
                "SELECT name, input FROM orchestration_call"
                " WHERE instance_id = ? AND execution = ? AND task = ?",
                key,
            ).fetchall()
            return ActivityCall(*key, *rows[0]) if rows else None

        return await self._readers.run(look)

    async def finish(self, call: ActivityCall, event: str) -> None:
        letter = Letter(call.instance_id, event, call.execution, call.task_id)

        def keep(sheet: _Sheet) -> None:
            gone = sheet.connection.execute(
                "DELETE FROM orchestration_call WHERE instance_id = ? AND execution = ? AND task = ?",
                (call.instance_id, call.execution, call.task_id),
            )
            if gone.rowcount:
                sheet.deliver(letter)

        await self._write(keep)

    async def tell(self, letter: Letter) -> RuntimeStatus | None:
        return await self._write(lambda sheet: sheet.deliver(letter))

    async def get(self, instance_id: str) -> Instance | None:
        return await self._readers.run(lambda connection: _find(connection, instance_id))

    async def history(self, instance_id: str) -> Sequence[str]:
        return await self._readers.run(lambda connection: _history(connection, instance_id))

    async def page(self, wanted: Wanted) -> Sequence[Instance]:
        conditions, parameters = _conditions(wanted)

        def look(connection: sqlite3.Connection) -> Sequence[Instance]:
            rows = connection.execute(
                f"SELECT {_COLUMNS}, NULL FROM orchestration{conditions} ORDER BY created_at, id LIMIT ?",
                (*parameters, wanted.limit),
            )
            return [_instance(row) for row in rows]

        return await self._readers.run(look)

    async def purge(self, instance_id: str) -> RuntimeStatus | None:
        def remove(sheet: _Sheet) -> RuntimeStatus | None:
            found = _find(sheet.connection, instance_id)
            if found is None:
                return None
            if found.status.is_final:
                sheet.remove(instance_id)
            return found.status

        return await self._write(remove)

    async def _write(self, change: "Callable[[_Sheet], Result]") -> Result:
        """Make a change, and let the queues know of what has been queued when it is written."""
        sheet = _Sheet(self._lines, columns.micros(self._clock.now()))

        def alone(connection: sqlite3.Connection) -> Result:
            sheet.connection = connection
            sheet.queued.clear()
            result = change(sheet)
            sheet.queue()
            return result

        def settled(operation: Operation[Result]) -> None:
            if operation.error is None:
                for queue, due, sequence, *_ in sheet.queued:
                    self._lines.of(queue).entered(None, (due, sequence), kept=True)

        return await self._writer.submit(Operation(alone, settled=settled))


class _Sheet:
    """One change, on the writer's thread.

    Attributes:
        queued: The rows of `work_waiting` that follow from the change.
    """

    connection: sqlite3.Connection

    def __init__(self, lines: Lines, now: int) -> None:
        """Count as of `now`, in microseconds since 1970."""
        self.queued: list[tuple[str, int, int, bytes, None, int, int]] = []
        self._lines = lines
        self._now = now

    def start(self, instance: Instance) -> bool:
        """See `shared.ports.orchestrations.Orchestrations.start`."""
        found = _find(self.connection, instance.id)
        if found is not None:
            if not found.status.is_final:
                return False
            self.remove(instance.id)
        self.connection.execute(
            f"INSERT INTO orchestration ({_COLUMNS}, input) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            _row(instance),
        )
        self._wake(instance.id, self._now)
        return True

    def commit(self, step: Step) -> bool:
        """See `shared.ports.orchestrations.Orchestrations.commit`."""
        connection, instance = self.connection, step.instance
        found = _find(connection, instance.id)
        if found is None or (found.execution, found.step + 1) != (step.execution, instance.step):
            return False
        self._take(step)
        self._update(instance)
        self._call(step.calls)
        for letter in step.letters:
            self.deliver(letter)
        for start in step.starts:
            self._start(start)
        if instance.status.is_final:
            connection.execute("DELETE FROM orchestration_arrival WHERE instance_id = ?", (instance.id,))
        if instance.status is RuntimeStatus.TERMINATED:
            connection.execute("DELETE FROM orchestration_call WHERE instance_id = ?", (instance.id,))
        return True

    def deliver(self, letter: Letter) -> RuntimeStatus | None:
        """See `shared.ports.orchestrations.Orchestrations.tell`."""
        found = _find(self.connection, letter.instance_id)
        if found is None:
            return None
        is_wanted = letter.execution is None or letter.execution == found.execution
        if is_wanted and not found.status.is_final:
            due = self._now if letter.due_at is None else max(self._now, columns.micros(letter.due_at))
            self.connection.execute(
                "INSERT INTO orchestration_arrival (instance_id, due_at, task, event) VALUES (?, ?, ?, ?)",
                (letter.instance_id, 0 if letter.is_urgent else due, letter.task_id, letter.event),
            )
            self._wake(letter.instance_id, due)
        return found.status

    def remove(self, instance_id: str) -> None:
        """Remove all traces of an instance; queue messages that name it do nothing any more."""
        for table in _TRACES:
            self.connection.execute(f"DELETE FROM {table} WHERE instance_id = ?", (instance_id,))
        self.connection.execute("DELETE FROM orchestration WHERE id = ?", (instance_id,))

    def queue(self) -> None:
        """Queue everything that the change wants queued, in few statements: there may be thousands."""
        WAITING.insert_all(self.connection, [value for row in self.queued for value in row])

    def _take(self, step: Step) -> None:
        connection, instance_id = self.connection, step.instance.id
        connection.executemany(
            "DELETE FROM orchestration_arrival WHERE place = ?", [(place,) for place in step.taken]
        )
        connection.executemany(
            "DELETE FROM orchestration_arrival WHERE instance_id = ? AND task = ?",
            [(instance_id, task_id) for task_id in step.cancelled],
        )
        if step.begins_anew:
            connection.execute("DELETE FROM orchestration_history WHERE instance_id = ?", (instance_id,))
            connection.execute(
                "DELETE FROM orchestration_arrival WHERE instance_id = ? AND task IS NOT NULL", (instance_id,)
            )
        (last,) = connection.execute(
            "SELECT max(number) FROM orchestration_history WHERE instance_id = ?", (instance_id,)
        ).fetchone()
        connection.executemany(
            "INSERT INTO orchestration_history (instance_id, number, event) VALUES (?, ?, ?)",
            [(instance_id, number, event) for number, event in enumerate(step.history, (last or 0) + 1)],
        )

    def _update(self, instance: Instance) -> None:
        self.connection.execute(
            "UPDATE orchestration SET execution = ?, status = ?, step = ?, updated_at = ?,"
            " custom_status = ?, output = ?, input = ? WHERE id = ?",
            (
                instance.execution,
                instance.status,
                instance.step,
                columns.micros(instance.updated_at),
                instance.custom_status,
                instance.output,
                instance.input,
                instance.id,
            ),
        )

    def _call(self, calls: Sequence[ActivityCall]) -> None:
        self.connection.executemany(
            "INSERT INTO orchestration_call (instance_id, execution, task, name, input)"
            " VALUES (?, ?, ?, ?, ?)",
            [(call.instance_id, call.execution, call.task_id, call.name, call.input) for call in calls],
        )
        for call in calls:
            key = msgspec.json.encode((call.instance_id, call.execution, call.task_id))
            self._will_queue(ACTIVITY_QUEUE, key, self._now)

    def _start(self, start: Start) -> None:
        if not self.start(start.instance):
            self.deliver(start.refusal)

    def _wake(self, instance_id: str, due: int) -> None:
        self._will_queue(ORCHESTRATOR_QUEUE, instance_id.encode(), due)

    def _will_queue(self, queue: str, body: bytes, due: int) -> None:
        self.queued.append((queue, due, self._lines.next_sequence(), body, None, 0, self._now))


def _find(connection: sqlite3.Connection, instance_id: str) -> Instance | None:
    rows = connection.execute(
        f"SELECT {_COLUMNS}, input FROM orchestration WHERE id = ?", (instance_id,)
    ).fetchall()
    return _instance(rows[0]) if rows else None


def _history(connection: sqlite3.Connection, instance_id: str) -> Sequence[str]:
    rows = connection.execute(
        "SELECT event FROM orchestration_history WHERE instance_id = ? ORDER BY number", (instance_id,)
    )
    return [event for (event,) in rows]


def _conditions(wanted: Wanted) -> tuple[str, list[columns.Value]]:
    """The WHERE of a list, and its parameters."""
    conditions, parameters = "", list[columns.Value]()

    def want(condition: str, *values: columns.Value) -> None:
        nonlocal conditions
        conditions += f"{' AND' if conditions else ' WHERE'} {condition}"
        parameters.extend(values)

    if wanted.after is not None:
        created_at, instance_id = wanted.after
        want("(created_at, id) > (?, ?)", columns.micros(created_at), instance_id)
    if wanted.created_from is not None:
        want("created_at >= ?", columns.micros(wanted.created_from))
    if wanted.created_to is not None:
        want("created_at <= ?", columns.micros(wanted.created_to))
    if wanted.statuses:
        condition, values = columns.any_of("status", wanted.statuses)
        want(condition, *values)
    if wanted.id_prefix:
        want("substr(id, 1, ?) = ?", len(wanted.id_prefix), wanted.id_prefix)
    return conditions, parameters


def _row(instance: Instance) -> columns.Row:
    parent = instance.parent
    of_parent = (
        (None, None, None) if parent is None else (parent.instance_id, parent.execution, parent.task_id)
    )
    return (
        instance.id,
        instance.execution,
        instance.name,
        instance.version,
        instance.status,
        *of_parent,
        instance.step,
        columns.micros(instance.created_at),
        columns.micros(instance.updated_at),
        instance.custom_status,
        instance.output,
        instance.input,
    )


def _instance(row: Any) -> Instance:  # noqa: ANN401 - a row of SQLite's
    (instance_id, execution, name, version, status, parent_id, parent_execution, parent_task, *rest) = row
    step, created_at, updated_at, custom_status, output, given = rest
    return Instance(
        id=instance_id,
        execution=execution,
        name=name,
        status=RuntimeStatus(status),
        created_at=columns.instant(created_at),
        updated_at=columns.instant(updated_at),
        version=version,
        input=given,
        output=output,
        custom_status=custom_status,
        parent=None if parent_id is None else Parent(parent_id, parent_execution, parent_task),
        step=step,
    )
