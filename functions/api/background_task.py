"""Background tasks: how far what was asked for has come."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec

from functions.api import atoms
from functions.api.answers import Answer, json_answer
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import BackgroundTaskIterator, Limit, NoQuery, Order, word_of
from functions.api.shapes import ListResponse, list_answer
from shared.domain import ids
from shared.domain.background_task import (
    ApplicationErasure,
    BackgroundTask,
    BulkReplay,
    Cancellation,
    Census,
    Erasure,
    Finding,
    Probation,
    Recovery,
    Replay,
    Subscriptions,
    TaskName,
    TaskStatus,
    Usage,
    UsageCount,
)
from shared.domain.paging import DEFAULT_LIMIT, WINDOW, Scan, page_of, scan_by_key
from shared.domain.timestamps import to_wire
from shared.ports.background_tasks import BackgroundTaskFilter


class BackgroundTaskStatus(StrEnum):
    """How far a task is."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class BackgroundTaskType(StrEnum):
    """What a task does. Clients know all of these but the last three; not every one is begun here."""

    ENDPOINT_REPLAY = "endpoint.replay"
    ENDPOINT_RECOVER = "endpoint.recover"
    APPLICATION_STATS = "application.stats"
    MESSAGE_BROADCAST = "message.broadcast"
    SDK_GENERATE = "sdk.generate"
    EVENT_TYPE_AGGREGATE = "event-type.aggregate"
    APPLICATION_PURGE_CONTENT = "application.purge_content"
    ENDPOINT_BULK_REPLAY = "endpoint.bulk-replay"
    ENDPOINT_CANCEL_MSGS = "endpoint.cancel-msgs"
    APPLICATION_ERASE = "application.erase"
    ENDPOINT_PROBATION = "endpoint.probation"


SHOWN_UNASKED = frozenset(TaskName) - {TaskName.CANCEL, TaskName.ERASE, TaskName.PROBATION}
"""SDKs refuse a whole list for one type in it that they do not know."""

StatusName = Annotated[
    str, msgspec.Meta(extra_json_schema={"enum": list(BackgroundTaskStatus)}), word_of(*BackgroundTaskStatus)
]
TypeName = Annotated[
    str, msgspec.Meta(extra_json_schema={"enum": list(BackgroundTaskType)}), word_of(*BackgroundTaskType)
]
TaskId = Annotated[str, msgspec.Meta(extra_json_schema={"example": "qtask_1srOrx2ZWZBpBUvZwXKQmoEYga2"})]


class TaskOut(msgspec.Struct, kw_only=True, rename="camel"):
    """A background task that was begun."""

    id: TaskId
    status: BackgroundTaskStatus
    task: BackgroundTaskType
    updated_at: atoms.Instant


class BackgroundTaskOut(TaskOut, kw_only=True, rename="camel"):
    """A background task.

    Attributes:
        data: What it is about (`appId`, `endpointId`, `since`, `until` and what else was asked for), how many
            messages it has gone through (`done`, `messagesPurged`, `messagesErased`) or sent
            (`messagesSent`; those that wait for their turn under a rate, too), with how many it came to
            nothing (`failed`: not sent or not arrived), how many there were at the
            beginning if that was counted (`total`), when it began and ended (`startedAt`, `finishedAt`), and
            `why` it failed. Of a probation: pings in place of messages, and when one arrived (`answeredAt`).
            Of `application.stats` and `event-type.aggregate`: applications in place of messages, and, of one
            that has finished and is not shown in a list, what was found out (`appStats`, `event_types`).
    """

    data: dict[str, Any]


class ListResponseBackgroundTaskOut(ListResponse[BackgroundTaskOut]):
    """One page of background tasks."""


class TasksQuery(msgspec.Struct, frozen=True):
    """Which tasks to list; the newest first unless asked otherwise.

    Attributes:
        task: Only tasks of this type. Without it, those are left out that SDKs do not know:
            `endpoint.cancel-msgs`, `application.erase` and `endpoint.probation`.
    """

    status: StatusName | None = None
    task: TypeName | None = None
    limit: Limit = DEFAULT_LIMIT
    iterator: BackgroundTaskIterator | None = None
    order: Order = "descending"

    @property
    def only(self) -> BackgroundTaskFilter:
        """The part that is a filter."""
        names = SHOWN_UNASKED
        if self.task is not None:
            names = frozenset(name for name in TaskName if name == self.task)
        return BackgroundTaskFilter(None if self.status is None else TaskStatus(self.status), names)

    def scan(self, now: datetime) -> Scan:
        """The part that says where in the list of the last 90 days."""
        scan = scan_by_key(self.limit, self.iterator, descending=self.order == "descending")
        oldest = ids.start_id(ids.BACKGROUND_TASK, now - WINDOW)
        return replace(scan, above=max(scan.above or "", oldest))


Out = TypeVar("Out", bound=TaskOut)


