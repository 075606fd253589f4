"""Background tasks, and the queue `tasks` that has their orchestrations started."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.background_task import BackgroundTask, Finding, TaskName, TaskStatus
from shared.domain.paging import Scan
from shared.ports.removal import Removed


@dataclass(frozen=True, slots=True)
class BackgroundTaskFilter:
    """Which tasks a list shows; an absent part asks nothing.

    Attributes:
        names: What it does is one of these.
    """

    status: TaskStatus | None = None
    names: frozenset[TaskName] | None = None


class BackgroundTasks(Protocol):
    """The background tasks of all organizations.

    A new task's first step is queued, a `shared.domain.work.TaskStep`; whoever takes it out of the queue
    starts the orchestration that takes this and all other steps. On one database both are one write; on
    separate services the task is kept first and its step queued after it, and a task between the two is
    among those that `stalled` finds after a while.

    A write is visible to the next read. An adapter that is out of reach raises `Unavailable`.
    `tests/contracts/test_background_tasks.py` holds every adapter to these sentences.
    """

    async def begin(self, task: BackgroundTask) -> None:
        """Keep a new task and queue its first step; both are durable when this returns.

        If there is one of its id already, that one stays as it is, and its first step is queued once more,
        which does nothing if it was taken.
        """
        ...

    async def get(self, org_id: str, task_id: str) -> BackgroundTask:
        """Read one.

        Raises:
            Unknown: The organization has no such task.
        """
        ...

    async def scan(self, org_id: str, scan: Scan, only: BackgroundTaskFilter) -> Sequence[BackgroundTask]:
        """Read by id: in the scan's order, one more than its limit."""
        ...

    async def advance(
        self, before: BackgroundTask, after: BackgroundTask, findings: Sequence[Finding] = ()
    ) -> bool:
        """Keep what a task has become, and what the step between the two has found out, as a `Census` does.

        Returns:
            False, with nothing changed, if it does not run any more, or is not at the step that
            `before` is at.
        """
        ...

    async def findings(self, org_id: str, task_id: str) -> Sequence[Finding]:
        """All that a task has found out until now, in the order of its steps; nothing if it is not there."""
        ...

    async def stalled(self, *, before: datetime, limit: int) -> Sequence[BackgroundTask]:
        """Up to `limit` running tasks of any organization that have not advanced since an instant.

        One that rests is not among them, unless its next step was due before that.
        """
        ...

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        """Remove up to `limit` tasks of any organization that ended before an instant, findings and all."""
        ...
