"""What is recorded, read from the database: the one place here that knows its tables.

The HTTP API would say the same in pages of 250. For some hundred thousand attempts that is a second load,
as long as the first; the file is read instead, by a connection that cannot write. Heliograph and the floor
name their tables alike.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

SUCCEEDED = 0
FAILED = 2

_COUNT = "SELECT count(*) FROM attempt WHERE status = ?"
_DELIVERED = """
    SELECT message_id, count(DISTINCT endpoint_id) FROM attempt WHERE status = ? GROUP BY message_id
"""


def recorded(database: Path, status: int) -> int:
    """How many attempts of this status are recorded."""
    with _opened(database) as connection:
        (count,) = connection.execute(_COUNT, (status,)).fetchone()
        return int(count)


def endpoints_served(database: Path) -> dict[str, int]:
    """By message id: at how many endpoints a successful attempt is recorded."""
    with _opened(database) as connection:
        return dict(connection.execute(_DELIVERED, (SUCCEEDED,)))


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(
        sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    ) as connection:
        yield connection
