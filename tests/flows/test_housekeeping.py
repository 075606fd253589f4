"""Timers: late, doubled and missed runs do no harm."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from msgspec import structs

from shared.domain.application import Application
from shared.domain.background_task import Replay, TaskStatus
from shared.domain.endpoint import EndpointEdit
from shared.domain.errors import EventIdTaken, Unavailable, Unknown
from shared.domain.organization import OrganizationSettingsEdit
from shared.domain.timeline import MessageStanding
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, TASKS_QUEUE, Dispatch, Retry, to_body
from shared.flows.housekeeping import (
    BATCH,
    RETENTION_RUNS_FOR,
    STALLED_AFTER,
    STRANDED_AFTER,
    Keep,
    Retention,
    Sweep,
)
from shared.ports.outbox import Outbox, Told
from shared.ports.queue import Queue
from shared.ports.removal import Removed
from tests.clock import NOON, MovedClock
from tests.flows.walk import Notes, Walk
from tests.makers import ORG, a_dispatch, a_failed_attempt, a_message, an_answer

KEPT = timedelta(days=90)
YEAR = timedelta(days=365)


class TwoServices:
    """An outbox whose store and queue are two services, after a crash between the two writes."""

    def __init__(
        self, outbox: Outbox, queue: Queue, unfinished: Sequence[Dispatch | Retry], at: datetime
    ) -> None:
        self.accept = outbox.accept
        self.record = outbox.record
        self.postpone = outbox.postpone
        self.answered = outbox.answered
        self._queue = queue
        self._unfinished = unfinished
        self._at = at

    async def requeue(self, *, before: datetime, limit: int, told: Told) -> None:
        """What was recorded before an instant, every time: such a store does not know what is queued."""
        found = self._unfinished[:limit] if self._at < before else ()
        for work in found:
            await self._queue.send(RETRY_QUEUE if isinstance(work, Retry) else DISPATCH_QUEUE, to_body(work))
            told(work)


async def test_what_was_stored_and_never_queued_is_delivered_once(
    walk: Walk, application: Application
) -> None:
    """Sweeping twice, or too early, sends nothing twice."""
    await walk.has_endpoint(application)
    sent = await walk.posts(application)
    stranded = Dispatch(sent.org_id, sent.app_id, sent.id, sent.event_type, repeat=True)
    sweep = replace_outbox(walk, [stranded])
    assert await sweep() == 0

    walk.clock.move(STRANDED_AFTER + timedelta(seconds=1))
    assert (await sweep(), await sweep()) == (1, 1)
    await walk.works()

    assert walk.receiver.got == [sent.id]


async def test_a_retry_that_was_never_queued_is_made(walk: Walk, application: Application) -> None:
    sent = await walk.posts(application)
    endpoint = await walk.has_endpoint(application)
    await walk.service.store.outbox.record(a_failed_attempt(sent, endpoint), None)
    lost = Retry(sent.org_id, sent.app_id, sent.id, endpoint.id, number=2)
    sweep = replace_outbox(walk, [lost])

    walk.clock.move(STRANDED_AFTER + timedelta(seconds=1))
    await sweep()
    await walk.works()

    assert [attempt.number for attempt in await walk.attempts(sent)] == [1, 2]


async def test_one_database_leaves_nothing_to_sweep(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    await walk.accepts(application)
    walk.clock.move(timedelta(hours=1))
    assert await walk.service.sweep() == 0


async def test_a_task_that_has_come_to_a_standstill_goes_on(walk: Walk, application: Application) -> None:
    """Its first step was lost between two services, or its orchestration failed for good."""
    message = await walk.posts(application)
    task = await walk.service.begin_task.purge(application)
    (lost,) = await walk.takes(TASKS_QUEUE)
    await walk.service.store.consumer.complete(lost)

    walk.clock.move(STALLED_AFTER)
    assert await walk.service.sweep() == 0
    walk.clock.move(timedelta(seconds=1))
    assert (await walk.service.sweep(), await walk.service.sweep()) == (1, 0)
    await walk.does(replace(lost, sequence=-1))  # it turns up after all, and is over
    await walk.works()

    assert (await walk.service.background_tasks.get(task.org_id, task.id)).status is TaskStatus.FINISHED
    assert (await walk.service.messages.get(application.id, message.id)).payload is None
    assert len(walk.journal.of("task.restarted")) == 1


async def test_what_holds_up_one_kind_of_unfinished_work_holds_up_no_other(
    walk: Walk, application: Application
) -> None:
    """Nor does one task that cannot be queued those behind it."""
    first = await walk.service.begin_task.purge(application)
    second = await walk.service.begin_task.purge(application)
    walk.clock.move(STALLED_AFTER + timedelta(seconds=1))
    swept = a_dispatch(a_message(application))
    store = walk.service.store

    class Broken:
        async def requeue(self, *, told: Told, **_: object) -> NoReturn:
            told(swept)
            raise Unavailable("queue", "a test says so")

        async def send(self, queue: str, body: bytes) -> None:
            if first.id.encode() in body:
                raise Unavailable("queue", "a test says so")
            await store.queue.send(queue, body)

    broken: Any = Broken()
    sweep = replace(walk.service.sweep, outbox=broken, queue=broken)

    with pytest.raises(Unavailable):
        await sweep()

    (restarted,) = walk.journal.of("task.restarted")
    assert restarted["task_id"] == second.id
    (noted,) = walk.journal.of("work.swept")
    assert noted["message_id"] == swept.message_id


async def test_payloads_go_when_their_time_is_over_and_messages_stay(
    walk: Walk, application: Application
) -> None:
    brief = await walk.posts(application, payload_retention=timedelta(days=5))
    lasting = await walk.posts(application)

    await walk.passes(timedelta(days=5, seconds=1))
    assert await walk.retains() == 1
    assert await walk.retains() == 0

    messages = walk.service.messages
    assert (await messages.get(application.id, brief.id)).payload is None
    assert (await messages.get(application.id, lasting.id)).payload is not None


async def test_a_retry_whose_payload_is_gone_ends_its_chain(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application, payload_retention=timedelta(seconds=1))
    walk.clock.move(timedelta(hours=1))
    await walk.retains()
    await walk.works()

    (attempt,) = await walk.attempts(message)
    assert attempt.next_attempt_at is None


async def test_old_idempotent_answers_are_forgotten(walk: Walk) -> None:
    now = walk.clock.now()
    await walk.service.answers.finish(b"key", an_answer(), expires_at=now + timedelta(hours=12))
    await walk.passes(timedelta(hours=11))
    assert await walk.retains() == 0
    await walk.passes(timedelta(hours=1, seconds=1))
    assert await walk.retains() == 1


@dataclass
class Pile:
    """Something that is over, so much of it that a database of it would take long to make."""

    left: int
    clock: MovedClock = field(default_factory=MovedClock)
    takes: timedelta = timedelta()
    """How long a write takes."""

    async def erase_payloads(self, *, expired_at: datetime, limit: int) -> Removed:
        """As the port of messages says."""
        del expired_at
        return self._some(limit)

    async def forget(self, *, before: datetime, limit: int, after: str = "") -> Removed:
        """As the ports of answers, attempts and background tasks say."""
        del before, after
        return self._some(limit)

    def _some(self, limit: int) -> Removed:
        count = min(limit, self.left)
        self.left -= count
        self.clock.move(self.takes)
        return Removed(count, "" if self.left else None)


class OldMessages:
    """Payloads and messages, a pile of each."""

    def __init__(self, payloads: Pile, messages: Pile) -> None:
        self.erase_payloads = payloads.erase_payloads
        self.forget = messages.forget


class HurriedClock(MovedClock):
    """A clock on which sleep takes no time of the test's."""

    async def sleep(self, pause: timedelta) -> None:
        """Let so much time pass at once."""
        self.move(pause)


