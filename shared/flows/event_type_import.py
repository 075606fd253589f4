"""Event types by the whole set: read, or brought to what a document says."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from msgspec import UNSET

from shared.domain.errors import EventTypeTaken, Unknown
from shared.domain.event_type import EventType, EventTypeEdit, NewEventType
from shared.domain.paging import MAX_LIMIT, Scan
from shared.flows.catalogue import Catalogue
from shared.ports.event_types import EventTypeFilter, EventTypes

LIVE = EventTypeFilter()


async def every_event_type(event_types: EventTypes, org_id: str) -> AsyncIterator[EventType]:
    """The live event types of an organization, in order of their names.

    Raises:
        Unavailable: The store is out of reach.
    """
    above: str | None = None
    while True:
        scan = Scan(above=above, below=None, descending=False, limit=MAX_LIMIT)
        rows = (await event_types.scan(org_id, scan, LIVE))[:MAX_LIMIT]
        for row in rows:
            yield row
        if len(rows) < MAX_LIMIT:
            return
        above = rows[-1].name


@dataclass(frozen=True)
class ImportEventTypes:
    """Bring an organization's event types to what a document says.

    1. Change those that are there, archived or not, and make those that are not. A schema, a group or flags
       that the document says nothing of stay as they are.
    2. If the document is to be all there is, archive the others.

    Each is a write of its own: if one fails, those before it are done, and calling again does the rest.
    """

    catalogue: Catalogue
    event_types: EventTypes

    async def __call__(self, org_id: str, said: Sequence[NewEventType], *, replace_all: bool) -> list[str]:
        """Do it; safe to call again.

        Returns:
            The names of those that were made, changed or archived, in that order.

        Raises:
            Unavailable: The store is out of reach.
        """
        for new in said:  # (1)
            await self._put(org_id, new)
        names = [new.name for new in said]
        if replace_all:  # (2)
            names += await self._archive_others(org_id, frozenset(names))
        return names

    async def _put(self, org_id: str, new: NewEventType) -> None:
        edit = EventTypeEdit(
            description=new.description,
            archived=False,
            deprecated=new.deprecated,
            schemas=UNSET if new.schemas is None else new.schemas,
            group_name=UNSET if new.group_name is None else new.group_name,
            feature_flags=UNSET if new.feature_flags is None else new.feature_flags,
        )
        try:
            await self.catalogue.edit_event_type(org_id, new.name, edit)
        except Unknown:
            # If somebody else makes it at this moment, theirs is changed.
            try:
                await self.catalogue.add_event_type(org_id, new)
            except EventTypeTaken:
                await self.catalogue.edit_event_type(org_id, new.name, edit)

    async def _archive_others(self, org_id: str, kept: frozenset[str]) -> list[str]:
        others = [
            one.name async for one in every_event_type(self.event_types, org_id) if one.name not in kept
        ]
        for name in others:
            with suppress(Unknown):  # somebody else removed it meanwhile
                await self.catalogue.remove_event_type(org_id, name, expunge=False)
        return others
