"""Endpoints that were disabled because they failed for too long: pinged, and brought back."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import structs

from shared.domain import ids
from shared.domain.background_task import BackgroundTask, Probation, Worked
from shared.domain.endpoint import Endpoint, EndpointEdit, edited
from shared.domain.errors import Unknown
from shared.domain.operational import Kind
from shared.domain.probation import LONGEST, PING, SETTLING, missed, payload_of_ping, rest_before
from shared.domain.trace import trace_of
from shared.domain.verdict import Verdict, judge
from shared.flows.attempt import Parcel, outgoing
from shared.flows.directory import Directory, Target
from shared.flows.operational import OperationalWebhooks
from shared.ports.background_tasks import BackgroundTasks
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.endpoints import Endpoints
from shared.ports.journal import Journal
from shared.ports.sender import NoTurn, Sender


@dataclass(frozen=True)
class Probe:
    """One step of a probation.

    1. At the beginning, rest: the endpoint is being disabled at this moment.
    2. It ends if a person has enabled or removed the endpoint, if the organization asks for it no more, or if
       it has gone on for too long.
    3. Send the ping; if it does not arrive, rest longer than before. A receiver that says that it wants no
       more is not asked again.
    4. When one has arrived, keep that, so that what follows is done also after a crash.
    5. Enable the endpoint, if it is still disabled for the same failure, and wait until everybody knows.
    6. Begin two tasks that send what it has missed: what failed, and what was never attempted.
    """

    sender: Sender
    endpoints: Endpoints
    background_tasks: BackgroundTasks
    directory: Directory
    operational: OperationalWebhooks
    clock: Clock
    dice: Dice
    journal: Journal

    async def __call__(self, task: BackgroundTask, wanted: Probation) -> Worked:
        """Work the step.

        Raises:
            Unavailable: A store or queue of ours is out of reach; calling again goes on where this ended.
        """
        if task.step == 0:
            return self._rest(task, wanted)  # (1)
        if wanted.answered_at is not None:
            return await self._bring_back(task, wanted, wanted.answered_at)
        target = await self._on_probation(task, wanted)  # (2)
        if isinstance(target, str):
            return Worked(failed=len(task.page), why=target)
        wanted = structs.replace(wanted, switched_off_at=target.endpoint.switched_off_at)
        verdict = await self._ping(task, wanted, target)  # (3)
        if verdict.is_disabling:
            return Worked(failed=1, why="the receiver wants no more messages")
        if not verdict.is_success:
            return self._rest(task, wanted, failed=1)
        wanted = structs.replace(wanted, answered_at=self.clock.now())
        return Worked(rest=timedelta(0), arguments=wanted)  # (4)

    def _rest(self, task: BackgroundTask, wanted: Probation, failed: int = 0) -> Worked:
        ping_id = ids.new_id(ids.MESSAGE, self.clock.now(), self.dice.octets(ids.DICE_BYTES))
        rest = rest_before(task.step + 1, self.dice.share())
        return Worked([ping_id], failed=failed, rest=rest, arguments=wanted)

    async def _on_probation(self, task: BackgroundTask, wanted: Probation) -> Target | str:
        """The endpoint with what it is pinged with, or why it is not pinged any more."""
        if not (await self.directory.policy(task.org_id)).endpoint_probation:
            return "the organization does not ask for it any more"
        targets = await self.directory.targets(task.org_id, task.app_id)
        target = next((one for one in targets if one.endpoint.id == wanted.endpoint_id), None)
        if target is None:
            return "the endpoint or its application was removed"
        since = target.endpoint.switched_off_at
        if since is None or not _is_same_failure(target.endpoint, wanted):
            return "a person has enabled or disabled the endpoint"
        if self.clock.now() - since >= LONGEST:
            return f"no ping has arrived in {LONGEST.days} days"
        return target

    async def _ping(self, task: BackgroundTask, wanted: Probation, target: Target) -> Verdict:
        (ping_id,), endpoint = task.page, target.endpoint
        policy = await self.directory.policy(task.org_id)
        payload = payload_of_ping(wanted, endpoint.switched_off_at or task.asked_at)
        parcel = Parcel(ping_id, PING, None, None, payload, None, target, number=0)
        span = trace_of(ping_id, None).span(ping_id)
        try:
            async with self.sender.turn(endpoint.url) as refusal:
                answer = refusal or await self.sender.send(outgoing(parcel, policy, self.clock.now(), span))
        except NoTurn:  # it answers others, but has no time for this
            return Verdict.RETRY
        verdict = judge(answer)
        self.journal.note(
            "endpoint.probed",
            app_id=endpoint.app_id,
            endpoint_id=endpoint.id,
            task_id=task.id,
            status_code=answer.status_code,
            failure=None if answer.failure is None else answer.failure.name.lower(),
            duration_ms=round(answer.duration / timedelta(milliseconds=1), 1),
            delivered=verdict.is_success,
        )
        return verdict

    async def _bring_back(self, task: BackgroundTask, wanted: Probation, answered_at: datetime) -> Worked:
        try:
            endpoint = await self._enabled(task, wanted)  # (5)
        except Unknown:
            return Worked(why="the endpoint or its application was removed")
        if endpoint.disabled:
            return Worked(why="a person has disabled the endpoint")
        left = answered_at + SETTLING - self.clock.now()
        if left > timedelta(0):
            return Worked(rest=left)
        for following in missed(task, wanted):  # (6)
            await self.background_tasks.begin(following)
            self.journal.note(
                "task.begun", app_id=following.app_id, task_id=following.id, task=following.name
            )
        return Worked()

    async def _enabled(self, task: BackgroundTask, wanted: Probation) -> Endpoint:
        """The endpoint, enabled if it was disabled for the failure that this is about.

        Raises:
            Unknown: It was removed.
        """

        def enabled(present: Endpoint) -> Endpoint:
            if not _is_same_failure(present, wanted):
                return present
            return edited(present, EndpointEdit(disabled=False), self.clock.now())

        before, after = await self.endpoints.update(task.app_id, wanted.endpoint_id, enabled)
        self.directory.forget_targets(task.app_id)
        if before.disabled and not after.disabled:
            self.journal.note("endpoint.enabled", app_id=after.app_id, endpoint_id=after.id, task_id=task.id)
            self.operational.edited(Kind.ENDPOINT_ENABLED, after)
        return after


def _is_same_failure(endpoint: Endpoint, wanted: Probation) -> bool:
    """Whether the endpoint is disabled for the failure that a probation is about."""
    known = wanted.switched_off_at or endpoint.switched_off_at
    return endpoint.disabled and endpoint.switched_off_at is not None and endpoint.switched_off_at == known
