"""What is recorded, read from the database: the one place here that knows its tables.

The HTTP API would say the same in pages of 250. For some hundred thousand attempts that is a second load,
as long as the first; the file is read instead, by a connection that cannot write. Heliograph and the floor
name their tables alike.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SUCCEEDED = 0
FAILED = 2

_COUNT = "SELECT count(*) FROM attempt WHERE status = ?"
_DELIVERED = """
    SELECT message_id, count(DISTINCT endpoint_id) FROM attempt WHERE status = ? GROUP BY message_id
"""


class Ledger(Protocol):
    """Knows what is recorded."""

    def recorded(self, status: int) -> int:
        """How many attempts of this status are recorded."""
        ...

    def endpoints_served(self) -> Mapping[str, int]:
        """By message id: at how many endpoints a successful attempt is recorded."""
        ...


@dataclass(frozen=True, slots=True)
class FileLedger:
    """Of a service that keeps everything in a file."""

    database: Path

    def recorded(self, status: int) -> int:
        """See `Ledger`."""
        with self._opened() as connection:
            (count,) = connection.execute(_COUNT, (status,)).fetchone()
            return int(count)

    def endpoints_served(self) -> Mapping[str, int]:
        """See `Ledger`."""
        with self._opened() as connection:
            return dict(connection.execute(_DELIVERED, (SUCCEEDED,)))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(
            sqlite3.connect(f"{self.database.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
        ) as connection:
            yield connection
