"""Endpoints on Cosmos DB: those of an application in one partition."""

from asyncio import gather
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import msgspec

from shared.adapters.cosmos import applications
from shared.adapters.cosmos.named import Named
from shared.adapters.cosmos.records import TRIES, Overtaken, Record, Records, in_order, micros, within
from shared.domain import ids
from shared.domain.endpoint import Endpoint
from shared.domain.paging import Scan
from shared.ports.endpoints import EndpointHealth, Watched

KIND = "endpoint"

_LIVE = f"c.kind = '{KIND}'"
_FAILING, _OFF = "c.marks.failing > 0", "c.marks.off = true"
_WATCHED = {
    Watched.FAILING: (_FAILING, "ORDER BY c.marks.org_id, c.marks.failing"),
    Watched.SWITCHED_OFF: (
        "c.marks.switched_off > 0",
        "ORDER BY c.marks.org_id DESC, c.marks.switched_off DESC",
    ),
    Watched.RATED: ("c.marks.rated > ''", "ORDER BY c.marks.org_id, c.marks.rated"),
}
ROUNDS = 10
"""How often those that are watched are read anew because there were some of removed applications among them.
With more of those, fewer are told this time than there are."""

_EVERYTHING = Scan(None, None, descending=False, limit=0)


class CosmosEndpoints:
    """See `shared.ports.endpoints.Endpoints`."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._named = Named(records, KIND, ids.ENDPOINT, _record, _endpoint)

    async def add(self, endpoint: Endpoint) -> None:
        await self._named.add(endpoint)

    async def get(self, app_id: str, key: str) -> Endpoint:
        return await self._named.get(app_id, key)

    async def update(
        self, app_id: str, key: str, change: Callable[[Endpoint], Endpoint]
    ) -> tuple[Endpoint, Endpoint]:
        return await self._named.update(app_id, key, change)

    async def scan(self, app_id: str, scan: Scan) -> Sequence[Endpoint]:
        return await self._named.scan(app_id, scan)

    async def of_application(self, app_id: str) -> Sequence[Endpoint]:
        where, given = within(KIND, _EVERYTHING)
        found = self._records.query(where + in_order(_EVERYTHING), given, pk=app_id)
        return [_endpoint(record) async for record in found]

    async def remove(self, app_id: str, endpoint_id: str, *, at: datetime) -> None:
        await self._named.remove(app_id, endpoint_id, at=at)

    async def erase(self, app_id: str) -> None:
        found = [row async for row in self._records.select("VALUE c.id", "true", {}, pk=app_id)]
        await self._records.delete(app_id, found)

    async def disable(self, app_id: str, endpoint_id: str, *, at: datetime) -> bool:
        changes = {
            "/thing/disabled": True,
            "/thing/updated_at": at,
            "/thing/switched_off_at": at,
            "/marks/off": True,
            "/marks/failing": None,
            "/marks/switched_off": micros(at),
        }
        when = f"{_LIVE} AND c.thing.disabled = false"
        return await self._records.patch(app_id, endpoint_id, changes, when=when) is not None

    async def begin_failing(self, app_id: str, endpoint_id: str, *, at: datetime) -> datetime:
        for _ in range(TRIES):
            found = await self._records.read(app_id, endpoint_id)
            if found is None or found.kind != KIND:
                return at
            present = _endpoint(found)
            if present.failing_since is not None:
                return present.failing_since
            failing = None if present.disabled else micros(at)
            changes = {"/thing/failing_since": at, "/marks/failing": failing}
            is_so = str(present.disabled).lower()
            when = f"{_LIVE} AND c.thing.disabled = {is_so} AND IS_NULL(c.thing.failing_since)"
            await self._records.patch(app_id, endpoint_id, changes, when=when)
        raise Overtaken

    async def end_failing(self, app_id: str, endpoint_id: str) -> None:
        changes = {"/thing/failing_since": None, "/marks/failing": None}
        await self._records.patch(app_id, endpoint_id, changes, when=_LIVE)

    async def health(self) -> EndpointHealth:
        return EndpointHealth(disabled=await self._count(_OFF), failing=await self._count(_FAILING))

    async def watched(self, org_id: str, which: Watched, *, limit: int) -> Sequence[Endpoint]:
        condition, order = _WATCHED[which]
        where = f"c.marks.org_id = @org_id AND {condition} {order}"
        watched: list[Record] = []
        for _ in range(ROUNDS):
            found = [each async for each in self._records.query(where, {"org_id": org_id}, limit=limit)]
            live = await applications.live(self._records, org_id, {each.pk for each in found})
            watched = [each for each in found if each.pk in live]
            if len(watched) == len(found):
                break
            await gather(*(self._forget(each) for each in found if each.pk not in live))
        return [_endpoint(each) for each in watched]

    async def _forget(self, orphan: Record) -> None:
        """Have an endpoint be watched no more whose application was removed: nothing comes of it again."""
        await self._records.patch(orphan.pk, orphan.id, {"/marks": {}}, when=_LIVE)

    async def _count(self, condition: str) -> int:
        return sum([row async for row in self._records.select("VALUE COUNT(1)", condition, {})])


async def read_every(records: Records, app_id: str, keys: Collection[str]) -> Sequence[Endpoint]:
    """Read some endpoints of an application, removed ones too, in the order of their ids."""
    found = records.query("ARRAY_CONTAINS(@ids, c.id)", {"ids": sorted(keys)}, pk=app_id)
    return sorted([_endpoint(record) async for record in found], key=lambda one: one.id)


def _record(endpoint: Endpoint) -> Record:
    since, switched_off = endpoint.failing_since, endpoint.switched_off_at
    is_failing = since is not None and not endpoint.disabled
    return Record(
        id=endpoint.id,
        pk=endpoint.app_id,
        kind=KIND,
        # Headers in their order, which objects need not keep.
        thing={**msgspec.to_builtins(endpoint), "headers": list(endpoint.headers.items())},
        marks={
            "org_id": endpoint.org_id,
            "off": endpoint.disabled,
            "failing": micros(since) if since is not None and is_failing else None,
            "switched_off": None if switched_off is None else micros(switched_off),
            "rated": None if endpoint.throttle_rate is None else f"{endpoint.app_id} {endpoint.id}",
        },
    )


def _endpoint(record: Record) -> Endpoint:
    return msgspec.convert({**record.thing, "headers": dict(record.thing["headers"])}, Endpoint)
