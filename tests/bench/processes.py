"""The processes of a run: started, watched, told to end."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
ENDS_WITHIN = timedelta(seconds=30)
LOOKS_EVERY = timedelta(seconds=0.25)
LOG_TAIL_CHARACTERS = 2000
MEBIBYTE = 1024 * 1024


class Failed(Exception):
    """A process did not do its part; the text holds the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process, started by us. What it writes is kept in `log`, but for the lines that it tells us."""

    name: str
    popen: subprocess.Popen[str]
    log: Path
    started_ns: int

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    def line(self) -> str:
        """The next line that it prints.

        Raises:
            Failed: It has ended instead.
        """
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise self.failed("ended without a word")
        return line.strip()

    def wait(self) -> None:
        """Wait for its end.

        Raises:
            Failed: It ended with an error.
        """
        if self.popen.wait():
            raise self.failed(f"ended with status {self.popen.returncode}")

    def end(self) -> None:
        """Ask it to end, and wait for that.

        Raises:
            Failed: It does not end.
        """
        self.popen.terminate()
        try:
            self.popen.wait(ENDS_WITHIN.total_seconds())
        except subprocess.TimeoutExpired as late:
            raise self.failed(f"has not ended {ENDS_WITHIN.total_seconds():.0f} s after SIGTERM") from late

    def must_run(self) -> None:
        """Do nothing while it runs.

        Raises:
            Failed: It has ended.
        """
        if self.popen.poll() is not None:
            raise self.failed(f"has ended with status {self.popen.returncode}")

    def failed(self, how: str) -> Failed:
        """An error that says what the process wrote last."""
        return Failed(f"{self.name} {how}\n{self.log.read_text(errors='replace')[-LOG_TAIL_CHARACTERS:]}")

    def cpu_seconds(self) -> float:
        """The processor time that all its threads have used."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system


@contextmanager
def running(
    name: str,
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    tells: bool = False,
) -> Iterator[Process]:
    """Run `python -m ...` from the root of the repository; whatever happens, it does not outlive the block.

    One that `tells` has its standard output piped, to be read with `line`.
    """
    log = folder / f"{name}.log"
    with log.open("w") as written:
        started_ns = time.monotonic_ns()
        popen = subprocess.Popen(  # noqa: S603 - a module of our own
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE if tells else written,
            stderr=written,
            text=True,
        )
    process = Process(name, popen, log, started_ns)
    try:
        yield process
    finally:
        popen.kill()
        popen.wait()


@dataclass(frozen=True, slots=True)
class Memory:
    """The resident memory of a process over a while, in MiB."""

    start: float
    highest: float
    middle: float
    """When half of the while was over."""
    end: float


@contextmanager
def watched(process: Process) -> Iterator[list[float]]:
    """Look at a process's memory (MiB) a few times a second while the block runs."""
    seen: list[float] = []
    stopped = threading.Event()
    watch = threading.Thread(target=_look, args=(process.pid, seen, stopped), daemon=True)
    watch.start()
    try:
        yield seen
    finally:
        stopped.set()
        watch.join()


def _look(pid: int, seen: list[float], stopped: threading.Event) -> None:
    process = psutil.Process(pid)
    while True:
        try:
            seen.append(process.memory_info().rss / MEBIBYTE)
        except psutil.NoSuchProcess:
            return
        if stopped.wait(LOOKS_EVERY.total_seconds()):
            return


def memory(seen: Sequence[float]) -> Memory:
    """What was seen, in four numbers."""
    return Memory(seen[0], max(seen), seen[len(seen) // 2], seen[-1])
