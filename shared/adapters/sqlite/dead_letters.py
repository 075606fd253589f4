"""What was given up, on SQLite."""

import sqlite3
from collections.abc import Sequence

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.lines import Lines
from shared.adapters.sqlite.readers import Readers
from shared.ports.queue import DeadLetter

PLACE_MAX = 2**63 - 1


class SqliteDeadLetters:
    """See `shared.ports.queue.DeadLetters`. An id is the place among the dead letters of all queues."""

    def __init__(self, readers: Readers, lines: Lines) -> None:
        self._readers = readers
        self._lines = lines

    async def page(self, queue: str, *, after: str | None = None, limit: int) -> Sequence[DeadLetter]:
        place = 0 if after is None else int(after)
        if place > PLACE_MAX:
            raise ValueError(f"{after} is not the id of a dead letter")

        def look(connection: sqlite3.Connection) -> Sequence[DeadLetter]:
            rows = connection.execute(
                "SELECT place, body, reason, died_at FROM dead_letter WHERE queue = ? AND place > ?"
                " ORDER BY place LIMIT ?",
                (queue, place, limit),
            )
            return [
                DeadLetter(queue, str(at), body, reason, columns.instant(died_at))
                for at, body, reason, died_at in rows
            ]

        return await self._readers.run(look)

    async def redrive(self, queue: str) -> int:
        return await self._lines.of(queue).redrive()
