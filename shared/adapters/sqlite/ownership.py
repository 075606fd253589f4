"""One process a file: what is handed over is known only to the process that did it."""

import fcntl
import os
from pathlib import Path

from shared.adapters.sqlite.errors import DatabaseInUse

OWNER_ONLY = 0o600


class Ownership:
    """A lock on `<path>.lock`, which the system frees when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Args:
            path: The database file, whose folder exists.

        Raises:
            DatabaseInUse: Another process has it, or this one has it already.
            OSError: The lock file cannot be written.
        """
        opened = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        self._file = os.fdopen(opened, "r+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            pid = self._file.read(20) or b""
            self._file.close()
            raise DatabaseInUse(path, str(taken), int(pid) if pid.isdigit() else None) from taken
        self._file.truncate(0)
        self._file.write(str(os.getpid()).encode())

    def release(self) -> None:
        """Free the lock. The file stays: removing it could remove the next owner's."""
        self._file.close()
