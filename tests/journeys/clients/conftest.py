"""Every client goes its round once, all at the same time; the tests look at what came of it."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.emulators.azure import Azure
from tests.journeys.clients.clients import CLIENTS, Client, Printed
from tests.journeys.clients.plain import Steps, plain_round
from tests.journeys.clients.recorder import Exchange, Recorder
from tests.journeys.running import JWT_SECRET, Running
from tests.receivers import Received, Receiver
from tests.tools import is_missing

CLIENTS_ON: Mapping[str, Sequence[Client]] = {"sqlite": CLIENTS, "azure": CLIENTS[:1]}
"""Who goes a round, by where the service keeps everything."""


@dataclass(frozen=True, slots=True, repr=False)
class Evidence:
    """What was seen from outside.

    Attributes:
        printed: What came of each client's round, by its name.
        plain: The answers to what a plain HTTP client asked.
        exchanges: What all of them asked, and how it was answered.
        received: What was delivered and accepted.
        openapi: The description of the API, as it was served.
    """

    printed: Mapping[str, Printed]
    plain: Steps
    exchanges: Sequence[Exchange]
    received: Sequence[Received]
    openapi: Mapping[str, Any]

    def steps(self, client: Client) -> Mapping[str, Any]:
        """What each step of a client's round was answered; fails if it broke off."""
        printed = self.printed[client.name]
        assert printed.value is not None, printed.complaint
        steps: Mapping[str, Any] = printed.value
        return steps

    def of(self, client: Client) -> Sequence[Exchange]:
        """What a client asked."""
        return [
            one for one in self.exchanges if (one.request.header("user-agent") or "").startswith(client.agent)
        ]


def arrived_at(evidence: Evidence, target: str) -> Received:
    """What came first to a path of the receiver."""
    return next(one for one in evidence.received if one.target.endswith(f"/{target}"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every client goes its round on SQLite, and one on Azure's services as well."""
    wheres: Sequence[str] = getattr(metafunc.module, "KEPT", list(CLIENTS_ON))
    if "client" in metafunc.fixturenames:
        rounds = [(kept, client) for kept in wheres for client in CLIENTS_ON[kept]]
        names = [f"{kept}-{client.name}" for kept, client in rounds]
        metafunc.parametrize(("kept", "client"), rounds, ids=names, indirect=["client"])
    elif "evidence" in metafunc.fixturenames:
        metafunc.parametrize("kept", wheres)


@pytest.fixture(scope="session")
def gathered_on() -> dict[str, Evidence]:
    """What was gathered already, by where everything is kept."""
    return {}


@pytest.fixture
def evidence(
    kept: str,
    gathered_on: dict[str, Evidence],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Evidence:
    if kept not in gathered_on:
        azure: Azure | None = request.getfixturevalue("azure") if kept == "azure" else None
        folder = tmp_path_factory.mktemp("clients")
        gathered_on[kept] = asyncio.run(gathered(folder, CLIENTS_ON[kept], azure))
    return gathered_on[kept]


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    check_installed(found)
    return found


def check_installed(client: Client) -> None:
    """Go on only where the client can be run."""
    if not client.is_installed:
        is_missing(f"{client.name} is not installed: `make test` installs it, if npm is on the PATH")


async def gathered(folder: Path, clients: Iterable[Client], azure: Azure | None) -> Evidence:
    async with (
        Receiver() as receiver,
        Receiver() as failing,
        Running(folder, azure=azure, jwt_secret=JWT_SECRET, retry_schedule="1h") as service,
        Recorder(service.port, loses={"/api/v1/app/lossy/msg"}) as recorder,
    ):
        failing.answers_with(500, body=b"no")
        installed = [client for client in clients if client.is_installed]
        plain, printed = await asyncio.gather(
            plain_round(recorder.url, token("plain"), receiver.url),
            asyncio.gather(*(goes_round(client, recorder.url, receiver, failing) for client in installed)),
        )
        openapi = json.loads((await recorder.gets("/api/v1/openapi.json")).body)
    names = (client.name for client in installed)
    return Evidence(
        dict(zip(names, printed, strict=True)), plain, recorder.exchanges, receiver.requests, openapi
    )


async def goes_round(client: Client, url: str, receiver: Receiver, failing: Receiver) -> Printed:
    """Let a client take its steps, and give it a path of the receiver for itself."""
    return await client.run(
        "round",
        {
            "url": url,
            "token": token(client.name),
            "receiver": f"{receiver.url}/{client.name}",
            "failing": failing.url,
        },
    )


def token(name: str) -> str:
    """For an organization of its own."""
    return jwt.encode({"sub": f"org_{name}"}, JWT_SECRET, "HS256")
