"""What timers do. Each run is bounded, and a late, doubled or missed one does no harm."""

from dataclasses import dataclass
from datetime import timedelta

from shared.domain.background_task import restarted
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, TASKS_QUEUE, Retry, TaskStep, to_body
from shared.ports.answers import Answers
from shared.ports.background_tasks import BackgroundTasks
from shared.ports.clock import Clock
from shared.ports.journal import Journal
from shared.ports.messages import Messages
from shared.ports.outbox import Outbox
from shared.ports.queue import Queue

STRANDED_AFTER = timedelta(minutes=2)
"""Work that is recorded this long without a trace of having been queued is queued again."""

STALLED_AFTER = timedelta(minutes=15)
"""A background task that runs and has not advanced for this long goes on. Much longer than a step takes."""

SWEEP_LIMIT = 500
BATCH = 500
"""Rows that one write of retention touches, so that it holds up no delivery for long."""

BATCHES = 2_000
"""Writes of each kind that one run of retention makes at most. Every five minutes, that is 3,333 rows a
second: as many as can come in for long, so nothing piles up. What is left waits for the next run."""


@dataclass(frozen=True)
class Sweep:
    """Queue what was recorded and, after a crash between two services, never queued.

    Consumers look first at what is recorded, so that queueing too much costs a look and no second delivery.
    """

    outbox: Outbox
    background_tasks: BackgroundTasks
    queue: Queue
    clock: Clock
    journal: Journal

    async def __call__(self) -> int:
        """Queue up to `SWEEP_LIMIT` pieces of unfinished work, and as many tasks; say how many.

        Raises:
            Unavailable: A store or queue of ours is out of reach; the next run goes on.
        """
        return await self._work() + await self._tasks()

    async def _work(self) -> int:
        before = self.clock.now() - STRANDED_AFTER
        unfinished = await self.outbox.unfinished(before=before, limit=SWEEP_LIMIT)
        for work in unfinished:
            queue = RETRY_QUEUE if isinstance(work, Retry) else DISPATCH_QUEUE
            await self.queue.send(queue, to_body(work))
            self.journal.note("work.swept", queue=queue, message_id=work.message_id)
        return len(unfinished)

    async def _tasks(self) -> int:
        now = self.clock.now()
        stalled = await self.background_tasks.stalled(before=now - STALLED_AFTER, limit=SWEEP_LIMIT)
        for task in stalled:
            await self.queue.send(TASKS_QUEUE, to_body(TaskStep(task.org_id, task.id, task.step)))
            if await self.background_tasks.advance(task, restarted(task, now)):
                self.journal.note("task.restarted", app_id=task.app_id, task_id=task.id, step=task.step)
        return len(stalled)


@dataclass(frozen=True)
class Retention:
    """Erase payloads whose time is over, and forget old idempotent answers."""

    messages: Messages
    answers: Answers
    clock: Clock
    journal: Journal

    async def __call__(self) -> int:
        """Erase and forget in small batches; say how many rows went.

        Raises:
            Unavailable: The store is out of reach; the next run goes on.
        """
        now = self.clock.now()
        payloads = answers = 0
        for _ in range(BATCHES):
            erased = await self.messages.erase_payloads(expired_at=now, limit=BATCH)
            forgotten = await self.answers.forget(before=now, limit=BATCH)
            payloads += erased
            answers += forgotten
            if erased < BATCH and forgotten < BATCH:
                break
        if payloads or answers:
            self.journal.note("retention.ran", payloads=payloads, answers=answers)
        return payloads + answers
