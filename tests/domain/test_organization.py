"""What holds for an organization: what it says itself, and for the rest what the process says."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.organization import (
    OrganizationSettings,
    OrganizationSettingsEdit,
    edited,
    policy_for,
)
from shared.domain.policy import STANDARD_HEADERS, SVIX_HEADERS, Policy
from shared.domain.signature import SignatureType

PROCESS = Policy(
    retry_schedule=(timedelta(seconds=5),),
    request_timeout=timedelta(seconds=30),
    disable_after=timedelta(hours=120),
    signature_type=SignatureType.HMAC256,
    signature_headers=STANDARD_HEADERS,
    endpoint_https_only=True,
    operational_webhooks=True,
    endpoint_probation=False,
    user_agent="Heliograph/1",
)
OTHERS: dict[str, Any] = {
    "retry_schedule": (),
    "disable_after": timedelta(seconds=1),
    "signature_type": SignatureType.ED25519,
    "signature_headers": SVIX_HEADERS,
    "endpoint_https_only": False,
    "operational_webhooks": False,
    "endpoint_probation": True,
}


def test_whoever_sets_nothing_follows_the_process() -> None:
    assert policy_for(PROCESS, OrganizationSettings(), {}) == PROCESS


@pytest.mark.parametrize("part", [field.name for field in fields(OrganizationSettings)])
def test_what_is_set_goes_before_the_process_also_if_it_is_false_or_empty(part: str) -> None:
    change = {part: OTHERS[part]}
    assert policy_for(PROCESS, OrganizationSettings(**change), {}) == replace(PROCESS, **change)


def test_the_schedule_of_an_event_type_goes_before_all_others_also_if_it_is_empty() -> None:
    own = OrganizationSettings(retry_schedule=(timedelta(hours=1),))
    policy = policy_for(PROCESS, own, {"a": (timedelta(days=1),), "b": ()})

    assert policy.schedule_for("a") == (timedelta(days=1),)
    assert policy.schedule_for("b") == ()
    assert policy.schedule_for("c") == (timedelta(hours=1),)


@pytest.mark.parametrize("part", [field.name for field in fields(OrganizationSettings)])
def test_an_edit_sets_clears_or_leaves_a_part(part: str) -> None:
    present = OrganizationSettings(**OTHERS)
    cleared = edited(present, OrganizationSettingsEdit(**{part: None}))

    assert cleared == replace(present, **{part: None})
    assert edited(cleared, OrganizationSettingsEdit()) == cleared
    assert edited(cleared, OrganizationSettingsEdit(**{part: OTHERS[part]})) == present
