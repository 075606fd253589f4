"""Azure on this machine: emulators as processes whose files outlive them, with everything deployed on them.

python -m tests.emulators.azure [FOLDER]     the service on them, as `make azure-local` runs it

with Azure(folder) as azure:
    azure.settings                       what the service has to be told
    azure.cosmos.killed()                as a power cut would
    azure.cosmos.starts()
"""

import asyncio
import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Self

from azure.core.exceptions import ResourceExistsError
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient, DatabaseProxy
from azure.storage.blob.aio import ContainerClient

from shared.adapters.blob.bodies import CONTAINER
from shared.adapters.cosmos.containers import CONTAINERS, DATABASE, PER_DOCUMENT
from shared.adapters.servicebus.queues import LOCK, NAMES
from tests.emulators.azurite.emulator import IS_INSTALLED, Azurite
from tests.emulators.leash import Leash

ROOT = Path(__file__).parents[2]
FOLDER = Path(".heliograph/azure")

SETTINGS = "settings.env"
"""The file that other commands read."""

STOPPED = 130
"""Exit status after Ctrl-C, as shells have it."""


class Program:
    """One of our emulators as a process, on one port and one file for all its lives."""

    def __init__(self, name: str, file: Path, leash: Leash, *arguments: str) -> None:
        """Name it as its module is; nothing is started."""
        self._leash = leash
        self._command = [
            sys.executable, "-m", f"tests.emulators.{name}",
            "--port", str(_free_port()), "--file", str(file), *arguments,
        ]  # fmt: skip
        self._process: subprocess.Popen[str] | None = None
        self.connection_string = ""
        """What it has printed: where it is, and its key."""

    def __enter__(self) -> Self:
        self.starts()
        return self

    def __exit__(self, *_: object) -> None:
        self.killed()

    @property
    def process_id(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    def starts(self) -> None:
        """Start it, and return when it serves.

        Raises:
            RuntimeError: It ends instead.
        """
        self._process = subprocess.Popen(  # noqa: S603  ours
            self._command, cwd=ROOT, stdout=subprocess.PIPE, text=True, process_group=self._leash.group
        )
        assert self._process.stdout is not None
        self.connection_string = self._process.stdout.readline().strip()
        if not self.connection_string:
            raise RuntimeError(f"{self._command[2]} did not start")

    def killed(self) -> None:
        """Take it down as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def told(self, number: signal.Signals) -> str:
        """The line that it prints on a signal."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(number)
        return self._process.stdout.readline()

    def part(self, name: str) -> str:
        """A part of the connection string."""
        return dict(part.split("=", 1) for part in self.connection_string.split(";") if part)[name]


class Azure:
    """Cosmos DB, Service Bus and Blob Storage, with what a deployment makes on them."""

    def __init__(self, folder: Path, *, lock: timedelta = LOCK) -> None:
        """Prepare.

        Args:
            folder: Where everything survives; it is made. Whoever uses it next waits until this has ended.
            lock: How long a message of a queue is one receiver's.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.leash = Leash(folder / "lock")
        self.cosmos = Program("cosmos", folder / "cosmos.db", self.leash)
        self.service_bus = Program(
            "servicebus", folder / "servicebus.db", self.leash, f"--lock={lock.total_seconds()}", *NAMES
        )
        self.blobs = Azurite(folder / "azurite", leash=self.leash)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for part in (self.leash, self.cosmos, self.service_bus, self.blobs):
                starting.enter_context(part)
            asyncio.run(self._deploy())
            self._stack = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def settings(self) -> Mapping[str, str]:
        """Where everything is, as the environment tells it."""
        return {
            "HELIOGRAPH_COSMOS_ENDPOINT": self.cosmos.part("AccountEndpoint"),
            "HELIOGRAPH_COSMOS_KEY": self.cosmos.part("AccountKey"),
            "HELIOGRAPH_BLOB_ENDPOINT": self.blobs.endpoint,
            "HELIOGRAPH_BLOB_KEY": self.blobs.key,
            "ServiceBus": self.service_bus.connection_string,
        }

    async def _deploy(self) -> None:
        endpoint, key = self.cosmos.part("AccountEndpoint"), self.cosmos.part("AccountKey")
        async with CosmosClient(endpoint, key) as client:
            await deploy_containers(await client.create_database_if_not_exists(DATABASE))
        async with ContainerClient(self.blobs.endpoint, CONTAINER, self.blobs.key) as container:
            try:
                await container.create_container()
            except ResourceExistsError:
                return


async def deploy_containers(database: DatabaseProxy) -> None:
    """Make the containers of a database, or give them the indexes of today, as a deployment does."""
    for shape in CONTAINERS:
        key, policy = PartitionKey(shape.partition_key), dict(shape.indexing_policy)
        made = await database.create_container_if_not_exists(
            shape.name, key, indexing_policy=policy, default_ttl=PER_DOCUMENT
        )
        await database.replace_container(made, key, indexing_policy=policy, default_ttl=PER_DOCUMENT)


def main() -> int:
    """Run the service on the emulators until a signal stops it; return its exit status."""
    if not IS_INSTALLED:
        sys.stderr.write("Azurite, the emulator of Blob Storage, needs node and npm: install them\n")
        return 1
    try:
        return _serve(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
    except KeyboardInterrupt:  # the service has not begun
        return STOPPED


def _serve(folder: Path) -> int:
    with Azure(folder) as azure:
        local = {"HELIOGRAPH_DATABASE": str(folder / "orchestrations.db")}
        settings = {**local, **_secrets(folder / "secrets.env"), **azure.settings}
        _write(folder / SETTINGS, settings)
        print("Other commands on the same service, such as this one, want its settings:")  # noqa: T201  for a person
        command = f"env $(cat {folder / SETTINGS}) {Path(sys.executable).parent}/heliograph dlq list"
        print(f"{command}\n", flush=True)  # noqa: T201  likewise
        environment = {**settings, **os.environ}
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local", "serve"], env=environment, process_group=azure.leash.group
        )
        # The service ends first, and its emulators when it has.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda told, _: process.send_signal(told))
        return process.wait()


def _secrets(path: Path) -> Mapping[str, str]:
    """The secrets that the service wants on Azure, made once and kept."""
    if not path.exists():
        made = {
            "HELIOGRAPH_JWT_SECRET": secrets.token_urlsafe(32),
            "HELIOGRAPH_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        }
        _write(path, made)
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def _write(path: Path, settings: Mapping[str, str]) -> None:
    """Keep settings where only their owner can read them, a line each."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
