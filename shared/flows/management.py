"""The management organization: its event types are there without anybody having made them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from shared.domain.errors import EventTypeTaken, Unknown
from shared.domain.event_type import EventType
from shared.domain.operational import MANAGEMENT_ORG, seeded
from shared.domain.paging import Scan
from shared.ports.clock import Clock
from shared.ports.event_types import EventTypeFilter, EventTypes


class SeededEventTypes:
    """Event types, those of the management organization among them: `shared.ports.event_types.EventTypes`.

    A process makes what is missing when it first looks into that organization; several may do so at once.
    What somebody changed or archived stays so; what was removed for good comes back with the next process.
    """

    def __init__(self, event_types: EventTypes, clock: Clock) -> None:
        """Keep all of them in `event_types`."""
        self._event_types = event_types
        self._clock = clock
        self._is_seeded = False

    async def add(self, event_type: EventType) -> None:
        """As the port says."""
        await (await self._of(event_type.org_id)).add(event_type)

    async def get(self, org_id: str, name: str) -> EventType:
        """As the port says."""
        return await (await self._of(org_id)).get(org_id, name)

    async def scan(self, org_id: str, scan: Scan, only: EventTypeFilter) -> Sequence[EventType]:
        """As the port says."""
        return await (await self._of(org_id)).scan(org_id, scan, only)

    async def missing(self, org_id: str, names: Collection[str]) -> frozenset[str]:
        """As the port says."""
        return await (await self._of(org_id)).missing(org_id, names)

    async def schedules(self, org_id: str) -> Mapping[str, Sequence[timedelta]]:
        """As the port says. What this makes has no schedule of its own."""
        return await self._event_types.schedules(org_id)

    async def update(self, org_id: str, name: str, change: Callable[[EventType], EventType]) -> EventType:
        """As the port says."""
        return await (await self._of(org_id)).update(org_id, name, change)

    async def archive(self, org_id: str, name: str, *, at: datetime) -> None:
        """As the port says."""
        await (await self._of(org_id)).archive(org_id, name, at=at)

    async def remove(self, org_id: str, name: str) -> None:
        """As the port says."""
        await (await self._of(org_id)).remove(org_id, name)

    async def _of(self, org_id: str) -> EventTypes:
        """The event types, when those of an organization are all there."""
        if org_id == MANAGEMENT_ORG and not self._is_seeded:
            for event_type in seeded(self._clock.now()):
                await self._make(event_type)
            self._is_seeded = True
        return self._event_types

    async def _make(self, event_type: EventType) -> None:
        try:
            await self._event_types.get(event_type.org_id, event_type.name)
        except Unknown:
            with suppress(EventTypeTaken):  # by another process, in between
                await self._event_types.add(event_type)
