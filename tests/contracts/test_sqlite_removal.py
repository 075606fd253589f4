"""What the SQLite adapters promise beyond the ports of what is erased, forgotten and removed.

Store and queue are one file: what is erased does not travel with queued work any more. And nothing goes by
itself: what is over is removed a few rows at a time, and how many is told.
"""

from datetime import datetime, timedelta

import pytest
from msgspec import structs

from shared.adapters.sqlite.removal import TURN_BYTES
from shared.domain.attempt import Attempt, Status, Trigger
from shared.domain.errors import Unavailable, Unknown
from shared.domain.message import Message
from shared.domain.work import DISPATCH_QUEUE, dispatch_from
from shared.ports.attempts import AttemptFilter
from shared.ports.destinations import AttemptedMessageFilter
from shared.ports.messages import MessageFilter
from tests.clock import NOON
from tests.contracts.adapters import Stores
from tests.contracts.removal import all_gone
from tests.contracts.scans import EVERYTHING
from tests.makers import (
    a_dispatch,
    a_failed_attempt,
    a_message,
    an_answer,
    an_application,
    an_attempt,
    an_endpoint,
)

ACME = an_application()
MESSAGE = a_message(ACME)
ENDPOINT = an_endpoint(ACME)
OTHER_ENDPOINT = an_endpoint(ACME)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
LOCK_END = NOON + 5 * SECOND
EXPIRY = NOON + timedelta(hours=12)
ANY = AttemptFilter()
LABELLED = {"channels": frozenset({"eu"}), "tags": frozenset({"vip"})}


async def accepted(stores: Stores, *messages: Message) -> None:
    for message in messages:
        assert await stores.outbox.accept(message, a_dispatch(message), None) is None


async def recorded(stores: Stores, *attempts: Attempt) -> None:
    for attempt in attempts:
        await stores.outbox.record(attempt, None)


async def forgotten(stores: Stores, before: datetime, limit: int = 2) -> int:
    """Forget until nothing is left, and say how many attempts that were."""
    return await all_gone(
        lambda after: stores.attempts.forget(before=before, after=after, limit=limit), limit=limit
    )


async def test_attempts_are_forgotten_once_the_newest_on_their_message_is_old(stores: Stores) -> None:
    """Wherever that was, and by hand too: till then all that was tried is known."""
    elsewhere = an_attempt(MESSAGE, OTHER_ENDPOINT, timestamp=NOON + DAY)
    by_hand = an_attempt(MESSAGE, ENDPOINT, number=0, trigger=Trigger.MANUAL, timestamp=NOON + 2 * DAY)
    later = an_attempt(a_message(ACME, created_at=NOON + DAY), ENDPOINT, timestamp=NOON + 3 * DAY)
    for attempt in (an_attempt(MESSAGE, ENDPOINT), elsewhere, by_hand, later):
        await stores.outbox.record(attempt, None, beside_others=attempt is by_hand)

    assert await forgotten(stores, NOON + 2 * DAY) == 0
    assert await forgotten(stores, NOON + 2 * DAY + SECOND) == 3
    assert await forgotten(stores, NOON + 2 * DAY + SECOND) == 0

    assert await stores.attempts.of_message(ACME.id, MESSAGE.id, EVERYTHING, ANY) == []
    assert await stores.attempts.of_endpoint(ACME.id, ENDPOINT.id, EVERYTHING, ANY) == [later]
    with pytest.raises(Unknown):
        await stores.attempts.get(ACME.id, MESSAGE.id, by_hand.id)


async def test_attempts_are_kept_while_a_retry_follows_and_as_long_after_it_was_due(stores: Stores) -> None:
    """It may have come to nothing among the dead letters."""
    await recorded(stores, a_failed_attempt(MESSAGE, ENDPOINT, next_attempt_at=NOON + 9 * DAY))
    assert await forgotten(stores, NOON + 9 * DAY) == 0
    assert await forgotten(stores, NOON + 9 * DAY + SECOND) == 1


