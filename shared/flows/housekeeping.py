"""What timers do. Each run is bounded, and a late, doubled or missed one does no harm."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.background_task import BackgroundTask, restarted
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, TASKS_QUEUE, Dispatch, Retry, TaskStep, to_body
from shared.ports.answers import Answers
from shared.ports.attempts import Attempts
from shared.ports.background_tasks import BackgroundTasks
from shared.ports.clock import Clock
from shared.ports.journal import Journal
from shared.ports.messages import Messages
from shared.ports.outbox import Outbox
from shared.ports.queue import Queue
from shared.ports.removal import Removed
from shared.several import with_each

STRANDED_AFTER = timedelta(minutes=2)
"""Work that is recorded this long without a trace of having been queued is queued again."""

STALLED_AFTER = timedelta(minutes=15)
"""A background task that runs and has not advanced for this long goes on. Much longer than a step takes."""

SWEEP_LIMIT = 5_000
"""Dispatches and retries that one sweep queues at most: so a long outage of the queues is made up for at
300,000 an hour."""

TASKS_LIMIT = 500
TASKS_AT_ONCE = 50
"""Tasks that one sweep begins again at most, and so many side by side: while their queue is out of reach each
takes 10 s."""

BATCH = 100
"""The most that one write of retention removes. It is to take less than 50 ms, and a store removes less where
that would take longer."""

REST = timedelta(milliseconds=5)
"""Between two such writes, so that what is new comes first."""

RETENTION_RUNS_FOR = timedelta(minutes=4)
"""So long after its beginning a run of retention begins no other write: a host may end what takes five
minutes. What is left waits for the next run."""


@dataclass(frozen=True)
class Sweep:
    """Queue what was recorded and, after a crash between two services, never queued.

    Consumers look first at what is recorded, so that queueing too much costs a look and no second delivery.
    What cannot be queued holds up nothing else: its error is raised when all else was.
    """

    outbox: Outbox
    background_tasks: BackgroundTasks
    queue: Queue
    clock: Clock
    journal: Journal

    async def __call__(self) -> int:
        """Queue up to `SWEEP_LIMIT` pieces of unfinished work and `TASKS_LIMIT` tasks; say how many.

        Raises:
            Unavailable: A store or queue of ours is out of reach; the next run goes on.
        """
        return sum(await with_each((self._work, self._tasks), lambda part: part(), at_once=1))

    async def _work(self) -> int:
        before, swept = self.clock.now() - STRANDED_AFTER, 0

        def note(work: Dispatch | Retry) -> None:
            nonlocal swept
            swept += 1
            queue = RETRY_QUEUE if isinstance(work, Retry) else DISPATCH_QUEUE
            self.journal.note("work.swept", queue=queue, message_id=work.message_id)

        await self.outbox.requeue(before=before, limit=SWEEP_LIMIT, told=note)
        return swept

    async def _tasks(self) -> int:
        now = self.clock.now()
        stalled = await self.background_tasks.stalled(before=now - STALLED_AFTER, limit=TASKS_LIMIT)

        async def begin_again(task: BackgroundTask) -> None:
            await self.queue.send(TASKS_QUEUE, to_body(TaskStep(task.org_id, task.id, task.step)))
            if await self.background_tasks.advance(task, restarted(task, now)):
                self.journal.note("task.restarted", app_id=task.app_id, task_id=task.id, step=task.step)

        await with_each(stalled, begin_again, at_once=TASKS_AT_ONCE)
        return len(stalled)


@dataclass(frozen=True)
class Keep:
    """How long things are kept that are over.

    Attributes:
        messages: After they were accepted. Payloads and attempts are kept for no longer.
        attempts: After the last attempt on their message, or after the retry that was to follow it.
        tasks: Background tasks, after their end.
    """

    messages: timedelta
    attempts: timedelta
    tasks: timedelta


@dataclass(frozen=True)
class Retention:
    """Erase payloads whose time is over, and forget old answers, attempts, messages and background tasks.

    A message whose attempts were forgotten stays, with its eventId, in the lists of messages; it is in none
    of the lists of attempts and of an endpoint's messages any more, and no replay takes it for one that was
    never attempted. When its own time is over it goes, with all that is left of it; a retry that is still to
    come, of a schedule that is longer, finds nothing to send then and ends.
    """

    messages: Messages
    answers: Answers
    attempts: Attempts
    background_tasks: BackgroundTasks
    keep: Keep
    clock: Clock
    journal: Journal

    async def __call__(self) -> int:
        """Erase and forget in small batches with rests between them; say how many rows went.

        Raises:
            Unavailable: The store is out of reach; the next run goes on.
        """
        now = self.clock.now()
        messages_until, attempts_until = now - self.keep.messages, now - self.keep.attempts
        tasks_until = now - self.keep.tasks
        gone = await self._in_turn(
            {
                "payloads": lambda _: self.messages.erase_payloads(expired_at=now, limit=BATCH),
                "answers": lambda _: self.answers.forget(before=now, limit=BATCH),
                "attempts": lambda after: self.attempts.forget(
                    before=attempts_until, after=after, limit=BATCH
                ),
                "messages": lambda after: self.messages.forget(
                    before=messages_until, after=after, limit=BATCH
                ),
                "tasks": lambda _: self.background_tasks.forget(before=tasks_until, limit=BATCH),
            },
            until=now + RETENTION_RUNS_FOR,
        )
        if any(gone.values()):
            self.journal.note("retention.ran", **gone)
        return sum(gone.values())

    async def _in_turn(
        self, kinds: Mapping[str, Callable[[str], Awaitable[Removed]]], *, until: datetime
    ) -> Mapping[str, int]:
        """Remove some of each kind in turn, each time from where the time before has ended; say how many."""
        gone, waiting = dict.fromkeys(kinds, 0), deque((kind, "") for kind in kinds)
        while waiting and self.clock.now() < until:
            kind, after = waiting.popleft()
            removed = await kinds[kind](after)
            gone[kind] += removed.count
            if removed.rest is not None:
                waiting.append((kind, removed.rest))
                await self.clock.sleep(REST)
        return gone
