"""One INSERT for the rows of many callers.

Every step of a statement gives the interpreter lock away and has to win it back from a busy event loop.
A batch therefore takes one step a table, not one a row.
"""

# ruff: noqa: S608 - statements are put together from names of ours; what callers say travels as parameters

import sqlite3
from collections.abc import Sequence

from shared.adapters.sqlite.columns import Row, Value

ROWS_AT_ONCE = 64
"""The most rows of one statement; each number of rows is a statement of its own, prepared once and kept."""


class Table:
    """A table that rows are added to."""

    def __init__(self, name: str, columns: str) -> None:
        """Name its columns as in SQL, in the order of the rows' values."""
        self.width = len(columns.split(","))
        one = f"({', '.join('?' * self.width)})"
        self._inserts = tuple(
            f"INSERT INTO {name} ({columns}) VALUES {', '.join([one] * count)}"
            for count in range(1, ROWS_AT_ONCE + 1)
        )

    def insert(self, connection: sqlite3.Connection, row: Row) -> None:
        """Add one row."""
        connection.execute(self._inserts[0], row)

    def insert_all(self, connection: sqlite3.Connection, values: Sequence[Value]) -> None:
        """Add rows.

        Args:
            connection: The writer's.
            values: The values of all rows, one row after the other.
        """
        most = ROWS_AT_ONCE * self.width
        for begin in range(0, len(values), most):
            some = values[begin : begin + most]
            connection.execute(self._inserts[len(some) // self.width - 1], some)


MESSAGE = Table(
    "message",
    "app_id, id, org_id, event_type, event_id, channels, tags, content, payload_expires_at, created_at,"
    " deliver_at, trace",
)
MESSAGE_LABEL = Table("message_label", "app_id, channel, tag, event_type, id")
CONTENT = Table("content", "seq, payload, content_type, expires_at")
_ATTEMPT = (
    "message_id, id, endpoint_id, app_id, org_id, event_type, channels, tags, number, url, status,"
    " code_class, response_status_code, response, duration, trigger_type, made_at, next_attempt_at, standing"
)
ATTEMPT = Table("attempt", _ATTEMPT)
ENDED_ATTEMPT = Table("attempt", f"{_ATTEMPT}, ended_why, ended_at")
"""Of the few that end a chain before its schedule: its two columns would cost all others a microsecond."""
ATTEMPT_LABEL = Table(
    "attempt_label", "endpoint_id, channel, tag, event_type, status, code_class, id, message_id"
)
STANDING_LABEL = Table("standing_label", "endpoint_id, channel, tag, event_type, standing, message_id, id")
ANSWER = Table("answer", "key, status, headers, body, ends_at")
WAITING = Table("work_waiting", "queue, due_at, seq, body, content, delivery_count, enqueued_at")
HELD = Table("work_held", "seq, queue, due_at, body, content, delivery_count, enqueued_at")

_REMOVALS = tuple(
    f"DELETE FROM work_held WHERE seq IN ({', '.join('?' * count)})" for count in range(1, ROWS_AT_ONCE + 1)
)


class Rows:
    """What several callers want to be written, gathered by statement."""

    def __init__(self) -> None:
        self._added: dict[Table, list[Value]] = {}
        self._done: list[int] = []

    def add(self, rows: Sequence[tuple[Table, Row]], done: int | None) -> None:
        """Gather what one caller wants.

        Args:
            rows: Rows to be added.
            done: The sequence of held work to be removed.
        """
        for table, row in rows:
            values = self._added.get(table)
            if values is None:
                self._added[table] = [*row]
            else:
                values += row
        if done is not None:
            self._done.append(done)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write it all.

        Raises:
            sqlite3.IntegrityError: A row is in the way of another.
            sqlite3.Error: The disk refused.
        """
        for table, values in self._added.items():
            table.insert_all(connection, values)
        for begin in range(0, len(self._done), ROWS_AT_ONCE):
            some = self._done[begin : begin + ROWS_AT_ONCE]
            connection.execute(_REMOVALS[len(some) - 1], some)
