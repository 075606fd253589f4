"""Messages and attempts on Cosmos DB, together with the work that follows from them, in queues elsewhere.

1. The record is written: a message with its claims in one transactional batch, an attempt in one write, and
   what comes at the same time for the same partition together.
2. The work is queued. Only then is anything acknowledged.

Between the two everything may end. `unqueued` finds what is left then; and whoever repeats a request that was
kept already has its message queued again before the answer, should there be no attempt on it yet.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from msgspec import structs

from shared.adapters.cosmos.answers import answer_document, answer_of
from shared.adapters.cosmos.container import ETAG, Container, Document, Operation, Refused
from shared.adapters.cosmos.documents import (
    LARGE_BYTES,
    Kept,
    dispatch_of,
    event_claim_id,
    key_claim_id,
    message_document,
    partition_of,
    partitions,
    payload_document,
    seconds_until,
)
from shared.adapters.cosmos.lists import Query
from shared.adapters.cosmos.records import TRIES, Overtaken, instant, micros
from shared.adapters.cosmos.standings import Recorded, Standings
from shared.adapters.cosmos.together import CHARACTER_BYTES, Together
from shared.adapters.cosmos.unqueued import Send, Unqueued
from shared.domain import ids
from shared.domain.attempt import Attempt, Trigger
from shared.domain.errors import EventIdTaken, TooLargeToQueue, Unavailable
from shared.domain.message import Message
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, Dispatch, Retry, to_body
from shared.ports.answers import StoredAnswer
from shared.ports.bodies import Bodies
from shared.ports.clock import Clock
from shared.ports.outbox import Claim, DueRetry, Told

Result = TypeVar("Result")

FIRST = 1
"""The number of an automatic attempt that has no other before it."""

REPEAT_AFTER = timedelta(minutes=1)
"""How long after it was accepted a message is handed over once more whose request was repeated: by then there
is an attempt on it, and nothing is done, or it was not queued the first time."""

LOST_FOR = timedelta(hours=12)
"""So long after it was due a message without an attempt is taken for lost when its request is repeated. By
then another process has looked after it; and much later its attempts may be over and gone."""

REST_BYTES = 4_000
"""What the rest of a message takes on its way, about: ids, names and channels, several times."""

_NEVER = 2**53
"""An end, in microseconds since 1970, that a claim has which says none: it ends with its message."""


class CosmosOutbox:
    """See `shared.ports.outbox.Outbox`."""

    def __init__(self, container: Container, bodies: Bodies, send: Send, clock: Clock, kept: Kept) -> None:
        """Queue by `send`, which is `shared.ports.queue.Queue.send`."""
        self._container = container
        self._bodies = bodies
        self._send = send
        self._clock = clock
        self._kept = kept
        self._standings = Standings(container)
        self._together = Together(container)
        self._unqueued = Unqueued(container, send, clock, kept)
        self._under_way: set[asyncio.Task[Any]] = set()

    async def accept(self, message: Message, dispatch: Dispatch, claim: Claim | None) -> StoredAnswer | None:
        return await self._to_its_end(self._watched(message, dispatch, claim))

    async def record(self, attempt: Attempt, retry: DueRetry | None, *, beside_others: bool = False) -> None:
        is_early = attempt.number == FIRST or attempt.trigger is Trigger.MANUAL
        await self._to_its_end(self._record(attempt, retry, is_first=is_early and not beside_others))

    async def postpone(self, retry: Retry, *, due_at: datetime) -> None:
        await self._unqueued.postpone(retry, due_at)

    async def answered(self, app_id: str | None, key: bytes) -> StoredAnswer | None:
        claim_id = key_claim_id(key)
        if app_id is None:
            query = Query().ask("c.id = @id", id=claim_id)
            found = [row async for row in self._container.query(query.sql, query.given)]
        else:
            reads = (self._container.read(claim_id, pk) for pk in partitions(app_id))
            found = [one for one in await asyncio.gather(*reads) if one is not None]
        now = micros(self._clock.now())
        good = [one for one in found if one["ends_at"] > now]
        return await answer_of(good[0], self._bodies) if good else None

    async def requeue(self, *, before: datetime, limit: int, told: Told) -> None:
        await self._unqueued.requeue(before=before, limit=limit, told=told)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _to_its_end(self, doing: Coroutine[Any, Any, Result]) -> Result:
        """Do something whose caller may go away in the middle: what is written is queued, too."""
        return await asyncio.shield(self._begin(doing))

    def _begin(self, doing: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.get_running_loop().create_task(doing)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever is left to hear of it has heard of it

    async def _watched(
        self, message: Message, dispatch: Dispatch, claim: Claim | None
    ) -> StoredAnswer | None:
        async with self._unqueued.accepting(message):
            return await self._accept(message, dispatch, claim)

    async def _accept(self, message: Message, dispatch: Dispatch, claim: Claim | None) -> StoredAnswer | None:
        documents = await self._documents(message, dispatch, claim)
        operations: dict[str, Operation] = {one["id"]: ("create", (one,)) for one in documents}
        pk = partition_of(message.app_id, message.id)
        try:
            await self._together.write(pk, list(operations.values()), _size_bytes(message, claim))
        except Refused:
            return await self._accept_alone(message, dispatch, documents, operations)
        except Unavailable as lost:
            if lost.wait is None:  # perhaps it was kept, and the reply lost; who is throttled knows better
                _ = self._begin(self._unqueued.mark(message))
            raise
        await self._queue_dispatch(message, dispatch)
        return None

    async def _accept_alone(
        self,
        message: Message,
        dispatch: Dispatch,
        documents: Sequence[Document],
        operations: dict[str, Operation],
    ) -> StoredAnswer | None:
        """Accept a message that was refused, or one that was written together with it.

        Raises:
            Overtaken: Others came in between each time.
        """
        pk = partition_of(message.app_id, message.id)
        for _ in range(TRIES):
            try:
                await self._container.batch(pk, list(operations.values()))
            except Refused as refused:
                taken = documents[refused.at]
                # If it is the message's own id that is taken, it was kept and the reply lost.
                if taken["id"] != message.id:
                    there = await self._container.read(taken["id"], pk)
                    if there is None or instant(there.get("ends_at", _NEVER)) <= self._clock.now():
                        operations[taken["id"]] = _over(there, taken)
                        continue
                    return await self._earlier(message, documents, there)
            await self._queue_dispatch(message, dispatch)
            return None
        raise Overtaken

    async def _documents(
        self, message: Message, dispatch: Dispatch, claim: Claim | None
    ) -> Sequence[Document]:
        """All that is written of a message: itself, then its payload, and the claims on key and eventId.

        Raises:
            ValueError: Its id is of another shard than what is claimed with it.
        """
        _check_shard(message, claim)
        pk, now, payload = partition_of(message.app_id, message.id), self._clock.now(), message.payload
        place = None
        if payload is not None and len(body := payload.encode()) > LARGE_BYTES:
            place = await self._bodies.keep(message.id, body, expires_at=message.payload_expires_at)
        by, only_at = self._unqueued.name, dispatch.endpoint_id
        ttl = self._kept.of_message(message.created_at, now)
        documents = [message_document(message, only_at=only_at, place=place, by=by, ttl=ttl)]
        if payload is not None and place is None:
            documents.append(payload_document(message, now))
        if claim is not None:
            said = await answer_document(claim.answer, f"{message.id}-answer", claim.expires_at, self._bodies)
            ends = {"ends_at": micros(claim.expires_at), "ttl": seconds_until(claim.expires_at, now)}
            documents.append({"id": key_claim_id(claim.key), "pk": pk, "of": message.id, **ends, **said})
        if message.event_id is not None:
            documents.append({"id": event_claim_id(message.event_id), "pk": pk, "of": message.id, "ttl": ttl})
        return documents

    async def _earlier(
        self, message: Message, documents: Sequence[Document], there: Document
    ) -> StoredAnswer:
        """The answer of an earlier message, whose claim is there, to a later one, which is not kept.

        Raises:
            EventIdTaken: It is the eventId that the earlier one has claimed.
        """
        for place in [one["place"] for one in documents if "place" in one]:
            with suppress(Unavailable):  # it ends by itself
                await self._bodies.remove(place)
        await self._queue_repeated(there)
        if message.event_id is not None and there["id"] == event_claim_id(message.event_id):
            raise EventIdTaken(message.event_id)
        return await answer_of(there, self._bodies)

    async def _queue_dispatch(self, message: Message, dispatch: Dispatch) -> None:
        """Queue a message's dispatch.

        Raises:
            Unavailable: It cannot be queued; the message is marked for it.
        """
        if message.deliver_at is not None:
            # Till then the payload may be erased.
            dispatch = structs.replace(dispatch, payload=None)
        try:
            try:
                await self._send(DISPATCH_QUEUE, to_body(dispatch), due_at=message.deliver_at)
            except TooLargeToQueue:
                # What JSON has to escape may be six times as long in the dispatch.
                dispatch = structs.replace(dispatch, payload=None)
                await self._send(DISPATCH_QUEUE, to_body(dispatch), due_at=message.deliver_at)
        except Unavailable:
            await self._unqueued.mark(message)
            raise

    async def _queue_repeated(self, claim: Document) -> None:
        """Queue the message that has a claim once more, if there is no attempt on it yet."""
        message = await self._container.read(claim["of"], claim["pk"])
        if message is None:
            return
        due_at = instant(message["created_at"]) + REPEAT_AFTER
        if "deliver_at" in message:
            due_at = max(due_at, instant(message["deliver_at"]))
        if self._clock.now() > due_at + LOST_FOR or await self._unqueued.is_attempted(message):
            return
        await self._send(DISPATCH_QUEUE, to_body(dispatch_of(message)), due_at=due_at)

    async def _record(self, attempt: Attempt, retry: DueRetry | None, *, is_first: bool) -> None:
        now = self._clock.now()
        over_at = max(now, attempt.next_attempt_at or now)
        ttl = self._kept.of_attempt(attempt.message_id, over_at, now)
        await self._standings.record(Recorded(attempt, retry, ttl), is_first=is_first)
        if retry is not None:
            await self._send(RETRY_QUEUE, to_body(retry.retry), due_at=retry.due_at)


def _size_bytes(message: Message, claim: Claim | None) -> int:
    """How much a message and its claims may be on their way."""
    characters = len(message.payload or "") + (0 if claim is None else len(claim.answer.body))
    return REST_BYTES + CHARACTER_BYTES * characters


def _check_shard(message: Message, claim: Claim | None) -> None:
    """Let a message pass whose id is of the shard where its claims are looked for.

    Raises:
        ValueError: It is of another.
    """
    once = message.event_id.encode() if message.event_id is not None else claim.key if claim else None
    if once is not None and ids.shard_for(once) != ids.shard_of(message.id):
        raise ValueError(f"the id of {message.id} was made of another eventId or idempotency key")


def _over(there: Document | None, document: Document) -> Operation:
    """How a claim is written in place of one that has expired, or is gone."""
    if there is None:
        return ("create", (document,))
    return ("replace", (document["id"], document), {"if_match_etag": there[ETAG]})
