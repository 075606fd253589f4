"""What an organization sets for itself, in place of what the process has for all."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, TypeVar

import msgspec

from functions.api.answers import Answer, json_answer
from functions.api.atoms import given
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from functions.api.schedules import RetrySchedule, duration, retry_schedule, to_seconds
from shared.domain.errors import Invalid
from shared.domain.organization import (
    LONGEST_DISABLE_AFTER,
    SHORTEST_DISABLE_AFTER,
    OrganizationSettings,
    OrganizationSettingsEdit,
    policy_for,
)
from shared.domain.policy import SIGNATURE_HEADERS
from shared.domain.signature import SignatureType
from shared.wiring import Service

Choice = TypeVar("Choice")

SIGNATURE_TYPES = {str(kind): kind for kind in SignatureType}

DisableAfter = Annotated[
    float,
    msgspec.Meta(
        extra_json_schema={
            "minimum": SHORTEST_DISABLE_AFTER.total_seconds(),
            "maximum": LONGEST_DISABLE_AFTER.total_seconds(),
            "example": 432_000,
        }
    ),
]
SignatureTypeName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [*SIGNATURE_TYPES]})]
SignatureHeadersName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [*SIGNATURE_HEADERS]})]


class OrganizationSettingsIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an organization sets for itself; what is absent or null follows the process.

    Attributes:
        retry_schedule: Seconds of rest after each failed attempt; an empty list means no retry.
        endpoint_failure_disable_after_seconds: An endpoint that gave up messages for this long without a
            success is disabled.
        signature_type: Of the secret that is made for a new endpoint, or when one is exchanged.
        signature_headers: Whether deliveries carry the headers `webhook-…` or `svix-…`.
        endpoint_https_only: The URL of an endpoint that is made or moved must be https.
        operational_webhooks: The organization is told of what happens to its endpoints.
        endpoint_probation: An endpoint that was disabled because it failed for too long is pinged; when a
            ping arrives, it is enabled and sent what it has missed. A background task says how far that is.
    """

    retry_schedule: RetrySchedule | None = None
    endpoint_failure_disable_after_seconds: DisableAfter | None = None
    signature_type: SignatureTypeName | None = None
    signature_headers: SignatureHeadersName | None = None
    endpoint_https_only: bool | None = None
    operational_webhooks: bool | None = None
    endpoint_probation: bool | None = None


class OrganizationSettingsPatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is to be changed of an organization's settings; what is absent stays, null follows the process.

    Attributes:
        retry_schedule: Seconds of rest after each failed attempt; an empty list means no retry.
        endpoint_failure_disable_after_seconds: An endpoint that gave up messages for this long without a
            success is disabled.
        signature_type: Of the secret that is made for a new endpoint, or when one is exchanged.
        signature_headers: Whether deliveries carry the headers `webhook-…` or `svix-…`.
        endpoint_https_only: The URL of an endpoint that is made or moved must be https.
        operational_webhooks: The organization is told of what happens to its endpoints.
        endpoint_probation: An endpoint that was disabled because it failed for too long is pinged; when a
            ping arrives, it is enabled and sent what it has missed. A background task says how far that is.
    """

    retry_schedule: RetrySchedule | msgspec.UnsetType | None = msgspec.UNSET
    endpoint_failure_disable_after_seconds: DisableAfter | msgspec.UnsetType | None = msgspec.UNSET
    signature_type: SignatureTypeName | msgspec.UnsetType | None = msgspec.UNSET
    signature_headers: SignatureHeadersName | msgspec.UnsetType | None = msgspec.UNSET
    endpoint_https_only: bool | msgspec.UnsetType | None = msgspec.UNSET
    operational_webhooks: bool | msgspec.UnsetType | None = msgspec.UNSET
    endpoint_probation: bool | msgspec.UnsetType | None = msgspec.UNSET


class OrganizationSettingsOut(msgspec.Struct, kw_only=True, rename="camel"):
    """What holds for an organization.

    Attributes:
        inherited: The names of those that it has not set itself: they follow the process.
    """

    retry_schedule: RetrySchedule
    endpoint_failure_disable_after_seconds: DisableAfter
    signature_type: SignatureTypeName
    signature_headers: SignatureHeadersName
    endpoint_https_only: bool
    operational_webhooks: bool
    endpoint_probation: bool
    inherited: list[str]


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Get the settings that hold for the organization, and which of them it has not set itself."""
    # Not the directory's copy, which may be some seconds behind an edit that another process made.
    return _answer(call.service, await call.service.organizations.settings(call.token.org_id))


