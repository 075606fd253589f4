"""The SDKs that are tested, and how a program of theirs is run.

What `make test` installs beside the environment stands in its folder `clients`.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.journeys.running import ROOT

INSTALLED = Path(sys.prefix) / "clients"
PROGRAMS = Path(__file__).parent
NODE = shutil.which("node")


@dataclass(frozen=True, slots=True)
class Client:
    """One version of an SDK.

    Attributes:
        agent: How its User-Agent begins.
        folder: Where it is installed; None is the environment.
    """

    agent: str
    folder: str | None

    @property
    def name(self) -> str:
        """Such as `python-2.9.1`; good for an id."""
        _, version, language = self.agent.split("/")
        return f"{language}-{version}"

    @property
    def is_python(self) -> bool:
        return self.agent.endswith("python")

    @property
    def is_installed(self) -> bool:
        if self.folder is None:
            return True
        return (INSTALLED / self.folder).exists() and (self.is_python or NODE is not None)

    @property
    def environment(self) -> Mapping[str, str]:
        """What its programs are started with: an interpreter finds on its path what it is to use."""
        if self.folder is None or not self.is_python:
            return os.environ
        return {**os.environ, "PYTHONPATH": str(INSTALLED / self.folder)}

    def command(self, program: str) -> list[str]:
        """What runs one of the programs in the folder of the language."""
        if self.is_python:
            return [sys.executable, "-m", f"tests.journeys.clients.python.{program}"]
        assert self.folder is not None
        return [str(NODE), str(PROGRAMS / "javascript" / f"{program}.mjs"), str(INSTALLED / self.folder)]

    async def run(self, program: str, argument: object) -> "Printed":
        """Run a program with an argument, and read what it prints as JSON."""
        process = await asyncio.create_subprocess_exec(
            *self.command(program), json.dumps(argument),
            cwd=ROOT, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, complaint = await process.communicate()
        return Printed(json.loads(printed) if process.returncode == 0 else None, complaint.decode())


@dataclass(frozen=True, slots=True)
class Printed:
    """What became of a program.

    Attributes:
        value: What it printed; None if it failed.
        complaint: What it wrote to its standard error.
    """

    value: Any
    complaint: str


CLIENTS = (
    Client("svix-libs/2.9.1/python", None),
    Client("svix-libs/2.0.0/python", "svix-2"),
    Client("svix-libs/1.99.1/python", "svix-1"),
    Client("svix-libs/2.5.0/javascript", "javascript/node_modules/svix-2"),
    Client("svix-libs/1.99.1/javascript", "javascript/node_modules/svix-1"),
)
