"""The hot path on Cosmos DB: what it costs, and what comes of it under faults."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from msgspec import structs

from shared.adapters.cosmos.containers import ANSWERS, MESSAGES
from shared.adapters.cosmos.documents import LARGE_BYTES, event_claim_id
from shared.adapters.cosmos.outbox import REPEAT_AFTER, CosmosOutbox
from shared.adapters.cosmos.unqueued import (
    OVERDUE_AGAIN,
    PROCESS,
    QUEUED_AT_ONCE,
    REQUEUES_FOR,
    SAID_EVERY,
    SILENT_AFTER,
)
from shared.domain import ids
from shared.domain.attempt import Attempt, Ended, Ending, Status, Trigger
from shared.domain.errors import EventIdTaken, Unavailable, Unknown
from shared.domain.message import Message
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, Dispatch, Retry, again_from, dispatch_from
from shared.ports.answers import Begun
from shared.ports.attempts import AttemptFilter
from shared.ports.destinations import AttemptedMessageFilter
from shared.ports.messages import MessageFilter
from shared.ports.outbox import Claim, DueRetry
from shared.ports.queue import Queue
from tests.clock import NOON, MovedClock
from tests.contracts.adapters import ATTEMPTS_KEPT, KEPT, MESSAGES_KEPT, Stores
from tests.contracts.cosmos import Deployment
from tests.contracts.faults import BOUND, HEARD, UNHEARD
from tests.contracts.scans import EVERYTHING
from tests.contracts.sweeping import requeued
from tests.emulators.cosmos import CosmosEmulator, Fault
from tests.makers import (
    a_dispatch,
    a_failed_attempt,
    a_message,
    a_retry,
    an_answer,
    an_application,
    an_attempt,
    an_endpoint,
)

ACME = an_application()
ENDPOINT = an_endpoint(ACME)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
KEY = b"key"
CLAIM = Claim(KEY, an_answer(), NOON + timedelta(hours=12))
LARGE = '{"a": "' + "x" * LARGE_BYTES + '"}'
PAGE = replace(EVERYTHING, limit=50)

Begin = Callable[..., Stores]
Queued = list[Dispatch | Retry]


async def dispatched(stores: Stores) -> list[str]:
    taken = await stores.consumer.receive(DISPATCH_QUEUE, limit=99, lease=HOUR, patience=timedelta())
    return [dispatch_from(delivery.body).message_id for delivery in taken]


async def retried(stores: Stores) -> list[str]:
    taken = await stores.consumer.receive(RETRY_QUEUE, limit=99, lease=HOUR, patience=timedelta())
    return [again_from(delivery.body).message_id for delivery in taken]


async def kept(stores: Stores) -> list[str]:
    found = await stores.messages.scan(ACME.id, EVERYTHING, MessageFilter(payloads=False))
    return [message.id for message in found]


async def accept(stores: Stores, message: Message, claim: Claim | None = None) -> None:
    assert await stores.outbox.accept(message, a_dispatch(message), claim) is None


async def warm(emulator: CosmosEmulator, process: Stores) -> None:
    """Have the client know what it asks once, however long that takes, and count from here on."""
    is_warm = False
    while not is_warm:
        with suppress(Unavailable):
            await accept(process, a_message())
            is_warm = True
    await dispatched(process)
    emulator.counts.clear()


@pytest.mark.parametrize("said", [{}, {"key": KEY}, {"event_id": "e"}, {"key": KEY, "event_id": "e"}])
async def test_to_accept_is_one_operation(
    emulator: CosmosEmulator, process: Stores, said: dict[str, object]
) -> None:
    await warm(emulator, process)

    await accept(process, a_message(ACME, **said), CLAIM if "key" in said else None)

    assert emulator.counts.operations() == emulator.counts.of("batch") == 1


async def test_to_record_is_one_operation_whichever_attempt_it_is(
    emulator: CosmosEmulator, process: Stores
) -> None:
    message = a_message(ACME)
    await accept(process, message)
    await warm(emulator, process)
    for number in (1, 2, 3):
        attempt = a_failed_attempt(message, ENDPOINT, number=number, timestamp=NOON + number * SECOND)
        await process.outbox.record(attempt, DueRetry(a_retry(attempt), NOON + HOUR))
        assert emulator.counts.operations() == number

    by_hand = an_attempt(message, ENDPOINT, number=0, trigger=Trigger.MANUAL, timestamp=NOON + 4 * SECOND)
    await process.outbox.record(by_hand, None, beside_others=True)
    assert emulator.counts.operations() == 4


async def test_answers_that_come_together_are_one_batch(emulator: CosmosEmulator, process: Stores) -> None:
    message = a_message(ACME)
    await accept(process, message)
    await warm(emulator, process)

    attempts = [an_attempt(message, an_endpoint(ACME)) for _ in range(5)]
    await asyncio.gather(*(process.outbox.record(attempt, None) for attempt in attempts))

    assert emulator.counts.operations() == emulator.counts.of("batch") == 1
    assert len(await process.attempts.latest(ACME.id, message.id)) == 5


async def test_messages_of_one_shard_that_come_together_are_one_batch(
    emulator: CosmosEmulator, process: Stores
) -> None:
    await warm(emulator, process)
    rivals = [a_message(ACME, event_id="e") for _ in range(2)]
    others = [a_message(ACME, key=b"e") for _ in range(10)]

    await asyncio.gather(*(accept(process, message) for message in others))
    assert emulator.counts.operations() == 1
    answers = await asyncio.gather(
        *(process.outbox.accept(message, a_dispatch(message), None) for message in rivals),
        return_exceptions=True,
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["EventIdTaken", "NoneType"]
    assert len(await kept(process)) == 11


async def test_a_page_of_50_is_one_query_a_shard(emulator: CosmosEmulator, process: Stores) -> None:
    """Of attempted messages two: how they stand, and the messages themselves."""
    messages = [a_message(ACME) for _ in range(60)]
    for message in messages:
        await accept(process, message)
        await process.outbox.record(an_attempt(message, ENDPOINT), None)
    await warm(emulator, process)

    assert len(await process.messages.scan(ACME.id, PAGE, MessageFilter())) == 51
    assert emulator.counts.operations() == emulator.counts.of("query") == ids.SHARDS
    emulator.counts.clear()
    assert len(await process.attempts.of_endpoint(ACME.id, ENDPOINT.id, PAGE, AttemptFilter())) == 51
    assert emulator.counts.operations() == emulator.counts.of("query") == ids.SHARDS
    emulator.counts.clear()
    only = AttemptedMessageFilter()
    assert len(await process.destinations.messages_at(ACME.id, ENDPOINT.id, PAGE, only)) == 51
    assert emulator.counts.operations() == emulator.counts.of("query") == 2 * ids.SHARDS


async def test_a_page_of_messages_that_are_all_in_one_shard_is_whole(process: Stores) -> None:
    messages = [a_message(ACME, key=KEY) for _ in range(5)]
    for message in messages:
        await accept(process, message)

    for descending in (False, True):
        scan = replace(EVERYTHING, limit=2, descending=descending)
        found = await process.messages.scan(ACME.id, scan, MessageFilter())
        assert found == (messages[::-1] if descending else messages)[:3]


async def test_attempts_beyond_what_one_batch_takes_are_all_recorded(
    emulator: CosmosEmulator, process: Stores
) -> None:
    """And one that was recorded before is no hindrance to those that it meets."""
    message = a_message(ACME)
    attempts = [an_attempt(message, an_endpoint(ACME)) for _ in range(120)]
    await process.outbox.record(attempts[7], None)
    await warm(emulator, process)

    await asyncio.gather(*(process.outbox.record(attempt, None) for attempt in attempts))

    assert len(await process.attempts.latest(ACME.id, message.id)) == 120


@pytest.mark.parametrize("fault", UNHEARD)
async def test_what_is_accepted_under_a_fault_is_kept_once_and_queued(
    emulator: CosmosEmulator, process: Stores, fault: Fault
) -> None:
    """The client that Azure gives us sends it again."""
    message = a_message(ACME, key=KEY, event_id="e")
    emulator.inject(replace(fault, operation="batch"))

    await accept(process, message, CLAIM)

    assert (await kept(process), await dispatched(process)) == ([message.id], [message.id])
    assert await process.outbox.answered(ACME.id, KEY) == CLAIM.answer


@pytest.mark.parametrize("fault", HEARD)
@pytest.mark.parametrize("is_done", [False, True])
async def test_what_was_refused_under_a_fault_is_accepted_once_when_it_is_repeated(
    emulator: CosmosEmulator, begin: Begin, clock: MovedClock, fault: Fault, *, is_done: bool
) -> None:
    """Whether it was kept before or not: the answer is one, the message is one, and it is queued."""
    impatient, process = begin(BOUND), begin()
    first, again = (a_message(ACME, key=KEY) for _ in range(2))
    await warm(emulator, impatient)
    emulator.inject(replace(fault, operation="batch", applied=is_done))

    with pytest.raises(Unavailable) as refused:
        await impatient.outbox.accept(first, a_dispatch(first), CLAIM)
    assert refused.value.wait == fault.retry_after
    emulator.faults.clear()
    answer = await process.outbox.accept(again, a_dispatch(again), CLAIM)

    assert answer == (CLAIM.answer if is_done else None)
    accepted = [first.id if is_done else again.id]
    clock.move(REPEAT_AFTER)
    assert (await kept(process), await dispatched(process)) == (accepted, accepted)


async def test_a_message_that_was_kept_though_nobody_heard_so_is_queued_later(
    emulator: CosmosEmulator, outbox: CosmosOutbox, process: Stores
) -> None:
    """It is in view, so it shall be delivered, also if the client does not repeat it."""
    message = a_message(ACME)
    emulator.inject(Fault("batch", answer=500, applied=True))

    with pytest.raises(Unavailable):
        await outbox.accept(message, a_dispatch(message), None)
    await outbox.close()

    (work,) = await requeued(process.outbox, before=NOON + SECOND, limit=9)
    assert work.message_id == message.id


@pytest.mark.parametrize("fault", UNHEARD)
@pytest.mark.parametrize("number", [1, 2])
async def test_what_is_recorded_under_a_fault_is_recorded_once(
    emulator: CosmosEmulator, process: Stores, fault: Fault, number: int
) -> None:
    message = a_message(ACME)
    attempts = [
        a_failed_attempt(message, ENDPOINT, number=each, timestamp=NOON + each * SECOND)
        for each in range(1, number + 1)
    ]
    for attempt in attempts[:-1]:
        await process.outbox.record(attempt, None)
    emulator.inject(replace(fault, operation="batch"))

    await process.outbox.record(attempts[-1], DueRetry(a_retry(attempts[-1]), NOON))

    assert await process.attempts.at_endpoint(ACME.id, message.id, ENDPOINT.id) == attempts
    assert await standing(process) == {message.id: Status.SENDING}
    assert await retried(process) == [message.id]


@pytest.mark.parametrize("fault", HEARD)
@pytest.mark.parametrize("is_done", [False, True])
async def test_an_attempt_that_could_not_be_recorded_is_when_that_is_tried_again(
    emulator: CosmosEmulator, begin: Begin, fault: Fault, *, is_done: bool
) -> None:
    impatient, process = begin(BOUND), begin()
    attempt = a_failed_attempt(a_message(ACME), ENDPOINT)
    due = DueRetry(a_retry(attempt), NOON)
    await warm(emulator, impatient)
    emulator.inject(replace(fault, operation="batch", applied=is_done))

    with pytest.raises(Unavailable):
        await impatient.outbox.record(attempt, due)
    assert await retried(process) == []
    emulator.faults.clear()
    await process.outbox.record(attempt, due)

    assert await process.attempts.at_endpoint(ACME.id, attempt.message_id, ENDPOINT.id) == [attempt]
    assert await retried(process) == [attempt.message_id]


@pytest.mark.parametrize("fault", UNHEARD)
async def test_a_chain_ends_once_and_nothing_of_it_is_due_any_more(
    emulator: CosmosEmulator, process: Stores, clock: MovedClock, fault: Fault
) -> None:
    message = a_message(ACME)
    for number in (1, 2):
        attempt = a_failed_attempt(message, ENDPOINT, number=number, timestamp=NOON + number * SECOND)
        await process.outbox.record(attempt, DueRetry(a_retry(attempt), NOON + HOUR))
    emulator.inject(replace(fault, operation="batch"))

    ended = Ended(Ending.CANCELED, NOON + 3 * SECOND)
    await process.attempts.end_chain(ACME.id, message.id, ENDPOINT.id, ended)

    found = await process.attempts.at_endpoint(ACME.id, message.id, ENDPOINT.id)
    assert [(one.next_attempt_at, one.ended) for one in found] == [(None, None), (None, ended)]
    assert await standing(process) == {message.id: Status.FAIL}
    clock.move(2 * HOUR)
    assert await requeued(process.outbox, before=clock.now(), limit=9) == []


@pytest.mark.parametrize("fault", UNHEARD)
async def test_who_takes_a_key_under_a_fault_has_it(
    emulator: CosmosEmulator, process: Stores, fault: Fault
) -> None:
    """Else nobody would work on it until the lock ends."""
    emulator.inject(replace(fault, operation="create"))
    emulator.inject(replace(fault, operation="replace"))

    for at in (NOON, NOON + HOUR):
        lock = {"now": at, "lock_until": at + 5 * SECOND}
        assert await process.answers.begin(KEY, **lock) is Begun.MINE
        assert await process.answers.begin(KEY, **lock) is Begun.SOMEONE_ELSES


async def test_an_answer_that_takes_three_seconds_is_waited_for(
    emulator: CosmosEmulator, process: Stores
) -> None:
    message = a_message(ACME)
    attempt = an_attempt(a_message(ACME), ENDPOINT)
    await warm(emulator, process)
    emulator.inject(Fault("batch", delay=3 * SECOND, times=2))

    await asyncio.gather(accept(process, message), process.outbox.record(attempt, None))

    assert await kept(process) == [message.id]
    assert await process.attempts.get(ACME.id, attempt.message_id, attempt.id) == attempt


async def standing(process: Stores) -> dict[str, Status]:
    """How each message stands at the endpoint."""
    found: dict[str, Status] = {}
    for status in (Status.SUCCESS, Status.FAIL, Status.SENDING):
        for message_id in await process.destinations.standing_at(ACME.id, ENDPOINT.id, EVERYTHING, [status]):
            assert message_id not in found
            found[message_id] = status
    return found


async def test_two_processes_that_record_at_once_leave_one_standing(begin: Begin) -> None:
    """A resend by hand, and the first attempt, which is under way meanwhile."""
    here, there = begin(), begin()
    for number in range(10):
        message = a_message(ACME)
        automatic = a_failed_attempt(message, ENDPOINT)
        by_hand = an_attempt(message, ENDPOINT, number=0, trigger=Trigger.MANUAL, timestamp=NOON + SECOND)
        pair = [(here, automatic), (there, by_hand)][:: 1 if number % 2 else -1]

        await asyncio.gather(*(process.outbox.record(attempt, None) for process, attempt in pair))

        assert (await standing(here))[message.id] is Status.SUCCESS
        assert len(await there.attempts.at_endpoint(ACME.id, message.id, ENDPOINT.id)) == 2


async def test_a_late_failure_does_not_take_back_that_a_message_arrived(process: Stores) -> None:
    message = a_message(ACME)
    arrived = an_attempt(message, ENDPOINT, number=0, trigger=Trigger.MANUAL, timestamp=NOON + 9 * SECOND)
    await process.outbox.record(arrived, None)
    for number, second in ((1, 1), (2, 2), (3, 19)):
        late = a_failed_attempt(message, ENDPOINT, number=number, timestamp=NOON + second * SECOND)
        await process.outbox.record(late, None)

    assert await standing(process) == {message.id: Status.SUCCESS}


@dataclass
class Interrupted:
    """A queue that takes nothing while it is out of reach, and says nothing before its gate is open."""

    queue: Queue
    is_out_of_reach: bool = True
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    takes_all_but: str = "none"
    """The id of a message whose work it never takes."""

    async def send(self, queue: str, body: bytes, *, due_at: datetime | None = None) -> None:
        """As the port says."""
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if self.is_out_of_reach or self.takes_all_but.encode() in body:
            raise Unavailable("queue", "a test says so")
        await self.queue.send(queue, body, due_at=due_at)


@pytest.fixture
def queue(others: Stores) -> Interrupted:
    queue = Interrupted(others.queue)
    queue.gate.set()
    return queue


@pytest_asyncio.fixture
async def outbox(
    deployment: Deployment, queue: Interrupted, clock: MovedClock
) -> AsyncIterator[CosmosOutbox]:
    """An outbox whose queue can be interrupted."""
    account = deployment.account()
    yield CosmosOutbox(account.container(MESSAGES), deployment.bodies, queue.send, clock, KEPT)
    await account.close()


async def test_a_message_that_could_not_be_queued_is_queued_later(
    outbox: CosmosOutbox, queue: Interrupted, others: Stores
) -> None:
    """Nobody was promised anything; but it is in view, so it shall be delivered."""
    message, later = a_message(ACME), a_message(ACME, deliver_at=NOON + HOUR)
    for each in (message, later):
        with pytest.raises(Unavailable):
            await outbox.accept(each, a_dispatch(each), None)
    queue.is_out_of_reach = False

    assert await requeued(outbox, before=NOON, limit=9) == []
    assert [work.message_id for work in await requeued(outbox, before=NOON + SECOND, limit=9)] == [message.id]
    assert await requeued(outbox, before=NOON + HOUR, limit=9) == []
    after = NOON + HOUR + SECOND
    assert [work.message_id for work in await requeued(outbox, before=after, limit=9)] == [later.id]
    assert sorted(await dispatched(others)) == [message.id, later.id]


async def test_a_message_that_was_told_its_time_is_not_queued_again_once_it_was_attempted(
    outbox: CosmosOutbox, queue: Interrupted
) -> None:
    queue.is_out_of_reach = False
    message = a_message(ACME, deliver_at=NOON + HOUR)
    await outbox.accept(message, a_dispatch(message), None)
    await outbox.record(an_attempt(message, ENDPOINT), None)

    assert await requeued(outbox, before=NOON + 2 * HOUR, limit=9) == []


@pytest.mark.parametrize("said", [{"key": KEY}, {"event_id": "e"}])
async def test_a_repeat_has_the_first_message_queued_before_it_is_answered(
    outbox: CosmosOutbox, queue: Interrupted, others: Stores, clock: MovedClock, said: dict[str, object]
) -> None:
    """The process may have ended between the two writes; and if that fails again, the repeat fails, too."""
    first, again = (a_message(ACME, **said) for _ in range(2))
    claim = CLAIM if "key" in said else None
    for message in (first, again):
        with pytest.raises(Unavailable):
            await outbox.accept(message, a_dispatch(message), claim)
    queue.is_out_of_reach = False

    if claim is None:
        with pytest.raises(EventIdTaken):
            await outbox.accept(again, a_dispatch(again), claim)
    else:
        assert await outbox.accept(again, a_dispatch(again), claim) == claim.answer

    clock.move(REPEAT_AFTER)
    assert await dispatched(others) == [first.id]
    await outbox.record(an_attempt(first, ENDPOINT), None)
    with suppress(EventIdTaken):
        await outbox.accept(again, a_dispatch(again), claim)
    clock.move(REPEAT_AFTER)
    assert await dispatched(others) == []


async def test_a_retry_that_could_not_be_queued_is_queued_when_it_is_overdue(
    outbox: CosmosOutbox, queue: Interrupted, others: Stores, clock: MovedClock
) -> None:
    """And left alone then, though it waits behind others for a while."""
    attempt = a_failed_attempt(a_message(ACME), ENDPOINT)
    retry = a_retry(attempt, forced=True)
    with pytest.raises(Unavailable):
        await outbox.record(attempt, DueRetry(retry, NOON + 5 * SECOND))
    queue.is_out_of_reach = False

    assert await requeued(outbox, before=NOON + 5 * SECOND, limit=9) == []
    clock.move(10 * SECOND)
    assert await requeued(outbox, before=clock.now(), limit=9) == [retry]
    clock.move(OVERDUE_AGAIN)
    assert await requeued(outbox, before=clock.now(), limit=9) == []
    clock.move(SECOND)
    assert await requeued(outbox, before=clock.now(), limit=9) == [retry]
    assert await retried(others) == [attempt.message_id] * 2

    second = an_attempt(structs.replace(a_message(ACME), id=attempt.message_id), ENDPOINT, number=2)
    await outbox.record(second, None)
    clock.move(2 * OVERDUE_AGAIN)
    assert await requeued(outbox, before=clock.now(), limit=9) == []


async def test_a_retry_that_waits_is_taken_for_lost_no_earlier_than_it_is_due(
    outbox: CosmosOutbox, queue: Interrupted, clock: MovedClock
) -> None:
    """Nor does one that is over put off the one after it, or hinder anybody if it cannot be noted."""
    queue.is_out_of_reach = False
    message = a_message(ACME)
    first = a_failed_attempt(message, ENDPOINT)
    second = a_failed_attempt(message, ENDPOINT, number=2, timestamp=NOON + SECOND)
    await outbox.record(first, DueRetry(a_retry(first), NOON + SECOND))
    await outbox.postpone(a_retry(first), due_at=NOON + HOUR)
    assert await requeued(outbox, before=NOON + HOUR, limit=9) == []
    assert await requeued(outbox, before=NOON + HOUR + SECOND, limit=9) == [a_retry(first)]

    await outbox.record(second, DueRetry(a_retry(second), NOON + HOUR))
    await outbox.postpone(a_retry(first), due_at=NOON + 9 * HOUR)
    clock.move(2 * HOUR)
    assert await requeued(outbox, before=clock.now(), limit=9) == [a_retry(second)]
    await outbox.postpone(a_retry(a_failed_attempt()), due_at=NOON)


async def test_a_message_is_not_delivered_anew_because_its_attempts_are_gone_and_it_is_posted_once_more(
    process: Stores, clock: MovedClock
) -> None:
    message, again = (a_message(ACME, event_id="e") for _ in range(2))
    await accept(process, message)
    await process.outbox.record(an_attempt(message, ENDPOINT), None)
    for done in await process.consumer.receive(DISPATCH_QUEUE, limit=9, lease=HOUR, patience=timedelta()):
        await process.consumer.complete(done)
    clock.move(ATTEMPTS_KEPT + HOUR)

    with pytest.raises(EventIdTaken):
        await process.outbox.accept(again, a_dispatch(again), None)

    clock.move(REPEAT_AFTER)
    assert await dispatched(process) == []


async def test_who_waits_behind_a_write_that_comes_to_nothing_waits_no_longer_than_that(
    emulator: CosmosEmulator, begin: Begin
) -> None:
    """Else an outage would pile up what comes, and write it when nobody is there any more."""
    process = begin(BOUND)
    await warm(emulator, process)
    emulator.inject(Fault("batch", delay=9 * SECOND, times=None))
    messages = [a_message(ACME, key=KEY) for _ in range(301)]
    accepting = [asyncio.ensure_future(accept(process, messages[0]))]
    while not emulator.counts.of("batch"):
        with suppress(Unavailable):  # its first read asks for more than the bound may have room for
            await kept(process)

    accepting += [asyncio.ensure_future(accept(process, message)) for message in messages[1:]]

    answers = await asyncio.gather(*accepting, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    assert emulator.counts.of("batch") == 1


async def test_looking_after_what_a_process_left_reads_no_attempts_on_what_came_after_it(
    emulator: CosmosEmulator, process: Stores, begin: Begin, clock: MovedClock
) -> None:
    """The sweep may come late, and others may have made any number of attempts by then."""
    await accept(process, a_message(ACME, key=KEY))
    clock.move(2 * SILENT_AFTER)
    other = begin()
    for _ in range(150):  # more than a page of the service
        later = a_message(ACME, key=KEY, created_at=clock.now())
        await other.outbox.record(an_attempt(later, ENDPOINT), None)
    emulator.counts.clear()

    assert len(await requeued(other.outbox, before=clock.now(), limit=9)) == 1

    # What is due, what the process accepted, and what of that was attempted: a page each.
    assert emulator.counts.of("query") == 3


async def test_what_a_process_left_when_it_ended_is_queued_by_another(
    outbox: CosmosOutbox, queue: Interrupted, process: Stores, clock: MovedClock
) -> None:
    """Between the two writes, that is; what was attempted already is not, nor what waits for its time."""
    queue.is_out_of_reach = False
    done, later, left = a_message(ACME), a_message(ACME, deliver_at=NOON + HOUR), a_message(ACME)
    for message in (done, later):
        await outbox.accept(message, a_dispatch(message), None)
    await outbox.record(an_attempt(done, ENDPOINT), None)
    queue.gate.clear()
    accepting = asyncio.ensure_future(outbox.accept(left, a_dispatch(left), None))
    while left.id not in await kept(process):
        pass

    clock.move(SILENT_AFTER)
    assert await requeued(process.outbox, before=clock.now(), limit=9) == []
    clock.move(SECOND)
    (work,) = await requeued(process.outbox, before=clock.now(), limit=9)
    assert work == a_dispatch(left, payload=None, repeat=True)
    assert await requeued(process.outbox, before=clock.now(), limit=9) == []

    queue.gate.set()  # it lives after all
    assert await accepting is None


async def test_what_a_process_accepts_that_is_alive_is_left_to_it(
    outbox: CosmosOutbox, queue: Interrupted, process: Stores, clock: MovedClock
) -> None:
    queue.is_out_of_reach = False
    for _ in range(2):
        message = a_message(ACME)
        await outbox.accept(message, a_dispatch(message), None)
        clock.move(SAID_EVERY)

    assert await requeued(process.outbox, before=NOON + SILENT_AFTER + SECOND, limit=9) == []


async def test_no_more_is_queued_again_at_once_than_was_asked_for(
    outbox: CosmosOutbox, queue: Interrupted
) -> None:
    for _ in range(5):
        message = a_message(ACME)
        with pytest.raises(Unavailable):
            await outbox.accept(message, a_dispatch(message), None)
    queue.is_out_of_reach = False

    assert [len(await requeued(outbox, before=NOON + SECOND, limit=2)) for _ in range(4)] == [2, 2, 1, 0]


async def test_what_can_never_be_queued_holds_up_nothing_behind_it(
    outbox: CosmosOutbox, queue: Interrupted, others: Stores
) -> None:
    messages = [a_message(ACME, created_at=NOON + each * SECOND) for each in range(3)]
    for message in messages:
        with pytest.raises(Unavailable):
            await outbox.accept(message, a_dispatch(message), None)
    queue.is_out_of_reach, queue.takes_all_but = False, messages[0].id

    told: Queued = []
    for _ in range(2):
        with pytest.raises(Unavailable):
            await outbox.requeue(before=NOON + HOUR, limit=9, told=told.append)
    assert sorted(work.message_id for work in told) == [message.id for message in messages[1:]]
    assert sorted(await dispatched(others)) == [message.id for message in messages[1:]]


async def test_many_are_queued_again_side_by_side_and_none_anew_once_it_takes_too_long(
    outbox: CosmosOutbox, queue: Interrupted, process: Stores, clock: MovedClock
) -> None:
    """A queue that is out of reach takes its time to say so, each time."""
    messages = [a_message(ACME) for _ in range(QUEUED_AT_ONCE + 1)]
    accepting = (outbox.accept(message, a_dispatch(message), None) for message in messages)
    answers = await asyncio.gather(*accepting, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    queue.is_out_of_reach = False

    requeueing = await takes_long(requeued(outbox, before=NOON + SECOND, limit=99), queue, clock, process)

    assert len(await requeueing) == QUEUED_AT_ONCE
    assert len(await requeued(outbox, before=NOON + SECOND, limit=99)) == 1


async def test_what_takes_too_long_to_queue_of_what_a_process_left_is_looked_for_again(
    outbox: CosmosOutbox, queue: Interrupted, process: Stores, clock: MovedClock
) -> None:
    queue.is_out_of_reach = False
    messages = [a_message(ACME) for _ in range(QUEUED_AT_ONCE + 1)]
    await asyncio.gather(*(accept(process, message) for message in messages))
    clock.move(2 * SILENT_AFTER)

    requeueing = await takes_long(requeued(outbox, before=clock.now(), limit=9), queue, clock, process)

    with pytest.raises(Unavailable, match="takes too long"):
        await requeueing
    assert len(await requeued(outbox, before=clock.now(), limit=9)) == QUEUED_AT_ONCE + 1


async def takes_long(
    requeue: Coroutine[Any, Any, Queued], queue: Interrupted, clock: MovedClock, process: Stores
) -> asyncio.Task[Queued]:
    """Have a run begin to queue as much as it does at once, and hear of it only when its time is over."""
    queue.gate.clear()
    requeueing = asyncio.create_task(requeue)
    for _ in range(99):
        if queue.waiting == QUEUED_AT_ONCE:
            break
        await kept(process)
    assert queue.waiting == QUEUED_AT_ONCE
    clock.move(REQUEUES_FOR)
    queue.gate.set()
    return requeueing


async def test_a_large_payload_lies_elsewhere_and_is_read_from_there(
    deployment: Deployment, process: Stores, clock: MovedClock
) -> None:
    small, large = a_message(ACME), a_message(ACME, payload=LARGE, payload_expires_at=NOON + HOUR)
    await accept(process, small)
    await accept(process, large)
    assert [body.decode() for _, body in deployment.bodies.kept.values()] == [LARGE]

    assert await process.messages.get(ACME.id, large.id) == large
    assert await process.messages.scan(ACME.id, EVERYTHING, MessageFilter()) == [small, large]
    clock.move(HOUR)
    assert (await process.messages.get(ACME.id, large.id)).payload is None
    removed = await process.messages.erase_payloads(expired_at=clock.now(), limit=9)
    assert (removed.count, deployment.bodies.kept) == (1, {})


async def test_a_large_payload_is_erased_and_removed_with_its_message(
    deployment: Deployment, process: Stores
) -> None:
    erased, removed = a_message(ACME, payload=LARGE), a_message(ACME, payload=LARGE)
    for message in (erased, removed):
        await accept(process, message)

    await process.messages.erase_payload(ACME.id, erased.id)
    await process.messages.remove_several(ACME.id, [removed.id])

    assert deployment.bodies.kept == {}
    assert (await process.messages.get(ACME.id, erased.id)).payload is None


async def test_messages_of_one_shard_are_removed_with_one_query_and_one_batch(
    emulator: CosmosEmulator, deployment: Deployment, process: Stores, clock: MovedClock
) -> None:
    """With payloads, claims and attempts, some of which have gone by themselves before."""
    messages = [a_message(ACME, key=b"e", payload_expires_at=NOON + each * HOUR) for each in range(1, 11)]
    messages.append(a_message(ACME, event_id="e"))
    for message in messages:
        await accept(process, message)
        await process.outbox.record(an_attempt(message, ENDPOINT), None)
    clock.move(5 * HOUR)
    emulator.counts.clear()

    await process.messages.remove_several(ACME.id, [message.id for message in messages])

    assert (emulator.counts.of("query"), emulator.counts.of("batch")) == (1, 1)
    assert emulator.counts.operations() == 2
    account = deployment.account()
    left = account.container(MESSAGES).query("SELECT VALUE c.kind FROM c", {})
    assert {kind async for kind in left} == {PROCESS}
    await account.close()


async def test_a_large_payload_that_was_lost_is_gone_and_the_message_stays_in_view(
    deployment: Deployment, process: Stores
) -> None:
    message = a_message(ACME, payload=LARGE)
    await accept(process, message)
    deployment.bodies.kept.clear()

    assert (await process.messages.get(ACME.id, message.id)).payload is None
    assert [one.payload for one in await process.messages.scan(ACME.id, EVERYTHING, MessageFilter())] == [
        None
    ]


async def test_nothing_is_accepted_whose_payload_cannot_be_kept(
    deployment: Deployment, process: Stores
) -> None:
    message = a_message(ACME, payload=LARGE)
    deployment.bodies.is_out_of_reach = True

    with pytest.raises(Unavailable):
        await process.outbox.accept(message, a_dispatch(message), None)

    assert await kept(process) == []


async def test_an_answer_with_a_large_body_is_repeated_verbatim(
    deployment: Deployment, process: Stores
) -> None:
    """Who posts a large payload is answered with it, if he asks for that."""
    answer = an_answer(body=LARGE.encode())
    first, again = (a_message(ACME, key=KEY, payload=LARGE) for _ in range(2))
    claim = Claim(KEY, answer, NOON + HOUR)
    await accept(process, first, claim)
    await process.answers.finish(KEY, answer, expires_at=NOON + HOUR)

    assert await process.outbox.accept(again, a_dispatch(again), claim) == answer
    assert await process.answers.begin(KEY, now=NOON, lock_until=NOON + SECOND) == answer
    # The payload of the first, its answer, and the answer that is no message's.
    assert len(deployment.bodies.kept) == 3


async def test_what_is_over_goes_by_itself(
    deployment: Deployment, process: Stores, clock: MovedClock
) -> None:
    """Payload, key, attempts and answers before the message and the claim on its eventId."""
    message = a_message(ACME, key=KEY, event_id="e")
    await accept(process, message, CLAIM)
    await process.outbox.record(a_failed_attempt(message, ENDPOINT), None)
    await process.outbox.record(an_attempt(message, ENDPOINT, number=2, timestamp=NOON + SECOND), None)
    await process.answers.finish(KEY, an_answer(), expires_at=NOON + HOUR)
    clock.move(2 * SILENT_AFTER)
    assert await requeued(process.outbox, before=clock.now(), limit=9) == []

    clock.move(ATTEMPTS_KEPT + HOUR)
    assert await left(deployment) == {message.id, event_claim_id("e")}
    clock.move(NOON + MESSAGES_KEPT - clock.now())
    assert await left(deployment) == {message.id, event_claim_id("e")}
    clock.move(2 * SECOND)
    assert await left(deployment) == set()


async def left(deployment: Deployment) -> set[str]:
    """The ids of all documents of messages and of answers; a process has one of its own."""
    account, found = deployment.account(), set[str]()
    for name in (MESSAGES, ANSWERS):
        rows = account.container(name).query("SELECT c.id, c.kind FROM c", {})
        found |= {row["id"] async for row in rows if row.get("kind") != PROCESS}
    await account.close()
    return found


async def attempted_late(outbox: CosmosOutbox, clock: MovedClock, count: int) -> Sequence[Attempt]:
    """Failed attempts, each on a message of its own an hour before that ends; half an hour ago by now."""
    messages = [a_message(ACME, event_id=f"e-{number}") for number in range(count)]
    for message in messages:
        await outbox.accept(message, a_dispatch(message), None)
    clock.move(MESSAGES_KEPT - HOUR)
    failed = [a_failed_attempt(message, ENDPOINT, timestamp=clock.now()) for message in messages]
    for attempt in failed:
        await outbox.record(attempt, DueRetry(a_retry(attempt), clock.now()))
    clock.move(HOUR / 2)
    return failed


async def nothing_is_left_at_the_end(deployment: Deployment, clock: MovedClock) -> None:
    """All is there until the messages end, and nothing any more then."""
    there = await left(deployment)
    clock.move(NOON + MESSAGES_KEPT - clock.now())
    assert await left(deployment) == there
    clock.move(3 * SECOND)
    assert await left(deployment) == set()


async def test_no_attempt_outlives_its_message_because_it_was_recorded_or_changed_late(
    deployment: Deployment, outbox: CosmosOutbox, queue: Interrupted, process: Stores, clock: MovedClock
) -> None:
    """The service counts the time to live of a document from when it was last written."""
    queue.is_out_of_reach = False
    postponed, ended, erased, *repeated = await attempted_late(outbox, clock, 5)

    await outbox.postpone(a_retry(postponed), due_at=clock.now() + 9 * HOUR)
    end = Ended(Ending.CANCELED, clock.now())
    await process.attempts.end_chain(ACME.id, ended.message_id, ENDPOINT.id, end)
    await process.attempts.erase_response(ACME.id, erased.message_id, erased.id)
    for first, at in zip(repeated, (clock.now(), NOON), strict=True):  # in order, and the second one first
        message = structs.replace(a_message(ACME), id=first.message_id)
        arrived = an_attempt(message, ENDPOINT, number=2, timestamp=at)
        await outbox.record(arrived, None)

    await nothing_is_left_at_the_end(deployment, clock)


async def test_nothing_outlives_its_message_because_it_was_queued_again_late(
    deployment: Deployment, outbox: CosmosOutbox, queue: Interrupted, clock: MovedClock
) -> None:
    unqueued, waiting = a_message(ACME, event_id="e"), a_message(ACME, deliver_at=NOON + HOUR)
    for message in (unqueued, waiting):
        with pytest.raises(Unavailable):
            await outbox.accept(message, a_dispatch(message), None)
    queue.is_out_of_reach = False
    (attempt,) = await attempted_late(outbox, clock, 1)

    swept = [work.message_id for work in await requeued(outbox, before=clock.now(), limit=9)]
    assert sorted(swept) == sorted([unqueued.id, waiting.id, attempt.message_id])

    await nothing_is_left_at_the_end(deployment, clock)


async def test_a_message_whose_id_says_another_shard_is_a_mistake_of_ours(process: Stores) -> None:
    ids_of = {ids.shard_of(one.id): one for one in (a_message(ACME) for _ in range(16))}
    wrong = ids_of[(ids.shard_for(b"e") + 1) % ids.SHARDS]

    with pytest.raises(ValueError, match="another eventId"):
        await accept(process, structs.replace(wrong, event_id="e"))


async def test_nobody_is_asked_for_what_cannot_be_an_id(emulator: CosmosEmulator, process: Stores) -> None:
    """What the service takes for a path, it would take for something else."""
    await warm(emulator, process)

    for key in ("msg_/../x", "msg_?", "msg_\N{SNOWMAN}", "msg_#"):
        with pytest.raises(Unknown):
            await process.messages.get(ACME.id, key)

    assert emulator.counts.operations() == 0
