"""What `shared.ports.messages` promises."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from shared.domain.attempt import Ended, Ending, Status, Trigger
from shared.domain.errors import EventIdTaken, Unavailable, Unknown
from shared.domain.message import Message
from shared.domain.paging import Scan
from shared.ports.attempts import AttemptFilter
from shared.ports.destinations import AttemptedMessageFilter
from shared.ports.messages import MessageFilter
from tests.clock import NOON, MovedClock
from tests.contracts.adapters import MESSAGES_KEPT, Stores
from tests.contracts.removal import all_gone
from tests.contracts.scans import EVERYTHING, expected, on_one_store, scans
from tests.makers import a_dispatch, a_failed_attempt, a_message, an_application, an_attempt, an_endpoint

ACME = an_application()
OTHER = an_application()
ENDPOINT = an_endpoint(ACME)
LABELLED = {"channels": frozenset({"eu"}), "tags": frozenset({"vip"})}
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
ANY = MessageFilter()


async def accepted(stores: Stores, *messages: Message) -> None:
    for message in messages:
        assert await stores.outbox.accept(message, a_dispatch(message), None) is None


async def test_an_accepted_message_is_read_by_id_and_by_event_id(stores: Stores) -> None:
    message = a_message(
        ACME,
        event_id="evt-1",
        channels=frozenset({"b", "a"}),
        payload='{"b": 1.0,  "a":"\N{SNOWMAN}\\u0000"}',
        payload_expires_at=NOON + timedelta(days=5, microseconds=1),
        tags=frozenset({"user/42", "b"}),
        content_type="text/plain; charset=utf-8",
        deliver_at=NOON + timedelta(hours=1, microseconds=1),
    )
    await accepted(stores, message)

    assert await stores.messages.get(ACME.id, message.id) == message
    assert await stores.messages.get(ACME.id, "evt-1") == message
    assert await stores.messages.scan(ACME.id, EVERYTHING, ANY) == [message]
    assert await stores.messages.several(ACME.id, [message.id], payloads=True) == {message.id: message}


async def test_what_the_application_has_not_is_unknown(stores: Stores) -> None:
    message = a_message(OTHER, event_id="evt-1")
    await accepted(stores, message)

    for key in (message.id, "evt-1", "msg_none"):
        with pytest.raises(Unknown) as unknown:
            await stores.messages.get(ACME.id, key)
        assert (unknown.value.what, unknown.value.key) == ("message", key)


async def test_a_list_reads_payloads_only_if_asked_to(stores: Stores) -> None:
    message = a_message(ACME)
    await accepted(stores, message)

    (with_payload,) = await stores.messages.scan(ACME.id, EVERYTHING, ANY)
    (without,) = await stores.messages.scan(ACME.id, EVERYTHING, MessageFilter(payloads=False))

    assert with_payload == message
    assert without.payload is None
    assert without.id == message.id


async def test_a_list_shows_what_its_filter_lets_through(stores: Stores) -> None:
    plain = a_message(ACME)
    eu = a_message(ACME, channels=frozenset({"eu", "us"}))
    tricky = a_message(ACME, channels=frozenset({'a","eu'}))
    refund = a_message(ACME, event_type="invoice.refunded", channels=frozenset({"eu"}))
    vip = a_message(ACME, tags=frozenset({"vip", "us"}))
    both = a_message(ACME, channels=frozenset({"eu", "us"}), tags=frozenset({"vip", "eu"}))
    await accepted(stores, plain, eu, tricky, refund, vip, both, a_message(OTHER))

    async def shown(only: MessageFilter) -> list[Message]:
        return list(await stores.messages.scan(ACME.id, EVERYTHING, only))

    assert await shown(ANY) == [plain, eu, tricky, refund, vip, both]
    assert await shown(MessageFilter(channel="eu")) == [eu, refund, both]
    assert await shown(MessageFilter(tag="vip")) == [vip, both]
    assert await shown(MessageFilter(tag="v")) == []
    assert await shown(MessageFilter(tag="eu")) == [both]
    assert await shown(MessageFilter(channel="us", tag="vip")) == [both]
    assert await shown(MessageFilter(channel="vip", tag="us")) == []
    assert await shown(MessageFilter(tag="vip", event_types=frozenset({"invoice.refunded"}))) == []
    assert await shown(MessageFilter(channel="e")) == []
    assert await shown(MessageFilter(event_types=frozenset({"invoice.refunded"}))) == [refund]
    paid = frozenset({"invoice.paid", "x"})
    assert await shown(MessageFilter(event_types=paid)) == [plain, eu, tricky, vip, both]
    assert await shown(MessageFilter(event_types=frozenset())) == []
    assert await shown(MessageFilter(channel="eu", event_types=paid)) == [eu, both]


KEYS = [f"msg_{letter}" for letter in "09AZaz"]


@on_one_store
@given(scan=scans(KEYS))
async def test_a_scan_reads_its_range_in_its_order_and_one_more_than_its_limit(
    stores: Stores, scan: Scan
) -> None:
    """The row too many is how a page knows whether another follows."""
    if not await stores.messages.scan(ACME.id, EVERYTHING, ANY):
        await accepted(stores, *(a_message(ACME, id=key) for key in KEYS))

    found = await stores.messages.scan(ACME.id, scan, ANY)

    assert [message.id for message in found] == expected(KEYS, scan)


MANY = [f"msg_{letter}" for letter in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
TYPES = ["invoice.paid", "invoice.paid", "invoice.paid", "invoice.refunded", "user.made"]


@on_one_store
@given(
    scan=scans(MANY),
    channel=st.sampled_from([None, "eu"]),
    tag=st.sampled_from([None, "vip"]),
    event_types=st.none() | st.frozensets(st.sampled_from([*TYPES, "none"])),
)
async def test_a_filter_changes_nothing_about_range_order_and_limit(
    stores: Stores, scan: Scan, channel: str | None, tag: str | None, event_types: frozenset[str] | None
) -> None:
    """Whatever is common or rare, and however long the page."""
    if not await stores.messages.scan(ACME.id, EVERYTHING, ANY):
        for place, key in enumerate(MANY):
            channels = frozenset({"eu", "us"}) if place % 3 else None
            tags = frozenset({"vip", "new"}) if place % 2 else None
            event_type = TYPES[place % len(TYPES)]
            message = a_message(ACME, id=key, event_type=event_type, channels=channels, tags=tags)
            await accepted(stores, message)

    found = await stores.messages.scan(ACME.id, scan, MessageFilter(channel, event_types, tag))

    wanted = [
        key
        for place, key in enumerate(MANY)
        if (channel is None or place % 3)
        and (tag is None or place % 2)
        and (event_types is None or TYPES[place % len(TYPES)] in event_types)
    ]
    assert [message.id for message in found] == expected(wanted, scan)


async def test_several_messages_are_read_at_once(stores: Stores) -> None:
    here, there = a_message(ACME), a_message(OTHER)
    await accepted(stores, here, there)
    ids = {here.id, there.id, "msg_none"}

    assert await stores.messages.several(ACME.id, ids, payloads=True) == {here.id: here}
    bare = await stores.messages.several(ACME.id, ids, payloads=False)
    assert bare[here.id].payload is None
    assert await stores.messages.several(ACME.id, [], payloads=True) == {}


async def test_a_payload_is_gone_at_its_instant_though_nobody_has_erased_it_yet(
    stores: Stores, clock: MovedClock
) -> None:
    """What was promised to be kept no longer than 30 days is shown to nobody after them."""
    message = a_message(ACME, payload_expires_at=NOON + MINUTE)
    await accepted(stores, message)

    clock.move(MINUTE - timedelta(microseconds=1))
    assert await stores.messages.get(ACME.id, message.id) == message
    assert await stores.messages.scan(ACME.id, EVERYTHING, ANY) == [message]

    clock.move(timedelta(microseconds=1))
    assert (await stores.messages.get(ACME.id, message.id)).payload is None
    assert [row.payload for row in await stores.messages.scan(ACME.id, EVERYTHING, ANY)] == [None]


async def test_payloads_that_had_expired_are_gone_after_retention_has_run(stores: Stores) -> None:
    """The payload goes, the message stays in view."""
    instant = NOON + timedelta(days=5, microseconds=1)
    expired = [a_message(ACME, payload_expires_at=instant) for _ in range(3)]
    later = a_message(ACME, payload_expires_at=instant + timedelta(microseconds=1))
    await accepted(stores, *expired, later)
    stores.clock.move(instant - NOON)

    await all_gone(lambda _: stores.messages.erase_payloads(expired_at=instant, limit=2), limit=2)

    for message in expired:
        assert (await stores.messages.get(ACME.id, message.id)).payload is None
    assert await stores.messages.get(ACME.id, later.id) == later


@pytest.mark.parametrize("key", ["id", "event_id"])
async def test_one_payload_can_be_erased_and_the_message_stays(stores: Stores, key: str) -> None:
    message, other = a_message(ACME, event_id="evt-1", content_type="text/plain"), a_message(ACME)
    await accepted(stores, message, other)

    for _ in range(2):
        await stores.messages.erase_payload(ACME.id, getattr(message, key))

    erased = structs.replace(message, payload=None, content_type=None)
    assert await stores.messages.get(ACME.id, message.id) == erased
    assert list(await stores.messages.scan(ACME.id, EVERYTHING, ANY)) == [erased, other]


async def test_several_payloads_are_erased_at_once(stores: Stores) -> None:
    by_id, by_event_id, kept = a_message(ACME), a_message(ACME, event_id="evt-1"), a_message(ACME)
    others = a_message(OTHER)
    await accepted(stores, by_id, by_event_id, kept, others)

    keys = {by_id.id, "evt-1", "msg_none", others.id}
    for _ in range(2):
        assert set(await stores.messages.erase_several(ACME.id, keys)) == {by_id.id, "evt-1"}
    assert set(await stores.messages.erase_several(ACME.id, [])) == set()

    assert [message.payload for message in await stores.messages.scan(ACME.id, EVERYTHING, ANY)] == [
        None,
        None,
        kept.payload,
    ]
    assert await stores.messages.get(OTHER.id, others.id) == others


async def test_the_payload_of_another_applications_message_cannot_be_erased(stores: Stores) -> None:
    message = a_message(OTHER, event_id="evt-1")
    await accepted(stores, message)

    for key in (message.id, "evt-1", "msg_none"):
        with pytest.raises(Unknown):
            await stores.messages.erase_payload(ACME.id, key)

    assert await stores.messages.get(OTHER.id, message.id) == message


async def test_messages_that_are_removed_leave_nothing(stores: Stores) -> None:
    """No place in any list, no attempt and no payload; others stay."""
    gone, kept = a_message(ACME, event_id="evt-1", **LABELLED), a_message(ACME, **LABELLED)
    others = a_message(OTHER, **LABELLED)
    await accepted(stores, gone, kept, others)
    for message in (gone, kept, others):
        await stores.outbox.record(an_attempt(message, ENDPOINT), None, beside_others=False)
        failed = a_failed_attempt(message, ENDPOINT, number=0, next_attempt_at=None)
        await stores.outbox.record(failed, None, beside_others=True)
    await stores.messages.remove_several(ACME.id, [gone.id, others.id, "msg_none"])

    for key in (gone.id, "evt-1"):
        with pytest.raises(Unknown):
            await stores.messages.get(ACME.id, key)
    for only in (ANY, MessageFilter(channel="eu"), MessageFilter(tag="vip", channel="eu")):
        assert [one.id for one in await stores.messages.scan(ACME.id, EVERYTHING, only)] == [kept.id]
    assert await stores.messages.get(OTHER.id, others.id) == others
    assert await stores.attempts.of_message(ACME.id, gone.id, EVERYTHING, AttemptFilter()) == []
    for filtered in (AttemptFilter(), AttemptFilter(channel="eu"), AttemptFilter(tag="vip")):
        found = await stores.attempts.of_endpoint(ACME.id, ENDPOINT.id, EVERYTHING, filtered)
        assert {attempt.message_id for attempt in found} - {others.id} == {kept.id}
    assert len(await stores.attempts.of_message(OTHER.id, others.id, EVERYTHING, AttemptFilter())) == 2
    for shown in (AttemptedMessageFilter(), AttemptedMessageFilter(channel="eu", tag="vip")):
        rows = await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, shown)
        assert [row.message.id for row in rows] == [kept.id]


ROUNDING = timedelta(seconds=2)
"""As late may go what goes by itself."""


async def passes(stores: Stores, at: datetime) -> None:
    """Let it be the instant, and retention run then."""
    stores.clock.move(at - stores.clock.now())
    before = at - MESSAGES_KEPT
    await all_gone(lambda after: stores.messages.forget(before=before, after=after, limit=2), limit=2)


async def in_lists(stores: Stores) -> list[set[str]]:
    """The messages that each list of messages, of attempts and of an endpoint's messages names."""
    lists: list[set[str]] = []
    at_endpoint = (ACME.id, ENDPOINT.id, EVERYTHING)
    for channel, tag in ((None, None), ("eu", None), ("eu", "vip")):
        messages = await stores.messages.scan(ACME.id, EVERYTHING, MessageFilter(channel, tag=tag))
        attempts = await stores.attempts.of_endpoint(*at_endpoint, AttemptFilter(channel=channel, tag=tag))
        attempted = await stores.destinations.messages_at(
            *at_endpoint, AttemptedMessageFilter(channel=channel, tag=tag)
        )
        lists.append({message.id for message in messages})
        lists.append({attempt.message_id for attempt in attempts})
        lists.append({row.message.id for row in attempted})
    standing = await stores.destinations.standing_at(*at_endpoint, tuple(Status))
    assert await stores.destinations.count(ACME.id, EVERYTHING) == len(standing)
    return [*lists, set(standing)]


