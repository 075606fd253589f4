"""What the numbers were measured on: without it they cannot be compared with others."""

import json
import os
import platform
import sys
import time
import timeit
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.wire import HOLE, payload

ROUNDS = 500
WRITES = 100
PAGE = bytes(4096)


def described(folder: Path) -> str:
    """The machine, the interpreter and the disk under `folder`, in two lines."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {os.cpu_count()} processors,"
        f" load {os.getloadavg()[0]:.1f} before the run · {platform.platform()}\n"
        f"Python {platform.python_version()} ({sys.executable}): 1 KB of JSON in {pace_us():.0f} us"
        f" · a write reaches the disk in {_microseconds_to_disk(folder):.0f} us"
    )


def pace_us() -> float:
    """How long Python takes now to write 1 KB of JSON without the help of C, in microseconds.

    Builds of one version differ by a factor of two in this, and a machine that others use does so within a
    minute; all other numbers follow.
    """
    order = json.loads(payload(1024).replace(HOLE, b"0"))

    def write() -> None:
        json.dumps(order, indent=1)  # an indent is what the encoder in C cannot do

    return timeit.timeit(write, number=ROUNDS) / ROUNDS * 1e6


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
