"""Accepted is delivered on Azure's services, too: whichever part goes down, under load."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from svix.api import ApplicationIn, EndpointIn

from shared.adapters.system import SystemClock
from shared.config import Settings
from shared.flows.housekeeping import STRANDED_AFTER
from shared.wiring import compose
from tests.clock import MovedClock
from tests.emulators.azure import Azure
from tests.host.fakes import KeptLines
from tests.journeys.running import JWT_SECRET, Running, eventually
from tests.journeys.test_crash import SEED, Producers, delivered, rows
from tests.receivers import Receiver
from tests.tools import check_azurite

FALL = ("service", "cosmos", "service", "service_bus", "service", "blobs", "service", "service")
"""What goes down, one after the other."""

MEANWHILE = 40
"""At most so many events are accepted before each of them goes down, and after the last one is back."""

LARGE = 150_000
"""Characters of a payload that lies in Blob Storage."""

UNTIL_SWEPT = STRANDED_AFTER + timedelta(minutes=2)
"""By then everything is swept that was left behind up to now."""

LOCK = timedelta(seconds=5)
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
    await go_down(service, azure, receiver, producers)

    messages = {message["eventId"]: message["id"] for message in await rows(service, "msg")}
    assert set(producers.accepted) <= set(messages)
    assert all(messages[event] == id_ for event, id_ in producers.accepted.items() if id_)
    queued = {id_ for id_ in producers.accepted.values() if id_}
    await eventually(lambda: attempted(service, endpoint.id), until=queued.issubset)
    late = await swept(service)
    accepted = {messages[event] for event in producers.accepted}
    await eventually(lambda: delivered(service, endpoint.id), until=accepted.issubset)

    sent = {messages[event]: payload_of(event) for event in messages}
    assert all(json.loads(one.body) == sent[one.header("webhook-id") or ""] for one in receiver.requests)
    queues = await service.queues()
    assert [queue["deadLetters"] for queue in queues.values()] == [0] * len(queues)
    with capsys.disabled():
        print(f"\n{len(accepted)} events accepted and delivered; {late} swept, {producers.failed} refused")  # noqa: T201


def payload(n: int) -> object:
    """Every fourth is a large one."""
    return {"n": n, "text": "" if n % 4 else "x" * LARGE}


def payload_of(event_id: str) -> object:
    """What an event of the producers says."""
    return payload(int(event_id.partition("-")[2]))


async def attempted(service: Running, endpoint_id: str) -> set[str]:
    """The messages that were sent, whatever came of it."""
    return {attempt["msgId"] for attempt in await rows(service, f"attempt/endpoint/{endpoint_id}")}


async def go_down(service: Running, azure: Azure, receiver: Receiver, producers: Producers) -> None:
    """Have everything go down in its turn, with retries under way, and be there in the end."""
    dice = random.Random(SEED)
    load = asyncio.ensure_future(producers.run())
    for part in FALL:
        receiver.answers_with(503, times=dice.randrange(20))
        await producers.have(len(producers.accepted) + dice.randrange(1, MEANWHILE))
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


async def falls_out(azure: Azure, part: str, producers: Producers) -> None:
    """Have a part of Azure be gone until producers have heard of it."""
    emulator = getattr(azure, part)
    # Azurite keeps what it has said yes to in memory alone for seconds.
    await asyncio.to_thread(azure.blobs.ends if part == "blobs" else emulator.killed)
    await producers.are_told_of_failures()
    await asyncio.to_thread(emulator.starts)


async def swept(service: Running) -> int:
    """Sweep in another process of the deployment, as if some minutes were over; says how much there was.

    What was recorded by a service that did not live to queue what follows, is queued then.
    """
    clock = MovedClock(SystemClock().now() + UNTIL_SWEPT)
    other = compose(Settings.read(service.environment), clock=clock, journal=KeptLines())
    try:
        return await other.sweep()
    finally:
        await other.close()
