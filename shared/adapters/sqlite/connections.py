"""How a connection is opened."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

BUSY_SECONDS = 5.0
"""How long to wait for somebody who has opened the file with a tool of their own."""

STATEMENTS_KEPT = 1024
"""Prepared statements a connection keeps; there is one a table for each number of rows (see `rows`)."""

_ALWAYS = ("PRAGMA temp_store = MEMORY",)
_WRITING = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -16384",  # KiB
    "PRAGMA journal_size_limit = 67108864",  # bytes
)
_READING = ("PRAGMA query_only = ON", "PRAGMA cache_size = -4096")  # KiB


def to_write(path: Path) -> sqlite3.Connection:
    """Open the one connection that writes; transactions are begun and ended by hand.

    Raises:
        sqlite3.Error: The file cannot be opened or is no database.
    """
    return _open(path, (*_ALWAYS, *_WRITING))


def to_read(path: Path) -> sqlite3.Connection:
    """Open a connection that reads beside the writer.

    Raises:
        sqlite3.Error: The file cannot be opened or is no database.
    """
    return _open(path, (*_ALWAYS, *_READING))


def _open(path: Path, pragmas: Iterable[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # opened by one thread, used by another; never by two at once
        cached_statements=STATEMENTS_KEPT,
    )
    try:
        for pragma in pragmas:
            connection.execute(pragma)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
