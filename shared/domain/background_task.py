"""A background task: what is to be done with many messages, a page at a time.

running ──▶ running ──▶ … ──▶ finished      each arrow is one step, and a step is worked by one at a time
   └──────────┴──────────────▶ failed       it cannot go on, and says why
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import TypeAlias

import msgspec
from msgspec import structs

from shared.domain import ids


class TaskStatus(StrEnum):
    """How far a task is."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class TaskName(StrEnum):
    """What a task does."""

    RECOVER = "endpoint.recover"
    CANCEL = "endpoint.cancel-msgs"
    PURGE = "application.purge_content"


class Recovery(msgspec.Struct, frozen=True, tag=TaskName.RECOVER.value):
    """Attempt what an endpoint has missed once more.

    Attributes:
        since: Messages from this instant on, in UTC.
        until: Messages before this instant, in UTC.
    """

    endpoint_id: str
    since: datetime
    until: datetime


class Cancellation(msgspec.Struct, frozen=True, tag=TaskName.CANCEL.value):
    """End the retries that an endpoint is still to get."""

    endpoint_id: str


class Erasure(msgspec.Struct, frozen=True, tag=TaskName.PURGE.value):
    """Erase the payloads of an application's messages."""


Arguments: TypeAlias = Recovery | Cancellation | Erasure


class BackgroundTask(msgspec.Struct, frozen=True):
    """Something to be done with many messages.

    Attributes:
        id: `qtask_…`, from the same instant as `asked_at`.
        step: How many steps were worked.
        page: The messages that the next step is about, in order of id. They are written down before it is
            worked, so that whoever works it once more does the same, and counts the same.
        done: How many messages were gone through, the failed ones included.
        failed: With how many of them it came to nothing.
        total: How many messages there were to go through at the beginning; None if nobody has counted.
        why: Why it could not go on, if it has failed.
        asked_at: UTC, in whole microseconds.
        updated_at: When the last step was done, in UTC.
        finished_at: When it ended, well or not, in UTC.
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
    done: int = 0
    failed: int = 0
    total: int | None = None
    why: str | None = None
    finished_at: datetime | None = None

    @property
    def name(self) -> TaskName:
        """What it does."""
        return TaskName(str(self.arguments.__struct_config__.tag))

    @property
    def cursor(self) -> str | None:
        """The message that the rest comes after; None at the beginning."""
        return self.page[-1] if self.page else None


class Worked(msgspec.Struct, frozen=True):
    """What a step came to.

    Attributes:
        next_page: The messages that the step after it is about; if there are none, the task is finished.
        failed: With how many messages of its own page it came to nothing.
        total: How many there are in all, if the step has counted them.
        why: Why the task cannot go on; None if it can.
    """

    next_page: Sequence[str] = ()
    failed: int = 0
    total: int | None = None
    why: str | None = None


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
    elif not worked.next_page:
        status = TaskStatus.FINISHED
    done = task.done + len(task.page)
    total = task.total if worked.total is None else worked.total
    if total is not None and status is TaskStatus.FINISHED:
        # What has arrived by itself between the count and its turn was no part of any page.
        total = done
    return structs.replace(
        task,
        status=status,
        step=task.step + 1,
        page=tuple(worked.next_page),
        done=done,
        failed=task.failed + worked.failed,
        total=total,
        why=worked.why,
        updated_at=at,
        finished_at=None if status is TaskStatus.RUNNING else at,
    )


def restarted(task: BackgroundTask, at: datetime) -> BackgroundTask:
    """A running task whose step was lost: it goes on where it stands, and the lost step is over.

    Args:
        task: Before it.
        at: Now, in UTC.
    """
    return structs.replace(task, step=task.step + 1, updated_at=at)


def attempt_id(task: BackgroundTask, message_id: str) -> str:
    """The id of the one attempt that a task makes on a message, the same whenever it is asked for."""
    dice = blake2b(f"{task.id} {message_id}".encode(), digest_size=ids.DICE_BYTES).digest()
    return ids.new_id(ids.ATTEMPT, task.asked_at, dice)