async def test_what_is_kept_is_no_hindrance_to_what_is_forgotten_after_it(stores: Stores) -> None:
    for day in range(6):
        retried = a_message(ACME, created_at=NOON + day * DAY)
        await recorded(stores, a_failed_attempt(retried, ENDPOINT, next_attempt_at=NOON + 99 * DAY))
        over = a_message(ACME, created_at=NOON + day * DAY)
        await recorded(stores, *(an_attempt(over, ENDPOINT, number=number) for number in range(5)))
    assert await forgotten(stores, NOON + 9 * DAY) == 30
    assert len(await stores.attempts.of_endpoint(ACME.id, ENDPOINT.id, EVERYTHING, ANY)) == 6


async def test_a_message_is_in_no_list_of_an_endpoint_once_its_attempts_are_forgotten(stores: Stores) -> None:
    """As long as the last one is left, it stands there as before."""
    message = a_message(ACME, **LABELLED)
    await stores.outbox.accept(message, a_dispatch(message), None)
    await stores.outbox.record(an_attempt(message, ENDPOINT), None)
    failed = a_failed_attempt(message, ENDPOINT, number=0, trigger=Trigger.MANUAL, timestamp=NOON + SECOND)
    await stores.outbox.record(structs.replace(failed, next_attempt_at=None), None, beside_others=True)

    async def shown(only: AttemptedMessageFilter) -> list[Status]:
        rows = await stores.destinations.messages_at(ACME.id, ENDPOINT.id, EVERYTHING, only)
        return [row.status for row in rows]

    lists = [AttemptedMessageFilter(status=Status.SUCCESS), AttemptedMessageFilter(Status.SUCCESS, "eu")]
    for left in (1, 0):
        await stores.attempts.forget(before=NOON + DAY, after="", limit=1)
        assert [await shown(only) for only in lists] == [[Status.SUCCESS] * left] * 2
        for only in (ANY, AttemptFilter(channel="eu"), AttemptFilter(tag="vip", channel="eu")):
            assert len(await stores.attempts.of_endpoint(ACME.id, ENDPOINT.id, EVERYTHING, only)) == left
    assert await stores.destinations.of_message(ACME.id, message.id, EVERYTHING) == []
    assert await stores.messages.get(ACME.id, message.id) == message


async def test_payloads_that_had_expired_are_erased_a_few_at_a_time(stores: Stores) -> None:
    """The payload goes, the message stays in view."""
    instant = NOON + timedelta(days=5, microseconds=1)
    expired = [a_message(ACME, payload_expires_at=instant) for _ in range(3)]
    later = a_message(ACME, payload_expires_at=instant + timedelta(microseconds=1))
    await accepted(stores, *expired, later)

    async def gone(expired_at: datetime) -> int:
        return await all_gone(
            lambda _: stores.messages.erase_payloads(expired_at=expired_at, limit=2), limit=2
        )

    assert await gone(instant - timedelta(microseconds=1)) == 0
    assert await gone(instant) == 3
    assert await gone(instant) == 0

    for message in expired:
        assert (await stores.messages.get(ACME.id, message.id)).payload is None
    assert await stores.messages.get(ACME.id, later.id) == later


async def test_messages_that_are_old_are_removed_a_few_at_a_time(stores: Stores) -> None:
    """Of every application, payloads too, and no younger one is a hindrance to those of the next."""
    applications = sorted((an_application() for _ in range(3)), key=lambda one: one.id)
    for application in applications:
        for day in (0, 0, 1, 2, 3):
            await accepted(stores, a_message(application, created_at=NOON + day * DAY))

    async def gone(before: datetime) -> int:
        return await all_gone(
            lambda after: stores.messages.forget(before=before, after=after, limit=2), limit=2
        )

    assert await gone(NOON) == 0
    assert await gone(NOON + DAY + SECOND) == 9
    assert await gone(NOON + DAY + SECOND) == 0

    for application in applications:
        assert len(await stores.messages.scan(application.id, EVERYTHING, MessageFilter())) == 2
    assert (await stores.messages.erase_payloads(expired_at=NOON + 999 * DAY, limit=99)).count == 6


