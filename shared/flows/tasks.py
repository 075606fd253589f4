"""Background tasks: how they begin, and how they go on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from shared.domain import ids
from shared.domain.application import Application
from shared.domain.background_task import (
    ApplicationErasure,
    Arguments,
    BackgroundTask,
    BulkReplay,
    Cancellation,
    Erasure,
    Probation,
    Recovery,
    Replay,
    Resending,
    SubscriptionCensus,
    TaskStatus,
    UsageCount,
    Worked,
    advanced,
    cancelled,
)
from shared.domain.errors import EndpointDisabled, NotToBeCancelled, Unknown
from shared.domain.work import TaskStep
from shared.flows.cancel import Cancel
from shared.flows.census import TakeCensus
from shared.flows.erase_application import EraseApplication
from shared.flows.probation import Probe
from shared.flows.purge import Purge
from shared.flows.recover import Recover
from shared.ports.applications import Applications
from shared.ports.background_tasks import BackgroundTasks
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.endpoints import Endpoints
from shared.ports.journal import Journal
from shared.several import with_each

READS_AT_ONCE = 25


@dataclass(frozen=True)
class BeginTask:
    """Take over what is to be done with many messages: only what is kept and queued is promised."""

    background_tasks: BackgroundTasks
    applications: Applications
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
        until = self.clock.now() if until is None else until
        return await self.resending(application, Recovery(endpoint_key, since, until))

    async def resending(self, application: Application, wanted: Resending) -> BackgroundTask:
        """Have messages attempted once more at an endpoint; as `checked` says.

        Raises:
            Unknown: There is no such endpoint.
            EndpointDisabled: Nothing is sent to it.
            Unavailable: Nothing was begun.
        """
        checked = await self.checked(application, wanted)
        return await self._begin(application, checked, self.clock.now())

    async def checked(self, application: Application, wanted: Resending) -> Resending:
        """What can be done of something that is asked for.

        Args:
            application: Whose endpoint it is.
            wanted: Its `endpoint_id` may be a uid, and its `until` still to come, which is as good as now.

        Raises:
            Unknown: There is no such endpoint.
            EndpointDisabled: Nothing is sent to it.
            Unavailable: The store is out of reach.
        """
        endpoint = await self.endpoints.get(application.id, wanted.endpoint_id)
        if endpoint.disabled:
            raise EndpointDisabled(endpoint.id)
        return structs.replace(wanted, endpoint_id=endpoint.id, until=min(wanted.until, self.clock.now()))

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

    async def erasure(self, org_id: str, app_key: str) -> BackgroundTask:
        """Have an application removed for good, with all that it had; also one that was removed before.

        Args:
            org_id: The organization.
            app_key: The application's id or uid; its id if it was removed.

        Raises:
            Unknown: The organization has no such application, nor had it one of which anything is left.
            Unavailable: Nothing was begun.
        """
        try:
            application = await self.applications.get(org_id, app_key)
        except Unknown:
            application = await self.applications.get_removed(org_id, app_key)
        return await self._begin(application, ApplicationErasure(), self.clock.now())

    async def usage(
        self, org_id: str, since: datetime, until: datetime, keys: Sequence[str] | None
    ) -> tuple[BackgroundTask | None, Sequence[str]]:
        """Have counted what the applications of an organization have used.

        Args:
            org_id: The organization.
            since: Messages from this instant on.
            until: Messages before this instant.
            keys: Ids or uids of the applications that are meant; None is all.

        Returns:
            The task, or None if the organization has none of these applications; and the keys that are no
            application's.

        Raises:
            Unavailable: Nothing was begun.
        """
        if keys is None:
            return await self._begin_for(org_id, UsageCount(since, until), self.clock.now()), ()
        ids_by_key = dict(
            zip(keys, await with_each(keys, self._app_id(org_id), at_once=READS_AT_ONCE), strict=True)
        )
        unknown = [key for key, app_id in ids_by_key.items() if app_id is None]
        app_ids = sorted({app_id for app_id in ids_by_key.values() if app_id is not None})
        if not app_ids:
            return None, unknown
        return await self._begin_for(
            org_id, UsageCount(since, until, tuple(app_ids)), self.clock.now()
        ), unknown

    async def subscriptions(self, org_id: str) -> BackgroundTask:
        """Have gathered which event types the applications of an organization ask for.

        Raises:
            Unavailable: Nothing was begun.
        """
        return await self._begin_for(org_id, SubscriptionCensus(), self.clock.now())

    def _app_id(self, org_id: str) -> Callable[[str], Awaitable[str | None]]:
        async def find(key: str) -> str | None:
            try:
                return (await self.applications.get(org_id, key)).id
            except Unknown:
                return None

        return find

    async def _begin(self, application: Application, arguments: Arguments, now: datetime) -> BackgroundTask:
        return await self._begin_for(application.org_id, arguments, now, app_id=application.id)

    async def _begin_for(
        self, org_id: str, arguments: Arguments, now: datetime, *, app_id: str = ""
    ) -> BackgroundTask:
        task = BackgroundTask(
            id=ids.new_id(ids.BACKGROUND_TASK, now, self.dice.octets(ids.DICE_BYTES)),
            org_id=org_id,
            app_id=app_id,
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

    1. Stop if the task has ended or rests, or the step is over: it was handed over twice.
    2. Work one page.
    3. Keep how far the task is.
    """

    background_tasks: BackgroundTasks
    recover: Recover
    cancel: Cancel
    purge: Purge
    erase: EraseApplication
    probe: Probe
    take_census: TakeCensus
    clock: Clock
    journal: Journal

    async def __call__(self, step: TaskStep) -> BackgroundTask | None:
        """Work the step, and say how the task stands after it; safe to call again.

        Returns:
            None if there is no such task.

        Raises:
            Unavailable: A store or queue of ours is out of reach; calling again goes on where this ended.
        """
        try:
            task = await self.background_tasks.get(step.org_id, step.task_id)
        except Unknown:
            return None
        now = self.clock.now()
        is_resting = task.due_at is not None and task.due_at > now
        if task.status is not TaskStatus.RUNNING or task.step != step.step or is_resting:  # (1)
            return task
        worked = await self._worked(task)  # (2)
        after = advanced(task, worked, self.clock.now())
        if not await self.background_tasks.advance(task, after, worked.findings):  # (3)
            return await self.background_tasks.get(step.org_id, step.task_id)
        self._note(after)
        return after

    async def _worked(self, task: BackgroundTask) -> Worked:
        match task.arguments:
            case Recovery() | Replay() | BulkReplay() as wanted:
                return await self.recover(task, wanted)
            case Cancellation() as cancellation:
                return await self.cancel(task, cancellation)
            case Erasure():
                return await self.purge(task)
            case ApplicationErasure():
                return await self.erase(task)
            case Probation() as probation:
                return await self.probe(task, probation)
            case UsageCount() | SubscriptionCensus() as census:
                return await self.take_census(task, census)

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


@dataclass(frozen=True)
class CancelTask:
    """Stop a task. What its step has begun at this moment goes on; no other step follows."""

    background_tasks: BackgroundTasks
    clock: Clock
    journal: Journal

    async def __call__(self, org_id: str, task_id: str) -> BackgroundTask:
        """Stop the task unless it has ended, and say how it stands.

        Raises:
            Unknown: The organization has no such task.
            NotToBeCancelled: It erases an application.
            Unavailable: The store is out of reach.
        """
        while True:
            task = await self.background_tasks.get(org_id, task_id)
            if task.status is not TaskStatus.RUNNING:
                return task
            if isinstance(task.arguments, ApplicationErasure):
                raise NotToBeCancelled(task.id)
            after = cancelled(task, self.clock.now())
            # If it is no longer at this step, it has got a step further meanwhile.
            if await self.background_tasks.advance(task, after):
                self.journal.note("task.cancelled", app_id=task.app_id, task_id=task.id, task=task.name)
                return after
