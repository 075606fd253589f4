"""What `shared.ports.outbox` promises."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.domain.errors import EventIdTaken, Unavailable, Unknown
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, again_from, dispatch_from
from shared.ports.messages import MessageFilter
from shared.ports.outbox import Claim, DueRetry
from shared.ports.queue import Delivery
from tests.clock import NOON
from tests.contracts.adapters import Stores
from tests.contracts.scans import EVERYTHING
from tests.contracts.sweeping import requeued
from tests.makers import (
    a_dispatch,
    a_failed_attempt,
    a_message,
    a_retry,
    an_answer,
    an_application,
    an_attempt,
)

ACME = an_application()
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
KEY = b"key"
BARE = MessageFilter(payloads=False)


def a_claim(key: bytes = KEY, answer: bytes = b"first") -> Claim:
    return Claim(key, an_answer(body=answer), NOON + timedelta(hours=12))


async def queued(stores: Stores, queue: str) -> Sequence[Delivery]:
    return await stores.consumer.receive(queue, limit=100, lease=60 * SECOND, patience=timedelta())


async def dispatched(stores: Stores) -> set[str]:
    """The messages whose dispatches are queued and due, some of them perhaps more than once."""
    return {dispatch_from(delivery.body).message_id for delivery in await queued(stores, DISPATCH_QUEUE)}


async def test_an_accepted_message_is_kept_and_its_dispatch_queued(stores: Stores) -> None:
    message = a_message(ACME)

    assert await stores.outbox.accept(message, a_dispatch(message), None) is None

    assert await stores.messages.get(ACME.id, message.id) == message
    (delivery,) = await queued(stores, DISPATCH_QUEUE)
    assert dispatch_from(delivery.body) == a_dispatch(message)
    assert delivery.delivery_count == 1


async def test_an_accepted_message_survives_a_crash(stores: Stores) -> None:
    """The first promise: accepted is delivered."""
    message = a_message(ACME, key=KEY)
    await stores.outbox.accept(message, a_dispatch(message), a_claim())

    reborn = await stores.reborn()

    assert await reborn.messages.get(ACME.id, message.id) == message
    (delivery,) = await queued(reborn, DISPATCH_QUEUE)
    dispatch = dispatch_from(delivery.body)
    assert dispatch.message_id == message.id
    # It may have been handed over before the crash, and the payload may have to be read from the store.
    assert delivery.delivery_count >= 1
    assert dispatch.payload in {None, message.payload}
    again = a_message(ACME, key=KEY)
    assert await reborn.outbox.accept(again, a_dispatch(again), a_claim()) == a_claim().answer
    await reborn.close()


async def test_a_message_is_handed_over_at_the_time_that_it_was_told_and_not_before(stores: Stores) -> None:
    message = a_message(ACME, deliver_at=NOON + HOUR)
    await stores.outbox.accept(message, a_dispatch(message), None)

    stores.clock.move(HOUR - timedelta(microseconds=1))
    assert await queued(stores, DISPATCH_QUEUE) == []

    stores.clock.move(timedelta(microseconds=1))
    (delivery,) = await queued(stores, DISPATCH_QUEUE)
    assert dispatch_from(delivery.body).message_id == message.id


async def test_what_is_to_be_delivered_later_survives_a_crash(stores: Stores) -> None:
    message = a_message(ACME, deliver_at=NOON + HOUR)
    await stores.outbox.accept(message, a_dispatch(message), None)

    reborn = await stores.reborn()

    assert await queued(reborn, DISPATCH_QUEUE) == []
    reborn.clock.move(HOUR)
    (delivery,) = await queued(reborn, DISPATCH_QUEUE)
    assert dispatch_from(delivery.body).message_id == message.id
    await reborn.close()


async def test_a_payload_that_is_erased_while_it_waits_is_not_handed_over(stores: Stores) -> None:
    message = a_message(ACME, deliver_at=NOON + HOUR)
    await stores.outbox.accept(message, a_dispatch(message), None)
    await stores.messages.erase_payload(ACME.id, message.id)

    stores.clock.move(HOUR)

    (delivery,) = await queued(stores, DISPATCH_QUEUE)
    assert dispatch_from(delivery.body).payload is None


@pytest.mark.parametrize("event_id", [None, "evt-1"])
async def test_a_used_claim_answers_as_the_first_time_and_keeps_nothing(
    stores: Stores, event_id: str | None
) -> None:
    """A client that repeats a request after a timeout makes no second message, nor is told of a conflict."""
    first, second = (a_message(ACME, key=KEY, event_id=event_id) for _ in range(2))

    assert await stores.outbox.accept(first, a_dispatch(first), a_claim()) is None
    assert (
        await stores.outbox.accept(second, a_dispatch(second), a_claim(answer=b"second")) == a_claim().answer
    )

    with pytest.raises(Unknown):
        await stores.messages.get(ACME.id, second.id)
    assert await dispatched(stores) == {first.id}


async def test_of_many_claims_at_once_one_wins(stores: Stores) -> None:
    messages = [a_message(ACME, key=KEY) for _ in range(20)]

    answers = await asyncio.gather(
        *(
            stores.outbox.accept(message, a_dispatch(message), a_claim(answer=message.id.encode()))
            for message in messages
        )
    )

    (kept,) = await stores.messages.scan(ACME.id, EVERYTHING, BARE)
    assert [answer.body.decode() for answer in answers if answer is not None] == [kept.id] * 19
    assert await dispatched(stores) == {kept.id}


async def test_a_claim_that_has_expired_is_free(stores: Stores) -> None:
    first, second = a_message(ACME, key=KEY), a_message(ACME, key=KEY)
    await stores.outbox.accept(first, a_dispatch(first), a_claim())

    stores.clock.move(timedelta(hours=12))

    assert await stores.outbox.accept(second, a_dispatch(second), a_claim()) is None
    assert await stores.messages.get(ACME.id, second.id) == second


@pytest.mark.parametrize("event_id", [None, "evt-1"])
async def test_a_claim_is_the_answer_to_its_key(stores: Stores, event_id: str | None) -> None:
    """A repeat that cannot even be read is answered as the first time, also one to an unknown application."""
    message = a_message(ACME, key=KEY, event_id=event_id)
    assert await stores.outbox.answered(ACME.id, KEY) is None

    assert await stores.outbox.accept(message, a_dispatch(message), a_claim()) is None

    for app_id in (ACME.id, None):
        assert await stores.outbox.answered(app_id, KEY) == a_claim().answer
        assert await stores.outbox.answered(app_id, b"another") is None
    stores.clock.move(timedelta(hours=12))
    assert await stores.outbox.answered(ACME.id, KEY) is None


async def test_an_event_id_belongs_to_one_message_of_the_application(stores: Stores) -> None:
    first, second = a_message(ACME, event_id="evt-1"), a_message(ACME, event_id="evt-1")
    elsewhere = a_message(event_id="evt-1")
    await stores.outbox.accept(first, a_dispatch(first), None)

    with pytest.raises(EventIdTaken) as taken:
        await stores.outbox.accept(second, a_dispatch(second), a_claim())
    assert taken.value.event_id == "evt-1"
    assert await stores.outbox.accept(elsewhere, a_dispatch(elsewhere), None) is None

    assert await stores.messages.get(ACME.id, "evt-1") == first
    assert await dispatched(stores) == {first.id, elsewhere.id}
    # The claim was not kept, so the key may be used for another message.
    assert await stores.outbox.answered(ACME.id, KEY) is None


async def test_one_that_is_refused_spoils_no_other(stores: Stores) -> None:
    """Requests share a transaction; each is answered for itself."""
    messages = [a_message(ACME, event_id=f"evt-{number // 2}") for number in range(20)]

    answers = await asyncio.gather(
        *(stores.outbox.accept(message, a_dispatch(message), None) for message in messages),
        return_exceptions=True,
    )

    refused = [isinstance(answer, EventIdTaken) for answer in answers]
    assert [one + other for one, other in zip(refused[::2], refused[1::2], strict=True)] == [1] * 10
    kept = await stores.messages.scan(ACME.id, EVERYTHING, BARE)
    assert [message.event_id for message in kept] == [f"evt-{number}" for number in range(10)]
    assert await dispatched(stores) == {message.id for message in kept}


async def test_whatever_is_written_together_with_one_that_is_refused_is_kept(stores: Stores) -> None:
    first, second = a_message(ACME, event_id="evt"), a_message(ACME, event_id="evt")
    other = a_message(ACME, key=KEY)
    await stores.outbox.accept(first, a_dispatch(first), None)
    (delivery,) = await queued(stores, DISPATCH_QUEUE)
    attempt = a_failed_attempt()
    due = DueRetry(a_retry(attempt), NOON)

    refused, *kept = await asyncio.gather(
        stores.outbox.accept(second, a_dispatch(second), None),
        stores.outbox.accept(other, a_dispatch(other), a_claim()),
        stores.outbox.record(attempt, due),
        stores.outbox.record(attempt, due),
        stores.queue.send("events", b"event"),
        stores.consumer.complete(delivery),
        return_exceptions=True,
    )

    assert isinstance(refused, EventIdTaken)
    assert kept == [None] * 5
    assert await stores.messages.get(ACME.id, other.id) == other
    assert await stores.attempts.get(attempt.app_id, attempt.message_id, attempt.id) == attempt
    retries = await queued(stores, RETRY_QUEUE)
    assert {again_from(retry.body) for retry in retries} == {due.retry}
    assert [event.body for event in await queued(stores, "events")] == [b"event"]
    stores.clock.move(60 * SECOND)
    # That of the first may have been queued once more, for the one that was refused.
    assert {other.id} <= await dispatched(stores) <= {other.id, first.id}


async def test_a_caller_who_goes_away_loses_nothing(stores: Stores) -> None:
    """A client that closes its connection while its message is being written does not strand it."""
    message = a_message(ACME)
    accepting = asyncio.ensure_future(stores.outbox.accept(message, a_dispatch(message), None))
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin; no time passes
    accepting.cancel()

    other = a_message(ACME)
    await stores.outbox.accept(other, a_dispatch(other), None)

    ids = {dispatch_from(delivery.body).message_id for delivery in await queued(stores, DISPATCH_QUEUE)}
    kept = {kept.id for kept in await stores.messages.scan(ACME.id, EVERYTHING, BARE)}
    assert ids == kept


async def test_a_recorded_attempt_is_kept_and_its_retry_queued_for_its_time(stores: Stores) -> None:
    attempt = a_failed_attempt()
    retry = a_retry(attempt)

    await stores.outbox.record(attempt, DueRetry(retry, NOON + 5 * SECOND))

    assert await stores.attempts.get(attempt.app_id, attempt.message_id, attempt.id) == attempt
    assert await queued(stores, RETRY_QUEUE) == []
    stores.clock.move(5 * SECOND)
    (delivery,) = await queued(stores, RETRY_QUEUE)
    assert again_from(delivery.body) == retry


async def test_a_recorded_attempt_and_its_retry_survive_a_crash(stores: Stores) -> None:
    attempt = a_failed_attempt()
    await stores.outbox.record(attempt, DueRetry(a_retry(attempt), NOON + 5 * SECOND))

    reborn = await stores.reborn()

    assert await reborn.attempts.get(attempt.app_id, attempt.message_id, attempt.id) == attempt
    assert await queued(reborn, RETRY_QUEUE) == []
    reborn.clock.move(5 * SECOND)
    (delivery,) = await queued(reborn, RETRY_QUEUE)
    assert again_from(delivery.body) == a_retry(attempt)
    await reborn.close()


async def test_recording_an_attempt_twice_keeps_the_first(stores: Stores) -> None:
    first = a_failed_attempt()
    second = a_failed_attempt(id=first.id, message_id=first.message_id, response="other")
    due = DueRetry(a_retry(first), NOON)
    await stores.outbox.record(first, due)

    await stores.outbox.record(second, due)

    assert await stores.attempts.get(first.app_id, first.message_id, first.id) == first
    assert len(await queued(stores, RETRY_QUEUE)) >= 1


async def test_attempts_that_end_together_are_all_kept(stores: Stores) -> None:
    attempts = [an_attempt() for _ in range(300)]

    await asyncio.gather(*(stores.outbox.record(attempt, None) for attempt in attempts))

    for attempt in attempts[::50]:
        assert await stores.attempts.get(attempt.app_id, attempt.message_id, attempt.id) == attempt


async def test_nothing_is_unfinished_that_is_still_queued(stores: Stores) -> None:
    """A backlog is not queued once more every minute."""
    message = a_message(ACME)
    await stores.outbox.accept(message, a_dispatch(message), None)
    attempt = a_failed_attempt()
    await stores.outbox.record(attempt, DueRetry(a_retry(attempt), NOON + 5 * SECOND))

    assert not await requeued(stores.outbox, before=NOON, limit=100)


async def test_what_waits_for_its_time_is_not_unfinished(stores: Stores) -> None:
    """A message that was told to be delivered tonight is not delivered this morning."""
    message = a_message(ACME, deliver_at=NOON + HOUR)
    await stores.outbox.accept(message, a_dispatch(message), None)
    stores.clock.move(HOUR / 2)

    assert not await requeued(stores.outbox, before=NOON + HOUR / 2, limit=100)


async def test_a_retry_that_waits_for_its_turn_is_not_unfinished(stores: Stores) -> None:
    """Under a rate it would take a second turn, and so make everything behind it wait for nothing."""
    attempt = a_failed_attempt()
    retry = a_retry(attempt)
    await stores.outbox.record(attempt, DueRetry(retry, NOON + 5 * SECOND))
    await stores.outbox.postpone(retry, due_at=NOON + HOUR)
    stores.clock.move(HOUR)

    assert not await requeued(stores.outbox, before=NOON + HOUR, limit=100)


async def test_an_outbox_that_is_out_of_reach_says_so(stores: Stores) -> None:
    message = a_message(ACME)
    await stores.close()

    with pytest.raises(Unavailable):
        await stores.outbox.accept(message, a_dispatch(message), None)
    with pytest.raises(Unavailable):
        await stores.outbox.record(a_failed_attempt(), DueRetry(a_retry(a_failed_attempt()), NOON))
    with pytest.raises(Unavailable):
        await stores.outbox.answered(ACME.id, KEY)
