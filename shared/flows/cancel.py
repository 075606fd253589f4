"""One step of a cancellation: a page of messages whose retries at an endpoint end."""

from dataclasses import dataclass
from functools import partial

from shared.domain import ids
from shared.domain.attempt import Ended, Ending, Status
from shared.domain.background_task import BackgroundTask, Cancellation, Worked
from shared.domain.paging import Scan
from shared.ports.attempts import Attempts
from shared.ports.destinations import Destinations
from shared.several import with_each

PAGE = 100
"""Messages of one step."""

WRITES_AT_ONCE = 25
PENDING = (Status.SENDING,)
"""How a message stands that failed at the endpoint and that a retry follows."""


@dataclass(frozen=True)
class Cancel:
    """End the retries of the messages that an endpoint is still to get.

    1. Let no retry follow of the messages of the page. What is being attempted at this moment goes on.
    2. Read the next page of messages that a retry follows; at the beginning, count them. Those that came
       after the task was asked for are not meant.
    """

    attempts: Attempts
    destinations: Destinations

    async def __call__(self, task: BackgroundTask, cancellation: Cancellation) -> Worked:
        """Work the task's page, and find the next.

        Raises:
            Unavailable: The store is out of reach; calling again goes on where this ended.
        """
        ended = Ended(Ending.CANCELED, task.asked_at)
        end_chain = partial(
            self.attempts.end_chain, task.app_id, endpoint_id=cancellation.endpoint_id, ended=ended
        )
        await with_each(task.page, end_chain, at_once=WRITES_AT_ONCE)  # (1)

        scan = Scan(task.cursor, ids.end_id(ids.MESSAGE, task.asked_at), descending=False, limit=PAGE)  # (2)
        where = (task.app_id, cancellation.endpoint_id, scan, PENDING)
        next_page = (await self.destinations.standing_at(*where))[:PAGE]
        total = None if task.page else await self.destinations.count_standing_at(*where)
        return Worked(next_page, total=total)
