"""What the writer does with the rows of a queue."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from shared.adapters.sqlite import columns
from shared.domain.work import dispatch_from, to_body
from shared.ports.queue import Backlog, Delivery

READ_AT_ONCE = 256
"""How many works that are due are taken from the file in one transaction."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload that travels with its dispatch and lies in the file already.

    Attributes:
        content: The `seq` of the row of `content` that has it.
        body_without: The dispatch without it.
    """

    content: int
    body_without: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """Work that was waiting in the file, and when it was due, in microseconds since 1970."""

    delivery: Delivery
    due: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken from the file.

    Attributes:
        works: Earliest due first.
        next_waiting: When the first of those that are left is due, and its sequence; None if there are none.
    """

    works: Sequence[Read]
    next_waiting: tuple[int, int] | None


def take(connection: sqlite3.Connection, *, queue: str, now: int) -> Taken:
    """Take what is due, and count that it is handed over."""
    rows = connection.execute(
        "SELECT due_at, w.seq, body, delivery_count + 1, enqueued_at, payload"
        " FROM work_waiting w LEFT JOIN content c ON c.seq = w.content AND c.expires_at > ?"
        " WHERE queue = ? AND due_at <= ? ORDER BY due_at, w.seq LIMIT ?",
        (now, queue, now, READ_AT_ONCE),
    ).fetchall()
    if rows:
        up_to = (queue, *rows[-1][:2])
        connection.execute(
            "INSERT INTO work_held (seq, queue, due_at, body, content, delivery_count, enqueued_at)"
            " SELECT seq, queue, due_at, body, content, delivery_count + 1, enqueued_at FROM work_waiting"
            " WHERE queue = ? AND (due_at, seq) <= (?, ?)",
            up_to,
        )
        connection.execute("DELETE FROM work_waiting WHERE queue = ? AND (due_at, seq) <= (?, ?)", up_to)
    left = connection.execute(
        "SELECT due_at, seq FROM work_waiting WHERE queue = ? ORDER BY due_at, seq LIMIT 1", (queue,)
    ).fetchall()
    works = [
        Read(Delivery(queue, sequence, _whole(body, payload), times, columns.instant(enqueued_at)), due)
        for due, sequence, body, times, enqueued_at, payload in rows
    ]
    return Taken(works, left[0] if left else None)


def _whole(body: bytes, payload: str | None) -> bytes:
    """The body as it was queued."""
    return body if payload is None else to_body(structs.replace(dispatch_from(body), payload=payload))


def put_back(connection: sqlite3.Connection) -> None:
    """Let what an earlier process had in hand wait for this one."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "INSERT INTO work_waiting (queue, due_at, seq, body, content, delivery_count, enqueued_at)"
        " SELECT queue, due_at, seq, body, content, delivery_count, enqueued_at FROM work_held"
    )
    connection.execute("DELETE FROM work_held")
    connection.execute("COMMIT")


def first_waiting(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """When the first waiting work of each queue is due, and a sequence that is not above its own."""
    rows = connection.execute("SELECT queue, min(due_at) FROM work_waiting GROUP BY queue")
    return {queue: (due, 0) for queue, due in rows}


def backlog(connection: sqlite3.Connection, *, queue: str, now: int, at_most: int) -> Backlog:
    """What stands in a queue: in this process's hand, which is never much, and in the file, in bounds."""

    def counted(source: str, *values: str | int) -> int:
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT ?)"  # noqa: S608
        (found,) = connection.execute(sql, (*values, at_most)).fetchone()
        return int(found)

    held, held_since = connection.execute(
        "SELECT count(*), min(due_at) FROM work_held WHERE queue = ?", (queue,)
    ).fetchone()
    (waiting_since,) = connection.execute(
        "SELECT min(due_at) FROM work_waiting WHERE queue = ? AND due_at <= ?", (queue, now)
    ).fetchone()
    since = min((due for due in (held_since, waiting_since) if due is not None), default=None)
    return Backlog(
        due=min(held + counted("work_waiting WHERE queue = ? AND due_at <= ?", queue, now), at_most),
        scheduled=counted("work_waiting WHERE queue = ? AND due_at > ?", queue, now),
        due_since=columns.instant_or_none(since),
        dead=counted("dead_letter WHERE queue = ?", queue),
    )


def count_again(connection: sqlite3.Connection, *, places: Sequence[tuple[int, int]]) -> None:
    """Count that work is handed over once more; each by when it is due now, and its sequence."""
    connection.executemany(
        "UPDATE work_held SET delivery_count = delivery_count + 1, due_at = ? WHERE seq = ?", places
    )


def remove(connection: sqlite3.Connection, *, sequence: int) -> None:
    """Remove work that is done."""
    connection.execute("DELETE FROM work_held WHERE seq = ?", (sequence,))


def bury(connection: sqlite3.Connection, *, delivery: Delivery, reason: str, at: int) -> None:
    """Move work to the dead letters, unless it has been completed. Its payload is left, to be erased."""
    held = "DELETE FROM work_held WHERE seq = ? RETURNING body"
    for (body,) in connection.execute(held, (delivery.sequence,)).fetchall():
        add_dead_letter(connection, (delivery.queue, delivery.sequence, body, reason, at))


def unbury(connection: sqlite3.Connection, *, queue: str, now: int) -> int:
    """Move the dead letters of a queue to what waits and is due, and say how many they were."""
    connection.execute(
        "INSERT INTO work_waiting (queue, due_at, seq, body, content, delivery_count, enqueued_at)"
        " SELECT queue, ?, seq, body, NULL, 1, died_at FROM dead_letter WHERE queue = ?",
        (now, queue),
    )
    return connection.execute("DELETE FROM dead_letter WHERE queue = ?", (queue,)).rowcount


def add_dead_letter(connection: sqlite3.Connection, row: tuple[str, int, bytes, str, int]) -> None:
    """Add a dead letter: queue, sequence, body, reason, and when, in microseconds since 1970."""
    connection.execute(
        "INSERT INTO dead_letter (queue, seq, body, reason, died_at) VALUES (?, ?, ?, ?, ?)", row
    )
