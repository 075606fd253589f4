"""One thread that writes, and one transaction for all that is waiting to be written.

A commit at `synchronous = FULL` waits for the disk. Callers that come while it does share the next one.
Nobody is answered before the transaction that holds their rows is on disk.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Any, Generic, TypeVar

from shared.adapters.sqlite.columns import Row
from shared.adapters.sqlite.rows import Rows, Table
from shared.domain.errors import Unavailable

BATCH = 512
"""The most operations of one transaction."""

COMPANY_SECONDS = 0.02
"""How long what is not urgent waits for something urgent to share a transaction with."""

REST_FOR_EACH_SECONDS = 0.0002
REST_AT_MOST_SECONDS = 0.004
"""A transaction costs as much by itself as ten operations, so under load they are let gather: one of n
operations is followed by the next no sooner than n rests after its begin. Who comes alone never waits."""

Result = TypeVar("Result")

_OF_ONE = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
"""Errors that are one operation's own. Any other is everybody's: the disk is full, read-only or damaged."""


@dataclass(slots=True, eq=False)
class Operation(Generic[Result]):
    """Something to be written, wholly or not at all.

    Attributes:
        alone: Writes it and says what came of it. Whatever it raises is undone and goes to its caller.
        together: The same as rows to be added, if that is all it takes when nothing is in the way: they are
            added with everybody else's, and the result is None. If one is in the way, each goes `alone`.
        done: The sequence of held work to be removed; part of `together`.
        settled: Called on the event loop when it is written or has failed, even if its caller has gone.
        is_urgent: It waits for nothing but the end of this turn of the loop.
    """

    alone: Callable[[sqlite3.Connection], Result]
    together: Sequence[tuple[Table, Row]] | None = None
    done: int | None = None
    settled: "Callable[[Operation[Result]], None] | None" = None
    is_urgent: bool = True
    result: Result | None = field(default=None, init=False)
    error: Exception | None = field(default=None, init=False)
    future: "asyncio.Future[Result] | None" = field(default=None, init=False)


Batch = list[Operation[Any]]


class Writer:
    """The only one who writes to the file. Its methods are called on the event loop."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take the connection over, and close it in the end."""
        self._connection = connection
        self._inbox: SimpleQueue[Batch | None] = SimpleQueue()
        self._pending: Batch = []
        self._is_urgent = False
        self._alarm: asyncio.TimerHandle | None = None
        self._closed = False
        self._closing = Event()
        self._thread = Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def run(self, alone: Callable[[sqlite3.Connection], Result]) -> Result:
        """Write something, and answer what `alone` returned.

        Raises:
            Unavailable: The store is closed or the disk refused.
        """
        return await self.submit(Operation(alone))

    def submit(self, operation: Operation[Result]) -> "asyncio.Future[Result]":
        """Have an operation written with all others of this turn of the loop, or soon if it is not urgent.

        Raises:
            Unavailable: The store is closed.
        """
        self.check_open()
        loop = asyncio.get_running_loop()
        operation.future = future = loop.create_future()
        if operation.is_urgent and not self._is_urgent:
            self._is_urgent = True
            loop.call_soon(self._hand_over)
        elif not self._pending:
            self._alarm = loop.call_later(COMPANY_SECONDS, self._hand_over)
        self._pending.append(operation)
        return future

    def check_open(self) -> None:
        """Do nothing on an open store.

        Raises:
            Unavailable: The store is closed.
        """
        if self._closed:
            raise Unavailable("store", "it is closed")

    async def close(self) -> None:
        """Write what is waiting, refuse what comes after, and end the thread. Once is enough."""
        self._closed = True
        self._closing.set()
        self._hand_over()
        self._inbox.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _hand_over(self) -> None:
        self._is_urgent = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._pending:
            self._inbox.put(self._pending)
            self._pending = []

    # On the writer's thread from here on.

    def _run(self) -> None:
        inbox, closing = self._inbox, False
        while not closing:
            batch = list[Operation[Any]]()
            while not batch or (len(batch) < BATCH and not inbox.empty()):
                more = inbox.get()
                if more is None:
                    closing = True
                    break
                batch += more
            if batch:
                next_at = monotonic() + min(len(batch) * REST_FOR_EACH_SECONDS, REST_AT_MOST_SECONDS)
                self._write(batch)
                self._closing.wait(max(0.0, next_at - monotonic()))
        self._connection.close()

    def _write(self, batch: Batch) -> None:
        try:
            self._transaction(batch)
        except Exception as wrong:  # noqa: BLE001 - whatever it is, everybody has to hear of it, and the thread has to live
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            for operation in batch:
                operation.error = Unavailable("store", str(wrong))
        # A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            batch[0].future.get_loop().call_soon_threadsafe(_settle, batch)  # type: ignore[union-attr]

    def _transaction(self, batch: Batch) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        rest = self._together(batch)
        for operation in rest:
            _alone(connection, operation)
        connection.execute("COMMIT")

    def _together(self, batch: Batch) -> Batch:
        """Add the rows of all in few statements; answer those who must be written alone."""
        rest = Batch()
        rows = Rows()
        for operation in batch:
            if operation.together is None:
                rest.append(operation)
            else:
                rows.add(operation.together, operation.done)
        connection = self._connection
        try:
            rows.write(connection)
        except (*_OF_ONE, ValueError, OverflowError):
            # Something is in somebody's way. Rare, so finding out whose may be slow.
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            return batch
        return rest


def _alone(connection: sqlite3.Connection, operation: Operation[Any]) -> None:
    connection.execute("SAVEPOINT alone")
    try:
        operation.result = operation.alone(connection)
    except _OF_ONE as wrong:
        operation.error = Unavailable("store", str(wrong))
    except sqlite3.Error:
        raise
    except Exception as wrong:  # noqa: BLE001 - it is the caller's
        operation.error = wrong
    if operation.error is not None:
        connection.execute("ROLLBACK TO alone")
    connection.execute("RELEASE alone")


def _settle(batch: Batch) -> None:
    for operation in batch:
        if operation.settled is not None:
            operation.settled(operation)
        future = operation.future
        if future is None or future.done():
            continue
        if operation.error is not None:
            future.set_exception(operation.error)
        else:
            future.set_result(operation.result)
