"""Queues on SQLite, from both sides."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from shared.adapters.sqlite import columns, work
from shared.adapters.sqlite.lines import Lines
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.writer import Operation, Writer
from shared.ports.clock import Clock
from shared.ports.queue import COUNTED_MAX, Backlog, Delivery


class SqliteQueue:
    """See `shared.ports.queue`: both `Queue` and `Consumer`."""

    def __init__(self, writer: Writer, readers: Readers, lines: Lines, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._lines = lines
        self._clock = clock

    async def send(self, queue: str, body: bytes, *, due_at: datetime | None = None) -> None:
        entry = self._lines.of(queue).enter(body, at=self._clock.now(), due_at=due_at)
        table, row = entry.row

        def insert(connection: sqlite3.Connection) -> None:
            table.insert(connection, row)

        await entry.written_by(self._writer, Operation(insert, together=(entry.row,)))

    async def reject(self, queue: str, body: bytes, *, reason: str) -> None:
        row = (queue, self._lines.next_sequence(), body, reason, columns.micros(self._clock.now()))

        def add(connection: sqlite3.Connection) -> None:
            work.add_dead_letter(connection, row)

        await self._writer.run(add)

    async def backlog(self, queue: str, *, at_most: int = COUNTED_MAX) -> Backlog:
        now = columns.micros(self._clock.now())
        return await self._readers.run(partial(work.backlog, queue=queue, now=now, at_most=at_most))

    async def receive(
        self, queue: str, *, limit: int, lease: timedelta, patience: timedelta
    ) -> Sequence[Delivery]:
        return await self._lines.of(queue).receive(limit, lease, patience)

    async def complete(self, delivery: Delivery) -> None:
        await self._lines.of(delivery.queue).complete(delivery.sequence)

    async def abandon(self, delivery: Delivery) -> None:
        await self._lines.of(delivery.queue).abandon(delivery)

    async def bury(self, delivery: Delivery, *, reason: str) -> None:
        await self._lines.of(delivery.queue).bury(delivery, reason)

    async def renew(self, delivery: Delivery, *, lease: timedelta) -> None:
        self._lines.of(delivery.queue).renew(delivery, lease)
