"""Background tasks: how they begin, and how they go on."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain import ids
from shared.domain.application import Application
from shared.domain.background_task import (
    Arguments,
    BackgroundTask,
    Cancellation,
    Erasure,
    Recovery,
    TaskStatus,
    Worked,
    advanced,
)
from shared.domain.errors import EndpointDisabled, Unknown
from shared.domain.work import TaskStep
from shared.flows.cancel import Cancel
from shared.flows.purge import Purge
from shared.flows.recover import Recover
from shared.ports.background_tasks import BackgroundTasks
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.endpoints import Endpoints
from shared.ports.journal import Journal


@dataclass(frozen=True)
class BeginTask:
    """Take over what is to be done with many messages: only what is kept and queued is promised."""

    background_tasks: BackgroundTasks
    endpoints: Endpoints
    clock: Clock
    dice: Dice
    journal: Journal

    async def recovery(
        self, application: Application, endpoint_key: str, since: datetime, until: datetime | None
    ) -> BackgroundTask:
        """Have everything attempted once more that an endpoint has missed.

        Args:
            application: Whose endpoint it is.
            endpoint_key: The endpoint's id or uid.
            since: Messages from this instant on.
            until: Messages before this instant; None is now, and so is an instant that is still to come.

        Raises:
            Unknown: There is no such endpoint.
            EndpointDisabled: Nothing is sent to it.
            Unavailable: Nothing was begun.
        """
        endpoint = await self.endpoints.get(application.id, endpoint_key)
        if endpoint.disabled:
            raise EndpointDisabled(endpoint.id)
        now = self.clock.now()
        until = now if until is None else min(until, now)
        return await self._begin(application, Recovery(endpoint.id, since, until), now)

    async def cancellation(self, application: Application, endpoint_key: str) -> BackgroundTask:
        """Have the retries ended that an endpoint is still to get.

        Raises:
            Unknown: There is no such endpoint.
            Unavailable: Nothing was begun.
        """
        endpoint = await self.endpoints.get(application.id, endpoint_key)
        return await self._begin(application, Cancellation(endpoint.id), self.clock.now())

    async def purge(self, application: Application) -> BackgroundTask:
        """Have the payloads of all of an application's messages erased.

        Raises:
            Unavailable: Nothing was begun.
        """
        return await self._begin(application, Erasure(), self.clock.now())

    async def _begin(self, application: Application, arguments: Arguments, now: datetime) -> BackgroundTask:
        task = BackgroundTask(
            id=ids.new_id(ids.BACKGROUND_TASK, now, self.dice.octets(ids.DICE_BYTES)),
            org_id=application.org_id,
            app_id=application.id,
            arguments=arguments,
            asked_at=now,
            updated_at=now,
        )
        await self.background_tasks.begin(task)
        self.journal.note("task.begun", app_id=task.app_id, task_id=task.id, task=task.name)
        return task


@dataclass(frozen=True)
class CarryOn:
    """Work one step of a task.

    1. Stop if the step is over: it was handed over twice, or the task goes on another way.
    2. Work one page.
    3. Keep how far the task is and queue its next step, together.
    """

    background_tasks: BackgroundTasks
    recover: Recover
    cancel: Cancel
    purge: Purge
    clock: Clock
    journal: Journal

    async def __call__(self, step: TaskStep) -> None:
        """Work the step; safe to call again.

        Raises:
            Unavailable: A store or queue of ours is out of reach; calling again goes on where this ended.
        """
        try:
            task = await self.background_tasks.get(step.org_id, step.task_id)
        except Unknown:
            return
        if task.status is not TaskStatus.RUNNING or task.step != step.step:  # (1)
            return
        after = advanced(task, await self._worked(task), self.clock.now())  # (2)
        if await self.background_tasks.advance(task, after):  # (3)
            self._note(after)

    async def _worked(self, task: BackgroundTask) -> Worked:
        match task.arguments:
            case Recovery() as recovery:
                return await self.recover(task, recovery)
            case Cancellation() as cancellation:
                return await self.cancel(task, cancellation)
            case Erasure():
                return await self.purge(task)

    def _note(self, task: BackgroundTask) -> None:
        event = "task.advanced" if task.status is TaskStatus.RUNNING else f"task.{task.status}"
        self.journal.note(
            event,
            app_id=task.app_id,
            task_id=task.id,
            task=task.name,
            step=task.step,
            messages=task.done,
            failed=task.failed,
            why=task.why,
        )
