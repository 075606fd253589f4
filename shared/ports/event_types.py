"""The event types of all organizations."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.event_type import EventType
from shared.domain.paging import Scan


@dataclass(frozen=True, slots=True)
class EventTypeFilter:
    """Which event types a list shows.

    Attributes:
        archived: Show archived ones too.
        feature_flags: Show only types without flags or with one of these; None shows all.
    """

    archived: bool = False
    feature_flags: frozenset[str] | None = None


class EventTypes(Protocol):
    """The event types of all organizations, by name.

    Every method is atomic, and a write is visible to the next read. An adapter that is out of reach raises
    `Unavailable`; then all is changed or nothing, and who has lost the reply cannot know which.
    `tests/contracts/test_event_types.py` holds every adapter to it.
    """

    async def add(self, event_type: EventType) -> None:
        """Keep a new event type, or bring an archived one of this name back with these values.

        Raises:
            EventTypeTaken: A live one has this name.
            Invalid: It is larger than the store keeps.
        """
        ...

    async def get(self, org_id: str, name: str) -> EventType:
        """Read one, archived or not.

        Raises:
            Unknown: There is none of this name.
        """
        ...

    async def scan(self, org_id: str, scan: Scan, only: EventTypeFilter) -> Sequence[EventType]:
        """Read by name: in the scan's order, one more than its limit."""
        ...

    async def missing(self, org_id: str, names: Collection[str]) -> frozenset[str]:
        """Those of `names` that are no live event type."""
        ...

    async def schedules(self, org_id: str) -> Mapping[str, Sequence[timedelta]]:
        """The retry schedules of those that have one of their own, archived or not, by name."""
        ...

    async def update(self, org_id: str, name: str, change: Callable[[EventType], EventType]) -> EventType:
        """Change one, archived or not, with nobody's change in between.

        Args:
            org_id: Whose it is.
            name: Its name, which stays.
            change: From what it is to what it is to be. It may be called more than once, does nothing else,
                and what it raises is raised, with nothing changed.

        Returns:
            What it is now.

        Raises:
            Unknown: There is none of this name.
            Invalid: It is larger than the store keeps.
        """
        ...

    async def archive(self, org_id: str, name: str, *, at: datetime) -> None:
        """Hide one from lists and new endpoint filters.

        Raises:
            Unknown: There is none of this name.
        """
        ...

    async def remove(self, org_id: str, name: str) -> None:
        """Remove one for good.

        Raises:
            Unknown: There is none of this name.
        """
        ...
