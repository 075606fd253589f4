"""One trace from the producer to the receiver and to Application Insights; and Application Insights gone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.ingestion import Ingestion
from tests.journeys.running import Running, eventually
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
async def service(tmp_path: Path, ingestion: Ingestion) -> AsyncIterator[Running]:
    async with Running(tmp_path) as running:
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


@pytest.fixture
async def producer(service: Running, receiver: Receiver) -> AsyncIterator[httpx.AsyncClient]:
    """A backend whose application has an endpoint."""
    headers = {"authorization": f"Bearer {service.token}"}
    async with httpx.AsyncClient(base_url=service.url, headers=headers) as client:
        await client.post("/api/v1/app", json=MESSAGE["application"])
        await client.post("/api/v1/app/acme/endpoint", json={"url": receiver.url})
        yield client


async def delivered(producer: httpx.AsyncClient) -> None:
    async def metrics() -> str:
        return (await producer.get("/metrics")).text

    await eventually(metrics, until=lambda text: "\nheliograph_attempts_delivered_total 1\n" in text)


async def test_producer_receiver_and_application_insights_see_one_trace(
    service: Running, ingestion: Ingestion, receiver: Receiver, producer: httpx.AsyncClient
) -> None:
    parent = f"00-{TRACE}-{PRODUCER}-01"
    posted = await producer.post("/api/v1/app/acme/msg", json=MESSAGE, headers={"traceparent": parent})
    await delivered(producer)
    assert await service.stopped() == 0

    version, trace, span, flags = (receiver.requests[0].header("traceparent") or "").split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    (dependency,) = ingestion.of("RemoteDependency")
    data, tags = dependency["data"]["baseData"], dependency["tags"]
    assert (tags["ai.operation.id"], tags["ai.operation.parentId"], data["id"]) == (TRACE, PRODUCER, span)
    assert data["properties"]["message_id"] == posted.json()["id"]
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

    await producer.post("/api/v1/app/acme/msg", json=MESSAGE)
    await delivered(producer)

    assert await service.stopped() == 0
    assert '"event":"telemetry.dropped"' in service.log
