"""An event type: a name that an organization's messages carry and its endpoints filter by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType

from shared.domain.edits import said_in


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of event of one organization; its name is its key.

    Attributes:
        archived: Hidden from lists and from new endpoint filters; messages may still use it.
        schemas: JSON text of an object from version to JSON Schema (Draft 7), or None.
        group_name: What it is shown under, together with others; None is under nothing.
        feature_flags: Only portals whose token carries one of them see it; None shows it to all.
        created_at: UTC, in whole microseconds.
        updated_at: UTC, in whole microseconds.
        retry_schedule: The rest after each failed attempt; None follows the organization.
    """

    org_id: str
    name: str
    description: str
    archived: bool
    deprecated: bool
    schemas: str | None
    group_name: str | None
    feature_flags: frozenset[str] | None
    created_at: datetime
    updated_at: datetime
    retry_schedule: Sequence[timedelta] | None = None

    def is_shown(self, feature_flags: frozenset[str] | None) -> bool:
        """Whether somebody with some flags sees it; None sees all."""
        if feature_flags is None or self.feature_flags is None:
            return True
        return not self.feature_flags.isdisjoint(feature_flags)


@dataclass(frozen=True, slots=True)
class NewEventType:
    """What a caller says of an event type to be made; checked at the edge. Its schedule changes apart."""

    name: str
    description: str
    archived: bool = False
    deprecated: bool = False
    schemas: str | None = None
    group_name: str | None = None
    feature_flags: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class EventTypeEdit:
    """What a caller says of an event type to be changed; checked at the edge."""

    description: str | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    deprecated: bool | UnsetType = UNSET
    schemas: str | UnsetType | None = UNSET
    group_name: str | UnsetType | None = UNSET
    feature_flags: frozenset[str] | UnsetType | None = UNSET
    retry_schedule: Sequence[timedelta] | UnsetType | None = UNSET


def edited(event_type: EventType, said: EventTypeEdit | NewEventType, at: datetime) -> EventType:
    """An event type after an edit, which as a `NewEventType` of the same name is about every part."""
    return replace(event_type, **said_in(said), updated_at=at)
