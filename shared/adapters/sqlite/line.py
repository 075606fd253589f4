"""One queue as this process sees it.

    enter ──▶ ready ──▶ leased ──▶ done (the row is removed)
      │         ▲  ▲       │
      │         │  └───────┴ abandoned, or the lease has ended: handed over again, with a higher count
      └──▶ waiting, in the file alone: not due yet, or no room in memory

`work_held` has a row for everything ready or leased, so that a crash loses none of it: whoever opens the file
next puts those back among the waiting. What is accepted here is handed over without being read back. All of
this is known on the event loop only; the file is changed by the writer.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from shared.adapters.sqlite import columns, work
from shared.adapters.sqlite.columns import Row
from shared.adapters.sqlite.hand import NOWHERE, Hand, Held, Place
from shared.adapters.sqlite.rows import HELD, WAITING, Table
from shared.adapters.sqlite.writer import Operation, Writer
from shared.domain.errors import Unavailable
from shared.ports.clock import Clock
from shared.ports.queue import Delivery

Result = TypeVar("Result")


class Entry:
    """Work on its way into a queue: a row to be written, and what follows when that has come out."""

    def __init__(self, line: "Line", row: tuple[Table, Row], held: Held | None, place: Place) -> None:
        """Held work goes to memory, other work to the file alone."""
        self.row = row
        self._line = line
        self._held = held
        self._place = place

    def written_by(self, writer: Writer, operation: Operation[Result]) -> "asyncio.Future[Result]":
        """Submit the operation that writes the row; if its result is None, it has kept it.

        Raises:
            Unavailable: The store is closed.
        """
        operation.settled = self._settled
        try:
            return writer.submit(operation)
        except Unavailable:
            self._line.entered(self._held, self._place, kept=False)
            raise

    def _settled(self, operation: Operation[Any]) -> None:
        kept = operation.error is None and operation.result is None
        self._line.entered(self._held, self._place, kept=kept)


class Line:
    """One queue."""

    def __init__(
        self, queue: str, writer: Writer, clock: Clock, sequences: Iterator[int], next_waiting: Place
    ) -> None:
        """Take the queue over.

        Args:
            queue: Its name.
            writer: Of the file that has its rows.
            clock: What leases and due times are measured by.
            sequences: Where the next sequence comes from.
            next_waiting: Of the first work that waits in the file, or a place before it.
        """
        self._queue = queue
        self._writer = writer
        self._clock = clock
        self._sequences = sequences
        self._next_waiting = next_waiting
        self._hand = Hand()
        self._reading: asyncio.Future[Any] | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def enter(
        self,
        body: bytes,
        *,
        at: datetime,
        due_at: datetime | None = None,
        payload: work.Payload | None = None,
    ) -> Entry:
        """Prepare work to be queued.

        Args:
            body: What the consumer gets.
            at: The present.
            due_at: When it is due; None is at once.
            payload: Where the file has what is in the body but need not be in the row.
        """
        sequence = next(self._sequences)
        now = columns.micros(at)
        due = now if due_at is None else columns.micros(due_at)
        stored, content = (body, None) if payload is None else (payload.body_without, payload.content)
        if due > now or not self._hand.has_room_for(body):
            waiting = (self._queue, due, sequence, stored, content, 0, now)
            return Entry(self, (WAITING, waiting), None, (due, sequence))
        held = Held(Delivery(self._queue, sequence, body, 1, at), due)
        self._hand.keep_room(held)
        return Entry(
            self, (HELD, (sequence, self._queue, due, stored, content, 1, now)), held, (due, sequence)
        )

    def entered(self, held: Held | None, place: Place, *, kept: bool) -> None:
        """Let work in that has been written, or not, as it has turned out."""
        if held is not None:
            if kept:
                self._hand.make_ready(held)
                self.wake()
            else:
                self._hand.give_room_back(held)
        elif kept and place < self._next_waiting:
            self._next_waiting = place
            self.wake()

    async def receive(self, limit: int, lease: timedelta, patience: timedelta) -> Sequence[Delivery]:
        """See `shared.ports.queue.Consumer.receive`."""
        hand = self._hand
        give_up_at = columns.micros(self._clock.now() + patience)
        while True:
            self._writer.check_open()
            now = columns.micros(self._clock.now())
            if now >= hand.next_lapse and (lapsed := hand.lapsed(now)):
                await self._again(lapsed)
            while self._next_waiting[0] <= now and hand.is_short_of(limit, self._next_waiting):
                await self._read(now)
            # What waits in the file and stands before what is ready is read first, by the next call.
            taken = hand.take(limit, now + columns.length(lease), self._next_waiting)
            if taken or now >= give_up_at:
                return taken
            await self._change(min(give_up_at, self._next_waiting[0], hand.next_lapse) - now)

    async def complete(self, sequence: int) -> None:
        """See `shared.ports.queue.Consumer.complete`."""
        if sequence in self._hand:
            await self._writer.submit(
                Operation(
                    partial(work.remove, sequence=sequence),
                    together=(),
                    done=sequence,
                    settled=partial(self._gone, sequence),
                    # What is lost with it is a look at what is recorded; a commit of its own would cost more.
                    is_urgent=False,
                )
            )

    async def abandon(self, delivery: Delivery) -> None:
        """See `shared.ports.queue.Consumer.abandon`."""
        held = self._hand.leased(delivery)
        if held is not None:
            held.due = columns.micros(self._clock.now())
            await self._again([held])

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """See `shared.ports.queue.Consumer.bury`."""
        if delivery.sequence in self._hand:
            at = columns.micros(self._clock.now())
            await self._writer.submit(
                Operation(
                    partial(work.bury, delivery=delivery, reason=reason, at=at),
                    settled=partial(self._gone, delivery.sequence),
                )
            )

    async def redrive(self) -> int:
        """See `shared.ports.queue.DeadLetters.redrive`."""
        now = columns.micros(self._clock.now())

        def settled(operation: Operation[int]) -> None:
            self.entered(None, (now, 0), kept=operation.error is None)

        move = partial(work.unbury, queue=self._queue, now=now)
        return await self._writer.submit(Operation(move, settled=settled))

    def renew(self, delivery: Delivery, lease: timedelta) -> None:
        """See `shared.ports.queue.Consumer.renew`."""
        held = self._hand.leased(delivery)
        if held is not None:
            self._hand.renew(held, columns.micros(self._clock.now() + lease))
            self.wake()

    def wake(self) -> None:
        """Have everybody who waits look again."""
        for waiter in self._waiters:
            _ring(waiter)
        self._waiters.clear()

    def _gone(self, sequence: int, operation: Operation[None]) -> None:
        if operation.error is None:
            self._hand.drop(sequence)

    async def _read(self, now: int) -> None:
        """Take what is due from the file; who comes meanwhile waits for the same."""
        if self._reading is None:
            take = partial(work.take, queue=self._queue, now=now)
            self._reading = self._writer.submit(Operation(take, settled=self._was_read))
        await asyncio.shield(self._reading)

    def _was_read(self, operation: Operation[work.Taken]) -> None:
        self._reading = None
        if operation.result is None or operation.error is not None:
            return
        for read in operation.result.works:
            held = Held(read.delivery, read.due)
            self._hand.keep_room(held)
            self._hand.make_ready(held)
        self._next_waiting = operation.result.next_waiting or NOWHERE
        self.wake()

    async def _again(self, several: Sequence[Held]) -> None:
        """Count one more handing over, and let it happen when that is written."""
        leases = [held.until for held in several]
        for held in several:
            held.until = None

        def settled(operation: Operation[None]) -> None:
            for held, until in zip(several, leases, strict=True):
                if operation.error is None:
                    self._hand.make_ready_again(held)
                elif until is not None:
                    self._hand.renew(held, until)
            self.wake()

        places = [(held.due, held.delivery.sequence) for held in several]
        await self._writer.submit(Operation(partial(work.count_again, places=places), settled=settled))

    async def _change(self, pause: int) -> None:
        """Wait until something may have changed, at most `pause` microseconds."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        alarm = asyncio.ensure_future(self._clock.sleep(timedelta(microseconds=pause)))
        alarm.add_done_callback(lambda _: _ring(waiter))
        try:
            await waiter
        finally:
            alarm.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)


def _ring(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
