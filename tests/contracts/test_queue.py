"""What `shared.ports.queue` promises: to senders, to consumers, and of what was given up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from shared.domain.errors import Unavailable
from shared.ports.queue import Backlog, Delivery
from tests.contracts.queues import LEASE, NAMES, Deployment, Queues, Sqlite, azure_queues
from tests.emulators.servicebus.bench import FORGETFUL

pytestmark = [pytest.mark.asyncio(loop_scope="module"), FORGETFUL]

QUEUE, OTHER = NAMES
SECOND = timedelta(seconds=1)
SOON = timedelta(seconds=10)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def azure() -> AsyncIterator[Deployment]:
    async with azure_queues() as deployment:
        yield deployment


@pytest_asyncio.fixture(params=["sqlite", "service bus"], loop_scope="module")
async def queues(request: pytest.FixtureRequest, azure: Deployment, tmp_path: Path) -> AsyncIterator[Queues]:
    deployment: Deployment = Sqlite() if request.param == "sqlite" else azure
    opened = await deployment.fresh(tmp_path)
    yield opened
    if request.param == "sqlite":
        await opened.close()


async def receive(queues: Queues, count: int = 1, queue: str = QUEUE) -> Sequence[Delivery]:
    """So many, which are there already."""
    got: list[Delivery] = []
    while len(got) < count:
        some = await queues.consumer.receive(queue, limit=count - len(got), lease=LEASE, patience=SOON)
        assert some, f"{len(got)} of {count}"
        got += some
    return got


async def rest(queues: Queues, queue: str = QUEUE) -> list[bytes]:
    """The bodies of what is there."""
    got: list[bytes] = []
    while some := await queues.consumer.receive(queue, limit=100, lease=LEASE, patience=queues.moment):
        got += [delivery.body for delivery in some]
    return got


async def test_what_was_sent_is_handed_over(queues: Queues) -> None:
    began = queues.began
    await queues.queue.send(QUEUE, b"\x00body\xff")

    (delivery,) = await receive(queues)

    assert (delivery.queue, delivery.body, delivery.delivery_count) == (QUEUE, b"\x00body\xff", 1)
    assert delivery.enqueued_at >= began


async def test_nothing_is_handed_over_to_two_consumers(queues: Queues) -> None:
    for number in range(10):
        await queues.queue.send(QUEUE, bytes([number]))

    several = await asyncio.gather(*(receive(queues, 2) for _ in range(5)))

    bodies = sorted(delivery.body for some in several for delivery in some)
    assert bodies == [bytes([number]) for number in range(10)]


async def test_at_most_as_many_as_asked_for_come_and_in_order(queues: Queues) -> None:
    for number in range(5):
        await queues.queue.send(QUEUE, bytes([number]))

    first = await queues.consumer.receive(QUEUE, limit=2, lease=LEASE, patience=SOON)

    assert 1 <= len(first) <= 2
    bodies = [delivery.body for delivery in [*first, *await receive(queues, 5 - len(first))]]
    assert bodies == [bytes([number]) for number in range(5)]


async def test_queues_are_apart(queues: Queues) -> None:
    await queues.queue.send(QUEUE, b"d")
    await queues.queue.send(OTHER, b"r")

    assert await rest(queues, OTHER) == [b"r"]
    assert await rest(queues, QUEUE) == [b"d"]


async def test_nothing_is_handed_over_before_it_is_due(queues: Queues) -> None:
    due_at = queues.began + 5 * SECOND
    await queues.queue.send(QUEUE, b"later", due_at=due_at)
    await queues.queue.send(QUEUE, b"latest", due_at=due_at + SECOND)
    await queues.queue.send(QUEUE, b"overdue", due_at=queues.began - SECOND)

    queues.move(due_at - queues.began - timedelta(microseconds=1))
    assert await rest(queues) == [b"overdue"]
    queues.move(timedelta(microseconds=1))
    (delivery,) = await receive(queues)

    assert (delivery.body, delivery.delivery_count) == (b"later", 1)
    queues.move(SECOND)
    assert await rest(queues) == [b"latest"]


async def test_many_that_send_at_once_lose_nothing(queues: Queues) -> None:
    bodies = [number.to_bytes(2) for number in range(700)]

    await asyncio.gather(*(queues.queue.send(QUEUE, body) for body in bodies))

    assert sorted(delivery.body for delivery in await receive(queues, 700)) == bodies


async def test_large_bodies_come_whole_and_keep_nobody_out(queues: Queues) -> None:
    bodies = [bytes([number]) * 200_000 for number in range(4)]

    await asyncio.gather(*(queues.queue.send(QUEUE, body) for body in bodies), queues.queue.send(QUEUE, b"s"))

    assert sorted(delivery.body for delivery in await receive(queues, 5)) == [*bodies, b"s"]


async def test_what_was_completed_is_never_handed_over_again(queues: Queues) -> None:
    await queues.queue.send(QUEUE, b"body")
    (delivery,) = await receive(queues)

    await queues.consumer.complete(delivery)
    await queues.consumer.complete(delivery)

    queues.move(10 * LEASE)
    assert await rest(queues) == []


async def test_what_was_abandoned_is_due_again_at_once(queues: Queues) -> None:
    await queues.queue.send(QUEUE, b"body")
    (first,) = await receive(queues)

    await queues.consumer.abandon(first)

    (second,) = await receive(queues)
    assert (second.sequence, second.body, second.delivery_count) == (first.sequence, b"body", 2)
    assert second.enqueued_at == first.enqueued_at


async def test_what_is_not_settled_comes_again_when_its_lease_ends(queues: Queues) -> None:
    """A consumer that hangs costs a delay, not a message."""
    await queues.queue.send(QUEUE, b"body")
    await receive(queues)

    queues.move(LEASE - timedelta(microseconds=1))
    assert await rest(queues) == []
    queues.move(timedelta(microseconds=1))

    (again,) = await receive(queues)
    assert (again.body, again.delivery_count) == (b"body", 2)
    queues.move(LEASE)
    (once_more,) = await receive(queues)
    assert once_more.delivery_count == 3


async def test_whoever_has_lost_it_takes_it_from_nobody(queues: Queues) -> None:
    await queues.queue.send(QUEUE, b"body")
    (slow,) = await receive(queues)
    queues.move(LEASE)
    (quick,) = await receive(queues)

    await queues.consumer.abandon(slow)
    await queues.consumer.renew(slow, lease=LEASE)

    assert await rest(queues) == []
    await queues.consumer.complete(quick)
    queues.move(LEASE)
    assert await rest(queues) == []
    await queues.consumer.complete(slow)
    await queues.consumer.bury(slow, reason="late")


async def test_a_renewed_lease_runs_from_then(queues: Queues) -> None:
    await queues.queue.send(QUEUE, b"body")
    (delivery,) = await receive(queues)
    queues.move(LEASE / 2)

    await queues.consumer.renew(delivery, lease=LEASE)

    queues.move(LEASE - timedelta(microseconds=1))
    assert await rest(queues) == []
    queues.move(timedelta(microseconds=1))
    assert await rest(queues) == [b"body"]


async def test_a_patient_consumer_gets_what_is_sent_meanwhile(queues: Queues) -> None:
    waiting = asyncio.ensure_future(receive(queues))
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin; no time passes

    await queues.queue.send(QUEUE, b"body")

    assert [delivery.body for delivery in await waiting] == [b"body"]


async def test_a_consumer_that_stops_waiting_takes_nothing_with_it(queues: Queues) -> None:
    waiting = asyncio.ensure_future(receive(queues))
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin; no time passes
    waiting.cancel()
    await asyncio.wait([waiting])

    await queues.queue.send(QUEUE, b"body")

    assert [delivery.body for delivery in await receive(queues)] == [b"body"]


async def test_a_sender_that_goes_away_spoils_no_other(queues: Queues) -> None:
    going = asyncio.ensure_future(queues.queue.send(QUEUE, b"mine"))
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin; no time passes
    going.cancel()

    await queues.queue.send(QUEUE, b"other")

    assert b"other" in await rest(queues)


async def test_what_was_given_up_is_a_dead_letter_and_never_handed_over(queues: Queues) -> None:
    await queues.queue.send(QUEUE, b"buried")
    (delivery,) = await receive(queues)

    await queues.consumer.bury(delivery, reason="failed ten times")
    await queues.queue.reject(QUEUE, b"{", reason="write a JSON object")

    buried, refused = await queues.dead_letters.page(QUEUE, limit=10)
    assert (buried.queue, buried.body, buried.reason) == (QUEUE, b"buried", "failed ten times")
    assert (refused.queue, refused.body, refused.reason) == (QUEUE, b"{", "write a JSON object")
    assert refused.died_at is not None
    assert buried.died_at is None or buried.died_at >= queues.began
    queues.move(10 * LEASE)
    assert await rest(queues) == []


async def test_a_reason_may_be_of_any_length(queues: Queues) -> None:
    await queues.queue.reject(QUEUE, b"{", reason="no: " + "x" * 100_000)

    (refused,) = await queues.dead_letters.page(QUEUE, limit=10)
    assert refused.reason.startswith("no: xxx")


async def test_dead_letters_are_paged_through(queues: Queues) -> None:
    for number in range(3):
        await queues.queue.reject(QUEUE, bytes([number]), reason="no")
    await queues.queue.send(QUEUE, b"buried")
    await queues.consumer.bury((await receive(queues))[0], reason="no")
    every = await queues.dead_letters.page(QUEUE, limit=9)

    pages = [await queues.dead_letters.page(QUEUE, limit=3)]
    while len(pages[-1]) == 3:
        pages.append(await queues.dead_letters.page(QUEUE, after=pages[-1][-1].id, limit=3))

    assert [len(page) for page in pages] == [3, 1]
    assert [letter for page in pages for letter in page] == every
    assert len({letter.id for letter in every}) == 4
    with pytest.raises(ValueError, match="nonsense"):
        await queues.dead_letters.page(QUEUE, after="nonsense", limit=3)


async def test_many_who_look_at_a_queue_at_once_all_see_it(queues: Queues) -> None:
    """Also where nobody has looked before them."""
    await queues.queue.reject(QUEUE, b"{", reason="no")
    reborn = await queues.reborn()

    pages, backlogs = await asyncio.gather(
        asyncio.gather(*(reborn.dead_letters.page(QUEUE, limit=9) for _ in range(8))),
        asyncio.gather(*(reborn.queue.backlog(QUEUE) for _ in range(8))),
    )

    assert [len(page) for page in pages] == [1] * 8
    assert [backlog.dead for backlog in backlogs] == [1] * 8
    await reborn.close()


async def test_a_look_that_is_given_up_spoils_no_other(queues: Queues) -> None:
    await queues.queue.reject(QUEUE, b"{", reason="no")
    looks = [asyncio.ensure_future(queues.dead_letters.page(QUEUE, limit=9)) for _ in range(3)]
    await asyncio.sleep(0)  # noqa: TID251 - lets them begin; no time passes
    looks[0].cancel()

    assert [len(await look) for look in looks[1:]] == [1, 1]


async def test_dead_letters_are_handed_over_again_when_they_are_redriven(queues: Queues) -> None:
    """As what was handed over before: whoever gets it has to look at what is done already."""
    await queues.queue.send(QUEUE, b"buried")
    (delivery,) = await receive(queues)
    await queues.consumer.bury(delivery, reason="ten times is enough")
    await queues.queue.reject(QUEUE, b"rejected", reason="not ours")
    await queues.queue.send(OTHER, b"of another queue")
    await queues.consumer.bury((await receive(queues, queue=OTHER))[0], reason="not ours")
    assert await queues.queue.backlog(QUEUE) == Backlog(due=0, scheduled=0, due_since=None, dead=2)

    assert await queues.dead_letters.redrive(QUEUE) == 2

    again = await receive(queues, 2)
    assert sorted(one.body for one in again) == [b"buried", b"rejected"]
    assert all(one.delivery_count > 1 for one in again)
    assert await queues.dead_letters.page(QUEUE, limit=10) == []
    assert len(await queues.dead_letters.page(OTHER, limit=10)) == 1
    for one in again:
        await queues.consumer.complete(one)
    assert await queues.dead_letters.redrive(QUEUE) == 0
    assert await rest(queues) == []


async def test_a_backlog_is_counted_by_what_is_due_and_what_is_not(queues: Queues) -> None:
    began = queues.began
    assert await queues.queue.backlog(QUEUE) == Backlog(due=0, scheduled=0, due_since=None)
    await queues.queue.send(QUEUE, b"first")
    queues.move(SECOND)
    await queues.queue.send(QUEUE, b"second")
    await queues.queue.send(QUEUE, b"later", due_at=began + 2 * SECOND)
    await queues.queue.send(OTHER, b"elsewhere")

    found = await queues.queue.backlog(QUEUE)

    assert (found.due, found.scheduled, found.dead) == (2, 1, 0)
    assert found.due_since == began
    await receive(queues)
    queues.move(SECOND)
    assert (await queues.queue.backlog(QUEUE)).due == 3
    assert (await queues.queue.backlog(QUEUE, at_most=2)).due == 2


async def test_what_a_dead_process_had_is_handed_over_at_the_latest_when_its_lease_ends(
    queues: Queues,
) -> None:
    for body in (b"done", b"leased", b"ready"):
        await queues.queue.send(QUEUE, body)
    done, _ = await receive(queues, 2)
    await queues.consumer.complete(done)

    reborn = await queues.reborn()
    reborn.move(LEASE)

    counts = {delivery.body: delivery.delivery_count for delivery in await receive(reborn, 2)}
    assert counts.keys() == {b"leased", b"ready"}
    assert counts[b"leased"] == 2
    await reborn.close()


async def test_queues_that_are_out_of_reach_say_so(queues: Queues) -> None:
    await queues.queue.send(QUEUE, b"body")
    (delivery,) = await receive(queues)
    waiting = asyncio.ensure_future(receive(queues))
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin; no time passes
    await queues.close()

    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await receive(queues)
    with pytest.raises(Unavailable):
        await queues.queue.send(QUEUE, b"body")
    with pytest.raises(Unavailable):
        await queues.queue.reject(QUEUE, b"body", reason="no")
    with pytest.raises(Unavailable):
        await queues.queue.backlog(QUEUE)
    with pytest.raises(Unavailable):
        await queues.consumer.complete(delivery)
    with pytest.raises(Unavailable):
        await queues.consumer.abandon(delivery)
    with pytest.raises(Unavailable):
        await queues.dead_letters.page(QUEUE, limit=1)
    with pytest.raises(Unavailable):
        await queues.dead_letters.redrive(QUEUE)