async def test_the_attempts_on_an_old_message_count_in_what_one_write_may_remove(stores: Stores) -> None:
    """There may be very many of them, with long responses; the message is in view till all are gone."""
    await accepted(stores, MESSAGE)
    long = "x" * (TURN_BYTES // 2)
    await recorded(stores, *(an_attempt(MESSAGE, an_endpoint(ACME), response=long) for _ in range(3)))

    first = await stores.messages.forget(before=NOON + DAY, after="", limit=9)
    left = await stores.attempts.of_message(ACME.id, MESSAGE.id, EVERYTHING, ANY)
    assert (first.count, await stores.messages.get(ACME.id, MESSAGE.id)) == (0, MESSAGE)
    assert first.rest is not None
    assert 0 < len(left) < 3

    assert await all_gone(
        lambda after: stores.messages.forget(before=NOON + DAY, after=after, limit=9), limit=9
    )
    assert await stores.attempts.of_message(ACME.id, MESSAGE.id, EVERYTHING, ANY) == []


async def test_an_erased_payload_does_not_travel_any_more(stores: Stores) -> None:
    """What waits for a consumer at that moment is handed over without it, also by another process."""
    message = a_message(ACME)
    await accepted(stores, message)
    await stores.messages.erase_payload(ACME.id, message.id)

    elsewhere = await stores.reborn()
    (taken,) = await elsewhere.consumer.receive(DISPATCH_QUEUE, limit=9, lease=MINUTE, patience=timedelta(0))

    assert dispatch_from(taken.body).payload is None
    await elsewhere.close()


async def test_a_payload_does_not_lie_among_the_dead_letters(stores: Stores) -> None:
    """There it would outlive its being erased, and be sent when somebody has the work done after all."""
    message = a_message(ACME)
    await stores.outbox.accept(message, a_dispatch(message), None)
    (delivery,) = await stores.consumer.receive(DISPATCH_QUEUE, limit=9, lease=MINUTE, patience=timedelta(0))
    assert dispatch_from(delivery.body).payload is not None

    await stores.consumer.bury(delivery, reason="failed ten times")
    (dead,) = await stores.dead_letters.page(DISPATCH_QUEUE, limit=2)
    await stores.dead_letters.redrive(DISPATCH_QUEUE)
    (redriven,) = await stores.consumer.receive(DISPATCH_QUEUE, limit=9, lease=MINUTE, patience=timedelta(0))
    without = structs.replace(dispatch_from(delivery.body), payload=None)
    assert [dispatch_from(body) for body in (dead.body, redriven.body)] == [without, without]


async def test_what_has_expired_is_forgotten_a_few_at_a_time(stores: Stores) -> None:
    for number in range(3):
        await stores.answers.finish(bytes([number]), an_answer(), expires_at=NOON)
    await stores.answers.begin(b"lock", now=NOON - SECOND, lock_until=NOON)
    await stores.answers.finish(b"kept", an_answer(), expires_at=EXPIRY)

    async def gone(before: datetime) -> int:
        return await all_gone(lambda _: stores.answers.forget(before=before, limit=3), limit=3)

    assert await gone(NOON) == 0
    assert await gone(NOON + SECOND) == 4
    assert await gone(NOON + SECOND) == 0

    assert await stores.answers.begin(b"kept", now=NOON, lock_until=LOCK_END) == an_answer()


async def test_removed_messages_leave_no_payload_in_the_queue(stores: Stores) -> None:
    gone, kept = a_message(ACME), a_message(ACME)
    await accepted(stores, gone, kept)
    await stores.messages.remove_several(ACME.id, [gone.id])

    elsewhere = await stores.reborn()
    taken = await elsewhere.consumer.receive(DISPATCH_QUEUE, limit=9, lease=MINUTE, patience=timedelta(0))
    bodies = {work.message_id: work.payload for work in (dispatch_from(one.body) for one in taken)}
    assert bodies == {gone.id: None, kept.id: kept.payload}
    await elsewhere.close()


async def test_a_store_that_is_closed_forgets_nothing(stores: Stores) -> None:
    await stores.close()
    with pytest.raises(Unavailable):
        await stores.attempts.forget(before=NOON, after="", limit=1)
