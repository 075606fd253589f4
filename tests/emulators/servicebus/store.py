"""Where the queues lie: in a SQLite file, so that they survive when the emulator is killed, or nowhere.

Locks are not kept: after a start everybody's have ended, and what they held is handed over again at once.
"""

import sqlite3
from pathlib import Path

from tests.emulators.servicebus.broker import Broker
from tests.emulators.servicebus.codec import NULL
from tests.emulators.servicebus.entries import Message, State
from tests.emulators.servicebus.message import Parts

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    queue TEXT, sequence INTEGER, wire BLOB,
    enqueued_at INTEGER, state INTEGER, due_at INTEGER, deliveries INTEGER,
    PRIMARY KEY (queue, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session (queue TEXT, id TEXT, state BLOB, PRIMARY KEY (queue, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (queue TEXT, id TEXT, until INTEGER, PRIMARY KEY (queue, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last (queue TEXT PRIMARY KEY, sequence INTEGER) WITHOUT ROWID;
"""


class Nowhere:
    """Forgets everything with the process."""

    def put(self, queue: str, message: Message) -> None:
        pass

    def drop(self, queue: str, sequence: int) -> None:
        pass

    def set_session(self, queue: str, session_id: str, state: bytes | None) -> None:
        pass

    def remember(self, queue: str, message_id: str, until: int) -> None:
        pass

    def used(self, queue: str, sequence: int) -> None:
        pass

    def commit(self) -> None:
        pass

    def close(self) -> None:
        pass


class File:
    """On a SQLite file; what was written before `commit` survives the death of the process."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        # The process may be killed, the machine is not: what the system has is on the disk in the end.
        self._connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; {SCHEMA}")
        self._last: dict[str, int] = {}

    def load(self, broker: Broker) -> None:
        """Put what lies in the file into the queues that there are."""
        for path, queue in broker.queues.items():
            rows = self._connection.execute(
                "SELECT * FROM message WHERE queue = ? ORDER BY sequence", (path,)
            )
            for _, sequence, wire, enqueued_at, state, due_at, deliveries in rows.fetchall():
                parts = Parts.read(wire)
                message = Message(sequence, parts, enqueued_at, State(state), due_at, deliveries)
                queue.adopt(message)
            queue.restore(
                dict(self._connection.execute("SELECT queue, sequence FROM last")).get(path, 0),
                dict(self._connection.execute("SELECT id, until FROM seen WHERE queue = ?", (path,))),
                dict(self._connection.execute("SELECT id, state FROM session WHERE queue = ?", (path,))),
            )

    def put(self, queue: str, message: Message) -> None:
        self._begin()
        self._connection.execute(
            "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                queue,
                message.sequence,
                message.parts.write({}, delivery_count=0, token=NULL),
                message.enqueued_at,
                message.state,
                message.due_at,
                message.deliveries,
            ),
        )

    def drop(self, queue: str, sequence: int) -> None:
        self._begin()
        self._connection.execute("DELETE FROM message WHERE queue = ? AND sequence = ?", (queue, sequence))

    def set_session(self, queue: str, session_id: str, state: bytes | None) -> None:
        self._begin()
        self._connection.execute("DELETE FROM session WHERE queue = ? AND id = ?", (queue, session_id))
        if state is not None:
            self._connection.execute("INSERT INTO session VALUES (?, ?, ?)", (queue, session_id, state))

    def remember(self, queue: str, message_id: str, until: int) -> None:
        self._begin()
        self._connection.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", (queue, message_id, until))

    def used(self, queue: str, sequence: int) -> None:
        self._last[queue] = sequence

    def commit(self) -> None:
        if not self._connection.in_transaction:
            return
        self._connection.executemany("INSERT OR REPLACE INTO last VALUES (?, ?)", self._last.items())
        self._last.clear()
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self.commit()
        self._connection.close()

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")