async def list_all(call: Call[TasksQuery, NoBody]) -> Answer:
    """List the background tasks of the last 90 days."""
    service, query = call.service, call.query
    scan = query.scan(service.clock.now())
    found = await service.background_tasks.scan(call.token.org_id, scan, query.only)
    return list_answer(ListResponseBackgroundTaskOut, page_of(found, scan, lambda task: task.id), _shown)


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Get a background task."""
    tasks, org_id = call.service.background_tasks, call.token.org_id
    task = await tasks.get(org_id, call.path["task_id"])
    shown = _shown(task)
    if isinstance(task.arguments, Census) and task.status is TaskStatus.FINISHED:
        shown.data |= _found_out(task, await tasks.findings(org_id, task.id))
    return json_answer(200, shown)


async def cancel(call: Call[NoQuery, NoBody]) -> Answer:
    """Stop a background task: what it is doing at this moment goes on, and nothing more is begun.

    It has `failed` then, as `why` says. What goes on, at most 250 messages, is not counted any more. One that
    has ended already is answered as it stands.
    """
    task = await call.service.cancel_task(call.token.org_id, call.path["task_id"])
    return json_answer(200, _shown(task))


def begun(kind: type[Out], task: BackgroundTask) -> Answer:
    """Answer with a task that was begun."""
    return json_answer(202, kind(**head(task)))


def _shown(task: BackgroundTask) -> BackgroundTaskOut:
    return BackgroundTaskOut(**head(task), data=_facts(task))


def _found_out(task: BackgroundTask, findings: Iterable[Finding]) -> dict[str, object]:
    """What a task has found out, in the words of the SDKs."""
    if isinstance(task.arguments, UsageCount):
        return {"appStats": [_usage(one) for one in findings if isinstance(one, Usage)]}
    return {"event_types": [_subscriptions(one) for one in findings if isinstance(one, Subscriptions)]}


def _usage(found: Usage) -> dict[str, object]:
    return {
        "appId": found.app_id,
        "appUid": found.app_uid,
        "messageDestinations": found.destinations,
    }


def _subscriptions(found: Subscriptions) -> dict[str, object]:
    return {
        "appId": found.app_id,
        "explicitlySubscribedEventTypes": found.event_types,
        "hasCatchAllEndpoint": found.has_catch_all,
    }


def head(task: BackgroundTask) -> dict[str, Any]:
    """What every shape of a task begins with."""
    return {
        "id": task.id,
        "status": BackgroundTaskStatus(task.status),
        "task": BackgroundTaskType(task.name),
        "updated_at": to_wire(task.updated_at),
    }


def _facts(task: BackgroundTask) -> dict[str, object]:
    facts = {
        "appId": task.app_id or None,
        **_about(task),
        "done": task.done,
        "failed": task.failed,
        "total": task.total,
        "startedAt": to_wire(task.asked_at),
        "finishedAt": None if task.finished_at is None else to_wire(task.finished_at),
        "why": task.why,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def _about(task: BackgroundTask) -> dict[str, object]:
    arguments, facts = task.arguments, dict[str, object]()
    if isinstance(arguments, Recovery | Replay | BulkReplay | Cancellation | Probation):
        facts["endpointId"] = arguments.endpoint_id
    if isinstance(arguments, Recovery | Replay | BulkReplay | Probation | UsageCount):
        facts["since"] = to_wire(arguments.since)
    if isinstance(arguments, Recovery | Replay | BulkReplay | UsageCount):
        facts["until"] = to_wire(arguments.until)
    if isinstance(arguments, BulkReplay):
        facts |= _filter(arguments)
    if isinstance(arguments, Replay | BulkReplay):
        facts["messagesSent"] = task.done - task.failed
    if isinstance(arguments, Erasure | ApplicationErasure):
        facts["messagesPurged" if isinstance(arguments, Erasure) else "messagesErased"] = task.done
    if isinstance(arguments, Probation) and arguments.answered_at is not None:
        facts["answeredAt"] = to_wire(arguments.answered_at)
    return facts


def _filter(wanted: BulkReplay) -> dict[str, object]:
    return {
        "eventTypes": None if wanted.event_types is None else sorted(wanted.event_types),
        "channel": wanted.channel,
        "tag": wanted.tag,
        "status": wanted.status,
        "statusCodeClass": wanted.status_code_class,
    }


OPERATIONS = (
    operation(
        "v1.background-task.list",
        "GET /background-task",
        Access.ORGANIZATION,
        list_all,
        {200: ListResponseBackgroundTaskOut},
    ),
    operation(
        "v1.background-task.get",
        "GET /background-task/{task_id}",
        Access.ORGANIZATION,
        get,
        {200: BackgroundTaskOut},
    ),
    operation(
        "v1.background-task.cancel",
        "POST /background-task/{task_id}/cancel",
        Access.ORGANIZATION,
        cancel,
        {200: BackgroundTaskOut},
    ),
)
