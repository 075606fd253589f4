"""Blob Storage for tests: Azurite as a process on a free port."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

PROGRAM = Path(sys.prefix) / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Every emulator's, and no secret."""

NODE = shutil.which("node") or "node"
IS_INSTALLED = PROGRAM.exists() and shutil.which("node") is not None


class Azurite:
    """An account of Blob Storage.

    Args:
        folder: Where blobs survive the process; None keeps them in memory.
        port: 0 takes a free one.
    """

    def __init__(self, folder: Path | None = None, *, port: int = 0) -> None:
        self._folder = folder
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.starts()
        return self

    def __exit__(self, *_: object) -> None:
        self.killed()

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
        self._process = subprocess.Popen(  # noqa: S603  what `make test` has installed
            [NODE, str(PROGRAM), *where, "--blobHost", "127.0.0.1", "--blobPort", str(self.port),
             "--skipApiVersionCheck", "--disableTelemetry"],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        said: list[bytes] = []
        for line in self._process.stdout:
            said.append(line)
            if b"successfully listens on" in line:
                self.port = int(line.strip().rpartition(b":")[2])
                return
        raise RuntimeError(f"Azurite did not start: {said}")

    def ends(self) -> None:
        """End it in good order: what it has said yes to is in memory alone for seconds."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()

    def killed(self) -> None:
        """Take it down as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
