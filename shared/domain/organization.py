"""What one organization sets for itself, in place of what the process has for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

from msgspec import UNSET, UnsetType

from shared.domain.edits import said_in
from shared.domain.policy import Policy, SignatureHeaders
from shared.domain.signature import SignatureType

SCHEDULE_MAX_RESTS = 50
"""Of a retry schedule that is set over the API: with the first, 51 attempts."""

SHORTEST_REST = timedelta(milliseconds=1)
"""Of such a schedule: a receiver that fails is not to be called without any rest."""

LONGEST_REST = timedelta(days=30)
"""Of such a schedule; payloads are kept for 90 days at most."""

SHORTEST_DISABLE_AFTER = timedelta(milliseconds=1)
LONGEST_DISABLE_AFTER = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """What an organization sets for itself. A part that is None follows the process.

    Attributes:
        retry_schedule: As in `Policy`, like all the others.
    """

    retry_schedule: Sequence[timedelta] | None = None
    disable_after: timedelta | None = None
    signature_type: SignatureType | None = None
    signature_headers: SignatureHeaders | None = None
    endpoint_https_only: bool | None = None
    operational_webhooks: bool | None = None
    endpoint_probation: bool | None = None

    @property
    def own(self) -> dict[str, Any]:
        """The parts that it sets, by name."""
        parts = ((part.name, getattr(self, part.name)) for part in fields(self))
        return {name: value for name, value in parts if value is not None}


@dataclass(frozen=True, slots=True)
class OrganizationSettingsEdit:
    """What is to be changed of an organization's settings; checked at the edge."""

    retry_schedule: Sequence[timedelta] | UnsetType | None = UNSET
    disable_after: timedelta | UnsetType | None = UNSET
    signature_type: SignatureType | UnsetType | None = UNSET
    signature_headers: SignatureHeaders | UnsetType | None = UNSET
    endpoint_https_only: bool | UnsetType | None = UNSET
    operational_webhooks: bool | UnsetType | None = UNSET
    endpoint_probation: bool | UnsetType | None = UNSET


def edited(settings: OrganizationSettings, said: OrganizationSettingsEdit) -> OrganizationSettings:
    """An organization's settings after an edit."""
    return replace(settings, **said_in(said))


def policy_for(
    process: Policy,
    settings: OrganizationSettings,
    event_type_schedules: Mapping[str, Sequence[timedelta]],
) -> Policy:
    """What holds for an organization.

    Args:
        process: What the process has for all.
        settings: What the organization sets for itself, which goes before it.
        event_type_schedules: Of those of its event types that have one, which go before both.
    """
    return replace(process, **settings.own, event_type_schedules=event_type_schedules)
