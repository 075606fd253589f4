"""What `shared.ports.applications` promises."""

from datetime import timedelta

import pytest
from hypothesis import given

from shared.domain.errors import UidTaken, Unavailable, Unknown
from shared.domain.paging import Scan
from tests.clock import NOON
from tests.contracts.adapters import Stores
from tests.contracts.scans import EVERYTHING, expected, on_one_store, scans
from tests.makers import ORG, OTHER_ORG, an_application


async def test_what_was_added_is_read_by_id_and_by_uid(stores: Stores) -> None:
    application = an_application(
        uid="acme",
        throttle_rate=7,
        metadata={"b": "2", "a": "\N{SNOWMAN}"},
        updated_at=NOON + timedelta(microseconds=1),
    )
    await stores.applications.add(application)

    assert await stores.applications.get(ORG, application.id) == application
    assert await stores.applications.get(ORG, "acme") == application


async def test_a_uid_belongs_to_one_live_application_of_the_organization(stores: Stores) -> None:
    first = an_application(uid="acme")
    await stores.applications.add(first)

    with pytest.raises(UidTaken) as taken:
        await stores.applications.add(an_application(uid="acme"))
    assert (taken.value.what, taken.value.uid) == ("application", "acme")
    await stores.applications.add(an_application(uid="acme", org_id=OTHER_ORG))

    assert await stores.applications.get(ORG, "acme") == first


async def test_applications_without_uid_are_not_in_each_others_way(stores: Stores) -> None:
    await stores.applications.add(an_application())
    await stores.applications.add(an_application())

    assert len(await stores.applications.scan(ORG, EVERYTHING)) == 2


async def test_another_organizations_application_is_unknown(stores: Stores) -> None:
    """A customer's name in a URL never opens another customer's door."""
    application = an_application(org_id=OTHER_ORG, uid="acme")
    await stores.applications.add(application)

    for key in (application.id, "acme"):
        with pytest.raises(Unknown) as unknown:
            await stores.applications.get(ORG, key)
        assert (unknown.value.what, unknown.value.key) == ("application", key)
    assert not await stores.applications.scan(ORG, EVERYTHING)


async def test_a_removed_application_is_in_no_read_and_frees_its_uid(stores: Stores) -> None:
    application = an_application(uid="acme")
    await stores.applications.add(application)

    await stores.applications.remove(ORG, application.id, at=NOON)

    for key in (application.id, "acme"):
        with pytest.raises(Unknown):
            await stores.applications.get(ORG, key)
    assert not await stores.applications.scan(ORG, EVERYTHING)
    heir = an_application(uid="acme")
    await stores.applications.add(heir)
    assert await stores.applications.get(ORG, "acme") == heir


async def test_removing_twice_or_from_another_organization_is_unknown(stores: Stores) -> None:
    application = an_application()
    await stores.applications.add(application)

    with pytest.raises(Unknown):
        await stores.applications.remove(OTHER_ORG, application.id, at=NOON)
    await stores.applications.remove(ORG, application.id, at=NOON)
    with pytest.raises(Unknown):
        await stores.applications.remove(ORG, application.id, at=NOON)


async def test_ids_are_compared_bytewise(stores: Stores) -> None:
    """Upper case comes before lower case, as in the ids' own alphabet."""
    for id_ in ("app_a", "app_B", "app_1"):
        await stores.applications.add(an_application(id=id_))

    found = await stores.applications.scan(ORG, EVERYTHING)

    assert [application.id for application in found] == ["app_1", "app_B", "app_a"]


KEYS = [f"app_{letter}" for letter in "09AZaz"]


@on_one_store
@given(scan=scans(KEYS))
async def test_a_scan_reads_its_range_in_its_order_and_one_more_than_its_limit(
    stores: Stores, scan: Scan
) -> None:
    """The row too many is how a page knows whether another follows."""
    if not await stores.applications.scan(ORG, EVERYTHING):
        for key in KEYS:
            await stores.applications.add(an_application(id=key))
            await stores.applications.add(an_application(id=f"{key}x", org_id=OTHER_ORG))

    found = await stores.applications.scan(ORG, scan)

    assert [application.id for application in found] == expected(KEYS, scan)


async def test_a_store_that_is_out_of_reach_says_so(stores: Stores) -> None:
    application = an_application()
    await stores.close()

    with pytest.raises(Unavailable):
        await stores.applications.add(application)
    with pytest.raises(Unavailable):
        await stores.applications.get(ORG, application.id)
    with pytest.raises(Unavailable):
        await stores.applications.scan(ORG, EVERYTHING)
    with pytest.raises(Unavailable):
        await stores.applications.remove(ORG, application.id, at=NOON)
