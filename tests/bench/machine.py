"""What the numbers were measured on: without it they cannot be compared with others."""

import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

STEPS = 2_000_000
WRITES = 100
PAGE = bytes(4096)


def described(folder: Path) -> str:
    """The machine, the interpreter and the disk under `folder`, in two lines."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {os.cpu_count()} processors,"
        f" load {os.getloadavg()[0]:.1f} before the run · {platform.platform()}\n"
        f"Python {platform.python_version()} ({sys.executable}):"
        f" {_million_steps_a_second():.0f} million steps/s"
        f" · a write reaches the disk in {_microseconds_to_disk(folder):.0f} us"
    )


def _million_steps_a_second() -> float:
    """How fast the interpreter is: builds of one version differ by a factor of two, and so will the rest."""
    start = time.perf_counter()
    for _ in range(STEPS):
        pass
    return STEPS / (time.perf_counter() - start) / 1e6


def _microseconds_to_disk(folder: Path) -> float:
    path = folder / "disk"
    with path.open("wb", buffering=0) as file:
        start = time.perf_counter()
        for _ in range(WRITES):
            file.write(PAGE)
            os.fsync(file.fileno())
        taken = time.perf_counter() - start
    path.unlink()
    return taken / WRITES * 1e6
