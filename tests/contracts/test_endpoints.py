"""What `shared.ports.endpoints` promises."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from shared.domain.endpoint import Endpoint, SealedKey
from shared.domain.errors import TooManyKeys, UidTaken, Unavailable, Unknown
from shared.domain.paging import Scan
from shared.ports.endpoints import EndpointHealth, Watched
from tests.clock import NOON
from tests.contracts.adapters import Stores
from tests.contracts.scans import EVERYTHING, expected, on_one_store, scans
from tests.makers import OTHER_ORG, an_application, an_endpoint

LATER = NOON + timedelta(hours=1)
ACME = an_application()
OTHER = an_application()


async def test_what_was_added_is_read_by_id_and_by_uid(stores: Stores) -> None:
    endpoint = an_endpoint(
        ACME,
        uid="main",
        url="https://[2001:db8::1]:8443/h?q=1",
        description="main",
        version=2,
        disabled=True,
        throttle_rate=10,
        event_types=frozenset({"b", "a"}),
        channels=frozenset({"eu"}),
        metadata={"k": "v"},
        headers={"X-Zeta": "1", "x-alpha": "2"},
        keys=[SealedKey(b"\x00\xff new", None), SealedKey(b"old", NOON + timedelta(microseconds=1))],
        failing_since=NOON,
        throttled_since=LATER,
        updated_at=LATER,
        switched_off_at=LATER + timedelta(microseconds=1),
    )
    await stores.endpoints.add(endpoint)

    assert await stores.endpoints.get(ACME.id, endpoint.id) == endpoint
    assert await stores.endpoints.get(ACME.id, "main") == endpoint


async def test_headers_and_keys_keep_their_order_and_casing(stores: Stores) -> None:
    """The first key signs first, and a receiver may be picky about its headers."""
    headers = {"X-Zeta": "1", "x-alpha": "2", "X-BETA": "3"}
    endpoint = an_endpoint(ACME, headers=headers, keys=[SealedKey(b"2", None), SealedKey(b"1", NOON)])
    await stores.endpoints.add(endpoint)

    found = await stores.endpoints.get(ACME.id, endpoint.id)

    assert list(found.headers) == list(headers)
    assert [key.sealed for key in found.keys] == [b"2", b"1"]


@pytest.mark.parametrize("part", ["event_types", "channels"])
async def test_no_filter_and_an_empty_one_are_different(stores: Stores, part: str) -> None:
    """None wants every message, an empty set none."""
    nothing, everything = an_endpoint(ACME, **{part: frozenset()}), an_endpoint(ACME, **{part: None})
    await stores.endpoints.add(nothing)
    await stores.endpoints.add(everything)

    assert await stores.endpoints.of_application(ACME.id) == [nothing, everything]


async def test_a_uid_belongs_to_one_live_endpoint_of_the_application(stores: Stores) -> None:
    await stores.endpoints.add(an_endpoint(ACME, uid="main"))

    with pytest.raises(UidTaken) as taken:
        await stores.endpoints.add(an_endpoint(ACME, uid="main"))
    assert (taken.value.what, taken.value.uid) == ("endpoint", "main")
    await stores.endpoints.add(an_endpoint(OTHER, uid="main"))


async def test_another_applications_endpoint_is_unknown(stores: Stores) -> None:
    endpoint = an_endpoint(OTHER, uid="main")
    await stores.endpoints.add(endpoint)

    for key in (endpoint.id, "main"):
        with pytest.raises(Unknown) as unknown:
            await stores.endpoints.get(ACME.id, key)
        assert (unknown.value.what, unknown.value.key) == ("endpoint", key)
    with pytest.raises(Unknown):
        await stores.endpoints.remove(ACME.id, endpoint.id, at=NOON)


@pytest.mark.parametrize("key", ["id", "uid"])
async def test_an_update_changes_what_is_there_and_says_what_was(stores: Stores, key: str) -> None:
    before = an_endpoint(ACME, uid="main")
    await stores.endpoints.add(before)
    after = replace(
        before,
        url="https://other.example/",
        description="new",
        version=2,
        disabled=True,
        uid="renamed",
        throttle_rate=5,
        event_types=frozenset({"a"}),
        channels=frozenset({"eu"}),
        metadata={"k": "v"},
        headers={"X-B": "1", "X-A": "2"},
        keys=[SealedKey(b"new", None), SealedKey(b"old", LATER)],
        failing_since=NOON,
        throttled_since=LATER,
        updated_at=LATER,
    )

    updated = await stores.endpoints.update(ACME.id, getattr(before, key), lambda _: after)

    assert updated == (before, after)
    assert await stores.endpoints.get(ACME.id, before.id) == after
    assert await stores.endpoints.get(ACME.id, "renamed") == after
    with pytest.raises(Unknown):
        await stores.endpoints.get(ACME.id, "main")


async def test_an_update_that_wants_a_uid_of_another_changes_nothing(stores: Stores) -> None:
    before = an_endpoint(ACME, uid="mine")
    await stores.endpoints.add(before)
    await stores.endpoints.add(an_endpoint(ACME, uid="main"))

    with pytest.raises(UidTaken) as taken:
        await stores.endpoints.update(ACME.id, before.id, lambda now: replace(now, version=2, uid="main"))

    assert (taken.value.what, taken.value.uid) == ("endpoint", "main")
    assert await stores.endpoints.get(ACME.id, "mine") == before


async def test_a_change_that_fails_changes_nothing(stores: Stores) -> None:
    before = an_endpoint(ACME)
    await stores.endpoints.add(before)

    def fails(_: Endpoint) -> Endpoint:
        raise TooManyKeys(limit=10)

    with pytest.raises(TooManyKeys):
        await stores.endpoints.update(ACME.id, before.id, fails)

    assert await stores.endpoints.get(ACME.id, before.id) == before


async def test_what_there_is_not_cannot_be_updated(stores: Stores) -> None:
    elsewhere, removed = an_endpoint(OTHER), an_endpoint(ACME)
    await stores.endpoints.add(elsewhere)
    await stores.endpoints.add(removed)
    await stores.endpoints.remove(ACME.id, removed.id, at=NOON)

    for key in (elsewhere.id, removed.id, "ep_none"):
        with pytest.raises(Unknown):
            await stores.endpoints.update(ACME.id, key, lambda endpoint: endpoint)


async def test_an_update_sees_what_the_service_itself_has_changed(stores: Stores) -> None:
    """A new description must not enable an endpoint that was disabled a moment before."""
    endpoint = an_endpoint(ACME)
    await stores.endpoints.add(endpoint)

    _, (before, after) = await asyncio.gather(
        stores.endpoints.disable(ACME.id, endpoint.id, at=LATER),
        stores.endpoints.update(ACME.id, endpoint.id, lambda now: replace(now, description="new")),
    )

    assert before.disabled
    assert after.disabled


async def test_a_removed_endpoint_is_in_no_read_and_frees_its_uid(stores: Stores) -> None:
    endpoint = an_endpoint(ACME, uid="main")
    await stores.endpoints.add(endpoint)

    await stores.endpoints.remove(ACME.id, endpoint.id, at=NOON)

    for key in (endpoint.id, "main"):
        with pytest.raises(Unknown):
            await stores.endpoints.get(ACME.id, key)
    assert not await stores.endpoints.scan(ACME.id, EVERYTHING)
    assert not await stores.endpoints.of_application(ACME.id)
    with pytest.raises(Unknown):
        await stores.endpoints.remove(ACME.id, endpoint.id, at=NOON)
    await stores.endpoints.add(an_endpoint(ACME, uid="main"))


async def test_all_live_endpoints_of_an_application_come_in_order_of_id_disabled_ones_too(
    stores: Stores,
) -> None:
    last = an_endpoint(ACME, id="ep_z")
    first = an_endpoint(ACME, id="ep_A", disabled=True)
    for endpoint in (last, first, an_endpoint(OTHER)):
        await stores.endpoints.add(endpoint)

    assert await stores.endpoints.of_application(ACME.id) == [first, last]


async def test_disabling_says_whether_it_was_enabled(stores: Stores) -> None:
    """Whoever disables it first tells the customer, and only once."""
    endpoint = an_endpoint(ACME)
    await stores.endpoints.add(endpoint)

    assert await stores.endpoints.disable(ACME.id, endpoint.id, at=LATER)
    assert not await stores.endpoints.disable(ACME.id, endpoint.id, at=LATER)

    disabled = await stores.endpoints.get(ACME.id, endpoint.id)
    assert (disabled.disabled, disabled.updated_at, disabled.switched_off_at) == (True, LATER, LATER)
    await stores.endpoints.remove(ACME.id, endpoint.id, at=LATER)
    assert not await stores.endpoints.disable(ACME.id, endpoint.id, at=LATER)
    assert not await stores.endpoints.disable(ACME.id, "ep_none", at=LATER)


async def test_failing_since_is_the_first_instant_until_it_is_cleared(stores: Stores) -> None:
    endpoint = an_endpoint(ACME)
    await stores.endpoints.add(endpoint)

    assert await stores.endpoints.begin_failing(ACME.id, endpoint.id, at=NOON) == NOON
    assert await stores.endpoints.begin_failing(ACME.id, endpoint.id, at=LATER) == NOON
    assert (await stores.endpoints.get(ACME.id, endpoint.id)).failing_since == NOON

    await stores.endpoints.end_failing(ACME.id, endpoint.id)
    assert (await stores.endpoints.get(ACME.id, endpoint.id)).failing_since is None
    assert await stores.endpoints.begin_failing(ACME.id, endpoint.id, at=LATER) == LATER


async def test_a_removed_endpoint_has_been_failing_since_just_now(stores: Stores) -> None:
    endpoint = an_endpoint(ACME, failing_since=NOON)
    await stores.endpoints.add(endpoint)
    await stores.endpoints.remove(ACME.id, endpoint.id, at=NOON)

    assert await stores.endpoints.begin_failing(ACME.id, endpoint.id, at=LATER) == LATER
    await stores.endpoints.end_failing(ACME.id, endpoint.id)


KEYS = [f"ep_{letter}" for letter in "09AZaz"]


@on_one_store
@given(scan=scans(KEYS))
async def test_a_scan_reads_its_range_in_its_order_and_one_more_than_its_limit(
    stores: Stores, scan: Scan
) -> None:
    """The row too many is how a page knows whether another follows."""
    if not await stores.endpoints.of_application(ACME.id):
        for key in KEYS:
            await stores.endpoints.add(an_endpoint(ACME, id=key))

    found = await stores.endpoints.scan(ACME.id, scan)

    assert [endpoint.id for endpoint in found] == expected(KEYS, scan)


async def test_a_store_that_is_out_of_reach_says_so(stores: Stores) -> None:
    await stores.close()

    with pytest.raises(Unavailable):
        await stores.endpoints.add(an_endpoint(ACME))
    with pytest.raises(Unavailable):
        await stores.endpoints.of_application(ACME.id)
    with pytest.raises(Unavailable):
        await stores.endpoints.update(ACME.id, "ep_1", lambda unchanged: unchanged)


async def test_those_that_are_not_well_are_counted_over_all_applications(stores: Stores) -> None:
    assert await stores.endpoints.health() == EndpointHealth(disabled=0, failing=0)
    endpoints = [an_endpoint(application) for application in (ACME, ACME, ACME, OTHER)]
    for endpoint in [*endpoints, an_endpoint(OTHER)]:
        await stores.endpoints.add(endpoint)
    for endpoint in endpoints:
        await stores.endpoints.begin_failing(endpoint.app_id, endpoint.id, at=LATER)
    assert await stores.endpoints.health() == EndpointHealth(disabled=0, failing=4)

    first, second, third, _ = endpoints
    await stores.endpoints.disable(ACME.id, first.id, at=LATER)
    await stores.endpoints.end_failing(ACME.id, second.id)
    await stores.endpoints.remove(ACME.id, third.id, at=LATER)

    assert await stores.endpoints.health() == EndpointHealth(disabled=1, failing=1)


async def test_endpoints_that_are_watched_are_found_in_their_order(stores: Stores) -> None:
    other, stranger = an_application(), an_application(org_id=OTHER_ORG)
    for application in (ACME, other, stranger):
        await stores.applications.add(application)
    minute = timedelta(minutes=1)
    healthy = an_endpoint(ACME)
    long = an_endpoint(other, failing_since=NOON)
    short = an_endpoint(ACME, failing_since=NOON + minute, throttle_rate=3)
    off = an_endpoint(ACME, disabled=True, failing_since=NOON, switched_off_at=LATER, throttle_rate=9)
    off_later = an_endpoint(other, disabled=True, switched_off_at=LATER + minute)
    by_hand = an_endpoint(ACME, disabled=True, failing_since=NOON)
    theirs = an_endpoint(
        stranger, org_id=OTHER_ORG, failing_since=NOON, switched_off_at=LATER, throttle_rate=1
    )
    for endpoint in (healthy, off, short, long, off_later, by_hand, theirs):
        await stores.endpoints.add(endpoint)

    async def watched(which: Watched, limit: int = 9) -> list[Endpoint]:
        return list(await stores.endpoints.watched(ACME.org_id, which, limit=limit))

    assert await watched(Watched.FAILING) == [long, short]
    assert await watched(Watched.FAILING, limit=1) == [long]
    assert await watched(Watched.SWITCHED_OFF) == [off_later, off]
    assert await watched(Watched.RATED) == sorted((short, off), key=lambda one: one.id)


async def test_what_was_removed_is_not_watched(stores: Stores) -> None:
    """An application that was removed takes its endpoints with it."""
    other = an_application()
    for application in (ACME, other):
        await stores.applications.add(application)
    for owner in (ACME, other):
        await stores.endpoints.add(
            an_endpoint(owner, id=f"ep_{owner.id}", failing_since=NOON, throttle_rate=1)
        )
    await stores.endpoints.remove(ACME.id, f"ep_{ACME.id}", at=LATER)
    await stores.applications.remove(other.org_id, other.id, at=LATER)

    for which in Watched:
        assert list(await stores.endpoints.watched(ACME.org_id, which, limit=9)) == []


async def test_nothing_is_left_of_endpoints_that_are_erased(stores: Stores) -> None:
    """Those that were removed before are told from lists of attempts no more, either."""
    acme, other = an_application(), an_application()
    live, removed, kept = an_endpoint(acme, uid="a"), an_endpoint(acme), an_endpoint(other)
    for endpoint in (live, removed, kept):
        await stores.endpoints.add(endpoint)
    await stores.endpoints.remove(acme.id, removed.id, at=NOON)
    await stores.endpoints.erase(acme.id)
    await stores.endpoints.erase(acme.id)
    assert list(await stores.endpoints.of_application(acme.id)) == []
    for endpoint in (live, removed):
        await stores.endpoints.add(endpoint)
    assert list(await stores.endpoints.of_application(other.id)) == [kept]
