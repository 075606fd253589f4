"""One step of a recovery: a page of what an endpoint has missed, each message attempted once."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain import ids
from shared.domain.attempt import Status
from shared.domain.background_task import BackgroundTask, Recovery, Worked, attempt_id
from shared.domain.paging import Scan
from shared.domain.work import Resend
from shared.flows.deliver import AttemptByHand
from shared.flows.directory import Directory
from shared.flows.several import with_each
from shared.ports.destinations import Destinations

PAGE = 100
"""Messages of one step."""

ATTEMPTS_AT_ONCE = 25
"""A fifth of the turns that there are at one receiver, so that new messages find one free. With these, a page
at a receiver that never answers takes two or three minutes, less than a queue message can be kept for."""

MISSED = (Status.FAIL, Status.SENDING)
"""How a message stands that failed at the endpoint and has not arrived, whether retries follow or not."""


@dataclass(frozen=True)
class Recover:
    """Attempt what an endpoint has missed.

    1. The endpoint must still be there and enabled; else the task cannot go on.
    2. Attempt each message of the page once more, as if a person had asked for it, unless it has arrived
       meanwhile. The attempt's id follows from task and message, so a page that is worked again attempts
       nothing again.
    3. If something could not be sent, look at the endpoint again.
    4. Read the next page of messages that failed there and never arrived; at the beginning, count them.
    """

    directory: Directory
    destinations: Destinations
    attempt_by_hand: AttemptByHand

    async def __call__(self, task: BackgroundTask, recovery: Recovery) -> Worked:
        """Work the task's page, and find the next.

        Raises:
            Unavailable: A store or queue of ours is out of reach; calling again goes on where this ended.
        """
        why = await self._hindrance(task, recovery)  # (1)
        if why is not None:
            return Worked(failed=len(task.page), why=why)
        outcomes = await self._attempted(task, recovery)  # (2)
        failed = sum(outcome in (None, Status.FAIL) for outcome in outcomes)
        if None in outcomes:
            why = await self._hindrance(task, recovery)  # (3)
            if why is not None:
                return Worked(failed=failed, why=why)

        scan = _rest(task, recovery)  # (4)
        where = (task.app_id, recovery.endpoint_id, scan, MISSED)
        next_page = (await self.destinations.standing_at(*where))[:PAGE]
        total = None if task.page else await self.destinations.count_standing_at(*where)
        return Worked(next_page, failed, total)

    async def _hindrance(self, task: BackgroundTask, recovery: Recovery) -> str | None:
        """Why nothing is sent to the endpoint; None if it is there and enabled."""
        for target in await self.directory.targets(task.org_id, task.app_id):
            if target.endpoint.id == recovery.endpoint_id:
                return "the endpoint is disabled" if target.endpoint.disabled else None
        return "the endpoint or its application was removed"

    async def _attempted(self, task: BackgroundTask, recovery: Recovery) -> Sequence[Status | None]:
        async def attempt(message_id: str) -> Status | None:
            resend = Resend(
                org_id=task.org_id,
                app_id=task.app_id,
                message_id=message_id,
                endpoint_id=recovery.endpoint_id,
                attempt_id=attempt_id(task, message_id),
                asked_at=task.asked_at,
                unless_arrived=True,
            )
            return await self.attempt_by_hand(resend)

        return await with_each(task.page, attempt, at_once=ATTEMPTS_AT_ONCE)


def _rest(task: BackgroundTask, recovery: Recovery) -> Scan:
    """What is left of the window. It begins after the least id of its first instant, which no message has."""
    first, end = (ids.start_id(ids.MESSAGE, ids.clamp(at)) for at in (recovery.since, recovery.until))
    return Scan(task.cursor or first, end, descending=False, limit=PAGE)
