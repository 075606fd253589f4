"""Journal lines about what the host itself sees: errors that functions raise, and the logs of libraries."""

import logging
import traceback
from pathlib import Path

from shared.ports.journal import Fact, Journal

FRAMES = 3
"""How many of the innermost calls a line names: enough to find the place, few enough for one line."""


def facts_of(error: BaseException) -> dict[str, Fact]:
    """What a journal line says about an error: its kind, its text and the last calls, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return {
        "error": type(error).__name__,
        "why": str(error),
        "where": " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames),
    }


class LibraryLog(logging.Handler):
    """Writes what libraries log into the journal, so that everything the process says has one form."""

    def __init__(self, journal: Journal, level: int = logging.WARNING) -> None:
        """Take records from `level` on; below it libraries tell of every connection."""
        super().__init__(level)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        error = record.exc_info[1] if record.exc_info else None
        facts = facts_of(error) if error else {}
        self._journal.note(
            "library.logged",
            library=record.name,
            level=record.levelname.lower(),
            text=record.getMessage().strip(),
            **facts,
        )
