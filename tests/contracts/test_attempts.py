"""What `shared.ports.attempts` promises."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from msgspec import structs

from shared.domain.attempt import ERASED_RESPONSE, Attempt, Ended, Ending, Status, Trigger
from shared.domain.errors import Unavailable, Unknown
from shared.domain.paging import Scan
from shared.ports.attempts import AttemptFilter
from shared.ports.destinations import AttemptedMessageFilter
from tests.clock import NOON
from tests.contracts.adapters import ATTEMPTS_KEPT, Stores
from tests.contracts.removal import all_gone
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
MESSAGE = a_message(ACME)
ENDPOINT = an_endpoint(ACME)
OTHER_ENDPOINT = an_endpoint(ACME)
SECOND = timedelta(seconds=1)
ANY = AttemptFilter()
ENDED = Ended(Ending.UNWANTED, NOON + timedelta(microseconds=1))


async def recorded(stores: Stores, *attempts: Attempt) -> None:
    for attempt in attempts:
        await stores.outbox.record(attempt, None)


async def test_a_recorded_attempt_is_read_as_it_was(stores: Stores) -> None:
    attempt = a_failed_attempt(
        MESSAGE,
        ENDPOINT,
        channels=frozenset({"b", "a"}),
        tags=frozenset({"user/42", "b"}),
        number=3,
        response="\N{SNOWMAN}\x00 not json",
        response_status_code=302,
        duration=timedelta(seconds=29, microseconds=1),
        next_attempt_at=NOON + timedelta(microseconds=1),
        ended=ENDED,
    )
    manual = an_attempt(MESSAGE, ENDPOINT, number=0, trigger=Trigger.MANUAL)
    await recorded(stores, attempt, manual)

    assert await stores.attempts.get(ACME.id, MESSAGE.id, attempt.id) == attempt
    assert await stores.attempts.get(ACME.id, MESSAGE.id, manual.id) == manual


async def test_an_attempt_of_another_message_is_unknown(stores: Stores) -> None:
    attempt = an_attempt(a_message(ACME), ENDPOINT)
    await recorded(stores, attempt)

    with pytest.raises(Unknown) as unknown:
        await stores.attempts.get(ACME.id, MESSAGE.id, attempt.id)
    assert (unknown.value.what, unknown.value.key) == ("attempt", attempt.id)


LISTED = [
    an_attempt(MESSAGE, ENDPOINT),
    an_attempt(MESSAGE, ENDPOINT, response_status_code=299, channels=frozenset({"eu"})),
    a_failed_attempt(MESSAGE, ENDPOINT, response_status_code=204),
    a_failed_attempt(MESSAGE, ENDPOINT, response_status_code=0),
    a_failed_attempt(MESSAGE, ENDPOINT, response_status_code=404, channels=frozenset({'a","eu'})),
    a_failed_attempt(MESSAGE, ENDPOINT, response_status_code=599, event_type="invoice.refunded"),
    a_failed_attempt(
        MESSAGE,
        ENDPOINT,
        response_status_code=999,
        channels=frozenset({"eu", "us"}),
        tags=frozenset({"vip", "us"}),
    ),
    an_attempt(MESSAGE, ENDPOINT, response_status_code=600, tags=frozenset({"vip"})),
]
FILTERS = [
    (ANY, [0, 1, 2, 3, 4, 5, 6, 7]),
    (AttemptFilter(status=Status.SUCCESS), [0, 1, 7]),
    (AttemptFilter(status=Status.FAIL), [2, 3, 4, 5, 6]),
    (AttemptFilter(status=Status.SENDING), []),
    (AttemptFilter(status_code_class=0), [3]),
    (AttemptFilter(status_code_class=200), [0, 1, 2]),
    (AttemptFilter(status_code_class=300), []),
    (AttemptFilter(status_code_class=400), [4]),
    (AttemptFilter(status_code_class=500), [5]),
    (AttemptFilter(status=Status.FAIL, status_code_class=200), [2]),
    (AttemptFilter(channel="eu"), [1, 6]),
    (AttemptFilter(channel="e"), []),
    (AttemptFilter(tag="vip"), [6, 7]),
    (AttemptFilter(tag="v"), []),
    (AttemptFilter(tag="vip", status=Status.SUCCESS), [7]),
    (AttemptFilter(tag="vip", status_code_class=600), [7]),
    (AttemptFilter(tag="us", channel="eu"), [6]),
    (AttemptFilter(tag="eu", channel="us"), []),
    (AttemptFilter(event_types=frozenset({"invoice.refunded", "x"})), [5]),
    (AttemptFilter(event_types=frozenset()), []),
    (AttemptFilter(status=Status.FAIL, channel="eu"), [6]),
    (AttemptFilter(endpoint_id=ENDPOINT.id), [0, 1, 2, 3, 4, 5, 6, 7]),
    (AttemptFilter(endpoint_id=OTHER_ENDPOINT.id), []),
]


@pytest.mark.parametrize(("only", "shown"), FILTERS)
async def test_lists_show_what_their_filter_lets_through(
    stores: Stores, only: AttemptFilter, shown: list[int]
) -> None:
    await recorded(stores, *LISTED)

    wanted = [LISTED[place] for place in shown]
    assert await stores.attempts.of_message(ACME.id, MESSAGE.id, EVERYTHING, only) == wanted
    assert await stores.attempts.of_endpoint(ACME.id, ENDPOINT.id, EVERYTHING, only) == wanted


async def test_lists_show_their_own_attempts_only(stores: Stores) -> None:
    here = an_attempt(MESSAGE, ENDPOINT)
    there = an_attempt(MESSAGE, OTHER_ENDPOINT)
    another = an_attempt(a_message(ACME), ENDPOINT)
    await recorded(stores, here, there, another)

    assert await stores.attempts.of_message(ACME.id, MESSAGE.id, EVERYTHING, ANY) == [here, there]
    assert await stores.attempts.of_endpoint(ACME.id, ENDPOINT.id, EVERYTHING, ANY) == [here, another]
    only = AttemptFilter(endpoint_id=OTHER_ENDPOINT.id)
    assert await stores.attempts.of_message(ACME.id, MESSAGE.id, EVERYTHING, only) == [there]


KEYS = [f"atmpt_{letter}" for letter in "0369ADGZadgz"]
CODES = [0, 200, 404, 500]


@on_one_store
@given(scan=scans(KEYS))
async def test_a_scan_reads_its_range_in_its_order_and_one_more_than_its_limit(
    stores: Stores, scan: Scan
) -> None:
    """The row too many is how a page knows whether another follows. Statuses and codes are well mixed."""
    if not await stores.attempts.of_endpoint(ACME.id, ENDPOINT.id, EVERYTHING, ANY):
        for place, key in enumerate(KEYS):
            code = CODES[place % 4]
            status = Status.SUCCESS if code == 200 else Status.FAIL
            attempt = an_attempt(MESSAGE, ENDPOINT, id=key, response_status_code=code, status=status)
            await recorded(stores, attempt)

    of_endpoint = await stores.attempts.of_endpoint(ACME.id, ENDPOINT.id, scan, ANY)
    of_message = await stores.attempts.of_message(ACME.id, MESSAGE.id, scan, ANY)
    failures = await stores.attempts.of_endpoint(
        ACME.id, ENDPOINT.id, scan, AttemptFilter(status=Status.FAIL)
    )

    assert [attempt.id for attempt in of_endpoint] == expected(KEYS, scan)
    assert [attempt.id for attempt in of_message] == expected(KEYS, scan)
    failed = [key for place, key in enumerate(KEYS) if place % 4 != 1]
    assert [attempt.id for attempt in failures] == expected(failed, scan)


async def test_the_latest_is_the_newest_automatic_attempt_at_each_endpoint(stores: Stores) -> None:
    """A redelivered dispatch sees by it what has been attempted already; a resend by hand does not count."""
    first = a_failed_attempt(MESSAGE, ENDPOINT)
    second = an_attempt(MESSAGE, ENDPOINT, number=2, timestamp=NOON + 5 * SECOND)
    by_hand = an_attempt(MESSAGE, ENDPOINT, number=0, trigger=Trigger.MANUAL, timestamp=NOON + 9 * SECOND)
    elsewhere = an_attempt(MESSAGE, OTHER_ENDPOINT)
    await recorded(stores, second, first, by_hand, elsewhere, an_attempt(a_message(ACME), ENDPOINT))

    assert await stores.attempts.latest(ACME.id, MESSAGE.id) == {
        ENDPOINT.id: second,
        OTHER_ENDPOINT.id: elsewhere,
    }
    assert await stores.attempts.latest(ACME.id, "msg_none") == {}


async def test_the_attempts_at_one_endpoint_come_in_order(stores: Stores) -> None:
    """By them it is decided whether a retry is still to be made."""
    first = a_failed_attempt(MESSAGE, ENDPOINT)
    by_hand = an_attempt(MESSAGE, ENDPOINT, number=0, trigger=Trigger.MANUAL, timestamp=NOON + SECOND)
    await recorded(stores, by_hand, first, an_attempt(MESSAGE, OTHER_ENDPOINT))

    assert await stores.attempts.at_endpoint(ACME.id, MESSAGE.id, ENDPOINT.id) == [first, by_hand]
    assert await stores.attempts.at_endpoint(ACME.id, "msg_none", ENDPOINT.id) == []


async def test_ending_a_chain_leaves_no_retry_announced(stores: Stores) -> None:
    first = a_failed_attempt(MESSAGE, ENDPOINT)
    second = a_failed_attempt(MESSAGE, ENDPOINT, number=2, timestamp=NOON + 5 * SECOND)
    elsewhere = a_failed_attempt(MESSAGE, OTHER_ENDPOINT)
    await recorded(stores, first, second, elsewhere)

    await stores.attempts.end_chain(ACME.id, MESSAGE.id, ENDPOINT.id, ENDED)

    for attempt in (first, second):
        assert (await stores.attempts.get(ACME.id, MESSAGE.id, attempt.id)).next_attempt_at is None
    assert await stores.attempts.get(ACME.id, MESSAGE.id, elsewhere.id) == elsewhere


async def test_the_newest_automatic_attempt_says_how_its_chain_ended(stores: Stores) -> None:
    """Once: a chain that has ended does not end again for another reason."""
    first = a_failed_attempt(MESSAGE, ENDPOINT)
    second = a_failed_attempt(MESSAGE, ENDPOINT, number=2, timestamp=NOON + 5 * SECOND)
    by_hand = structs.replace(second, id=an_id("atmpt_", NOON + 6 * SECOND), trigger=Trigger.MANUAL, number=0)
    await recorded(stores, first, second, by_hand)

    await stores.attempts.end_chain(ACME.id, MESSAGE.id, ENDPOINT.id, ENDED)
    await stores.attempts.end_chain(ACME.id, MESSAGE.id, ENDPOINT.id, Ended(Ending.REMOVED, NOON + SECOND))

    found = await stores.attempts.at_endpoint(ACME.id, MESSAGE.id, ENDPOINT.id)
    assert [attempt.ended for attempt in found] == [None, ENDED, None]


async def test_a_chain_that_was_over_says_nothing_when_it_is_ended(stores: Stores) -> None:
    last = a_failed_attempt(MESSAGE, ENDPOINT, next_attempt_at=None)
    await recorded(stores, last)

    await stores.attempts.end_chain(ACME.id, MESSAGE.id, ENDPOINT.id, ENDED)

    assert await stores.attempts.get(ACME.id, MESSAGE.id, last.id) == last


async def test_attempts_at_an_endpoint_are_counted_by_status_within_a_range_of_ids(stores: Stores) -> None:
    counted = [
        an_attempt(MESSAGE, ENDPOINT),
        an_attempt(a_message(ACME), ENDPOINT, response_status_code=204),
        a_failed_attempt(MESSAGE, ENDPOINT, response_status_code=0),
        a_failed_attempt(MESSAGE, ENDPOINT),
        a_failed_attempt(MESSAGE, ENDPOINT, response_status_code=999),
    ]
    await recorded(stores, *counted, an_attempt(MESSAGE, OTHER_ENDPOINT))
    first, *_, last_but_one, last = (attempt.id for attempt in counted)

    async def count(first: str, last: str) -> dict[Status, int]:
        return dict(await stores.attempts.count(ACME.id, ENDPOINT.id, first=first, last=last))

    assert await count(first, last) == {Status.SUCCESS: 2, Status.FAIL: 3}
    assert await count(first + "0", last) == {Status.SUCCESS: 1, Status.FAIL: 3}
    assert await count(first, last_but_one) == {Status.SUCCESS: 2, Status.FAIL: 2}
    assert await count(last, first) == {}


async def test_a_response_can_be_erased_and_the_attempt_stays(stores: Stores) -> None:
    attempt, other = (a_failed_attempt(MESSAGE, ENDPOINT, response="personal") for _ in range(2))
    await recorded(stores, attempt, other)

    for _ in range(2):
        await stores.attempts.erase_response(ACME.id, MESSAGE.id, attempt.id)

    erased = structs.replace(attempt, response=ERASED_RESPONSE)
    assert await stores.attempts.get(ACME.id, MESSAGE.id, attempt.id) == erased
    assert await stores.attempts.get(ACME.id, MESSAGE.id, other.id) == other
    for message_id, attempt_id in (("msg_none", other.id), (MESSAGE.id, "atmpt_none")):
        with pytest.raises(Unknown):
            await stores.attempts.erase_response(ACME.id, message_id, attempt_id)


DAY = timedelta(days=1)
ROUNDING = timedelta(seconds=2)
"""As late may go what goes by itself."""
LABELLED = {"channels": frozenset({"eu"}), "tags": frozenset({"vip"})}


async def passes(stores: Stores, at: datetime) -> None:
    """Let it be the instant, and retention run then."""
    stores.clock.move(at - stores.clock.now())
    before = at - ATTEMPTS_KEPT
    await all_gone(lambda after: stores.attempts.forget(before=before, after=after, limit=2), limit=2)


async def test_attempts_are_kept_for_a_while_after_all_was_over(stores: Stores) -> None:
    """By hand too, and from when the retry that was to follow was due: it may have come to nothing."""
    over = an_attempt(MESSAGE, ENDPOINT, channels=frozenset({"eu"}))
    pending = a_failed_attempt(a_message(ACME), ENDPOINT, next_attempt_at=NOON + 9 * DAY)
    await recorded(stores, over, pending)
    last = an_attempt(MESSAGE, ENDPOINT, number=0, trigger=Trigger.MANUAL, timestamp=NOON + DAY)
    stores.clock.move(DAY)
    await stores.outbox.record(last, None, beside_others=True)

    async def shown(only: AttemptFilter = ANY) -> set[str]:
        found = await stores.attempts.of_endpoint(ACME.id, ENDPOINT.id, EVERYTHING, only)
        return {attempt.id for attempt in found}

    await passes(stores, NOON + DAY + ATTEMPTS_KEPT)
    assert await shown() >= {last.id, pending.id}
    await passes(stores, NOON + DAY + ATTEMPTS_KEPT + ROUNDING)
    assert (await shown(), await shown(AttemptFilter(channel="eu"))) == ({pending.id}, set())
    with pytest.raises(Unknown):
        await stores.attempts.get(ACME.id, MESSAGE.id, last.id)
    await passes(stores, NOON + 9 * DAY + ATTEMPTS_KEPT)
    assert await shown() == {pending.id}
    await passes(stores, NOON + 9 * DAY + ATTEMPTS_KEPT + ROUNDING)
    assert await shown() == set()


async def test_a_message_is_in_lists_of_an_endpoint_till_its_attempts_there_are_gone(stores: Stores) -> None:
    """As long as the last one is left, it stands there as before."""
    message = a_message(ACME, **LABELLED)
    await stores.outbox.accept(message, a_dispatch(message), None)
    await stores.outbox.record(an_attempt(message, ENDPOINT), None)
    stores.clock.move(DAY)
    failed = a_failed_attempt(message, ENDPOINT, number=0, trigger=Trigger.MANUAL, timestamp=NOON + DAY)
    await stores.outbox.record(structs.replace(failed, next_attempt_at=None), None, beside_others=True)

    for at, left in ((NOON + ATTEMPTS_KEPT + ROUNDING, 1), (NOON + DAY + ATTEMPTS_KEPT + ROUNDING, 0)):
        await passes(stores, at)
        for only in (AttemptedMessageFilter(Status.SUCCESS), AttemptedMessageFilter(Status.SUCCESS, "eu")):
            rows = await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, only)
            assert [row.message.id for row in rows] == [message.id] * left
    assert await stores.destinations.of_message(ACME.id, message.id, EVERYTHING) == []
    assert (await stores.messages.get(ACME.id, message.id)).id == message.id


async def test_a_store_that_is_out_of_reach_says_so(stores: Stores) -> None:
    await stores.close()

    with pytest.raises(Unavailable):
        await stores.attempts.get(ACME.id, MESSAGE.id, "atmpt_1")
    with pytest.raises(Unavailable):
        await stores.attempts.end_chain(ACME.id, MESSAGE.id, ENDPOINT.id, ENDED)
    with pytest.raises(Unavailable):
        await stores.attempts.erase_response(ACME.id, MESSAGE.id, "atmpt_1")
    with pytest.raises(Unavailable):
        await stores.attempts.count(ACME.id, ENDPOINT.id, first="", last="z")
