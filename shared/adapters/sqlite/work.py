"""What the writer does with the rows of a queue."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from shared.ports.queue import Delivery

READ_AT_ONCE = 256
"""How many works that are due are taken from the file in one transaction."""


@dataclass(frozen=True, slots=True)
class Read:
    """Work that was waiting in the file. Times are in microseconds since 1970."""

    sequence: int
    due: int
    body: bytes
    delivery_count: int
    enqueued_at: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken from the file.

    Attributes:
        rows: Earliest due first.
        next_waiting: When the first of those that are left is due, and its sequence; None if there are none.
    """

    rows: Sequence[Read]
    next_waiting: tuple[int, int] | None


def take(connection: sqlite3.Connection, *, queue: str, now: int) -> Taken:
    """Take what is due, and count that it is handed over."""
    rows = [
        Read(*row)
        for row in connection.execute(
            "SELECT seq, due_at, body, delivery_count + 1, enqueued_at FROM work_waiting"
            " WHERE queue = ? AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
            (queue, now, READ_AT_ONCE),
        )
    ]
    if rows:
        up_to = (queue, rows[-1].due, rows[-1].sequence)
        connection.execute(
            "INSERT INTO work_held (seq, queue, due_at, body, delivery_count, enqueued_at)"
            " SELECT seq, queue, due_at, body, delivery_count + 1, enqueued_at FROM work_waiting"
            " WHERE queue = ? AND (due_at, seq) <= (?, ?)",
            up_to,
        )
        connection.execute("DELETE FROM work_waiting WHERE queue = ? AND (due_at, seq) <= (?, ?)", up_to)
    left = connection.execute(
        "SELECT due_at, seq FROM work_waiting WHERE queue = ? ORDER BY due_at, seq LIMIT 1", (queue,)
    ).fetchall()
    return Taken(rows, left[0] if left else None)


def put_back(connection: sqlite3.Connection) -> None:
    """Let what an earlier process had in hand wait for this one."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "INSERT INTO work_waiting (queue, due_at, seq, body, delivery_count, enqueued_at)"
        " SELECT queue, due_at, seq, body, delivery_count, enqueued_at FROM work_held"
    )
    connection.execute("DELETE FROM work_held")
    connection.execute("COMMIT")


def first_waiting(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """When the first waiting work of each queue is due, and a sequence that is not above its own."""
    rows = connection.execute("SELECT queue, min(due_at) FROM work_waiting GROUP BY queue")
    return {queue: (due, 0) for queue, due in rows}


def count_again(connection: sqlite3.Connection, *, sequences: Sequence[int]) -> None:
    """Count that work is handed over once more."""
    connection.executemany(
        "UPDATE work_held SET delivery_count = delivery_count + 1 WHERE seq = ?",
        [(sequence,) for sequence in sequences],
    )


def remove(connection: sqlite3.Connection, *, sequence: int) -> None:
    """Remove work that is done."""
    connection.execute("DELETE FROM work_held WHERE seq = ?", (sequence,))


def bury(connection: sqlite3.Connection, *, delivery: Delivery, reason: str, at: int) -> None:
    """Move work to the dead letters, unless it has been completed."""
    if connection.execute("DELETE FROM work_held WHERE seq = ?", (delivery.sequence,)).rowcount:
        add_dead_letter(connection, (delivery.queue, delivery.sequence, delivery.body, reason, at))


def add_dead_letter(connection: sqlite3.Connection, row: tuple[str, int, bytes, str, int]) -> None:
    """Add a dead letter: queue, sequence, body, reason, and when, in microseconds since 1970."""
    connection.execute(
        "INSERT INTO dead_letter (queue, seq, body, reason, died_at) VALUES (?, ?, ?, ?, ?)", row
    )
