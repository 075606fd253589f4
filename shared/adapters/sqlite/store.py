"""One SQLite file: every store and every queue of a process."""

import os
import sqlite3
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self

from shared.adapters.sqlite import connections, schema, throttles, work
from shared.adapters.sqlite.answers import SqliteAnswers
from shared.adapters.sqlite.applications import SqliteApplications
from shared.adapters.sqlite.attempts import SqliteAttempts
from shared.adapters.sqlite.background_tasks import SqliteBackgroundTasks
from shared.adapters.sqlite.dead_letters import SqliteDeadLetters
from shared.adapters.sqlite.destinations import SqliteDestinations
from shared.adapters.sqlite.endpoints import SqliteEndpoints
from shared.adapters.sqlite.errors import CannotOpen
from shared.adapters.sqlite.event_types import SqliteEventTypes
from shared.adapters.sqlite.lines import Lines
from shared.adapters.sqlite.messages import SqliteMessages
from shared.adapters.sqlite.organizations import SqliteOrganizations
from shared.adapters.sqlite.outbox import SqliteOutbox
from shared.adapters.sqlite.ownership import OWNER_ONLY, Ownership
from shared.adapters.sqlite.queue import SqliteQueue
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.throttles import SqliteThrottles
from shared.adapters.sqlite.writer import Writer
from shared.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class SqliteStore:
    """One file, owned by one process, until `close`.

    Attributes:
        queue: Both sides: `shared.ports.queue.Queue` and `Consumer`.
    """

    organizations: SqliteOrganizations
    applications: SqliteApplications
    event_types: SqliteEventTypes
    endpoints: SqliteEndpoints
    messages: SqliteMessages
    attempts: SqliteAttempts
    destinations: SqliteDestinations
    background_tasks: SqliteBackgroundTasks
    answers: SqliteAnswers
    outbox: SqliteOutbox
    throttles: SqliteThrottles
    queue: SqliteQueue
    dead_letters: SqliteDeadLetters
    writer: Writer
    readers: Readers
    lines: Lines
    ownership: Ownership

    @classmethod
    def open(cls, path: Path, clock: Clock) -> Self:
        """Open a file, made if it is not there, and hand out what was left in its queues.

        Args:
            path: Where it is or shall be; its folder is made, too.
            clock: What leases and due times are measured by.

        Raises:
            DatabaseInUse: Another process owns it.
            NewerSchema: A newer release has written it.
            CannotOpen: It cannot be created, read or written, or is something else.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives its other files the permissions of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY))
            ownership = Ownership(path)
        except OSError as wrong:
            raise CannotOpen(path, wrong.strerror or str(wrong)) from wrong
        try:
            return cls._open(path, clock, ownership)
        except sqlite3.Error as wrong:
            ownership.release()
            raise CannotOpen(path, str(wrong)) from wrong
        except CannotOpen:
            ownership.release()
            raise

    @classmethod
    def _open(cls, path: Path, clock: Clock, ownership: Ownership) -> Self:
        connection = connections.to_write(path)
        try:
            schema.migrate(connection, path)
            work.put_back(connection)
            turns_kept = throttles.kept(connection, clock.now())
            contents = count(
                _after(connection, "SELECT max(seq) FROM sqlite_sequence WHERE name = 'content'")
            )
            sequences = count(
                _after(
                    connection,
                    "SELECT max(seq) FROM (SELECT seq FROM work UNION ALL SELECT seq FROM dead_letter)",
                )
            )
            first_waiting = work.first_waiting(connection)
            readers = Readers(path)
        except (sqlite3.Error, CannotOpen):
            connection.close()
            raise
        writer = Writer(connection)
        lines = Lines(writer, clock, sequences, first_waiting)
        return cls(
            organizations=SqliteOrganizations(writer, readers),
            applications=SqliteApplications(writer, readers),
            event_types=SqliteEventTypes(writer, readers),
            endpoints=SqliteEndpoints(writer, readers),
            messages=SqliteMessages(writer, readers, clock),
            attempts=SqliteAttempts(writer, readers),
            destinations=SqliteDestinations(readers, clock),
            background_tasks=SqliteBackgroundTasks(writer, readers, lines, clock),
            answers=SqliteAnswers(writer),
            outbox=SqliteOutbox(writer, readers, lines, clock, contents),
            throttles=SqliteThrottles(writer, turns_kept),
            queue=SqliteQueue(writer, readers, lines, clock),
            dead_letters=SqliteDeadLetters(readers, lines),
            writer=writer,
            readers=readers,
            lines=lines,
            ownership=ownership,
        )

    async def check(self) -> None:
        """Write and read a little, to see that both still happen.

        Raises:
            Unavailable: They do not.
        """

        def beat(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE pulse SET beats = beats + 1")

        def feel(connection: sqlite3.Connection) -> None:
            connection.execute("SELECT beats FROM pulse").fetchall()

        await self.writer.run(beat)
        await self.readers.run(feel)

    async def close(self) -> None:
        """Write what is waiting, refuse what comes after, and give the file up."""
        await self.writer.close()
        self.lines.wake()
        await self.readers.close()
        self.ownership.release()


def _after(connection: sqlite3.Connection, greatest: str) -> int:
    (found,) = connection.execute(greatest).fetchone()
    return (found or 0) + 1
