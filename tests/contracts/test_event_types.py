"""What `shared.ports.event_types` promises."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from shared.domain.errors import EventTypeTaken, Unavailable, Unknown
from shared.domain.event_type import EventType
from shared.domain.paging import Scan
from shared.flows.management import SeededEventTypes
from shared.ports.event_types import EventTypeFilter
from tests.clock import NOON
from tests.contracts.adapters import Stores
from tests.contracts.scans import EVERYTHING, expected, on_one_store, scans
from tests.makers import ORG, OTHER_ORG, an_event_type

LIVE = EventTypeFilter()
LATER = NOON + timedelta(days=1)


@pytest.fixture(params=[False, True], ids=["kept", "seeded"])
def is_seeded(request: pytest.FixtureRequest) -> bool:
    seeded: bool = request.param
    return seeded


@pytest.fixture
def stores(stores: Stores, *, is_seeded: bool) -> Stores:
    """Those of the management organization may be among them: nothing is different for all others."""
    if not is_seeded:
        return stores
    return replace(stores, event_types=SeededEventTypes(stores.event_types, stores.clock))


async def names(stores: Stores, only: EventTypeFilter) -> list[str]:
    return [event_type.name for event_type in await stores.event_types.scan(ORG, EVERYTHING, only)]


async def test_what_was_added_is_read_by_name(stores: Stores) -> None:
    event_type = an_event_type(
        schemas='{"1": {}}',
        group_name="invoice",
        feature_flags=frozenset({"beta", "new"}),
        deprecated=True,
        updated_at=LATER,
        retry_schedule=(timedelta(milliseconds=1), timedelta(hours=1)),
    )
    await stores.event_types.add(event_type)

    assert await stores.event_types.get(ORG, "invoice.paid") == event_type


async def test_a_name_belongs_to_one_live_event_type_of_the_organization(stores: Stores) -> None:
    await stores.event_types.add(an_event_type())

    with pytest.raises(EventTypeTaken) as taken:
        await stores.event_types.add(an_event_type(description="another"))
    assert taken.value.name == "invoice.paid"
    await stores.event_types.add(an_event_type(org_id=OTHER_ORG))


async def test_adding_an_archived_name_brings_it_back_with_the_new_values(stores: Stores) -> None:
    await stores.event_types.add(an_event_type())
    await stores.event_types.archive(ORG, "invoice.paid", at=NOON)
    back = an_event_type(description="back again", created_at=LATER, updated_at=LATER)

    await stores.event_types.add(back)

    assert await stores.event_types.get(ORG, "invoice.paid") == back
    assert await names(stores, LIVE) == ["invoice.paid"]


async def test_an_update_changes_what_is_there_archived_or_not(stores: Stores) -> None:
    before = an_event_type(archived=True, schemas='{"1": {}}')
    await stores.event_types.add(before)
    after = an_event_type(
        description="new",
        deprecated=True,
        schemas=None,
        group_name="invoice",
        feature_flags=frozenset({"beta"}),
        updated_at=LATER,
        retry_schedule=(),
    )
    seen = []

    def change(present: EventType) -> EventType:
        seen.append(present)
        return after

    assert await stores.event_types.update(ORG, "invoice.paid", change) == after
    assert set(map(repr, seen)) == {repr(before)}
    assert await stores.event_types.get(ORG, "invoice.paid") == after
    assert await names(stores, LIVE) == ["invoice.paid"]


async def test_a_change_that_fails_changes_nothing(stores: Stores) -> None:
    await stores.event_types.add(an_event_type())

    def fails(_: EventType) -> EventType:
        raise Unknown("reason", "for it")

    with pytest.raises(Unknown, match="there is no reason"):
        await stores.event_types.update(ORG, "invoice.paid", fails)

    assert await stores.event_types.get(ORG, "invoice.paid") == an_event_type()


async def test_an_archived_event_type_is_read_by_name_but_not_listed_unless_asked_for(stores: Stores) -> None:
    await stores.event_types.add(an_event_type())

    await stores.event_types.archive(ORG, "invoice.paid", at=LATER)

    archived = an_event_type(archived=True, updated_at=LATER)
    assert await stores.event_types.get(ORG, "invoice.paid") == archived
    assert await names(stores, LIVE) == []
    assert await names(stores, EventTypeFilter(archived=True)) == ["invoice.paid"]


async def test_a_removed_event_type_is_gone_for_good(stores: Stores) -> None:
    await stores.event_types.add(an_event_type())

    await stores.event_types.remove(ORG, "invoice.paid")

    with pytest.raises(Unknown):
        await stores.event_types.get(ORG, "invoice.paid")
    assert await names(stores, EventTypeFilter(archived=True)) == []
    await stores.event_types.add(an_event_type())


async def test_what_there_is_not_is_unknown(stores: Stores) -> None:
    await stores.event_types.add(an_event_type(org_id=OTHER_ORG))

    with pytest.raises(Unknown) as unknown:
        await stores.event_types.get(ORG, "invoice.paid")
    assert (unknown.value.what, unknown.value.key) == ("event type", "invoice.paid")
    with pytest.raises(Unknown):
        await stores.event_types.update(ORG, "invoice.paid", lambda unchanged: unchanged)
    with pytest.raises(Unknown):
        await stores.event_types.archive(ORG, "invoice.paid", at=NOON)
    with pytest.raises(Unknown):
        await stores.event_types.remove(ORG, "invoice.paid")


async def test_a_portal_sees_event_types_without_flags_and_those_with_one_of_its_flags(
    stores: Stores,
) -> None:
    for name, flags in (("a", None), ("b", {"beta", "new"}), ("c", {"secret"})):
        await stores.event_types.add(
            an_event_type(name=name, feature_flags=None if flags is None else frozenset(flags))
        )

    assert await names(stores, LIVE) == ["a", "b", "c"]
    assert await names(stores, EventTypeFilter(feature_flags=frozenset())) == ["a"]
    assert await names(stores, EventTypeFilter(feature_flags=frozenset({"beta"}))) == ["a", "b"]
    assert await names(stores, EventTypeFilter(feature_flags=frozenset({"beta", "secret"}))) == [
        "a",
        "b",
        "c",
    ]


async def test_the_schedules_are_those_of_the_event_types_that_have_one(stores: Stores) -> None:
    """They are read for the attempts of an organization, all at once."""
    hour = (timedelta(hours=1),)
    await stores.event_types.add(an_event_type(name="none"))
    await stores.event_types.add(an_event_type(name="empty", retry_schedule=()))
    await stores.event_types.add(an_event_type(name="archived", archived=True, retry_schedule=hour))
    await stores.event_types.add(an_event_type(name="else", org_id=OTHER_ORG, retry_schedule=hour))

    assert await stores.event_types.schedules(ORG) == {"empty": (), "archived": hour}

    await stores.event_types.update(ORG, "empty", lambda present: replace(present, retry_schedule=hour))
    await stores.event_types.remove(ORG, "archived")
    assert await stores.event_types.schedules(ORG) == {"empty": hour}


async def test_missing_names_are_those_that_are_no_live_event_type(stores: Stores) -> None:
    """A new endpoint that filters by a misspelt name would wait for ever; it is told so instead."""
    await stores.event_types.add(an_event_type(name="live"))
    await stores.event_types.add(an_event_type(name="archived", archived=True))
    await stores.event_types.add(an_event_type(name="elsewhere", org_id=OTHER_ORG))

    missing = await stores.event_types.missing(ORG, ["live", "archived", "elsewhere", "nowhere"])

    assert missing == {"archived", "elsewhere", "nowhere"}
    assert await stores.event_types.missing(ORG, []) == frozenset()


KEYS = ["Z", "a", "a.b", "a_b", "ab", "b"]


@on_one_store
@given(scan=scans(KEYS))
async def test_a_scan_reads_its_range_in_its_order_and_one_more_than_its_limit(
    stores: Stores, scan: Scan
) -> None:
    """The row too many is how a page knows whether another follows."""
    if not await names(stores, LIVE):
        for key in KEYS:
            await stores.event_types.add(an_event_type(name=key))

    found = await stores.event_types.scan(ORG, scan, LIVE)

    assert [event_type.name for event_type in found] == expected(KEYS, scan)


async def test_a_store_that_is_out_of_reach_says_so(stores: Stores) -> None:
    await stores.close()

    with pytest.raises(Unavailable):
        await stores.event_types.add(an_event_type())
    with pytest.raises(Unavailable):
        await stores.event_types.missing(ORG, ["invoice.paid"])