async def update(call: Call[NoQuery, OrganizationSettingsIn]) -> Answer:
    """Set the organization's settings; those that are not given follow the process again."""
    return await _edit(call.service, call.token.org_id, call.body)


async def patch(call: Call[NoQuery, OrganizationSettingsPatch]) -> Answer:
    """Change some of the organization's settings."""
    return await _edit(call.service, call.token.org_id, call.body)


async def _edit(
    service: Service, org_id: str, said: OrganizationSettingsIn | OrganizationSettingsPatch
) -> Answer:
    return _answer(service, await service.catalogue.edit_settings(org_id, _checked(said)))


def _checked(said: OrganizationSettingsIn | OrganizationSettingsPatch) -> OrganizationSettingsEdit:
    """What a body asks for.

    Raises:
        Invalid: A value breaks a rule.
    """
    return OrganizationSettingsEdit(
        retry_schedule=given(
            said.retry_schedule, lambda rests: retry_schedule(rests, "body", "retrySchedule")
        ),
        disable_after=given(said.endpoint_failure_disable_after_seconds, _disable_after),
        signature_type=given(
            said.signature_type, lambda name: _named(name, SIGNATURE_TYPES, "signatureType")
        ),
        signature_headers=given(
            said.signature_headers, lambda name: _named(name, SIGNATURE_HEADERS, "signatureHeaders")
        ),
        endpoint_https_only=said.endpoint_https_only,
        operational_webhooks=said.operational_webhooks,
        endpoint_probation=said.endpoint_probation,
    )


def _disable_after(seconds: float | None) -> timedelta | None:
    """Check how long an endpoint may fail.

    Raises:
        Invalid: That is too short or too long.
    """
    if seconds is None:
        return None
    where = ("body", "endpointFailureDisableAfterSeconds")
    return duration(seconds, SHORTEST_DISABLE_AFTER, LONGEST_DISABLE_AFTER, *where)


def _named(name: str | None, choices: Mapping[str, Choice], field: str) -> Choice | None:
    """What a name stands for.

    Raises:
        Invalid: Nothing.
    """
    if name is None:
        return None
    if name not in choices:
        raise Invalid(("body", field), f"write {' or '.join(choices)}")
    return choices[name]


def _answer(service: Service, own: OrganizationSettings) -> Answer:
    policy = policy_for(service.policies.process, own, {})
    return json_answer(
        200,
        OrganizationSettingsOut(
            retry_schedule=[to_seconds(rest) for rest in policy.retry_schedule],
            endpoint_failure_disable_after_seconds=to_seconds(policy.disable_after),
            signature_type=policy.signature_type,
            signature_headers=policy.signature_headers.name,
            endpoint_https_only=policy.endpoint_https_only,
            operational_webhooks=policy.operational_webhooks,
            endpoint_probation=policy.endpoint_probation,
            inherited=[shown for part, shown in _NAMES.items() if part not in own.own],
        ),
    )


_NAMES = {
    "retry_schedule": "retrySchedule",
    "disable_after": "endpointFailureDisableAfterSeconds",
    "signature_type": "signatureType",
    "signature_headers": "signatureHeaders",
    "endpoint_https_only": "endpointHttpsOnly",
    "operational_webhooks": "operationalWebhooks",
    "endpoint_probation": "endpointProbation",
}
_SETTINGS = "/organization/settings"

OPERATIONS = (
    operation(
        "v1.organization.get-settings",
        f"GET {_SETTINGS}",
        Access.ORGANIZATION,
        get,
        {200: OrganizationSettingsOut},
    ),
    operation(
        "v1.organization.update-settings",
        f"PUT {_SETTINGS}",
        Access.ORGANIZATION,
        update,
        {200: OrganizationSettingsOut},
    ),
    operation(
        "v1.organization.patch-settings",
        f"PATCH {_SETTINGS}",
        Access.ORGANIZATION,
        patch,
        {200: OrganizationSettingsOut},
    ),
)
