"""One step of a purge: a page of messages whose payloads are erased."""

from dataclasses import dataclass

from shared.domain import ids
from shared.domain.background_task import BackgroundTask, Worked
from shared.domain.paging import Scan
from shared.ports.messages import MessageFilter, Messages

PAGE = 250
"""Messages of one step, whose payloads go in one write: few enough to hold up no delivery for long."""

_BARE = MessageFilter(payloads=False)


@dataclass(frozen=True)
class Purge:
    """Erase the payloads of all messages that an application had when this was asked for; these stay.

    1. Erase the payloads of the page.
    2. Read the next page.
    """

    messages: Messages

    async def __call__(self, task: BackgroundTask) -> Worked:
        """Work the task's page, and find the next.

        Raises:
            Unavailable: The store is out of reach; calling again goes on where this ended.
        """
        await self.messages.erase_several(task.app_id, task.page)  # (1)
        scan = Scan(task.cursor, ids.end_id(ids.MESSAGE, task.asked_at), descending=False, limit=PAGE)  # (2)
        found = await self.messages.scan(task.app_id, scan, _BARE)
        return Worked([message.id for message in found[:PAGE]])