async def test_a_message_goes_with_all_that_is_left_of_it_when_its_time_is_over(stores: Stores) -> None:
    """Also with attempts that are young; and others stay as they are."""
    await stores.endpoints.add(ENDPOINT)
    old = a_message(ACME, event_id="evt-1", **LABELLED)
    await accepted(stores, old)
    await stores.outbox.record(an_attempt(old, ENDPOINT), None)
    stores.clock.move(MESSAGES_KEPT - DAY)
    now = stores.clock.now()
    young, others = a_message(ACME, created_at=now, **LABELLED), a_message(OTHER, created_at=now)
    await accepted(stores, young, others)
    await stores.outbox.record(an_attempt(young, ENDPOINT, timestamp=now), None)
    by_hand = {"number": 0, "trigger": Trigger.MANUAL, "next_attempt_at": NOON + 999 * DAY}
    for _ in range(3):
        failed = a_failed_attempt(old, ENDPOINT, timestamp=now, **by_hand)
        await stores.outbox.record(failed, None, beside_others=True)

    await passes(stores, NOON + MESSAGES_KEPT - timedelta(seconds=1))
    assert await in_lists(stores) == [{old.id, young.id}] * 10
    await passes(stores, NOON + MESSAGES_KEPT + ROUNDING)
    assert await in_lists(stores) == [{young.id}] * 10

    for key in (old.id, "evt-1"):
        with pytest.raises(Unknown):
            await stores.messages.get(ACME.id, key)
    assert await stores.messages.several(ACME.id, [old.id], payloads=True) == {}
    assert await stores.attempts.of_message(ACME.id, old.id, EVERYTHING, AttemptFilter()) == []
    assert await stores.destinations.of_message(ACME.id, old.id, EVERYTHING) == []
    for kept in (young, others):
        assert await stores.messages.get(kept.app_id, kept.id) == kept


