"""What is started on a leash."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.emulators.leash import Leash

ROOT = Path(__file__).parents[2]
HOLDER = """
import subprocess, sys
from pathlib import Path
from tests.emulators.leash import Leash
with Leash(Path(sys.argv[1])) as leash:
    subprocess.Popen(["sleep", "600"], process_group=leash.group)
    print("started", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with another on its leash, which prints to the same pipes."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(  # noqa: S603  ours
        command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        yield process
        process.kill()


def test_it_ends_when_its_holder_is_killed(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.kill()

        assert process.stdout.read() == ""  # which takes until nobody holds the pipe


def test_it_ends_with_its_holder_and_until_then_nobody_has_the_lock(tmp_path: Path) -> None:
    """Else a start right after `kill -9` would find files in use."""
    lock = tmp_path / "lock"
    with ExitStack() as first:
        leash = first.enter_context(Leash(lock))
        held = subprocess.Popen(["sleep", "600"], process_group=leash.group)  # noqa: S607  the system's
        with holder(lock) as second:
            assert second.stdout is not None
            assert second.stderr is not None
            assert second.stderr.readline() == f"Waiting for the end of what runs in {tmp_path} …\n"
            first.close()
            assert held.wait() == -signal.SIGKILL
            assert second.stdout.readline() == "started\n"
