"""Threads that read beside the writer: never on the event loop, never behind a write."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from shared.adapters.sqlite import connections
from shared.domain.errors import Unavailable

THREADS = 2

Result = TypeVar("Result")
_Look = tuple[Callable[[sqlite3.Connection], Any], "asyncio.Future[Any]"]


class Readers:
    """A few connections that only read. What was acknowledged before a read began, it sees."""

    def __init__(self, path: Path) -> None:
        """Open the connections.

        Raises:
            sqlite3.Error: The file cannot be opened.
        """
        self._inbox: SimpleQueue[_Look | None] = SimpleQueue()
        self._closed = False
        self._threads = [
            Thread(
                target=self._run, args=(connections.to_read(path),), name=f"sqlite-reader-{n}", daemon=True
            )
            for n in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, look: Callable[[sqlite3.Connection], Result]) -> Result:
        """Answer what `look` returns; it runs in one of the threads.

        Raises:
            Unavailable: The store is closed or the disk refused.
        """
        if self._closed:
            raise Unavailable("store", "it is closed")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._inbox.put((look, future))
        return await future

    async def close(self) -> None:
        """Finish what is being read, refuse what comes after, and end the threads."""
        self._closed = True
        for _ in self._threads:
            self._inbox.put(None)
        loop = asyncio.get_running_loop()
        for thread in self._threads:
            await loop.run_in_executor(None, thread.join)

    def _run(self, connection: sqlite3.Connection) -> None:
        while (wanted := self._inbox.get()) is not None:
            look, future = wanted
            result: object = None
            error: Exception | None = None
            try:
                result = look(connection)
            except sqlite3.Error as wrong:
                error = Unavailable("store", str(wrong))
            except Exception as wrong:  # noqa: BLE001 - it is the caller's
                error = wrong
            # A loop that is closed has nobody left who waits.
            with suppress(RuntimeError):
                future.get_loop().call_soon_threadsafe(_answer, future, result, error)
        connection.close()


def _answer(future: "asyncio.Future[Any]", result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
