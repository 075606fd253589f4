"""The turns of deliveries under a rate, on SQLite."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.writer import Writer
from shared.domain.throttle import Limit, Turn, take


class SqliteThrottles:
    """See `shared.ports.throttles.Throttles`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def take(self, app_id: str, under: Sequence[Limit], *, now: datetime) -> Turn | None:
        def take_in_order(connection: sqlite3.Connection) -> Turn | None:
            free_at = {}
            for limit in under:
                row = connection.execute(
                    "SELECT free_at FROM throttle WHERE app_id = ? AND line = ?", (app_id, limit.line)
                ).fetchone()
                if row is not None:
                    free_at[limit.line] = columns.instant(row[0])
            turn, taken = take(free_at, under, now)
            connection.executemany(
                "INSERT INTO throttle (app_id, line, free_at) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET free_at = excluded.free_at",
                [(app_id, line, columns.micros(at)) for line, at in taken.items()],
            )
            return turn

        return await self._writer.run(take_in_order)


def forget(connection: sqlite3.Connection, now: datetime) -> None:
    """Forget the lines in which nobody waits."""
    connection.execute("DELETE FROM throttle WHERE free_at <= ?", (columns.micros(now),))
