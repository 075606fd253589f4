"""What `shared.ports.destinations` promises."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.attempt import Attempt, Ended, Ending, Status, Trigger
from shared.domain.errors import Unavailable
from shared.domain.message import Message
from shared.domain.paging import Scan
from shared.ports.destinations import AttemptedMessageFilter
from tests.clock import NOON, MovedClock
from tests.contracts.adapters import Stores
from tests.contracts.scans import EVERYTHING, expected, on_one_store, scans
from tests.makers import (
    a_dispatch,
    a_failed_attempt,
    a_message,
    an_application,
    an_attempt,
    an_endpoint,
    an_id,
)

ACME = an_application()
ENDPOINT = an_endpoint(ACME)
OTHER_ENDPOINT = an_endpoint(ACME)
SECOND = timedelta(seconds=1)
LATER = NOON + timedelta(minutes=5)
ANY = AttemptedMessageFilter()
BY_HAND = {"number": 0, "trigger": Trigger.MANUAL}
LAST = {"number": 2, "next_attempt_at": None}

DELIVERED, GIVEN_UP, UNDER_WAY, RECOVERED, SENT_AGAIN_IN_VAIN, PRESSED = (
    a_message(
        ACME, channels=frozenset({"eu", name}), tags=frozenset({"vip", f"about/{name}"}), event_type=name
    )
    for name in ("delivered", "given-up", "under-way", "recovered", "in-vain", "pressed")
)
UNTOUCHED = a_message(ACME)


def attempts() -> list[Attempt]:
    """One message of each kind, in the order in which it happened."""
    return [
        an_attempt(DELIVERED, ENDPOINT),
        a_failed_attempt(GIVEN_UP, ENDPOINT),
        a_failed_attempt(GIVEN_UP, ENDPOINT, timestamp=NOON + SECOND, **LAST),
        a_failed_attempt(UNDER_WAY, ENDPOINT, next_attempt_at=LATER),
        a_failed_attempt(RECOVERED, ENDPOINT, next_attempt_at=None),
        an_attempt(RECOVERED, ENDPOINT, timestamp=NOON + SECOND, **BY_HAND),
        an_attempt(SENT_AGAIN_IN_VAIN, ENDPOINT),
        a_failed_attempt(
            SENT_AGAIN_IN_VAIN, ENDPOINT, timestamp=NOON + SECOND, next_attempt_at=None, **BY_HAND
        ),
        a_failed_attempt(PRESSED, ENDPOINT, next_attempt_at=LATER),
        a_failed_attempt(PRESSED, ENDPOINT, timestamp=NOON + SECOND, next_attempt_at=LATER, **BY_HAND),
        an_attempt(GIVEN_UP, OTHER_ENDPOINT),
    ]


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_first_attempt_that_waited_beside_one_by_hand_is_listed_as_one_message_that_arrived(
    stores: Stores, clock: MovedClock, *, is_told: bool
) -> None:
    """Whoever had it under way when the one by hand was recorded cannot tell."""
    message = a_message(ACME, channels=frozenset({"eu"}))
    await stores.outbox.accept(message, a_dispatch(message), None)
    manual = a_failed_attempt(message, ENDPOINT, next_attempt_at=None, **BY_HAND)
    await stores.outbox.record(manual, None)
    await stores.outbox.record(an_attempt(message, ENDPOINT, timestamp=LATER), None, beside_others=is_told)
    clock.move(LATER - NOON)

    for channel in (None, "eu"):
        by_status = {}
        for status in (None, Status.SUCCESS, Status.FAIL):
            only = AttemptedMessageFilter(status=status, channel=channel)
            shown = await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, only)
            by_status[status] = len(shown)
        assert by_status == {None: 1, Status.SUCCESS: 1, Status.FAIL: 0}


async def recorded(stores: Stores, *made: Attempt) -> None:
    for message in (DELIVERED, GIVEN_UP, UNDER_WAY, RECOVERED, SENT_AGAIN_IN_VAIN, PRESSED, UNTOUCHED):
        await stores.outbox.accept(message, a_dispatch(message), None)
    for attempt in made:
        await stores.outbox.record(attempt, None)


@pytest.mark.parametrize(
    ("only", "shown"),
    [
        pytest.param(
            ANY, "delivered 0, given-up 2, under-way 3, recovered 0, in-vain 2, pressed 3", id="all"
        ),
        pytest.param(
            AttemptedMessageFilter(status=Status.SUCCESS),
            "delivered 0, recovered 0, in-vain 0",
            id="some attempt succeeded",
        ),
        pytest.param(
            AttemptedMessageFilter(status=Status.FAIL), "given-up 2", id="none succeeded, and none follows"
        ),
        pytest.param(
            AttemptedMessageFilter(status=Status.SENDING), "under-way 3, pressed 3", id="one follows"
        ),
        pytest.param(AttemptedMessageFilter(status=Status.PENDING), "", id="nothing is pending"),
        pytest.param(AttemptedMessageFilter(channel="given-up"), "given-up 2", id="on a channel"),
        pytest.param(AttemptedMessageFilter(channel="e"), "", id="on part of a channel"),
        pytest.param(AttemptedMessageFilter(tag="about/given-up"), "given-up 2", id="with a tag"),
        pytest.param(AttemptedMessageFilter(tag="about"), "", id="with part of a tag"),
        pytest.param(
            AttemptedMessageFilter(tag="vip", channel="given-up"), "given-up 2", id="with a tag, on a channel"
        ),
        pytest.param(
            AttemptedMessageFilter(tag="about/pressed", channel="given-up"), "", id="with a tag, elsewhere"
        ),
        pytest.param(
            AttemptedMessageFilter(status=Status.SENDING, tag="vip"),
            "under-way 3, pressed 3",
            id="with a tag, as it stands",
        ),
        pytest.param(
            AttemptedMessageFilter(event_types=frozenset({"delivered", "pressed", "none"})),
            "delivered 0, pressed 3",
            id="of some types",
        ),
        pytest.param(
            AttemptedMessageFilter(status=Status.SENDING, channel="eu", event_types=frozenset({"pressed"})),
            "pressed 3",
            id="of all that",
        ),
        pytest.param(AttemptedMessageFilter(event_types=frozenset()), "", id="of no type"),
    ],
)
async def test_an_endpoint_shows_how_each_message_stands(
    stores: Stores, only: AttemptedMessageFilter, shown: str
) -> None:
    """Each once, however many attempts there were, and none that was never attempted there."""
    await recorded(stores, *attempts())
    rows = await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, only)
    assert ", ".join(f"{row.message.event_type} {row.status:d}" for row in rows) == shown
    for row in rows:
        assert row.next_attempt_at == (LATER if row.status is Status.SENDING else None)


async def test_ended_retries_are_seen_in_lists(stores: Stores) -> None:
    await recorded(stores, *attempts())
    await stores.attempts.end_chain(ACME.id, UNDER_WAY.id, ENDPOINT.id, Ended(Ending.UNWANTED, NOON))
    for only in (
        AttemptedMessageFilter(status=Status.FAIL),
        AttemptedMessageFilter(status=Status.FAIL, channel="eu"),
        AttemptedMessageFilter(status=Status.FAIL, tag="vip"),
    ):
        rows = await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, only)
        assert [row.message for row in rows] == [GIVEN_UP, UNDER_WAY]
    for sending in (
        AttemptedMessageFilter(status=Status.SENDING, channel="under-way"),
        AttemptedMessageFilter(status=Status.SENDING, tag="about/under-way"),
    ):
        assert await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, sending) == []


async def test_payloads_are_read_if_they_are_wanted(stores: Stores) -> None:
    await recorded(stores, *attempts())
    without = AttemptedMessageFilter(payloads=False)
    (with_payload, *_) = await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, ANY)
    (bare, *_) = await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, without)
    assert (with_payload.message.payload, bare.message.payload) == (DELIVERED.payload, None)


async def test_a_message_shows_every_endpoint_once_with_its_newest_attempt(stores: Stores) -> None:
    """Also an endpoint that was removed: what happened there stays in view."""
    for endpoint in (ENDPOINT, OTHER_ENDPOINT):
        await stores.endpoints.add(endpoint)
    await recorded(stores, *attempts())
    await stores.endpoints.remove(ACME.id, OTHER_ENDPOINT.id, at=NOON)

    rows = await stores.destinations.of_message(ACME.id, GIVEN_UP.id, EVERYTHING)
    assert [(row.endpoint.id, row.status, row.next_attempt_at) for row in rows] == [
        (ENDPOINT.id, Status.FAIL, None),
        (OTHER_ENDPOINT.id, Status.SUCCESS, None),
    ]
    (row,) = await stores.destinations.of_message(ACME.id, PRESSED.id, EVERYTHING)
    assert (row.endpoint, row.status, row.next_attempt_at) == (ENDPOINT, Status.FAIL, LATER)
    beyond = Scan(ENDPOINT.id, None, descending=False, limit=0)
    (row,) = await stores.destinations.of_message(ACME.id, GIVEN_UP.id, beyond)
    assert row.endpoint.id == OTHER_ENDPOINT.id
    assert await stores.destinations.of_message(ACME.id, UNTOUCHED.id, EVERYTHING) == []


KEYS = [an_id("msg_") for _ in range(12)]
STATUSES = (Status.SUCCESS, Status.FAIL, Status.SENDING)


@on_one_store
@given(scan=scans(KEYS), status=st.none() | st.sampled_from(STATUSES), channel=st.sampled_from([None, "eu"]))
async def test_a_scan_reads_its_range_in_its_order_and_one_more_than_its_limit(
    stores: Stores, scan: Scan, status: Status | None, channel: str | None
) -> None:
    if not await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, ANY):
        for place, key in enumerate(KEYS):
            message = a_message(ACME, id=key, event_type=f"type-{place % 2}", channels=frozenset({"eu"}))
            await stores.outbox.accept(message, a_dispatch(message), None)
            make = an_attempt if STATUSES[place % 3] is Status.SUCCESS else a_failed_attempt
            ended = {"next_attempt_at": None} if STATUSES[place % 3] is Status.FAIL else {}
            await stores.outbox.record(make(message, ENDPOINT, **ended), None)

    only = AttemptedMessageFilter(status=status, channel=channel)
    rows = await stores.destinations.messages_at(ACME.id, ENDPOINT.id, scan, only)
    wanted = [key for place, key in enumerate(KEYS) if status in (None, STATUSES[place % 3])]
    assert [row.message.id for row in rows] == expected(wanted, scan)


@pytest.mark.parametrize(
    ("among", "standing"),
    [
        ({Status.FAIL, Status.SENDING}, [GIVEN_UP, UNDER_WAY, PRESSED]),
        ({Status.SENDING}, [UNDER_WAY, PRESSED]),
        ({Status.SUCCESS}, [DELIVERED, RECOVERED, SENT_AGAIN_IN_VAIN]),
        (set(), []),
    ],
)
async def test_the_messages_that_stand_in_some_way_are_found_and_counted(
    stores: Stores, among: set[Status], standing: list[Message]
) -> None:
    await recorded(stores, *attempts())
    ids = [message.id for message in standing]
    where = (ACME.id, ENDPOINT.id)
    assert list(await stores.destinations.standing_at(*where, EVERYTHING, among)) == ids
    assert await stores.destinations.count_standing_at(*where, EVERYTHING, among) == len(ids)

    rest = Scan(ids[0] if ids else None, None, descending=True, limit=1)
    assert list(await stores.destinations.standing_at(*where, rest, among)) == ids[:0:-1][:2]
    assert await stores.destinations.count_standing_at(*where, rest, among) == len(ids[1:])


async def test_messages_are_counted_once_at_each_endpoint_where_they_were_attempted(stores: Stores) -> None:
    """Whatever came of it, however often, and if the endpoint was removed since."""
    here, gone, elsewhere = an_endpoint(ACME), an_endpoint(ACME), an_endpoint()
    for endpoint in (here, gone, elsewhere):
        await stores.endpoints.add(endpoint)
    await stores.endpoints.remove(ACME.id, gone.id, at=NOON)
    messages = [a_message(ACME, event_type=f"type.{number}") for number in range(3)]
    for message in messages:
        await stores.outbox.record(a_failed_attempt(message, here), None)
        await stores.outbox.record(
            an_attempt(message, here, number=2, timestamp=NOON + timedelta(minutes=1)), None
        )
    await stores.outbox.record(an_attempt(messages[0], gone), None)
    await stores.outbox.record(an_attempt(a_message(app_id=elsewhere.app_id), elsewhere), None)

    assert await stores.destinations.count(ACME.id, EVERYTHING) == 4
    first, _, last = (message.id for message in messages)
    assert await stores.destinations.count(ACME.id, Scan(first, None, descending=False, limit=1)) == 2
    assert await stores.destinations.count(ACME.id, Scan(None, last, descending=True, limit=1)) == 3
    assert await stores.destinations.count("app_none", EVERYTHING) == 0


async def test_a_store_that_is_out_of_reach_says_so(stores: Stores) -> None:
    await stores.close()
    where = (ACME.id, ENDPOINT.id, EVERYTHING, {Status.FAIL})
    with pytest.raises(Unavailable):
        await stores.destinations.standing_at(*where)
    with pytest.raises(Unavailable):
        await stores.destinations.count_standing_at(*where)
    with pytest.raises(Unavailable):
        await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, ANY)
    with pytest.raises(Unavailable):
        await stores.destinations.of_message(ACME.id, DELIVERED.id, EVERYTHING)
    with pytest.raises(Unavailable):
        await stores.destinations.count(ACME.id, EVERYTHING)
