"""The service as people run it: `heliograph serve`, a process of its own on a database of its own.

async with Running(tmp_path) as service:
svix = service.svix()
await service.killed()          # kill -9
await service.starts()
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import jwt
from svix.api import SvixAsync, SvixOptions

from infra.local.cli import DEFAULT_ORGANIZATION
from tests.emulators.azure import Azure
from tests.ports import free_port

PATIENCE = timedelta(seconds=30)
"""How long a start or a stop may take before the test is called failed; a start takes about a second."""

SERVE = ("infra.local", "serve")
"""The module that is run, and its arguments."""

JWT_SECRET = "a secret of 32 bytes or more, which the tests know"
ENCRYPTION_KEY = "bm90LWEtc2VjcmV0LWJ1dC0zMi1ieXRlcy1sb25nISE="

ROOT = Path(__file__).parents[2]

Seen = TypeVar("Seen")


class Running:
    """One service. Settings are given as the environment gives them, without their prefix, in lower case."""

    def __init__(
        self, folder: Path, *, azure: Azure | None = None, command: Sequence[str] = SERVE, **settings: str
    ) -> None:
        """Keep the logs in `folder`, and the database unless everything is to be on Azure's services."""
        self.folder = folder
        self._command = command
        self.port = free_port()
        self.output: list[str] = []
        """What it has printed since its last start, line by line."""
        self._azure = {} if azure is None else {**azure.settings, "HELIOGRAPH_ENCRYPTION_KEY": ENCRYPTION_KEY}
        self._settings = {
            "database": str(folder / "heliograph.db"),
            "port": str(self.port),
            "allow_subnets": "127.0.0.1/32",
            **settings,
        }
        self.organization = DEFAULT_ORGANIZATION
        """Whose the token is."""
        self._process: subprocess.Popen[str] | None = None
        self._token = ""
        self._clients: list[SvixAsync] = []

    async def __aenter__(self) -> Self:
        await self.starts()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.closes_clients()
        if self.is_running:
            assert await self.stopped() == 0

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither stopped nor killed since then."""
        return self._process is not None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """The token that it has printed, or that of the organization of `knows_nobody`."""
        return self._token

    @property
    def log(self) -> str:
        """The structured lines of all its lives."""
        return (self.folder / "log").read_text()

    @property
    def environment(self) -> Mapping[str, str]:
        """What the process is started with."""
        names = {f"HELIOGRAPH_{name.upper()}": value for name, value in self._settings.items()}
        others = {name: value for name, value in os.environ.items() if "HELIOGRAPH" not in name}
        return {**others, **self._azure, **names}

    def svix(self, token: str | None = None) -> SvixAsync:
        """The SDK that people already use, pointed here, with a token or with the organization's."""
        client = SvixAsync(token or self.token, SvixOptions(server_url=self.url))
        self._clients.append(client)
        return client

    async def starts(self) -> None:
        """Start it, and return when it takes requests."""
        await asyncio.to_thread(self._start)
        if self.organization == DEFAULT_ORGANIZATION:
            self._token = next(line.split()[1] for line in self.output if line.strip().startswith("token"))

    def knows_nobody(self) -> None:
        """From now on the token is that of a new organization, which has nothing yet."""
        self.organization = f"org_{secrets.token_hex(8)}"
        self._token = jwt.encode({"sub": self.organization}, self._settings["jwt_secret"], "HS256")

    async def closes_clients(self) -> None:
        """Close the connections of every SDK that was made here."""
        while self._clients:
            await self._clients.pop()._httpx_client.aclose()  # the SDK has no way to close it

    async def posts(self, app: str, count: int) -> set[str]:
        """Post so many messages, as fast as they are answered, and say which; no SDK is in the way."""
        message = {"eventType": "order.paid", "payload": {}}
        headers = {"Authorization": f"Bearer {self.token}"}

        async def post() -> str:
            async with session.post(f"{self.url}/api/v1/app/{app}/msg", json=message) as answer:
                sent: str = (await answer.json())["id"]
                return sent

        async with aiohttp.ClientSession(headers=headers) as session:
            return set(await asyncio.gather(*(post() for _ in range(count))))

    async def queues(self) -> Mapping[str, Any]:
        """How the queues stand, by name, as it tells who is on call."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{self.url}/api/v1/diagnostics") as answer,
        ):
            found = await answer.json()
        return {queue["name"]: queue for queue in found["deployment"]["queues"]}

    async def stopped(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, and return its exit status."""
        return await self._ends(how)

    async def killed(self) -> None:
        """Take it down as a power cut would (SIGKILL)."""
        await self._ends(signal.SIGKILL)

    async def run(self, *arguments: str) -> str:
        """Run `heliograph` with these arguments in the same environment; return what it prints."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.local", *arguments,
            cwd=ROOT, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        printed, _ = await process.communicate()
        return printed.decode().strip()

    def _start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  ours
                [sys.executable, "-m", *self._command],
                cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self.output = []
        self._read_until("/endpoint")

    def _read_until(self, word: str) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        patience = threading.Timer(PATIENCE.total_seconds(), self._process.kill)
        patience.start()
        while not self.output or word not in self.output[-1]:
            line = self._process.stdout.readline()
            assert line, f"it ended before it was ready: {self.output} {self.log[-2000:]}"
            self.output.append(line.rstrip())
        patience.cancel()

    async def _ends(self, how: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(how)
        await asyncio.to_thread(process.communicate, timeout=PATIENCE.total_seconds())
        status: int = process.returncode
        return status


async def eventually(look: Callable[[], Awaitable[Seen]], until: Callable[[Seen], object]) -> Seen:
    """Ask again and again for what is certain to come, and return it.

    Raises:
        TimeoutError: It did not come within `PATIENCE`.
    """
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while True:
            seen = await look()
            if until(seen):
                return seen
