"""Blob Storage for tests: Azurite as a process on a free port."""

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Self

from tests.emulators.leash import Leash

PROGRAM = Path(sys.prefix) / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Every emulator's, and no secret."""

ENDS_WITHIN = timedelta(seconds=5)
"""When it was told to. It takes a third of a second."""

NODE = shutil.which("node") or "node"
IS_INSTALLED = PROGRAM.exists() and shutil.which("node") is not None


class Azurite:
    """An account of Blob Storage.

    Args:
        folder: Where blobs survive the process; None keeps them in memory.
        port: 0 takes a free one.
        leash: What holds its process.
    """

    def __init__(self, folder: Path | None = None, *, port: int = 0, leash: Leash | None = None) -> None:
        self._folder = folder
        self.port = port
        self._leash = leash
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.starts()
        return self

    def __exit__(self, *_: object) -> None:
        self.ends()

    @property
    def endpoint(self) -> str:
        """Where the account is."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def key(self) -> str:
        """The account's key."""
        return KEY

    def starts(self) -> None:
        """Start it, on the same port as before.

        Raises:
            RuntimeError: It does not listen.
        """
        where = ["--inMemoryPersistence"] if self._folder is None else ["--location", str(self._folder)]
        read, write = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603  what `make test` has installed
            [NODE, str(PROGRAM), *where, "--blobHost", "127.0.0.1", "--blobPort", str(self.port),
             "--skipApiVersionCheck", "--disableTelemetry"],
            stdout=write,
            # It holds this end, too: when we are gone it would fail at its last words, before all is kept.
            pass_fds=[read],
            process_group=None if self._leash is None else self._leash.group,
        )  # fmt: skip
        os.close(write)
        said: list[bytes] = []
        with open(read, "rb") as lines:  # noqa: PTH123  it has no path
            for line in lines:
                said.append(line)
                if b"successfully listens on" in line:
                    self.port = int(line.strip().rpartition(b":")[2])
                    return
        raise RuntimeError(f"Azurite did not start: {said}")

    def ends(self) -> None:
        """End it in good order: what it has said yes to is in memory alone for seconds."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=ENDS_WITHIN.total_seconds())
            except subprocess.TimeoutExpired:
                self.killed()

    def killed(self) -> None:
        """Take it down as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
