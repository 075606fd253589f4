"""One step of a census: a page of applications, and what is found out about each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from shared.domain import ids
from shared.domain.application import Application
from shared.domain.background_task import (
    BackgroundTask,
    Census,
    Finding,
    Subscriptions,
    Usage,
    UsageCount,
    Worked,
)
from shared.domain.errors import Unknown
from shared.domain.paging import Scan
from shared.ports.applications import ApplicationFilter, Applications
from shared.ports.destinations import Destinations
from shared.ports.endpoints import Endpoints
from shared.several import with_each

PAGE = 50
"""Applications of one step."""

AT_ONCE = 2
"""Few: to count what a large application has used takes a reader's time."""

APPLICATIONS_MAX = 50_000
"""What is found out is told in one answer, which has some 5 MB then."""

_EVERY = ApplicationFilter()


@dataclass(frozen=True)
class TakeCensus:
    """Go through the applications that an organization had when this was asked for, or through some of them.

    1. Find out about each application of the page; those that were removed meanwhile are left out.
    2. Find the next page; there must not be more than can be told.
    """

    applications: Applications
    endpoints: Endpoints
    destinations: Destinations

    async def __call__(self, task: BackgroundTask, census: Census) -> Worked:
        """Work the task's page, and find the next.

        Raises:
            Unavailable: The store is out of reach; calling again goes on where this ended.
        """
        look_at = partial(self._found_out, task.org_id, census)
        findings = await with_each(task.page, look_at, at_once=AT_ONCE)  # (1)
        next_page = await self._next_page(task, census)  # (2)
        why = None
        if task.done + len(task.page) + len(next_page) > APPLICATIONS_MAX:
            why = f"there are more than {APPLICATIONS_MAX} applications; ask for some of them"
        return Worked(
            next_page,
            why=why,
            total=len(census.app_ids) if isinstance(census, UsageCount) and census.app_ids else None,
            findings=[finding for finding in findings if finding is not None],
        )

    async def _next_page(self, task: BackgroundTask, census: Census) -> Sequence[str]:
        if isinstance(census, UsageCount) and census.app_ids is not None:
            return [app_id for app_id in census.app_ids if app_id > (task.cursor or "")][:PAGE]
        end = ids.end_id(ids.APPLICATION, task.asked_at)
        scan = Scan(task.cursor, end, descending=False, limit=PAGE)
        found = await self.applications.scan(task.org_id, scan, _EVERY)
        return [application.id for application in found[:PAGE]]

    async def _found_out(self, org_id: str, census: Census, app_id: str) -> Finding | None:
        try:
            application = await self.applications.get(org_id, app_id)
        except Unknown:
            return None
        if isinstance(census, UsageCount):
            return await self._usage(application, census)
        return await self._subscriptions(application)

    async def _usage(self, application: Application, census: UsageCount) -> Usage:
        first, end = (ids.start_id(ids.MESSAGE, ids.clamp(at)) for at in (census.since, census.until))
        # It begins after the least id of its first instant, which no message has.
        scan = Scan(first, end, descending=False, limit=0)
        count = await self.destinations.count(application.id, scan)
        return Usage(application.id, application.uid, count)

    async def _subscriptions(self, application: Application) -> Subscriptions:
        endpoints = await self.endpoints.of_application(application.id)
        named = {name for endpoint in endpoints for name in endpoint.event_types or ()}
        has_catch_all = any(endpoint.event_types is None for endpoint in endpoints)
        return Subscriptions(application.id, tuple(sorted(named)), has_catch_all)
