"""What `shared.ports.applications` promises."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from shared.domain.application import Application, TokenEnd
from shared.domain.errors import UidTaken, Unavailable, Unknown
from shared.domain.paging import Scan
from shared.ports.applications import ApplicationFilter
from tests.clock import NOON
from tests.contracts.adapters import Stores
from tests.contracts.scans import EVERYTHING, expected, on_one_store, scans
from tests.makers import ORG, OTHER_ORG, an_application, an_endpoint

ALL = ApplicationFilter()
LATER = NOON + timedelta(hours=1)


async def test_what_was_added_is_read_by_id_and_by_uid(stores: Stores) -> None:
    application = an_application(
        uid="acme",
        throttle_rate=7,
        metadata={"b": "2", "a": "\N{SNOWMAN}"},
        token_ends=(TokenEnd(None, NOON, LATER), TokenEnd("s", NOON, NOON + timedelta(microseconds=1))),
        throttled_since=LATER,
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

    assert len(await stores.applications.scan(ORG, EVERYTHING, ALL)) == 2


async def test_another_organizations_application_is_unknown(stores: Stores) -> None:
    """A customer's name in a URL never opens another customer's door."""
    application = an_application(org_id=OTHER_ORG, uid="acme")
    await stores.applications.add(application)

    for key in (application.id, "acme"):
        with pytest.raises(Unknown) as unknown:
            await stores.applications.get(ORG, key)
        assert (unknown.value.what, unknown.value.key) == ("application", key)
    assert not await stores.applications.scan(ORG, EVERYTHING, ALL)


@pytest.mark.parametrize("key", ["id", "uid"])
async def test_an_update_changes_what_is_there_and_says_what_was(stores: Stores, key: str) -> None:
    before = an_application(uid="acme", throttle_rate=7)
    await stores.applications.add(before)
    after = replace(
        before,
        name="New",
        uid="renamed",
        throttle_rate=None,
        metadata={"a": "1"},
        updated_at=LATER,
        token_ends=(TokenEnd("s", NOON, LATER),),
        throttled_since=LATER,
    )

    updated = await stores.applications.update(ORG, getattr(before, key), lambda _: after)

    assert updated == (before, after)
    assert await stores.applications.get(ORG, before.id) == after
    assert await stores.applications.get(ORG, "renamed") == after
    with pytest.raises(Unknown):
        await stores.applications.get(ORG, "acme")


async def test_an_update_that_wants_a_uid_of_another_changes_nothing(stores: Stores) -> None:
    before = an_application(uid="mine")
    await stores.applications.add(before)
    await stores.applications.add(an_application(uid="acme"))

    with pytest.raises(UidTaken) as taken:
        await stores.applications.update(ORG, before.id, lambda now: replace(now, name="x", uid="acme"))

    assert (taken.value.what, taken.value.uid) == ("application", "acme")
    assert await stores.applications.get(ORG, "mine") == before


async def test_a_change_that_fails_changes_nothing(stores: Stores) -> None:
    before = an_application()
    await stores.applications.add(before)

    def fails(_: Application) -> Application:
        raise Unknown("reason", "for it")

    with pytest.raises(Unknown, match="there is no reason"):
        await stores.applications.update(ORG, before.id, fails)

    assert await stores.applications.get(ORG, before.id) == before


async def test_what_there_is_not_cannot_be_updated(stores: Stores) -> None:
    elsewhere, removed = an_application(org_id=OTHER_ORG), an_application()
    await stores.applications.add(elsewhere)
    await stores.applications.add(removed)
    await stores.applications.remove(ORG, removed.id, at=NOON)

    for key in (elsewhere.id, removed.id, "app_none"):
        with pytest.raises(Unknown):
            await stores.applications.update(ORG, key, lambda application: application)


async def test_updates_at_the_same_moment_are_all_kept(stores: Stores) -> None:
    """Two people who change two things of one application get both."""
    application = an_application(metadata={})
    await stores.applications.add(application)

    def add(key: str) -> Callable[[Application], Application]:
        return lambda now: replace(now, metadata={**now.metadata, key: ""})

    keys = [str(n) for n in range(10)]
    await asyncio.gather(*(stores.applications.update(ORG, application.id, add(key)) for key in keys))

    assert set((await stores.applications.get(ORG, application.id)).metadata) == set(keys)


async def test_a_removed_application_is_in_no_read_and_frees_its_uid(stores: Stores) -> None:
    application = an_application(uid="acme")
    await stores.applications.add(application)

    await stores.applications.remove(ORG, application.id, at=NOON)

    for key in (application.id, "acme"):
        with pytest.raises(Unknown):
            await stores.applications.get(ORG, key)
    assert not await stores.applications.scan(ORG, EVERYTHING, ALL)
    heir = an_application(uid="acme")
    await stores.applications.add(heir)
    assert await stores.applications.get(ORG, "acme") == heir


async def test_a_removed_application_is_found_by_its_id_as_one_that_was_removed(stores: Stores) -> None:
    """Until it is erased; neither in another organization, nor by its uid, nor while it is live."""
    application = an_application(uid="acme", metadata={"who": "acme"})
    await stores.applications.add(application)
    with pytest.raises(Unknown):
        await stores.applications.get_removed(ORG, application.id)
    await stores.applications.remove(ORG, application.id, at=NOON)

    found = await stores.applications.get_removed(ORG, application.id)

    assert found == replace(application, uid=None)
    for org_id, key in ((OTHER_ORG, application.id), (ORG, "acme"), (ORG, "app_none")):
        with pytest.raises(Unknown):
            await stores.applications.get_removed(org_id, key)
    await stores.applications.erase(ORG, application.id)
    with pytest.raises(Unknown):
        await stores.applications.get_removed(ORG, application.id)


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

    found = await stores.applications.scan(ORG, EVERYTHING, ALL)

    assert [application.id for application in found] == ["app_1", "app_B", "app_a"]


KEYS = [f"app_{letter}" for letter in "09AZaz"]


@on_one_store
@given(scan=scans(KEYS))
async def test_a_scan_reads_its_range_in_its_order_and_one_more_than_its_limit(
    stores: Stores, scan: Scan
) -> None:
    """The row too many is how a page knows whether another follows."""
    if not await stores.applications.scan(ORG, EVERYTHING, ALL):
        for key in KEYS:
            await stores.applications.add(an_application(id=key))
            await stores.applications.add(an_application(id=f"{key}x", org_id=OTHER_ORG))

    found = await stores.applications.scan(ORG, scan, ALL)

    assert [application.id for application in found] == expected(KEYS, scan)


@pytest.mark.parametrize(
    ("only", "shown"),
    [
        (ALL, ["none", "removed", "disabled", "both", "enabled"]),
        (ApplicationFilter(without_endpoints=False), ["disabled", "both", "enabled"]),
        (ApplicationFilter(all_disabled=False), ["none", "removed", "both", "enabled"]),
        (ApplicationFilter(without_endpoints=False, all_disabled=False), ["both", "enabled"]),
    ],
)
async def test_a_list_leaves_out_applications_by_their_endpoints(
    stores: Stores, only: ApplicationFilter, shown: list[str]
) -> None:
    for uid, disabled in (
        ("none", []),
        ("removed", [False]),
        ("disabled", [True, True]),
        ("both", [True, False]),
        ("enabled", [False]),
    ):
        application = an_application(uid=uid)
        await stores.applications.add(application)
        for each in disabled:
            endpoint = an_endpoint(application, disabled=each)
            await stores.endpoints.add(endpoint)
            if uid == "removed":
                await stores.endpoints.remove(application.id, endpoint.id, at=NOON)

    found = await stores.applications.scan(ORG, EVERYTHING, only)

    assert [application.uid for application in found] == shown


async def test_a_store_that_is_out_of_reach_says_so(stores: Stores) -> None:
    application = an_application()
    await stores.close()

    with pytest.raises(Unavailable):
        await stores.applications.add(application)
    with pytest.raises(Unavailable):
        await stores.applications.get(ORG, application.id)
    with pytest.raises(Unavailable):
        await stores.applications.get_removed(ORG, application.id)
    with pytest.raises(Unavailable):
        await stores.applications.scan(ORG, EVERYTHING, ALL)
    with pytest.raises(Unavailable):
        await stores.applications.update(ORG, application.id, lambda unchanged: unchanged)
    with pytest.raises(Unavailable):
        await stores.applications.remove(ORG, application.id, at=NOON)


@pytest.mark.parametrize("is_removed", [False, True])
async def test_nothing_is_left_of_an_application_that_is_erased(stores: Stores, is_removed: bool) -> None:  # noqa: FBT001
    gone, kept = an_application(uid="gone"), an_application(uid="kept")
    for application in (gone, kept):
        await stores.applications.add(application)
    if is_removed:
        await stores.applications.remove(gone.org_id, gone.id, at=NOON)
    await stores.applications.erase(OTHER_ORG, kept.id)
    await stores.applications.erase(gone.org_id, gone.id)
    await stores.applications.erase(gone.org_id, gone.id)
    with pytest.raises(Unknown):
        await stores.applications.get(gone.org_id, gone.id)
    await stores.applications.add(gone)
    assert await stores.applications.get(gone.org_id, "kept") == kept