async def test_retention_keeps_up_with_what_five_minutes_bring() -> None:
    """Else a busy service would fill its disk with what it promised to erase."""
    brought = 300 * 3_300
    tasks = 3_300  # which people ask for, or circumstances
    piles = [Pile(brought), Pile(brought), Pile(brought), Pile(brought), Pile(tasks)]
    clock = HurriedClock()

    await retention_of(piles, clock)()

    assert [pile.left for pile in piles] == [0] * 5
    assert clock.now() - NOON < RETENTION_RUNS_FOR


async def test_retention_ends_before_a_host_would_end_it_and_the_next_run_goes_on() -> None:
    """However slow a store is; and nothing that is over waits until all else is gone."""
    clock, slow = HurriedClock(), timedelta(seconds=12)
    piles = [Pile(8 * BATCH, clock, slow) for _ in range(5)]
    retention = retention_of(piles, clock)

    assert await retention() == 20 * BATCH
    assert clock.now() - NOON < RETENTION_RUNS_FOR + slow
    assert {pile.left for pile in piles} == {4 * BATCH}
    assert (await retention(), await retention()) == (20 * BATCH, 0)


def retention_of(piles: Sequence[Pile], clock: MovedClock) -> Retention:
    """Of piles of payloads, messages, answers, attempts and tasks: they do all that it asks of its stores."""
    payloads, messages, answers, attempts, tasks = piles
    old, keep = OldMessages(payloads, messages), Keep(KEPT, KEPT, KEPT)
    return Retention(old, answers, attempts, tasks, keep, clock, Notes())  # type: ignore[arg-type]


