"""Applications on Cosmos DB: those of an organization in one partition."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from shared.adapters.cosmos.named import Named
from shared.adapters.cosmos.records import Record, Records
from shared.domain import ids
from shared.domain.application import Application
from shared.domain.paging import MAX_LIMIT, Scan
from shared.ports.applications import ApplicationFilter

KIND = "application"


class CosmosApplications:
    """See `shared.ports.applications.Applications`."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._named = Named(records, KIND, ids.APPLICATION, _record, _application)

    async def add(self, application: Application) -> None:
        await self._named.add(application)

    async def get(self, org_id: str, key: str) -> Application:
        return await self._named.get(org_id, key)

    async def get_removed(self, org_id: str, app_id: str) -> Application:
        return await self._named.get_removed(org_id, app_id)

    async def update(
        self, org_id: str, key: str, change: Callable[[Application], Application]
    ) -> tuple[Application, Application]:
        return await self._named.update(org_id, key, change)

    async def scan(self, org_id: str, scan: Scan, only: ApplicationFilter) -> Sequence[Application]:
        if only == ApplicationFilter():
            return await self._named.scan(org_id, scan)
        shown, rest = list[Application](), scan
        # Endpoints lie elsewhere: look at a page, then at its endpoints, until enough are shown.
        while True:
            page = await self._named.scan(org_id, rest)
            shown += await self._shown(page, only)
            if len(page) <= rest.limit or len(shown) > scan.limit:
                return shown[: scan.limit + 1]
            last = page[-1].id
            rest = replace(rest, below=last) if scan.descending else replace(rest, above=last)
            rest = replace(rest, limit=MAX_LIMIT)  # few are shown of many

    async def remove(self, org_id: str, app_id: str, *, at: datetime) -> None:
        await self._named.remove(org_id, app_id, at=at)

    async def erase(self, org_id: str, app_id: str) -> None:
        await self._named.erase(org_id, app_id)

    async def _shown(self, page: Sequence[Application], only: ApplicationFilter) -> Sequence[Application]:
        """Those of a page that a filter lets through."""
        rows = self._records.select(
            "c.pk, c.marks.off",
            "c.kind = 'endpoint' AND ARRAY_CONTAINS(@ids, c.pk)",
            {"ids": [application.id for application in page]},
        )
        enabled, disabled = set[str](), set[str]()
        async for row in rows:
            (disabled if row["off"] else enabled).add(row["pk"])

        def is_shown(app_id: str) -> bool:
            if app_id in enabled:
                return True
            return only.all_disabled if app_id in disabled else only.without_endpoints

        return [application for application in page if is_shown(application.id)]


async def live(records: Records, org_id: str, app_ids: Collection[str]) -> frozenset[str]:
    """Those of some applications of an organization that were not removed."""
    rows = records.select(
        "VALUE c.id",
        "c.kind = @kind AND ARRAY_CONTAINS(@ids, c.id)",
        {"kind": KIND, "ids": sorted(app_ids)},
        pk=org_id,
    )
    return frozenset([row async for row in rows])


def _record(application: Application) -> Record:
    return Record(id=application.id, pk=application.org_id, kind=KIND, thing=msgspec.to_builtins(application))


def _application(record: Record) -> Application:
    application = msgspec.convert(record.thing, Application)
    return replace(application, token_ends=tuple(application.token_ends))
