"""An event type: a name that an organization's messages carry and its endpoints filter by."""

from dataclasses import dataclass, replace
from datetime import datetime

from msgspec import UNSET, UnsetType

from shared.domain.edits import said_in


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of event of one organization; its name is its key.

    Attributes:
        archived: Hidden from lists and from new endpoint filters; messages may still use it.
        schemas: JSON text of an object from version to JSON Schema (Draft 7), or None.
        feature_flag: Only portals whose token carries this flag see it; None shows it to all.
        created_at: UTC, in whole microseconds.
        updated_at: UTC, in whole microseconds.
    """

    org_id: str
    name: str
    description: str
    archived: bool
    deprecated: bool
    schemas: str | None
    feature_flag: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewEventType:
    """What a caller says of an event type to be made; checked at the edge."""

    name: str
    description: str
    archived: bool = False
    deprecated: bool = False
    schemas: str | None = None
    feature_flag: str | None = None


@dataclass(frozen=True, slots=True)
class EventTypeEdit:
    """What a caller says of an event type to be changed; checked at the edge."""

    description: str | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    deprecated: bool | UnsetType = UNSET
    schemas: str | UnsetType | None = UNSET
    feature_flag: str | UnsetType | None = UNSET


def edited(event_type: EventType, said: EventTypeEdit | NewEventType, at: datetime) -> EventType:
    """An event type after an edit, which as a `NewEventType` of the same name is about every part."""
    return replace(event_type, **said_in(said), updated_at=at)
