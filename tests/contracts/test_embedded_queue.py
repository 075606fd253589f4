"""What the queue of the embedded host promises beyond the ports: orchestrations are woken by it, too.

It knows when each body became due, gives leases of any length, and loses none of what a killed process had.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from shared.domain.errors import Unavailable
from shared.ports.queue import Backlog, Delivery
from tests.clock import NOON, MovedClock
from tests.contracts.adapters import Stores, sqlite

QUEUE = "dispatch"
SECOND = timedelta(seconds=1)
LEASE = timedelta(minutes=1)
NO_PATIENCE = timedelta()


@pytest.fixture
async def stores(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Stores]:
    opened = await sqlite(tmp_path, clock)
    yield opened
    await opened.close()


async def receive(stores: Stores, limit: int = 100, queue: str = QUEUE) -> Sequence[Delivery]:
    return await stores.consumer.receive(queue, limit=limit, lease=LEASE, patience=NO_PATIENCE)


async def bodies(stores: Stores, limit: int = 100, queue: str = QUEUE) -> list[bytes]:
    return [delivery.body for delivery in await receive(stores, limit, queue)]


async def test_an_empty_queue_answers_at_once_without_patience(stores: Stores) -> None:
    assert await receive(stores) == []


async def test_at_most_as_many_as_asked_for_are_handed_over(stores: Stores) -> None:
    for number in range(5):
        await stores.queue.send(QUEUE, bytes([number]))

    assert await bodies(stores, limit=2) == [b"\x00", b"\x01"]
    assert await bodies(stores, limit=2) == [b"\x02", b"\x03"]
    assert await bodies(stores, limit=2) == [b"\x04"]


async def test_what_was_abandoned_keeps_its_place_when_we_die(stores: Stores) -> None:
    """It is due when it was let go, behind what was due before, whoever hands it over."""
    await stores.queue.send(QUEUE, b"abandoned")
    (delivery,) = await receive(stores)
    stores.clock.move(SECOND)
    await stores.queue.send(QUEUE, b"earlier")
    stores.clock.move(SECOND)
    await stores.consumer.abandon(delivery)

    reborn = await stores.reborn()

    assert await bodies(reborn) == [b"earlier", b"abandoned"]
    await reborn.close()


async def test_the_earliest_due_comes_first(stores: Stores) -> None:
    for seconds in (3, 1, 2):
        await stores.queue.send(QUEUE, bytes([seconds]), due_at=NOON + seconds * SECOND)
    stores.clock.move(10 * SECOND)
    await stores.queue.send(QUEUE, b"now")
    await stores.queue.send(QUEUE, b"overdue", due_at=NOON)

    assert await bodies(stores) == [b"overdue", b"\x01", b"\x02", b"\x03", b"now"]


async def test_what_was_abandoned_stands_behind_what_was_due_before(stores: Stores) -> None:
    """Work that fails again and again holds up no other."""
    await stores.queue.send(QUEUE, b"fails")
    (fails,) = await receive(stores)
    await stores.queue.send(QUEUE, b"waits", due_at=NOON + SECOND)
    stores.clock.move(2 * SECOND)

    await stores.consumer.abandon(fails)

    assert await bodies(stores) == [b"waits", b"fails"]


async def test_what_was_completed_while_it_was_abandoned_is_done(stores: Stores) -> None:
    await stores.queue.send(QUEUE, b"body")
    (delivery,) = await receive(stores)

    await asyncio.gather(stores.consumer.abandon(delivery), stores.consumer.complete(delivery))

    stores.clock.move(10 * LEASE)
    assert await receive(stores) == []


async def test_completing_after_the_lease_has_ended_still_counts(stores: Stores) -> None:
    await stores.queue.send(QUEUE, b"body")
    (slow,) = await receive(stores)
    stores.clock.move(LEASE)
    await receive(stores)

    await stores.consumer.complete(slow)

    stores.clock.move(LEASE)
    assert await receive(stores) == []


async def test_abandoning_after_the_lease_has_ended_takes_it_from_nobody(stores: Stores) -> None:
    await stores.queue.send(QUEUE, b"body")
    (slow,) = await receive(stores)
    stores.clock.move(LEASE)
    await receive(stores)

    await stores.consumer.abandon(slow)
    await stores.consumer.renew(slow, lease=10 * LEASE)

    assert await receive(stores) == []
    stores.clock.move(LEASE)
    assert len(await receive(stores)) == 1


async def test_a_lease_may_be_made_shorter(stores: Stores) -> None:
    await stores.queue.send(QUEUE, b"body")
    (delivery,) = await receive(stores)

    await stores.consumer.renew(delivery, lease=SECOND)

    stores.clock.move(SECOND)
    assert len(await receive(stores)) == 1


async def test_after_a_crash_everything_is_handed_over_again(stores: Stores) -> None:
    for body in (b"leased", b"abandoned", b"ready"):
        await stores.queue.send(QUEUE, body)
    await stores.queue.send(QUEUE, b"later", due_at=NOON + SECOND)
    _, abandoned = await receive(stores, limit=2)
    await stores.consumer.abandon(abandoned)

    reborn = await stores.reborn()
    reborn.clock.move(SECOND)

    counts = {delivery.body: delivery.delivery_count for delivery in await receive(reborn)}
    assert counts.keys() == {b"leased", b"abandoned", b"ready", b"later"}
    assert counts[b"leased"] == 2
    assert counts[b"abandoned"] >= 2
    assert counts[b"later"] == 1
    await reborn.close()


async def test_a_count_survives_every_crash(stores: Stores) -> None:
    """Work that kills its process again and again is found out in the end."""
    await stores.queue.send(QUEUE, b"poison")
    await receive(stores)

    second = await stores.reborn()
    (delivery,) = await receive(second)

    assert delivery.delivery_count == 2
    await second.consumer.abandon(delivery)
    (delivery,) = await receive(second)
    assert delivery.delivery_count == 3
    second.clock.move(LEASE)
    (delivery,) = await receive(second)
    assert delivery.delivery_count == 4
    third = await second.reborn()
    (delivery,) = await receive(third)
    assert delivery.delivery_count == 5
    await second.close()
    await third.close()


async def test_a_patient_consumer_gets_what_is_sent_meanwhile(stores: Stores) -> None:
    waiting = asyncio.ensure_future(stores.consumer.receive(QUEUE, limit=5, lease=LEASE, patience=LEASE))
    await stores.clock.asleep()

    await stores.queue.send(QUEUE, b"body")

    assert [delivery.body for delivery in await waiting] == [b"body"]


async def test_a_patient_consumer_gets_what_becomes_due_meanwhile(stores: Stores) -> None:
    waiting = asyncio.ensure_future(stores.consumer.receive(QUEUE, limit=5, lease=LEASE, patience=LEASE))
    await stores.clock.asleep()
    await stores.queue.send(QUEUE, b"later", due_at=NOON + 9 * SECOND)
    await stores.queue.send(QUEUE, b"sooner", due_at=NOON + 5 * SECOND)
    await stores.clock.asleep()

    stores.clock.move(5 * SECOND)

    assert [delivery.body for delivery in await waiting] == [b"sooner"]


async def test_a_patient_consumer_gets_a_lease_that_ends_meanwhile(stores: Stores) -> None:
    await stores.queue.send(QUEUE, b"body")
    await receive(stores)
    waiting = asyncio.ensure_future(stores.consumer.receive(QUEUE, limit=5, lease=LEASE, patience=10 * LEASE))
    await stores.clock.asleep()

    stores.clock.move(LEASE)

    assert [delivery.delivery_count for delivery in await waiting] == [2]


async def test_patience_ends(stores: Stores) -> None:
    waiting = asyncio.ensure_future(stores.consumer.receive(QUEUE, limit=5, lease=LEASE, patience=SECOND))
    await stores.clock.asleep()

    stores.clock.move(SECOND)

    assert await waiting == []


async def test_more_than_memory_has_room_for_is_handed_over_in_order(stores: Stores) -> None:
    """A backlog neither fills the memory nor starves what was queued first."""
    total = 3_000
    await asyncio.gather(*(stores.queue.send(QUEUE, number.to_bytes(2)) for number in range(total)))
    taken = list(await receive(stores, limit=100))
    await asyncio.gather(
        *(stores.queue.send(QUEUE, number.to_bytes(2)) for number in range(total, total + 100))
    )

    while some := await receive(stores, limit=100):
        taken += some

    assert [int.from_bytes(delivery.body) for delivery in taken] == list(range(total + 100))
    assert {delivery.delivery_count for delivery in taken} == {1}


async def test_a_queue_full_of_one_kind_of_work_leaves_the_other_alone(stores: Stores) -> None:
    for _ in range(20):
        await stores.queue.send("retry", bytes(2**20))

    await stores.queue.send("dispatch", b"body")

    assert await bodies(stores, queue="dispatch") == [b"body"]
    assert len(await bodies(stores, queue="retry")) == 20


async def test_a_queue_that_is_out_of_reach_says_so(stores: Stores) -> None:
    await stores.queue.send(QUEUE, b"body")
    (delivery,) = await receive(stores)
    waiting = asyncio.ensure_future(stores.consumer.receive(QUEUE, limit=5, lease=LEASE, patience=LEASE))
    await stores.clock.asleep()
    await stores.close()

    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await receive(stores)
    with pytest.raises(Unavailable):
        await stores.queue.send(QUEUE, b"body")
    with pytest.raises(Unavailable):
        await stores.queue.reject(QUEUE, b"body", reason="no")
    with pytest.raises(Unavailable):
        await stores.consumer.complete(delivery)
    with pytest.raises(Unavailable):
        await stores.consumer.abandon(delivery)


async def test_a_backlog_is_counted_by_what_is_due_and_what_is_not(stores: Stores) -> None:
    assert await stores.queue.backlog(QUEUE) == Backlog(due=0, scheduled=0, due_since=None)
    await stores.queue.send(QUEUE, b"first")
    stores.clock.move(SECOND)
    await stores.queue.send(QUEUE, b"second")
    await stores.queue.send(QUEUE, b"later", due_at=NOON + 2 * SECOND)
    await stores.queue.send("retry", b"elsewhere")

    assert await stores.queue.backlog(QUEUE) == Backlog(due=2, scheduled=1, due_since=NOON)
    stores.clock.move(SECOND)
    assert await stores.queue.backlog(QUEUE) == Backlog(due=3, scheduled=0, due_since=NOON)


async def test_what_a_consumer_has_is_in_the_backlog_until_it_is_done(stores: Stores) -> None:
    """A consumer that hangs is a queue that does not get shorter."""
    await stores.queue.send(QUEUE, b"body")
    (delivery,) = await receive(stores)
    assert await stores.queue.backlog(QUEUE) == Backlog(due=1, scheduled=0, due_since=NOON)

    await stores.consumer.complete(delivery)

    assert await stores.queue.backlog(QUEUE) == Backlog(due=0, scheduled=0, due_since=None)


async def test_what_was_left_by_a_killed_process_is_in_the_backlog(stores: Stores) -> None:
    await stores.queue.send(QUEUE, b"body")
    again = await stores.reborn()
    again.clock.move(SECOND)

    assert await again.queue.backlog(QUEUE) == Backlog(due=1, scheduled=0, due_since=NOON)
    await again.close()


async def test_a_backlog_is_counted_no_further_than_asked_for(stores: Stores) -> None:
    for due_at in (None, NOON + SECOND):
        for _ in range(4):
            await stores.queue.send(QUEUE, b"body", due_at=due_at)
    await stores.consumer.bury((await receive(stores))[0], reason="a test")

    assert await stores.queue.backlog(QUEUE) == Backlog(due=3, scheduled=4, due_since=NOON, dead=1)
    assert await stores.queue.backlog(QUEUE, at_most=2) == Backlog(2, 2, NOON, 1)


async def test_dead_letters_are_in_the_backlog_of_their_queue_until_they_are_redriven(stores: Stores) -> None:
    for _ in range(2):
        await stores.queue.reject(QUEUE, b"body", reason="a test")
    await stores.queue.reject("retry", b"body", reason="a test")

    assert await stores.queue.backlog(QUEUE) == Backlog(due=0, scheduled=0, due_since=None, dead=2)
    await stores.dead_letters.redrive(QUEUE)
    assert await stores.queue.backlog(QUEUE) == Backlog(due=2, scheduled=0, due_since=NOON, dead=0)


async def test_an_unreachable_queue_has_no_backlog(stores: Stores) -> None:
    await stores.close()

    with pytest.raises(Unavailable):
        await stores.queue.backlog(QUEUE)
