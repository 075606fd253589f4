"""Programs that end with whoever has started them, also if that is killed.

with Leash(folder / "lock") as leash:
    subprocess.Popen(command, process_group=leash.group)

One more process waits at the other end of a pipe for this one to be gone, and then ends the group that it
shares with these programs. A group of their own also keeps Ctrl-C from them, which a terminal sends to this
one's.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from io import FileIO
from pathlib import Path
from typing import Self

GRACE = timedelta(seconds=3)
"""How long they may take to end in good order when they are on their own."""


class Leash:
    """Holds programs that are started in its group.

    Args:
        lock: A file that is locked until they have ended. Whoever wants it next waits for that.
    """

    def __init__(self, lock: Path) -> None:
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with FileIO(self._lock, "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sys.stderr.write(f"Waiting for the end of what runs in {self._lock.parent} …\n")
                fcntl.flock(lock, fcntl.LOCK_EX)
            self._process = subprocess.Popen(  # noqa: S603  ours
                [sys.executable, "-S", "-E", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[lock.fileno()],
                process_group=0,
            )
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self.group, signal.SIGKILL)
        assert self._process is not None
        self._process.communicate()

    @property
    def group(self) -> int:
        """The process group to start programs in."""
        assert self._process is not None
        return self._process.pid


def main() -> None:
    """Wait for the end of whoever has started this, and end the group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE.total_seconds())  # noqa: TID251  nobody moves this one's time
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