async def test_writes_of_others_pass_between_those_of_retention(walk: Walk, application: Application) -> None:
    for _ in range(BATCH + 1):
        await walk.accepts(application, payload_retention=timedelta(days=5))
    walk.clock.move(timedelta(days=6))

    running = asyncio.create_task(walk.service.retention())
    await walk.clock.asleep()
    await walk.has_endpoint(application)
    assert not running.done()
    assert await walk.rests_pass(running) == BATCH + 1


async def test_a_message_stays_when_its_attempts_are_forgotten(walk: Walk, application: Application) -> None:
    """It is in no list of attempts any more, and no replay takes it for one that was never attempted."""
    endpoint = await walk.has_endpoint(application)
    message = await walk.posts(application, event_id="order-17")
    began_at = walk.clock.now()
    await walk.passes(KEPT)
    assert (await walk.retains(), len(await walk.attempts(message))) == (1, 1)  # its payload
    walk.clock.move(timedelta(seconds=1))
    assert (await walk.retains(), await walk.retains()) == (1, 0)

    assert await walk.attempts(message) == []
    found = await walk.service.messages.get(application.id, "order-17")
    assert found == structs.replace(message, payload=None)
    with pytest.raises(EventIdTaken):
        await walk.accepts(application, event_id="order-17")
    seen = await walk.service.look_back(application, message.id)
    assert [one.standing for one in seen.endpoints] == [MessageStanding.FORGOTTEN]
    wanted = Replay(endpoint.id, began_at - timedelta(hours=1), walk.clock.now())
    assert (await walk.service.select.preview(application.id, wanted)).count == 0


async def test_what_was_delivered_is_not_replayed_because_its_attempts_were_forgotten(
    tmp_path: Path,
) -> None:
    """Attempts may be kept for a shorter time than payloads."""
    walk = Walk.on(tmp_path, HELIOGRAPH_ATTEMPT_RETENTION="3d")
    application = await walk.has_application()
    endpoint = await walk.has_endpoint(application, disabled=True)
    missed = await walk.posts(application)
    await walk.service.catalogue.edit_endpoint(application, endpoint.id, EndpointEdit(disabled=False))
    delivered = await walk.posts(application)
    asked = Replay(endpoint.id, walk.clock.now() - timedelta(hours=1), walk.clock.now() + timedelta(hours=1))

    async def would_be_sent() -> Sequence[str]:
        return (await walk.service.select.preview(application.id, asked)).message_ids

    await walk.passes(timedelta(days=3))
    await walk.retains()
    assert await would_be_sent() == [missed.id]
    await walk.passes(timedelta(seconds=1))
    assert await walk.retains() == 1
    assert await would_be_sent() == []
    assert walk.receiver.got == [delivered.id]
    await walk.service.close()


