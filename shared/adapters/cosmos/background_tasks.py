"""Background tasks on Cosmos DB: those of an organization in one partition, which has nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec

from shared.adapters.cosmos.records import TRIES, Overtaken, Record, Records, in_order, micros, within
from shared.domain.background_task import BackgroundTask, Census, Finding, TaskStatus
from shared.domain.errors import Unavailable, Unknown
from shared.domain.paging import Scan
from shared.domain.work import TASKS_QUEUE, TaskStep, to_body
from shared.ports.background_tasks import BackgroundTaskFilter
from shared.ports.removal import Removed

KIND = "background task"
FINDINGS = "background task findings"
"""What one step has found out: a record of its own beside the task, so that the task stays small."""

_BEHIND_ALL_STEPS = "~"

Send = Callable[[str, bytes], Awaitable[None]]


class CosmosBackgroundTasks:
    """See `shared.ports.background_tasks.BackgroundTasks`."""

    def __init__(self, records: Records, send: Send) -> None:
        """Queue steps by `send`, which is `shared.ports.queue.Queue.send`."""
        self._records = records
        self._send = send

    async def begin(self, task: BackgroundTask) -> None:
        made = await self._keep(_record(task))
        try:
            await self._send(TASKS_QUEUE, to_body(TaskStep(task.org_id, task.id, task.step)))
        except Unavailable:
            # The caller hears that nothing was begun.
            if made is not None:
                with suppress(Unavailable):
                    await self._records.drop(made)
            raise

    async def get(self, org_id: str, task_id: str) -> BackgroundTask:
        found = await self._records.read(_pk(org_id), task_id)
        if found is None or found.kind != KIND:
            raise Unknown("background task", task_id)
        return _task(found)

    async def scan(self, org_id: str, scan: Scan, only: BackgroundTaskFilter) -> Sequence[BackgroundTask]:
        where, given = within(KIND, scan)
        if only.status is not None:
            where += " AND c.marks.status = @status"
            given["status"] = only.status
        if only.names is not None:
            where += " AND ARRAY_CONTAINS(@names, c.marks.name)"
            given["names"] = sorted(only.names)
        found = self._records.query(where + in_order(scan), given, pk=_pk(org_id), limit=scan.limit + 1)
        return [_task(record) async for record in found]

    async def advance(
        self, before: BackgroundTask, after: BackgroundTask, findings: Sequence[Finding] = ()
    ) -> bool:
        record = _record(after)
        when = f"c.marks.status = '{TaskStatus.RUNNING}' AND c.thing.step = {before.step:d}"
        changes = {"/thing": record.thing, "/marks": record.marks}
        found = _found(before, findings) if findings else None
        return await self._records.patch(record.pk, record.id, changes, when=when, beside=found) is not None

    async def findings(self, org_id: str, task_id: str) -> Sequence[Finding]:
        found = [record async for record in self._findings(org_id, task_id)]
        return [one for record in found for one in msgspec.convert(record.thing["findings"], list[Finding])]

    async def stalled(self, *, before: datetime, limit: int) -> Sequence[BackgroundTask]:
        found = self._records.query("c.marks.due < @before", {"before": micros(before)}, limit=limit)
        return [_task(record) async for record in found]

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        where, given = "c.marks.ended < @before", {"before": micros(before)}
        found = [record async for record in self._records.query(where, given, limit=limit + 1)]
        gone, more = found[:limit], found[limit:]
        for task in map(_task, gone):
            if isinstance(task.arguments, Census):
                ids = [record.id async for record in self._findings(task.org_id, task.id)]
                await self._records.delete(_pk(task.org_id), ids)
        for pk in {record.pk for record in gone}:
            await self._records.delete(pk, [record.id for record in gone if record.pk == pk])
        return Removed(len(gone), rest="" if more else None)

    async def _keep(self, record: Record) -> Record | None:
        """Write a new one; None if it was there already, and stays so.

        Raises:
            Overtaken: It came and went all the time.
        """
        for _ in range(TRIES):
            made = await self._records.put(record)
            if made is not None:
                return made
            # It is not as it was made any more, so that whoever made it will not take it back.
            if await self._records.patch(record.pk, record.id, {}, when="true") is not None:
                return None
        raise Overtaken

    def _findings(self, org_id: str, task_id: str) -> AsyncIterator[Record]:
        scan = Scan(
            _findings_id(task_id), _findings_id(task_id, _BEHIND_ALL_STEPS), descending=False, limit=0
        )
        where, given = within(FINDINGS, scan)
        return self._records.query(where + in_order(scan), given, pk=_pk(org_id))


def _findings_id(task_id: str, step: str = "") -> str:
    return f"{task_id}.{step}"


def _found(task: BackgroundTask, findings: Sequence[Finding]) -> Record:
    return Record(
        id=_findings_id(task.id, f"{task.step:08d}"),
        pk=_pk(task.org_id),
        kind=FINDINGS,
        thing={"findings": msgspec.to_builtins(findings)},
    )


def _pk(org_id: str) -> str:
    return f"{org_id}|tasks"


def _record(task: BackgroundTask) -> Record:
    is_running = task.status is TaskStatus.RUNNING
    return Record(
        id=task.id,
        pk=_pk(task.org_id),
        kind=KIND,
        thing=msgspec.to_builtins(task),
        marks={
            "status": task.status,
            "name": task.name,
            "due": micros(task.due_at or task.updated_at) if is_running else None,
            "ended": None if task.finished_at is None else micros(task.finished_at),
        },
    )


def _task(record: Record) -> BackgroundTask:
    return msgspec.convert(record.thing, BackgroundTask)
