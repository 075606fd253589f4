"""One step of the erasure of an application: a page of its messages goes, and in the end all that is left."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.background_task import BackgroundTask, Worked
from shared.domain.errors import Unknown
from shared.domain.paging import Scan
from shared.flows.directory import Directory
from shared.ports.applications import Applications
from shared.ports.clock import Clock
from shared.ports.endpoints import Endpoints
from shared.ports.messages import MessageFilter, Messages

PAGE = 50
"""Messages of one step, which go in one write with every attempt on them: few enough to hold up nobody."""

SETTLING = timedelta(minutes=2)
"""Longer than anything takes that began before the application was removed: a post, an exchange with a
receiver and its turn, and what processes remember of applications and endpoints."""

_BARE = MessageFilter(payloads=False)


@dataclass(frozen=True)
class EraseApplication:
    """Remove an application for good, with all that it had. The task itself stays, and says that it was done.

    So do other tasks that were about the application, and retries in the queue, which have ids alone, until
    their time comes.

    1. At the beginning, take the application out of every read, and wait until nothing is under way any more.
    2. Remove the messages of the page: their payloads, and every attempt on them with its response.
    3. Read the next page.
    4. If there is none, remove the endpoints with their secrets, those that were removed before too, and then
       the application.
    """

    applications: Applications
    endpoints: Endpoints
    messages: Messages
    directory: Directory
    clock: Clock

    async def __call__(self, task: BackgroundTask) -> Worked:
        """Work the task's page, and find the next.

        Raises:
            Unavailable: The store is out of reach; calling again goes on where this ended.
        """
        if task.step == 0:
            await self._remove(task)  # (1)
            return Worked(rest=SETTLING)
        await self.messages.remove_several(task.app_id, task.page)  # (2)
        scan = Scan(task.cursor, None, descending=False, limit=PAGE)  # (3)
        found = await self.messages.scan(task.app_id, scan, _BARE)
        if not found:
            await self.endpoints.erase(task.app_id)  # (4)
            await self.applications.erase(task.org_id, task.app_id)
        return Worked([message.id for message in found[:PAGE]])

    async def _remove(self, task: BackgroundTask) -> None:
        # Unknown: it was removed in an earlier try at this step, or by somebody else.
        with suppress(Unknown):
            application = await self.applications.get(task.org_id, task.app_id)
            await self.applications.remove(task.org_id, task.app_id, at=self.clock.now())
            self.directory.forget(application)