async def test_attempts_stay_while_a_retry_is_to_follow(walk: Walk, application: Application) -> None:
    """Even if the schedule is longer than they are kept."""
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)
    walk.clock.move(KEPT)
    assert await walk.retains() == 1
    (attempt,) = await walk.attempts(message)
    assert attempt.next_attempt_at is not None
    await walk.works()
    assert (await walk.attempts(message))[0].ended is not None


async def test_a_message_goes_a_year_after_it_was_accepted(walk: Walk, application: Application) -> None:
    """With its eventId; who asks for it, looks back or replays finds what was never there."""
    endpoint = await walk.has_endpoint(application)
    message = await walk.posts(application, event_id="order-17")
    await walk.passes(YEAR)
    await walk.retains()
    assert (await walk.service.messages.get(application.id, "order-17")).id == message.id
    walk.clock.move(timedelta(seconds=1))
    assert (await walk.retains(), await walk.retains()) == (1, 0)

    assert walk.journal.of("retention.ran")[-1]["messages"] == 1
    for key in (message.id, "order-17"):
        with pytest.raises(Unknown):
            await walk.service.messages.get(application.id, key)
        with pytest.raises(Unknown):
            await walk.service.look_back(application, key)
        with pytest.raises(Unknown):
            await walk.service.send_again(application, key, endpoint.id)
    asked = Replay(endpoint.id, NOON - timedelta(days=1), walk.clock.now())
    assert (await walk.service.select.preview(application.id, asked)).count == 0
    again = await walk.posts(application, event_id="order-17")
    assert walk.receiver.got == [message.id, again.id]


async def test_a_retry_whose_message_is_gone_ends_and_sends_nothing(
    walk: Walk, application: Application
) -> None:
    """An organization's own schedule may be longer than messages are kept."""
    await walk.has_endpoint(application)
    schedule = (timedelta(seconds=1), *[timedelta(days=30)] * 20)
    await walk.service.catalogue.edit_settings(ORG, OrganizationSettingsEdit(retry_schedule=schedule))
    walk.receiver.goes_down()
    message = await walk.posts(application, event_id="order-17")
    await walk.passes(timedelta(seconds=2))
    walk.clock.move(YEAR)
    while await walk.retains():
        pass
    walk.receiver.comes_back()
    await walk.works()

    assert (walk.receiver.got, await walk.attempts(message)) == ([message.id] * 2, [])
    assert [note["why"] for note in walk.journal.of("retries.ended")] == ["the message was removed"]


async def test_a_task_is_forgotten_some_time_after_its_end(walk: Walk, application: Application) -> None:
    task = await walk.service.begin_task.purge(application)
    await walk.works()
    running = await walk.service.begin_task.purge(application)
    walk.clock.move(KEPT)
    assert await walk.retains() == 0
    walk.clock.move(timedelta(seconds=1))
    assert (await walk.retains(), await walk.retains()) == (1, 0)
    with pytest.raises(Unknown):
        await walk.service.background_tasks.get(task.org_id, task.id)
    assert await walk.service.background_tasks.get(running.org_id, running.id) == running


def replace_outbox(walk: Walk, unfinished: Sequence[Dispatch | Retry]) -> Sweep:
    store = walk.service.store
    outbox = TwoServices(store.outbox, store.queue, unfinished, walk.clock.now())
    return replace(walk.service.sweep, outbox=outbox)
