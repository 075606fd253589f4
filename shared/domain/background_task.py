"""A background task: what is to be done with many messages, a page at a time.

running ──▶ running ──▶ … ──▶ finished      each arrow is one step, and a step is worked by one at a time
   └──────────┴──────────────▶ failed       it cannot go on or was cancelled, and says why
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import TypeAlias

import msgspec
from msgspec import structs

from shared.domain import ids
from shared.domain.attempt import Status

CANCELLED = "it was cancelled"
"""Why a task has failed that somebody has stopped; clients know no status of its own for it."""


class TaskStatus(StrEnum):
    """How far a task is."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class TaskName(StrEnum):
    """What a task does."""

    RECOVER = "endpoint.recover"
    REPLAY = "endpoint.replay"
    BULK_REPLAY = "endpoint.bulk-replay"
    CANCEL = "endpoint.cancel-msgs"
    PURGE = "application.purge_content"
    ERASE = "application.erase"
    PROBATION = "endpoint.probation"
    USAGE = "application.stats"
    SUBSCRIPTIONS = "event-type.aggregate"


class Recovery(msgspec.Struct, frozen=True, tag=TaskName.RECOVER.value):
    """Attempt what an endpoint has missed once more.

    Attributes:
        since: Messages from this instant on, in UTC.
        until: Messages before this instant, in UTC.
    """

    endpoint_id: str
    since: datetime
    until: datetime


class Replay(msgspec.Struct, frozen=True, tag=TaskName.REPLAY.value):
    """Attempt what an endpoint has never been tried with, and would get now.

    Attributes:
        since: As of a `Recovery`, and so is `until`.
    """

    endpoint_id: str
    since: datetime
    until: datetime


class BulkReplay(msgspec.Struct, frozen=True, tag=TaskName.BULK_REPLAY.value):
    """Attempt once more what an endpoint was tried with before; an absent part asks nothing.

    Attributes:
        since: As of a `Recovery`, and so is `until`.
        channel: The message's channels contain it.
        tag: The message's tags contain it.
        status: How the message stands at the endpoint.
        status_code_class: 0, 100, 200 … 500: the newest response has a code from it to 99 above it.
    """

    endpoint_id: str
    since: datetime
    until: datetime
    event_types: frozenset[str] | None = None
    channel: str | None = None
    tag: str | None = None
    status: Status | None = None
    status_code_class: int | None = None


Resending: TypeAlias = Recovery | Replay | BulkReplay
"""What attempts messages of some time at one endpoint once more."""


class Cancellation(msgspec.Struct, frozen=True, tag=TaskName.CANCEL.value):
    """End the retries that an endpoint is still to get."""

    endpoint_id: str


class Erasure(msgspec.Struct, frozen=True, tag=TaskName.PURGE.value):
    """Erase the payloads of an application's messages."""


class ApplicationErasure(msgspec.Struct, frozen=True, tag=TaskName.ERASE.value):
    """Remove an application for good, with all that it had."""


class Probation(msgspec.Struct, frozen=True, tag=TaskName.PROBATION.value):
    """Ping an endpoint that was disabled because it failed for too long, and bring it back when it answers.

    The pages of this task are pings, not messages.

    Attributes:
        since: From when on it may have missed what was posted or attempted, in UTC.
        switched_off_at: When it was disabled, in UTC; None until that was seen.
        answered_at: When a ping arrived, in UTC.
    """

    endpoint_id: str
    since: datetime
    switched_off_at: datetime | None = None
    answered_at: datetime | None = None


class UsageCount(msgspec.Struct, frozen=True, tag=TaskName.USAGE.value):
    """Count for each application of an organization at how many endpoints its messages were attempted.

    Attributes:
        since: Messages from this instant on, in UTC.
        until: Messages before this instant, in UTC.
        app_ids: Of these applications, in order of id; None is of all.
    """

    since: datetime
    until: datetime
    app_ids: tuple[str, ...] | None = None


class SubscriptionCensus(msgspec.Struct, frozen=True, tag=TaskName.SUBSCRIPTIONS.value):
    """Gather for each application of an organization which event types its endpoints ask for."""


Census: TypeAlias = UsageCount | SubscriptionCensus
"""What goes through applications, and finds something out about each."""

Arguments: TypeAlias = (
    Recovery | Replay | BulkReplay | Cancellation | Erasure | ApplicationErasure | Probation | Census
)


class Usage(msgspec.Struct, frozen=True, tag="usage"):
    """What an application has used.

    Attributes:
        destinations: Pairs of a message and an endpoint where it was attempted, however often.
    """

    app_id: str
    app_uid: str | None
    destinations: int


class Subscriptions(msgspec.Struct, frozen=True, tag="subscriptions"):
    """Which event types the endpoints of an application ask for, those that are disabled among them.

    Attributes:
        event_types: Those that one of them names, in order.
        has_catch_all: One of them names none, which asks for all.
    """

    app_id: str
    event_types: tuple[str, ...]
    has_catch_all: bool


