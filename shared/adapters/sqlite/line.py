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
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from shared.adapters.sqlite import columns, work
from shared.adapters.sqlite.columns import Row
from shared.adapters.sqlite.rows import HELD, WAITING, Table
from shared.adapters.sqlite.writer import Operation, Writer
from shared.domain.errors import Unavailable
from shared.ports.clock import Clock
from shared.ports.queue import Delivery

Result = TypeVar("Result")

ROOM_WORKS = 2_000
ROOM_BYTES = 8 * 2**20
"""What may be ready in memory for one queue; the rest waits in the file."""

Place = tuple[int, int]
"""Where work stands in its queue: when it is due, in microseconds since 1970, and its sequence."""

NEVER = 2**63
"""Later than every instant in microseconds."""

NOWHERE: Place = (NEVER, 0)
"""Behind everything."""


@dataclass(slots=True)
class Held:
    """Work in the hand of this process.

    Attributes:
        due: In microseconds since 1970.
        ready: It may be handed over.
        until: When its lease ends, in microseconds since 1970; None while it is not leased.
    """

    delivery: Delivery
    due: int
    ready: bool = False
    until: int | None = None


class Entry:
    """Work on its way into a queue: a row to be written, and what follows when that has come out."""

    def __init__(self, line: "Line", row: tuple[Table, Row], held: Held | None, place: Place) -> None:
        """Held work goes to memory, other work to the file alone."""
        self.row = row
        self._line = line
        self._held = held
        self._place = place

    def written_by(self, writer: Writer, operation: Operation[Result]) -> "asyncio.Future[Result]":
        """Submit the operation that writes the row.

        Raises:
            Unavailable: The store is closed.
        """
        operation.settled = self._settled
        try:
            return writer.submit(operation)
        except Unavailable:
            self._withdraw()
            raise

    def _settled(self, operation: Operation[Any]) -> None:
        """Let the work in, if the operation has kept it: then its result is None."""
        if operation.error is not None or operation.result is not None:
            self._withdraw()
        elif self._held is not None:
            self._line.let_in(self._held)
        else:
            self._line.waits(self._place)

    def _withdraw(self) -> None:
        """Nothing was written: give back the room that was kept."""
        if self._held is not None:
            self._line.give_back(self._held)


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
        self._held: dict[int, Held] = {}
        self._ready: list[Place] = []  # a heap
        self._works = 0  # that are ready, or will be when they are written
        self._bytes = 0
        self._next_lapse = NEVER
        self._reading: asyncio.Future[Any] | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def enter(self, body: bytes, stored: bytes, *, now: int, due: int) -> Entry:
        """Prepare work to be queued.

        Args:
            body: What the consumer gets if it comes from memory.
            stored: What it gets if it comes from the file.
            now: In microseconds since 1970.
            due: In microseconds since 1970.
        """
        sequence = next(self._sequences)
        if due > now or self._works >= ROOM_WORKS or self._bytes + len(body) > ROOM_BYTES:
            return Entry(self, (WAITING, (self._queue, due, sequence, stored, 0, now)), None, (due, sequence))
        self._works += 1
        self._bytes += len(body)
        held = Held(Delivery(self._queue, sequence, body, 1, columns.instant(now)), due)
        return Entry(self, (HELD, (sequence, self._queue, due, stored, 1, now)), held, (due, sequence))

    def let_in(self, held: Held) -> None:
        """Work for which there is room has been written."""
        self._held[held.delivery.sequence] = held
        held.ready = True
        heapq.heappush(self._ready, (held.due, held.delivery.sequence))
        self._wake()

    def give_back(self, held: Held) -> None:
        """Work for which there was room is ready no more, or was not written."""
        self._works -= 1
        self._bytes -= len(held.delivery.body)

    def waits(self, place: Place) -> None:
        """Work has been written that waits in the file."""
        if place < self._next_waiting:
            self._next_waiting = place
            self._wake()

    async def receive(self, limit: int, lease: timedelta, patience: timedelta) -> Sequence[Delivery]:
        """See `shared.ports.queue.Consumer.receive`."""
        give_up_at = columns.micros(self._clock.now() + patience)
        while True:
            self._writer.check_open()
            now = columns.micros(self._clock.now())
            if now >= self._next_lapse:
                await self._lapse(now)
            while self._next_waiting[0] <= now and (
                len(self._ready) < limit or self._next_waiting < self._ready[0]
            ):
                await self._read(now)
            taken = self._take(limit, now + columns.length(lease))
            if taken or now >= give_up_at:
                return taken
            await self._change(min(give_up_at, self._next_waiting[0], self._next_lapse) - now)

    async def complete(self, sequence: int) -> None:
        """See `shared.ports.queue.Consumer.complete`."""
        if sequence in self._held:
            await self._writer.submit(
                Operation(
                    partial(work.remove, sequence=sequence),
                    together=(),
                    done=sequence,
                    settled=partial(self._dropped, sequence),
                )
            )

    async def abandon(self, delivery: Delivery) -> None:
        """See `shared.ports.queue.Consumer.abandon`."""
        held = self._leased(delivery)
        if held is not None:
            held.due = columns.micros(self._clock.now())
            await self._again([held])

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """See `shared.ports.queue.Consumer.bury`."""
        if delivery.sequence in self._held:
            at = columns.micros(self._clock.now())
            await self._writer.submit(
                Operation(
                    partial(work.bury, delivery=delivery, reason=reason, at=at),
                    settled=partial(self._dropped, delivery.sequence),
                )
            )

    def renew(self, delivery: Delivery, lease: timedelta) -> None:
        """See `shared.ports.queue.Consumer.renew`."""
        held = self._leased(delivery)
        if held is not None:
            held.until = columns.micros(self._clock.now() + lease)
            self._next_lapse = min(self._next_lapse, held.until)

    def wake(self) -> None:
        """Have everybody who waits look again."""
        self._wake()

    def _leased(self, delivery: Delivery) -> Held | None:
        """The work, if it is still leased to whoever got this delivery."""
        held = self._held.get(delivery.sequence)
        if held is None or held.until is None or held.delivery.delivery_count != delivery.delivery_count:
            return None
        return held

    def _take(self, limit: int, until: int) -> Sequence[Delivery]:
        taken = list[Delivery]()
        # What waits in the file and comes first is read first, by the next call.
        while self._ready and len(taken) < limit and self._ready[0] < self._next_waiting:
            _, sequence = heapq.heappop(self._ready)
            held = self._held.get(sequence)
            if held is None:
                continue  # done by whoever had it before its lease ended
            self.give_back(held)
            held.ready = False
            held.until = until
            taken.append(held.delivery)
        if taken:
            self._next_lapse = min(self._next_lapse, until)
        return taken

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
        for row in operation.result.rows:
            delivery = Delivery(
                self._queue, row.sequence, row.body, row.delivery_count, columns.instant(row.enqueued_at)
            )
            self._ready_again(Held(delivery, row.due))
        self._next_waiting = operation.result.next_waiting or NOWHERE

    async def _lapse(self, now: int) -> None:
        """Make work ready again whose lease has ended."""
        leases = [(held.until, held) for held in self._held.values() if held.until is not None]
        self._next_lapse = min((until for until, _ in leases if until > now), default=NEVER)
        lapsed = [held for until, held in leases if until <= now]
        if lapsed:
            await self._again(lapsed)

    async def _again(self, several: Sequence[Held]) -> None:
        """Count one more handing over, and let it happen when that is written."""
        leases = [held.until for held in several]
        for held in several:
            held.until = None
        sequences = [held.delivery.sequence for held in several]

        def settled(operation: Operation[None]) -> None:
            for held, until in zip(several, leases, strict=True):
                if operation.error is not None:
                    held.until = until
                elif held.delivery.sequence in self._held:
                    held.delivery = replace(held.delivery, delivery_count=held.delivery.delivery_count + 1)
                    self._ready_again(held)
            if operation.error is not None:
                self._next_lapse = 0
            self._wake()

        await self._writer.submit(Operation(partial(work.count_again, sequences=sequences), settled=settled))

    def _ready_again(self, held: Held) -> None:
        self._works += 1
        self._bytes += len(held.delivery.body)
        self.let_in(held)

    def _dropped(self, sequence: int, operation: Operation[None]) -> None:
        if operation.error is None:
            held = self._held.pop(sequence, None)
            if held is not None and held.ready:
                self.give_back(held)

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

    def _wake(self) -> None:
        for waiter in self._waiters:
            _ring(waiter)
        self._waiters.clear()


def _ring(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
