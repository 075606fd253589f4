"""One step of a recovery or a replay: a page of messages, each attempted once at one endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from shared.domain.attempt import Status
from shared.domain.background_task import BackgroundTask, BulkReplay, Resending, Worked, attempt_id
from shared.domain.work import Resend
from shared.flows.deliver import AttemptByHand
from shared.flows.directory import Directory, Target
from shared.flows.selection import Select
from shared.ports.clock import Clock
from shared.several import with_each

FEWEST_AT_ONCE = 6
MOST_AT_ONCE = 25
"""A fifth of the turns that there are at one receiver, so that new messages find one free. With these, a page
at a receiver that never answers takes two or three minutes, less than a queue message can be kept for."""

PERIOD = timedelta(milliseconds=1.25)
"""An attempt is to begin each time, as far as so many at once allow. With more of a quick receiver's under
way they come and go in swarms, and new messages wait for each of those."""


@dataclass(frozen=True)
class Recover:
    """Attempt what an endpoint has missed, or is to get again.

    1. The endpoint must still be there and enabled; else the task cannot go on.
    2. Attempt each message of the page once more, as if a person had asked for it; unless it has arrived
       meanwhile, if it was not to be sent again anyway. The attempt's id follows from task and message, so a
       page that is worked again attempts nothing again. The first few tell how many are to run at once.
    3. If something could not be sent, look at the endpoint again.
    4. Find the next page; at the beginning, count the messages if that can be done.
    5. If some of this page wait for their turn under a rate, rest for as long as so many turns take. So no
       more than a page waits: what is done is what was sent, and what is cancelled is not sent for hours.
    """

    directory: Directory
    select: Select
    attempt_by_hand: AttemptByHand
    clock: Clock

    async def __call__(self, task: BackgroundTask, wanted: Resending) -> Worked:
        """Work the task's page, and find the next.

        Raises:
            Unavailable: A store or queue of ours is out of reach; calling again goes on where this ended.
        """
        target = await self._target(task, wanted)  # (1)
        if isinstance(target, str):
            return Worked(failed=len(task.page), why=target)
        outcomes = await self._attempted(task, wanted)  # (2)
        failed = sum(outcome in (None, Status.FAIL) for outcome in outcomes)
        if None in outcomes:
            target = await self._target(task, wanted)  # (3)
            if isinstance(target, str):
                return Worked(failed=failed, why=target)

        found = await self.select(task.app_id, wanted, task.cursor)  # (4)
        total = None if task.cursor else await self.select.count(task.app_id, wanted)
        rest = _until_turns_have_come(target, outcomes.count(Status.PENDING))  # (5)
        is_end = not found.message_ids and found.scanned is None
        scanned = task.cursor if is_end and rest is not None else found.scanned
        return Worked(found.message_ids, scanned, failed, total, rest=rest)

    async def _target(self, task: BackgroundTask, wanted: Resending) -> Target | str:
        """The endpoint, or why nothing is sent to it."""
        for target in await self.directory.targets(task.org_id, task.app_id):
            if target.endpoint.id == wanted.endpoint_id:
                return "the endpoint is disabled" if target.endpoint.disabled else target
        return "the endpoint or its application was removed"

    async def _attempted(self, task: BackgroundTask, wanted: Resending) -> Sequence[Status | None]:
        async def attempt(message_id: str) -> Status | None:
            resend = Resend(
                org_id=task.org_id,
                app_id=task.app_id,
                message_id=message_id,
                endpoint_id=wanted.endpoint_id,
                attempt_id=attempt_id(task, message_id),
                asked_at=task.asked_at,
                unless_arrived=not isinstance(wanted, BulkReplay),
            )
            return await self.attempt_by_hand(resend)

        began_at = self.clock.now()
        few = await with_each(task.page[:FEWEST_AT_ONCE], attempt, at_once=FEWEST_AT_ONCE)
        one_takes = self.clock.now() - began_at
        at_once = min(MOST_AT_ONCE, max(FEWEST_AT_ONCE, ceil(one_takes / PERIOD)))
        return [*few, *await with_each(task.page[FEWEST_AT_ONCE:], attempt, at_once=at_once)]


def _until_turns_have_come(target: Target, waiting: int) -> timedelta | None:
    """How long so many turns take under the slowest of an endpoint's rates; None if nobody waits for one."""
    if not waiting or target.limits is None:
        return None
    return waiting * max(limit.interval for limit in target.limits)
