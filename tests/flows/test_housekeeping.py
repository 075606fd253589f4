"""Timers: late, doubled and missed runs do no harm."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.application import Application
from shared.domain.background_task import TaskStatus
from shared.domain.work import TASKS_QUEUE, Dispatch, Retry
from shared.flows.housekeeping import STALLED_AFTER, STRANDED_AFTER, Retention, Sweep
from shared.ports.outbox import Outbox
from tests.flows.walk import Walk
from tests.makers import a_failed_attempt, an_answer


class TwoServices:
    """An outbox whose store and queue are two services, after a crash between the two writes."""

    def __init__(self, outbox: Outbox, unfinished: Sequence[Dispatch | Retry], at: datetime) -> None:
        self.accept = outbox.accept
        self.record = outbox.record
        self._unfinished = unfinished
        self._at = at

    async def unfinished(self, *, before: datetime, limit: int) -> Sequence[Dispatch | Retry]:
        """What was recorded before an instant, every time: such a store does not know what is queued."""
        return self._unfinished[:limit] if self._at < before else ()


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


async def test_payloads_go_when_their_time_is_over_and_messages_stay(
    walk: Walk, application: Application
) -> None:
    brief = await walk.posts(application, payload_retention=timedelta(days=5))
    lasting = await walk.posts(application)

    await walk.passes(timedelta(days=5, seconds=1))
    assert await walk.service.retention() == 1
    assert await walk.service.retention() == 0

    messages = walk.service.messages
    assert (await messages.get(application.id, brief.id)).payload is None
    assert (await messages.get(application.id, lasting.id)).payload is not None


async def test_a_retry_whose_payload_is_gone_ends_its_chain(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application, payload_retention=timedelta(seconds=1))
    walk.clock.move(timedelta(hours=1))
    await walk.service.retention()
    await walk.works()

    (attempt,) = await walk.attempts(message)
    assert attempt.next_attempt_at is None


async def test_old_idempotent_answers_are_forgotten(walk: Walk) -> None:
    now = walk.clock.now()
    await walk.service.answers.finish(b"key", an_answer(), expires_at=now + timedelta(hours=12))
    await walk.passes(timedelta(hours=11))
    assert await walk.service.retention() == 0
    await walk.passes(timedelta(hours=1, seconds=1))
    assert await walk.service.retention() == 1


@dataclass
class Pile:
    """Expired payloads and answers, so many of each that a database of them would take long to make."""

    payloads: int
    answers: int

    async def erase_payloads(self, *, expired_at: datetime, limit: int) -> int:
        """As the port of messages says."""
        del expired_at
        erased = min(limit, self.payloads)
        self.payloads -= erased
        return erased

    async def forget(self, *, before: datetime, limit: int) -> int:
        """As the port of answers says."""
        del before
        forgotten = min(limit, self.answers)
        self.answers -= forgotten
        return forgotten


async def test_retention_keeps_up_with_what_five_minutes_bring(walk: Walk) -> None:
    """Else a busy service would fill its disk with what it promised to erase."""
    brought = 300 * 3_300
    pile = Pile(payloads=brought, answers=brought)
    retention = Retention(pile, pile, walk.clock, walk.journal)  # type: ignore[arg-type] # all that it asks of them

    await retention()

    assert (pile.payloads, pile.answers) == (0, 0)


def replace_outbox(walk: Walk, unfinished: Sequence[Dispatch | Retry]) -> Sweep:
    outbox = TwoServices(walk.service.store.outbox, unfinished, walk.clock.now())
    return replace(walk.service.sweep, outbox=outbox)
