"""Accepted is delivered on Azure's services, too: whichever part goes down, under load."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from svix.api import ApplicationIn, EndpointIn

from tests.emulators.azure import Azure
from tests.journeys.running import JWT_SECRET, Running, eventually
from tests.journeys.test_crash import Producers, delivered
from tests.receivers import Receiver
from tests.tools import check_azurite

PARTS = ("service", "cosmos", "service_bus", "blobs")
MEANWHILE = 40
"""So many events are accepted before each of them goes down, and after the last one is back."""

LARGE = 150_000
"""Characters of a payload that lies in Blob Storage."""

LOCK = timedelta(seconds=2)
"""After it, what a killed service had in its hands is handed over again."""

SETTINGS = {"retry_schedule": ",".join(["100ms"] * 50), "request_timeout": "2s", "jwt_secret": JWT_SECRET}


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Azure]:
    """Services for this journey alone."""
    check_azurite()
    with Azure(tmp_path / "azure", lock=LOCK) as azure:
        yield azure


@pytest.fixture
async def service(tmp_path: Path, azure: Azure) -> AsyncIterator[Running]:
    async with Running(tmp_path, azure=azure, **SETTINGS) as service:
        yield service


async def test_whatever_goes_down_under_load_nothing_acknowledged_is_lost(
    service: Running, azure: Azure, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service and what it stands on are killed one after the other, while backends post."""
    svix = service.svix()
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    endpoint = await svix.endpoint.create("acme", EndpointIn(url=receiver.url))
    producers = Producers(service, payload=payload)
    load = asyncio.ensure_future(producers.run())
    for part in PARTS:
        await producers.have(len(producers.accepted) + MEANWHILE)
        if part == "service":
            await service.killed()
            await load
            await service.starts()
            load = asyncio.ensure_future(producers.run())
        else:
            await falls_out(azure, part, producers)
    await producers.have(len(producers.accepted) + MEANWHILE)
    producers.is_over = True
    await load

    accepted = {id_ for id_ in producers.accepted.values() if id_}
    arrived = await eventually(lambda: delivered(service, endpoint.id), until=accepted.issubset)
    # What was kept before its producer was told of a failure follows a minute after it was.
    late = len(producers.accepted) - len(arrived)
    queues = await service.queues()
    assert queues["dispatch"]["scheduled"] >= late
    assert [queue["deadLetters"] for queue in queues.values()] == [0] * len(queues)
    with capsys.disabled():
        print(f"\n{len(accepted)} events accepted and delivered, {late} to come, {producers.failed} refused")  # noqa: T201


def payload(n: int) -> object:
    """Every fourth is a large one."""
    return {"n": n, "text": "" if n % 4 else "x" * LARGE}


async def falls_out(azure: Azure, part: str, producers: Producers) -> None:
    """Have a part of Azure be gone until producers have heard of it."""
    emulator = getattr(azure, part)
    # Azurite keeps what it has said yes to in memory alone for seconds.
    await asyncio.to_thread(azure.blobs.ends if part == "blobs" else emulator.killed)
    await producers.are_told_of_failures()
    await asyncio.to_thread(emulator.starts)
