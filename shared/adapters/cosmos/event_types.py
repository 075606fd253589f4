"""Event types on Cosmos DB: those of an organization in one partition, each under its name."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from shared.adapters.cosmos.records import TRIES, Overtaken, Record, Records, in_order, within
from shared.domain.errors import EventTypeTaken, Unknown
from shared.domain.event_type import EventType
from shared.domain.paging import Scan
from shared.ports.event_types import EventTypeFilter

KIND = "event type"
PREFIX = "type:"


class CosmosEventTypes:
    """See `shared.ports.event_types.EventTypes`."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def add(self, event_type: EventType) -> None:
        for _ in range(TRIES):
            present = await self._records.read(event_type.org_id, PREFIX + event_type.name)
            if present is not None and not present.marks["archived"]:
                raise EventTypeTaken(event_type.name)
            if await self._records.put(_record(event_type), over=present) is not None:
                return
        raise Overtaken

    async def get(self, org_id: str, name: str) -> EventType:
        return _event_type(await self._find(org_id, name))

    async def scan(self, org_id: str, scan: Scan, only: EventTypeFilter) -> Sequence[EventType]:
        where, given = within(KIND, scan, prefix=PREFIX)
        if not only.archived:
            where += " AND c.marks.archived = false"
        shown: list[EventType] = []
        async for record in self._records.query(where + in_order(scan), given, pk=org_id):
            event_type = _event_type(record)
            if event_type.is_shown(only.feature_flags):
                shown.append(event_type)
            if len(shown) > scan.limit:
                break
        return shown

    async def missing(self, org_id: str, names: Collection[str]) -> frozenset[str]:
        if not names:
            return frozenset()
        rows = self._records.select(
            "VALUE c.id",
            "c.kind = @kind AND c.marks.archived = false AND ARRAY_CONTAINS(@ids, c.id)",
            {"kind": KIND, "ids": [PREFIX + name for name in sorted(names)]},
            pk=org_id,
        )
        return frozenset(names).difference([row.removeprefix(PREFIX) async for row in rows])

    async def schedules(self, org_id: str) -> Mapping[str, Sequence[timedelta]]:
        where, given = "c.kind = @kind AND c.marks.has_schedule = true", {"kind": KIND}
        found = [_event_type(row) async for row in self._records.query(where, given, pk=org_id)]
        return {event_type.name: event_type.retry_schedule or () for event_type in found}

    async def update(self, org_id: str, name: str, change: Callable[[EventType], EventType]) -> EventType:
        for _ in range(TRIES):
            found = await self._find(org_id, name)
            after = change(_event_type(found))
            if await self._records.put(_record(after), over=found) is not None:
                return after
        raise Overtaken

    async def archive(self, org_id: str, name: str, *, at: datetime) -> None:
        await self.update(org_id, name, lambda present: replace(present, archived=True, updated_at=at))

    async def remove(self, org_id: str, name: str) -> None:
        # Who removes it at the same moment is told the same: that it was there, and is gone.
        found = await self._find(org_id, name)
        await self._records.delete(org_id, [found.id])

    async def _find(self, org_id: str, name: str) -> Record:
        found = await self._records.read(org_id, PREFIX + name)
        if found is None:
            raise Unknown("event type", name)
        return found


def _record(event_type: EventType) -> Record:
    return Record(
        id=PREFIX + event_type.name,
        pk=event_type.org_id,
        kind=KIND,
        thing=msgspec.to_builtins(event_type),
        marks={
            "archived": event_type.archived,
            "has_schedule": event_type.retry_schedule is not None,
        },
    )


def _event_type(record: Record) -> EventType:
    event_type = msgspec.convert(record.thing, EventType)
    schedule = event_type.retry_schedule
    return replace(event_type, retry_schedule=None if schedule is None else tuple(schedule))
