"""One trace from the producer to the receiver and to Application Insights; and Application Insights gone."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.emulators.azure import Azure
from tests.ingestion import Envelope, Ingestion
from tests.journeys.running import JWT_SECRET, Running, eventually
from tests.receivers import Receiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PRODUCER = "00f067aa0ba902b7"
MESSAGE = {
    "eventType": "order.paid",
    "payload": {},
    "application": {"name": "Acme", "uid": "acme"},
}


@pytest.fixture
def ingestion(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ingestion]:
    with Ingestion() as ingestion:
        monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", ingestion.connection_string)
        yield ingestion


@pytest.fixture
async def service(tmp_path: Path, profile: Azure | None, ingestion: Ingestion) -> AsyncIterator[Running]:
    async with Running(tmp_path, azure=profile, jwt_secret=JWT_SECRET) as running:
        running.knows_nobody()
        yield running


@pytest.fixture
async def producer(service: Running, receiver: Receiver) -> AsyncIterator[httpx.AsyncClient]:
    """A backend whose application has an endpoint."""
    headers = {"authorization": f"Bearer {service.token}"}
    async with httpx.AsyncClient(base_url=service.url, headers=headers) as client:
        await client.post("/api/v1/app", json=MESSAGE["application"])
        await client.post("/api/v1/app/acme/endpoint", json={"url": receiver.url})
        yield client


async def delivered(producer: httpx.AsyncClient) -> str:
    """Post a message, and wait until its attempt is recorded; gives its id."""
    parent = {"traceparent": f"00-{TRACE}-{PRODUCER}-01"}
    message_id: str = (await producer.post("/api/v1/app/acme/msg", json=MESSAGE, headers=parent)).json()["id"]

    async def attempts() -> list[object]:
        found: list[object] = (await producer.get(f"/api/v1/app/acme/attempt/msg/{message_id}")).json()[
            "data"
        ]
        return found

    await eventually(attempts, until=bool)
    return message_id


def facts(envelope: Envelope) -> Mapping[str, str]:
    """What an envelope says in names of ours."""
    properties: Mapping[str, str] = envelope["data"]["baseData"]["properties"]
    return properties


async def test_producer_receiver_and_application_insights_see_one_trace(
    service: Running, ingestion: Ingestion, receiver: Receiver, producer: httpx.AsyncClient
) -> None:
    message_id = await delivered(producer)
    metrics = (await producer.get("/metrics")).text
    assert await service.stopped() == 0

    assert "\nheliograph_up 1\n" in metrics
    version, trace, span, flags = (receiver.requests[0].header("traceparent") or "").split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    (dependency,) = (
        one for one in ingestion.of("RemoteDependency") if facts(one)["message_id"] == message_id
    )
    data, tags = dependency["data"]["baseData"], dependency["tags"]
    assert (tags["ai.operation.id"], tags["ai.operation.parentId"], data["id"]) == (TRACE, PRODUCER, span)
    told = {event["data"]["baseData"]["name"]: event["tags"] for event in ingestion.of("Event")}
    assert told["message.accepted"]["ai.operation.id"] == TRACE
    assert {"host.started", "host.stopped"} <= told.keys()
    counted = {one["data"]["baseData"]["metrics"][0]["name"] for one in ingestion.of("Metric")}
    assert {"heliograph.messages_accepted", "heliograph.attempts_duration_ms"} <= counted
    assert f'"trace_id":"{TRACE}"' in service.log


async def test_application_insights_that_hangs_holds_up_neither_deliveries_nor_the_end(
    service: Running, ingestion: Ingestion, producer: httpx.AsyncClient
) -> None:
    ingestion.hangs = True
    await asyncio.to_thread(ingestion.got, lambda got: bool(got.requests))

    await delivered(producer)

    assert await service.stopped() == 0
    assert '"event":"telemetry.dropped"' in service.log
