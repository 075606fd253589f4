"""The turns of deliveries under a rate, on SQLite.

The file belongs to this process, so turns are given out of memory. What the file has is an instant that is a
little ahead of every turn that was given; whoever opens it next goes on from there.
"""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.writer import Operation, Writer
from shared.domain.throttle import Horizon, Limit, Turn, take

AHEAD = timedelta(seconds=1)
"""How far the file is ahead of the turns given. So who comes at the rate costs a write a second, and all who
take turns while one is under way share the next; a crash costs a line a second of its turns."""


class SqliteThrottles:
    """See `shared.ports.throttles.Throttles`."""

    def __init__(self, writer: Writer, kept: Mapping[str, datetime]) -> None:
        """Go on from what the file has."""
        self._writer = writer
        self._free_at = Horizon(kept)
        self._kept = Horizon(kept)
        self._writing: dict[str, asyncio.Future[Any]] = {}

    async def take(self, app_id: str, under: Sequence[Limit], *, now: datetime) -> Turn | None:
        del app_id  # everything lies together here
        turn, taken = take(self._free_at, under, now)
        for line, at in taken.items():
            self._free_at.move(line, at, now)
        for line, at in taken.items():
            while at > self._kept.get(line, now):
                await asyncio.shield(self._writing.get(line) or self._keep(line, now))
        return turn

    async def next_turns(self, app_id: str, under: Sequence[Limit], *, now: datetime) -> Sequence[datetime]:
        del app_id  # as above
        return [max(self._free_at.get(limit.line, now), now) for limit in under]

    def _keep(self, line: str, now: datetime) -> "asyncio.Future[datetime]":
        def write(connection: sqlite3.Connection) -> datetime:
            # As far as turns have been given by now, not only when this was asked for.
            at = self._free_at.get(line, now) + AHEAD
            connection.execute(
                "REPLACE INTO throttle (line, free_at) VALUES (?, ?)", (line, columns.micros(at))
            )
            return at

        def written(operation: Operation[datetime]) -> None:
            del self._writing[line]
            if operation.result is not None:
                self._kept.move(line, operation.result, now)

        writing = self._writer.submit(Operation(write, settled=written))
        self._writing[line] = writing
        return writing


def kept(connection: sqlite3.Connection, now: datetime) -> Mapping[str, datetime]:
    """Up to when turns were given in each line; those that are past are forgotten."""
    connection.execute("DELETE FROM throttle WHERE free_at <= ?", (columns.micros(now),))
    rows = connection.execute("SELECT line, free_at FROM throttle")
    return {line: columns.instant(at) for line, at in rows}
