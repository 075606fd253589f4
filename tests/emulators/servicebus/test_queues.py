"""Queues, as the official SDK sees them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusError,
)

from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, TASKS_QUEUE
from tests.emulators.servicebus.bench import FORGETFUL, LOCK, Bench, body, opened
from tests.emulators.servicebus.elsewhere import QUEUES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), FORGETFUL]

Q = DISPATCH_QUEUE
DEAD = f"{Q}/dead"
ONCE = "test-once"
EXPIRING = "test-expiring"
ALL_DEAD = f"{EXPIRING}/dead"
DELETED = f"{RETRY_QUEUE}/deleted"
FORGETFUL_QUEUE = TASKS_QUEUE
"""One that nobody receives from before its messages are old: what is locked does not expire."""

FORGOTTEN = f"{FORGETFUL_QUEUE}/dead"
TO_LIVE = timedelta(hours=1)
REMEMBERED = timedelta(seconds=20)
SECOND = timedelta(seconds=1)
SENDERS = [Q, ONCE, EXPIRING, RETRY_QUEUE, FORGETFUL_QUEUE]
RECEIVERS = [Q, ONCE, FORGETFUL_QUEUE, DELETED, DEAD, ALL_DEAD, FORGOTTEN]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Bench]:
    async with opened({queue: QUEUES[queue] for queue in SENDERS}) as bench:
        await bench.open(senders=SENDERS, receivers=RECEIVERS)
        yield bench


@pytest_asyncio.fixture(loop_scope="module")
async def bench(shared: Bench) -> Bench:
    await shared.fresh()
    return shared


async def test_a_message_comes_as_it_was_sent(bench: Bench) -> None:
    sent = ServiceBusMessage(
        b"\x00body\xff",
        application_properties={"text": "t", "number": 7, b"raw": b"\x00"},
        message_id="id-1",
        subject="about",
        correlation_id="with",
        content_type="text/plain",
    )
    await bench.sender(Q).send_messages(sent)

    got = await bench.one(Q)

    assert body(got) == b"\x00body\xff"
    assert got.application_properties == {b"text": b"t", b"number": 7, b"raw": b"\x00"}
    assert (got.message_id, got.subject, got.correlation_id) == ("id-1", "about", "with")
    assert (got.content_type, got.delivery_count) == ("text/plain", 0)
    assert got.sequence_number is not None
    assert got.enqueued_time_utc is not None
    assert got.locked_until_utc is not None
    assert abs(got.locked_until_utc - got.enqueued_time_utc - LOCK) < 9 * SECOND


async def test_messages_of_a_batch_are_messages(bench: Bench) -> None:
    batch = await bench.sender(Q).create_message_batch()
    for number in range(5):
        batch.add_message(ServiceBusMessage(bytes([number])))
    await bench.sender(Q).send_messages(batch)

    assert [body(message) for message in await bench.receive(Q, 5)] == [
        bytes([number]) for number in range(5)
    ]


async def test_a_message_of_many_frames_is_one(bench: Bench) -> None:
    large = bytes(range(256)) * 800
    await bench.sender(Q).send_messages(ServiceBusMessage(large))

    assert body(await bench.one(Q)) == large


async def test_what_is_completed_is_gone_and_what_is_abandoned_comes_again_at_its_place(bench: Bench) -> None:
    await bench.send(Q, b"first", b"second", b"third")
    first, second = await bench.receive(Q, 2)
    receiver = bench.receiver(Q)

    await receiver.complete_message(second)
    await receiver.abandon_message(first)

    again, third = await bench.receive(Q, 2)
    assert [(body(one), one.delivery_count) for one in (again, third)] == [(b"first", 1), (b"third", 0)]


async def test_a_lock_that_ends_has_the_message_come_again(bench: Bench) -> None:
    await bench.send(Q, b"body")
    first = await bench.one(Q)

    bench.move(LOCK - SECOND)
    assert await bench.rest(Q) == []
    bench.move(SECOND)

    second = await bench.one(Q)
    assert (body(second), second.delivery_count) == (b"body", 1)
    with pytest.raises(MessageLockLostError):
        await bench.receiver(Q).complete_message(first)
    await bench.receiver(Q).complete_message(second)


async def test_a_renewed_lock_runs_from_then(bench: Bench) -> None:
    await bench.send(Q, b"body")
    message = await bench.one(Q)
    bench.move(LOCK / 2)

    until = await bench.receiver(Q).renew_message_lock(message)

    assert abs(until - bench.clock.now() - LOCK) < SECOND
    bench.move(LOCK - SECOND)
    await bench.receiver(Q).complete_message(message)


async def test_what_fails_too_often_is_a_dead_letter(bench: Bench) -> None:
    await bench.send(Q, b"poison")
    for count in range(QUEUES[Q].max_deliveries):
        message = await bench.one(Q)
        assert message.delivery_count == count
        await bench.receiver(Q).abandon_message(message)

    assert await bench.rest(Q) == []
    dead = await bench.one(DEAD)
    assert (body(dead), dead.dead_letter_reason) == (b"poison", "MaxDeliveryCountExceeded")


async def test_a_dead_letter_comes_as_often_as_it_takes(bench: Bench) -> None:
    await bench.send(Q, b"poison")
    await bench.receiver(Q).dead_letter_message(await bench.one(Q))
    for count in range(QUEUES[Q].max_deliveries + 1):
        dead = await bench.one(DEAD)
        assert (body(dead), dead.delivery_count) == (b"poison", count)
        bench.move(LOCK)


async def test_a_receiver_says_why_it_makes_a_dead_letter(bench: Bench) -> None:
    sent = ServiceBusMessage(b"bad", application_properties={"own": 1})
    await bench.sender(Q).send_messages(sent)
    message = await bench.one(Q)

    await bench.receiver(Q).dead_letter_message(message, reason="unreadable", error_description="no JSON")

    dead = await bench.one(DEAD)
    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("unreadable", "no JSON")
    assert dead.application_properties is not None
    assert dead.application_properties[b"own"] == 1
    assert dead.sequence_number == message.sequence_number


async def test_a_scheduled_message_comes_at_its_time_behind_what_was_sent_before(bench: Bench) -> None:
    due = bench.clock.now() + 10 * SECOND
    (number,) = await bench.sender(Q).schedule_messages(ServiceBusMessage(b"later"), due)
    await bench.sender(Q).send_messages(ServiceBusMessage(b"also", scheduled_enqueue_time_utc=due))

    bench.move(9 * SECOND)
    await bench.send(Q, b"now")
    assert await bench.rest(Q) == [b"now"]
    bench.move(2 * SECOND)

    later, also = await bench.receive(Q, 2)
    assert (body(later), body(also)) == (b"later", b"also")
    assert later.sequence_number is not None
    assert later.sequence_number > number


async def test_a_scheduled_message_can_be_cancelled(bench: Bench) -> None:
    sender, due = bench.sender(Q), bench.clock.now() + timedelta(minutes=10)
    first, _ = await sender.schedule_messages([ServiceBusMessage(b"1"), ServiceBusMessage(b"2")], due)

    await sender.cancel_scheduled_messages(first)

    found = await bench.receiver(Q).peek_messages(9, sequence_number=1)
    assert [body(one) for one in found] == [b"2"]


async def test_what_has_come_can_no_more_be_cancelled(bench: Bench) -> None:
    due = bench.clock.now() + 10 * SECOND
    (number,) = await bench.sender(Q).schedule_messages(ServiceBusMessage(b"1"), due)

    bench.move(11 * SECOND)

    assert await bench.rest(Q) == [b"1"]
    async with bench.client.get_queue_sender(Q) as impatient:
        impatient._config.retry_total = 0
        with pytest.raises(MessageNotFoundError):
            await impatient.cancel_scheduled_messages(number)


async def test_peeking_shows_everything_and_takes_nothing(bench: Bench) -> None:
    await bench.send(Q, b"locked", b"ready")
    await bench.one(Q)
    await bench.sender(Q).schedule_messages(
        ServiceBusMessage(b"later"), bench.clock.now() + timedelta(minutes=10)
    )

    found = await bench.receiver(Q).peek_messages(10, sequence_number=1)

    assert [(body(one), int(one.state)) for one in found] == [(b"locked", 0), (b"ready", 0), (b"later", 2)]
    after = found[0].sequence_number
    assert after is not None
    assert len(await bench.receiver(Q).peek_messages(10, sequence_number=after + 1)) == 2
    assert await bench.rest(Q) == [b"ready"]


async def test_a_deferred_message_is_received_by_its_number_alone(bench: Bench) -> None:
    await bench.send(Q, b"deferred")
    message = await bench.one(Q)
    await bench.receiver(Q).defer_message(message)
    assert await bench.rest(Q) == []
    assert message.sequence_number is not None

    (again,) = await bench.receiver(Q).receive_deferred_messages(message.sequence_number)

    assert body(again) == b"deferred"
    await bench.receiver(Q).complete_message(again)
    assert await bench.receiver(Q).peek_messages(10, sequence_number=1) == []


async def test_receive_and_delete_leaves_nothing(bench: Bench) -> None:
    await bench.send(RETRY_QUEUE, b"body")

    assert body(await bench.one(DELETED)) == b"body"
    assert await bench.receiver(DELETED).peek_messages(9, sequence_number=1) == []


async def test_old_messages_go_away(bench: Bench) -> None:
    sender, receiver = bench.sender(FORGETFUL_QUEUE), bench.receiver(FORGETFUL_QUEUE)
    await sender.send_messages(ServiceBusMessage(b"short", time_to_live=SECOND))
    await sender.send_messages(ServiceBusMessage(b"long", time_to_live=timedelta(days=9)))

    bench.move(2 * SECOND)
    assert [body(one) for one in await receiver.peek_messages(9, sequence_number=1)] == [b"long"]
    bench.move(TO_LIVE)
    assert await bench.rest(FORGETFUL_QUEUE) == []
    assert await bench.rest(FORGOTTEN) == []


async def test_old_messages_become_dead_letters_where_the_queue_says_so(bench: Bench) -> None:
    await bench.sender(EXPIRING).send_messages(ServiceBusMessage(b"short", time_to_live=SECOND))

    bench.move(2 * SECOND)

    dead = await bench.one(ALL_DEAD)
    assert (body(dead), dead.dead_letter_reason) == (b"short", "TTLExpiredException")
    await bench.receiver(ALL_DEAD).complete_message(dead)


async def test_a_repeated_id_is_dropped(bench: Bench) -> None:
    same = uuid4().hex
    await bench.sender(ONCE).send_messages(ServiceBusMessage(b"first", message_id=same))
    await bench.sender(ONCE).send_messages(ServiceBusMessage(b"repeat", message_id=same))
    await bench.sender(ONCE).send_messages(
        [ServiceBusMessage(b"in a batch", message_id=same), ServiceBusMessage(b"other")]
    )

    assert await bench.rest(ONCE) == [b"first", b"other"]


async def test_an_id_is_forgotten_after_a_while(bench: Bench) -> None:
    for _ in range(2):
        await bench.sender(ONCE).send_messages(ServiceBusMessage(b"body", message_id="same"))
        bench.move(REMEMBERED)

    assert await bench.rest(ONCE) == [b"body", b"body"]


async def test_too_large_a_message_is_refused(bench: Bench) -> None:
    batch = await bench.sender(Q).create_message_batch()
    with pytest.raises(MessageSizeExceededError):
        await bench.sender(Q).send_messages(ServiceBusMessage(bytes(batch.max_size_in_bytes)))
    assert await bench.rest(Q) == []


async def test_too_long_a_property_is_refused(bench: Bench) -> None:
    message = ServiceBusMessage(b"body", application_properties={"why": "x" * 33_000})
    with pytest.raises(ServiceBusError):
        await bench.sender(Q).send_messages(message)
    assert await bench.rest(Q) == []


async def test_a_queue_that_is_not_there_is_said_to_be_so(bench: Bench) -> None:
    with pytest.raises(MessagingEntityNotFoundError):
        await bench.client.get_queue_sender("nowhere").send_messages(ServiceBusMessage(b"body"))


async def test_a_wrong_key_is_refused(bench: Bench) -> None:
    text = bench.server.connection_string.replace("SAS_KEY_VALUE", "wrong")
    async with ServiceBusClient.from_connection_string(text, retry_total=0) as client:
        with pytest.raises(ServiceBusAuthenticationError):
            await client.get_queue_sender(Q).send_messages(ServiceBusMessage(b"body"))
