"""What `shared.ports.organizations` promises."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.errors import Unavailable, Unknown
from shared.domain.organization import OrganizationSettings
from shared.domain.policy import SVIX_HEADERS
from shared.domain.signature import SignatureType
from tests.contracts.adapters import Stores
from tests.makers import ORG, OTHER_ORG

NOTHING = OrganizationSettings()
EVERYTHING = OrganizationSettings(
    retry_schedule=(timedelta(milliseconds=1), timedelta(hours=2)),
    disable_after=timedelta(seconds=0.25),
    signature_type=SignatureType.ED25519,
    signature_headers=SVIX_HEADERS,
    endpoint_https_only=True,
    operational_webhooks=False,
    endpoint_probation=True,
)


async def become(stores: Stores, settings: OrganizationSettings) -> OrganizationSettings:
    return await stores.organizations.update(ORG, lambda _: settings)


async def test_an_organization_that_has_set_nothing_is_there(stores: Stores) -> None:
    assert await stores.organizations.settings(ORG) == NOTHING


@pytest.mark.parametrize(
    "settings", [EVERYTHING, replace(EVERYTHING, retry_schedule=(), endpoint_https_only=False), NOTHING]
)
async def test_what_was_set_is_read_again(stores: Stores, settings: OrganizationSettings) -> None:
    """No schedule is something else than an empty one, and false than nothing."""
    assert await become(stores, settings) == settings

    assert await stores.organizations.settings(ORG) == settings
    assert await stores.organizations.settings(OTHER_ORG) == NOTHING


async def test_an_update_starts_from_what_is_set(stores: Stores) -> None:
    await become(stores, EVERYTHING)

    after = await stores.organizations.update(ORG, lambda present: replace(present, disable_after=None))

    assert after == replace(EVERYTHING, disable_after=None)
    assert await stores.organizations.settings(ORG) == after


async def test_no_update_is_lost_to_another_at_the_same_time(stores: Stores) -> None:
    def one_more(present: OrganizationSettings) -> OrganizationSettings:
        return replace(present, retry_schedule=(*(present.retry_schedule or ()), timedelta(seconds=1)))

    await asyncio.gather(*(stores.organizations.update(ORG, one_more) for _ in range(5)))

    settings = await stores.organizations.settings(ORG)
    assert settings.retry_schedule == (timedelta(seconds=1),) * 5


async def test_a_change_that_fails_changes_nothing(stores: Stores) -> None:
    await become(stores, EVERYTHING)

    def fails(_: OrganizationSettings) -> OrganizationSettings:
        raise Unknown("reason", "for it")

    with pytest.raises(Unknown, match="there is no reason"):
        await stores.organizations.update(ORG, fails)

    assert await stores.organizations.settings(ORG) == EVERYTHING


async def test_a_store_that_is_out_of_reach_says_so(stores: Stores) -> None:
    await stores.close()

    with pytest.raises(Unavailable):
        await stores.organizations.settings(ORG)
    with pytest.raises(Unavailable):
        await become(stores, NOTHING)