async def test_the_event_id_of_a_message_can_be_had_again_when_it_is_gone(stores: Stores) -> None:
    old, early = (a_message(ACME, event_id="evt-1") for _ in range(2))
    await accepted(stores, old)
    await passes(stores, NOON + MESSAGES_KEPT - timedelta(seconds=1))
    with pytest.raises(EventIdTaken):
        await accepted(stores, early)

    await passes(stores, NOON + MESSAGES_KEPT + ROUNDING)
    again = a_message(ACME, event_id="evt-1", created_at=stores.clock.now())
    await accepted(stores, again)

    assert await stores.messages.get(ACME.id, "evt-1") == again


async def test_ending_the_retries_of_a_message_that_is_gone_does_nothing(stores: Stores) -> None:
    """A schedule may be longer than messages are kept."""
    message = a_message(ACME)
    await accepted(stores, message)
    failed = a_failed_attempt(message, ENDPOINT, next_attempt_at=NOON + MESSAGES_KEPT + DAY)
    await stores.outbox.record(failed, None)
    await passes(stores, NOON + MESSAGES_KEPT + ROUNDING)

    ended = Ended(Ending.REMOVED, stores.clock.now())
    await stores.attempts.end_chain(ACME.id, message.id, ENDPOINT.id, ended)

    assert await stores.attempts.at_endpoint(ACME.id, message.id, ENDPOINT.id) == []


async def test_a_store_that_is_out_of_reach_says_so(stores: Stores) -> None:
    await stores.close()

    with pytest.raises(Unavailable):
        await stores.messages.get(ACME.id, "msg_1")
    with pytest.raises(Unavailable):
        await stores.messages.erase_payload(ACME.id, "msg_1")
    with pytest.raises(Unavailable):
        await stores.messages.erase_several(ACME.id, ["msg_1"])
    with pytest.raises(Unavailable):
        await stores.messages.scan(ACME.id, EVERYTHING, ANY)