Finding: TypeAlias = Usage | Subscriptions
"""What a task has found out about one application."""


class BackgroundTask(msgspec.Struct, frozen=True):
    """Something to be done with many messages, or to be found out about many applications.

    Where the attributes speak of messages, a `Census` has applications.

    Attributes:
        id: `qtask_…`, from the same instant as `asked_at`.
        app_id: Whose messages they are; empty if it is about the applications of the organization.
        step: How many steps were worked.
        page: The messages that the next step is about, in order of id. They are written down before it is
            worked, so that whoever works it once more does the same, and counts the same.
        scanned: The message up to which all were looked through for the page, if none after it is in it.
        done: How many messages were gone through, the failed ones included.
        failed: With how many of them it came to nothing.
        total: How many messages there were to go through at the beginning; None if nobody has counted.
        why: Why it could not go on, if it has failed.
        asked_at: UTC, in whole microseconds.
        updated_at: When the last step was done, in UTC.
        finished_at: When it ended, well or not, in UTC.
        due_at: When its next step is due, in UTC; None is at once.
    """

    id: str
    org_id: str
    app_id: str
    arguments: Arguments
    asked_at: datetime
    updated_at: datetime
    status: TaskStatus = TaskStatus.RUNNING
    step: int = 0
    page: tuple[str, ...] = ()
    scanned: str | None = None
    done: int = 0
    failed: int = 0
    total: int | None = None
    why: str | None = None
    finished_at: datetime | None = None
    due_at: datetime | None = None

    @property
    def name(self) -> TaskName:
        """What it does."""
        return TaskName(str(self.arguments.__struct_config__.tag))

    @property
    def cursor(self) -> str | None:
        """The message that the rest comes after; None at the beginning."""
        if self.scanned is not None:
            return self.scanned
        return self.page[-1] if self.page else None


class Worked(msgspec.Struct, frozen=True):
    """What a step came to.

    Attributes:
        next_page: The messages that the step after it is about.
        scanned: As of a `BackgroundTask`. If there are no messages, this is None and the task does not rest,
            it is finished.
        failed: With how many messages of its own page it came to nothing.
        total: How many there are in all, if the step has counted them.
        why: Why the task cannot go on; None if it can.
        rest: How long it waits before its next step; None is not at all.
        arguments: What it is about from now on; None is what it was.
        findings: What it has found out; kept beside the task.
    """

    next_page: Sequence[str] = ()
    scanned: str | None = None
    failed: int = 0
    total: int | None = None
    why: str | None = None
    rest: timedelta | None = None
    arguments: Arguments | None = None
    findings: Sequence[Finding] = ()


def advanced(task: BackgroundTask, worked: Worked, at: datetime) -> BackgroundTask:
    """A task after one more step.

    Args:
        task: Before it.
        worked: What the step came to.
        at: Now, in UTC.
    """
    status = TaskStatus.RUNNING
    if worked.why is not None:
        status = TaskStatus.FAILED
    elif not worked.next_page and worked.scanned is None and worked.rest is None:
        status = TaskStatus.FINISHED
    done = task.done + len(task.page)
    total = task.total if worked.total is None else worked.total
    if total is not None and status is TaskStatus.FINISHED:
        # What has arrived by itself between the count and its turn was no part of any page.
        total = done
    return structs.replace(
        task,
        arguments=worked.arguments or task.arguments,
        status=status,
        step=task.step + 1,
        page=tuple(worked.next_page),
        scanned=worked.scanned,
        done=done,
        failed=task.failed + worked.failed,
        total=total,
        why=worked.why,
        updated_at=at,
        finished_at=None if status is TaskStatus.RUNNING else at,
        due_at=None if worked.rest is None else at + worked.rest,
    )


def restarted(task: BackgroundTask, at: datetime) -> BackgroundTask:
    """A running task that has come to a standstill: it goes on where it stands.

    Args:
        task: Before it.
        at: Now, in UTC.
    """
    return structs.replace(task, updated_at=at, due_at=None)


def cancelled(task: BackgroundTask, at: datetime) -> BackgroundTask:
    """A running task that is to go no further: the step that is being worked is over, too.

    Args:
        task: Before it.
        at: Now, in UTC.
    """
    return structs.replace(
        task,
        status=TaskStatus.FAILED,
        step=task.step + 1,
        page=(),
        why=CANCELLED,
        updated_at=at,
        finished_at=at,
    )


def attempt_id(task: BackgroundTask, message_id: str) -> str:
    """The id of the one attempt that a task makes on a message, the same whenever it is asked for."""
    dice = blake2b(f"{task.id} {message_id}".encode(), digest_size=ids.DICE_BYTES).digest()
    return ids.new_id(ids.ATTEMPT, task.asked_at, dice)
