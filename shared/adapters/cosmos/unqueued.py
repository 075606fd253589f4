"""Work that was recorded and perhaps never queued: how it is known, and how it is queued again.

    an attempt     says when its retry is due
    a message      says when it is due if it was told a time, or is marked if it could not be queued
    a process      says while it accepts messages since when some of them may not be queued, and by when it
                   will have said so again; if it has not, it has ended, or has had nothing to do

All three say it as `due`, which is null once it was looked after. Messages that a process left are found by
its name, and are queued again if there is no attempt on them.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from shared.adapters.cosmos.container import ETAG, Container, Document, Refused
from shared.adapters.cosmos.documents import (
    MESSAGE,
    Kept,
    dispatch_of,
    first_attempt_id,
    partition_of,
    retry_of,
    ttl_set,
)
from shared.adapters.cosmos.lists import Query, rows
from shared.adapters.cosmos.records import a_name, instant, micros
from shared.domain import ids
from shared.domain.errors import Unavailable
from shared.domain.message import Message
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, Dispatch, Retry, to_body
from shared.ports.clock import Clock
from shared.ports.outbox import Told
from shared.several import with_each

PROCESS = "process"

SAID_EVERY = timedelta(seconds=10)
"""How often a process says that it accepts messages: a write for some thousands of theirs."""

SILENT_AFTER = timedelta(minutes=1)
"""How long it may be silent before others look after what it left. Much longer than any operation takes."""

OVERDUE_AGAIN = timedelta(hours=1)
"""After so long a retry that was queued again and is still not made is taken for lost once more."""

QUEUED_AT_ONCE = 50
"""So many pieces are queued again side by side, which the queue takes in a few batches."""

REQUEUES_FOR = timedelta(seconds=40)
"""So long after its beginning a run begins with no other piece: while the queue is out of reach each takes
10 s, and a host may end what takes five minutes. The next run goes on."""

_WORK = (
    "c.id, c.pk, c.kind, c.due, c.org_id, c.event_type, c.channels, c.tags, c.only_at, c.content_type,"
    " c.trace, c.message_id, c.endpoint_id, c.retry, c.since, c.ttl, c._etag"
)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Send(Protocol):
    """Queues a body."""

    async def __call__(self, queue: str, body: bytes, *, due_at: datetime | None = None) -> None:
        """As `shared.ports.queue.Queue.send`."""
        ...


class Unqueued:
    """See the module.

    Attributes:
        name: Of this process.
    """

    def __init__(self, container: Container, send: Send, clock: Clock, kept: Kept) -> None:
        self.name = a_name()
        self._container = container
        self._send = send
        self._clock = clock
        self._kept = kept
        self._open: dict[str, datetime] = {}
        self._saying = asyncio.Lock()
        self._says_again_at = _LONG_AGO

    @asynccontextmanager
    async def accepting(self, message: Message) -> AsyncIterator[None]:
        """Around writing a message and queueing it: should the process end within, others know of it.

        Raises:
            Unavailable: The store is out of reach.
        """
        self._open[message.id] = message.created_at
        try:
            if self._clock.now() >= self._says_again_at:
                await self._say()
            yield
        finally:
            del self._open[message.id]

    async def mark(self, message: Message) -> None:
        """Remember that a message may not be queued, if it was kept and that can be written."""
        if message.deliver_at is not None:
            return  # it says itself when it is due
        with suppress(Unavailable, Refused):
            pk = partition_of(message.app_id, message.id)
            ttl = self._kept.of_message(message.created_at, self._clock.now())
            await self._container.patch(message.id, pk, [_due(micros(message.created_at)), ttl_set(ttl)])

    async def postpone(self, retry: Retry, due_at: datetime) -> None:
        """Remember that a retry is due later than its attempt said, if that can be written."""
        first_id = first_attempt_id(retry.message_id, retry.endpoint_id)
        when = f"FROM c WHERE c.retry.number = {retry.number:d}"
        with suppress(Unavailable, Refused):
            pk = partition_of(retry.app_id, retry.message_id)
            ttl = self._kept.of_attempt(retry.message_id, due_at, self._clock.now())
            await self._container.patch(first_id, pk, [_due(micros(due_at)), ttl_set(ttl)], when)

    async def is_attempted(self, message: Document) -> bool:
        """Whether there is an attempt on a message."""
        query = Query("VALUE c.key", most=1).ask("c.message_id = @id", id=message["id"])
        return bool(await rows(self._container, message["pk"], query))

    async def requeue(self, *, before: datetime, limit: int, told: Told) -> None:
        """Queue again what was due before an instant, and have it be due later or no more.

        Args:
            before: The instant.
            limit: At most so many, besides those that a process left behind.
            told: Called with each as soon as it is queued.

        Raises:
            Unavailable: The store or the queue is out of reach; whatever else could be queued is.
        """
        query = Query(_WORK).ask("c.due < @before", before=micros(before))
        found = list[Document]()
        async with aclosing(self._container.query(query.sql, query.given, page=limit)) as overdue:
            async for row in overdue:
                found.append(row)
                if len(found) == limit:
                    break
        until = self._clock.now() + REQUEUES_FOR

        async def in_time(row: Document) -> None:
            if self._clock.now() >= until:
                return
            if row["kind"] == PROCESS:
                await self._left_behind(row, until, told)
            else:
                await self._again(row, told)

        found.sort(key=lambda row: int(row["due"]))
        await with_each(found, in_time, at_once=QUEUED_AT_ONCE)

    async def _say(self) -> None:
        async with self._saying:
            now = self._clock.now()
            if now < self._says_again_at:
                return
            said = {"since": micros(min(self._open.values())), "due": micros(now + SILENT_AFTER)}
            await self._container.upsert({"id": self.name, "pk": self.name, "kind": PROCESS, **said})
            self._says_again_at = now + SAID_EVERY

    async def _again(self, row: Document, told: Told) -> None:
        """Queue what is due, if it still is to be done."""
        due: int | None = None
        if row["kind"] != MESSAGE:
            await self._queue(retry_of(row), told)
            due = micros(self._clock.now() + OVERDUE_AGAIN)
        elif not await self.is_attempted(row):
            await self._queue(dispatch_of(row), told)
        with suppress(Refused):  # it was attempted in between
            when = f"FROM c WHERE c.due = {row['due']:d}"
            ttl = self._kept.renewed(row, self._clock.now())
            await self._container.patch(row["id"], row["pk"], [_due(due), ttl_set(ttl)], when)

    async def _left_behind(self, process: Document, until: datetime, told: Told) -> None:
        """Queue the messages that a process accepted last and that were not attempted.

        Raises:
            Unavailable: They are not all queued by `until`, so that the next run has to look again.
        """
        first = ids.start_id(ids.MESSAGE, instant(process["since"]))
        query = Query(_WORK).ask("c.accepted_by = @process", process=process["id"])
        query.ask("c.listed >= @first", first=first)
        by_partition: dict[str, list[Document]] = defaultdict(list)
        async for row in self._container.query(query.sql, query.given):
            by_partition[row["pk"]].append(row)

        async def left_in(pk: str) -> Sequence[Document]:
            messages = by_partition[pk]
            # Others may have attempted a great deal since.
            tried = Query("VALUE c.message_id").ask("c.message_id >= @first", first=first)
            tried.ask("c.message_id <= @last", last=max(row["id"] for row in messages))
            attempted = frozenset(await rows(self._container, pk, tried))
            # One that was told a time, or was marked, is looked after by itself.
            return [row for row in messages if row["id"] not in attempted and "due" not in row]

        left = await with_each(by_partition, left_in, at_once=QUEUED_AT_ONCE)

        async def in_time(message: Document) -> None:
            if self._clock.now() >= until:
                raise Unavailable("queue", "it takes too long to queue what a process has left")
            await self._queue(dispatch_of(message), told)

        messages = [message for some in left for message in some]
        await with_each(messages, in_time, at_once=QUEUED_AT_ONCE)
        with suppress(Refused):  # it is there again, and says so
            await self._container.delete(process["id"], process["pk"], process[ETAG])

    async def _queue(self, work: Dispatch | Retry, told: Told) -> None:
        await self._send(RETRY_QUEUE if isinstance(work, Retry) else DISPATCH_QUEUE, to_body(work))
        told(work)


def _due(at: int | None) -> dict[str, Any]:
    return {"op": "set", "path": "/due", "value": at}
