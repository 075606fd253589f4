"""An application: one customer of an organization, with endpoints and messages of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from msgspec import UNSET, UnsetType

from shared.domain.edits import said_in


@dataclass(frozen=True, slots=True)
class Application:
    """One customer of an organization.

    Attributes:
        id: `app_…`, from the same instant as `created_at`.
        uid: The organization's own name for it, unique among its live applications.
        throttle_rate: Deliveries per second, or None for no limit.
        metadata: The organization's own notes.
        created_at: UTC, in whole microseconds.
        updated_at: UTC, in whole microseconds.
    """

    id: str
    org_id: str
    name: str
    uid: str | None
    throttle_rate: int | None
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewApplication:
    """What a caller says of an application to be made; checked at the edge."""

    name: str
    uid: str | None = None
    throttle_rate: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApplicationEdit:
    """What a caller says of an application to be changed; checked at the edge."""

    name: str | UnsetType = UNSET
    uid: str | UnsetType | None = UNSET
    throttle_rate: int | UnsetType | None = UNSET
    metadata: Mapping[str, str] | UnsetType = UNSET


def edited(application: Application, said: ApplicationEdit | NewApplication, at: datetime) -> Application:
    """An application after an edit, which as a `NewApplication` is about every part."""
    return replace(application, **said_in(said), updated_at=at)
