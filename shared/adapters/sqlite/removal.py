"""Removing old rows a few at a time, so that nobody waits long who has something new to write.

A transaction that removes is to stay below 50 ms. How long a row takes depends on its size and on the disk:
what is removed may have to be read from there and, where SQLite overwrites what it deletes, be written again.
"""

import sqlite3
from collections.abc import Sequence
from time import monotonic

from shared.adapters.sqlite.columns import Value
from shared.ports.removal import Removed

TURN_SECONDS = 0.01
TURN_BYTES = 1_000_000


class Turn:
    """What one transaction may remove: one row at least. It begins when this is made.

    Attributes:
        gone: How many rows have gone.
    """

    def __init__(self, limit: int) -> None:
        """Let up to `limit` rows go."""
        self.gone = 0
        self._limit = limit
        self._size = 0
        self._has_begun = False
        self._ends_at = monotonic() + TURN_SECONDS

    def goes_on(self) -> bool:
        """Whether another row may be looked at."""
        is_first, self._has_begun = not self._has_begun, True
        has_room = self.gone < self._limit and self._size < TURN_BYTES
        return has_room and (is_first or monotonic() < self._ends_at)

    def removed(self, size: int) -> None:
        """Take note of a row of about so many bytes that has gone."""
        self.gone += 1
        self.spent(size)

    def spent(self, size: int) -> None:
        """Take note of about so many bytes that have gone with a row that is still there."""
        self._size += size


def remove_some(connection: sqlite3.Connection, sql: str, parameters: Sequence[Value], limit: int) -> Removed:
    """Remove rows until a turn is over.

    Args:
        connection: The writer's.
        sql: A DELETE that removes one row and returns about how many bytes it had.
        parameters: Its parameters.
        limit: How many rows may go in all.
    """
    turn = Turn(limit)
    while turn.goes_on():
        rows = connection.execute(sql, parameters).fetchall()
        if not rows:
            return Removed(turn.gone)
        turn.removed(rows[0][0])
    return Removed(turn.gone, rest="")
