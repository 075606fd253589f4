"""Nothing that is secret is told, whatever happens to it."""

import io
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from azure.functions.servicebus import ServiceBusMessage

import function_app
from infra.local import registrations
from shared import wiring
from shared.adapters.telemetry.application_insights import ApplicationInsights, Pace
from shared.adapters.telemetry.ingestion import Ingestion as Way
from shared.adapters.telemetry.lines import JsonLines
from shared.domain.counts import NOTHING
from shared.domain.verdict import Answer, Failure
from tests.clock import MovedClock
from tests.flows.walk import TOOK, Walk, answer
from tests.functions.api.client import Client, organization_token
from tests.ingestion import KEY, Ingestion
from tests.makers import ORG

SECRET = "s3cr3t"
SIGNING_KEY = "whsec_c2VjcmV0LXMzY3IzdC1zM2NyM3Qtc2VjcmV0"
ENDPOINT = {
    "url": f"https://user-{SECRET}:{SECRET}@hooks.example:8443/services/{SECRET}?token={SECRET}#{SECRET}",
    "description": SECRET,
    "metadata": {"k": SECRET},
    "headers": {"Authorization": SECRET, "X-Plain": SECRET},
    "secret": SIGNING_KEY,
}
MESSAGE = {"eventType": "order.paid", "payload": {"card": SECRET}}
ALL = "/api/v1/app/acme/msg"
HOUR = timedelta(hours=1)
EVENTS = next(one for one in registrations.read(function_app.app, {}).queues if one.name == "events")


@pytest.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    walk = Walk.on(tmp_path)
    wiring.install(walk.service)
    yield walk
    wiring.install(None)
    await walk.service.close()


@pytest.fixture
def api(walk: Walk) -> Client:
    return Client(organization_token(walk.service.settings, walk.clock.now()))


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    with Ingestion() as ingestion:
        yield ingestion


async def comes_by_queue(body: bytes) -> None:
    message = ServiceBusMessage(
        body=body, message_id="1", application_properties={}, user_properties={}, delivery_count=1
    )
    await EVENTS.call(**{EVENTS.parameter: message})


async def posted(api: Client) -> str:
    reply = await api.post(ALL, MESSAGE, idempotency_key=SECRET * 2)
    assert reply.status == 202, reply.body
    message_id: str = reply.json["id"]
    return message_id


async def fails_in_every_way(walk: Walk, api: Client, endpoint_id: str) -> None:
    """Retries that are used up, ended and repeated by hand; payloads that are gone; a receiver that is."""
    walk.receiver.always = Answer(500, SECRET, TOOK, {"x-token": SECRET})
    message_id = await posted(api)
    for _ in range(4):
        await walk.passes(HOUR)
    walk.receiver.always = Answer(0, f"refused {SECRET}", TOOK, {}, Failure.CONNECTION)
    walk.clock.move(timedelta(days=1))
    await posted_and_erased(walk, api)
    walk.clock.move(timedelta(days=1))
    await api.post(f"{ALL}/{message_id}/endpoint/{endpoint_id}/resend")
    await api.delete(f"{ALL}/{message_id}/content")
    await walk.works()


async def posted_and_erased(walk: Walk, api: Client) -> None:
    message_id = await posted(api)
    await walk.works()
    await api.delete(f"{ALL}/{message_id}/content")
    await walk.passes(HOUR)
    walk.clock.move(timedelta(days=1))
    large = {**MESSAGE, "payload": {"card": SECRET * 10_000}}
    message_id = (await api.post(ALL, large)).json["id"]
    await api.delete(f"{ALL}/{message_id}/content")
    await walk.works()


async def goes_well_and_ends(walk: Walk, api: Client) -> None:
    walk.receiver.always = answer(200, x_token=SECRET)
    await posted(api)
    await walk.works()
    walk.receiver.always = Answer(410, SECRET, TOOK, {})
    walk.clock.move(timedelta(days=1))
    await posted(api)
    await walk.works()


async def test_no_payload_no_answer_and_no_secret_is_told(
    walk: Walk, api: Client, ingestion: Ingestion
) -> None:
    """What is told is kept by others, read by many, and cannot be taken back."""
    await api.post("/api/v1/app", {"name": "Acme", "uid": "acme", "metadata": {"k": SECRET}})
    made = await api.post("/api/v1/app/acme/endpoint", ENDPOINT)
    assert made.status == 201, made.body
    await fails_in_every_way(walk, api, made.json["id"])
    await goes_well_and_ends(walk, api)
    await api.post(ALL, f'{{"eventType": "{SECRET}!", "payload": "{SECRET}"}}'.encode())
    await comes_by_queue(json.dumps({"orgId": ORG, "appId": "acme", "message": {"payload": SECRET}}).encode())
    await comes_by_queue(f'{{"payload": "{SECRET}"'.encode())
    await walk.service.measure()

    told = {event for event, _ in walk.journal.lines}
    assert told >= {
        "message.accepted", "message.dispatched", "delivery.attempted", "delivery.given_up",
        "delivery.skipped", "endpoint.disabled", "endpoint.failing", "endpoint.recovered", "event.rejected",
        "payload.erased", "resend.skipped", "retries.ended", "retry.planned", "queue.measured",
    }  # fmt: skip
    for written in (lines_of(walk), json.dumps(envelopes_of(walk, ingestion))):
        assert SECRET not in written
        assert SIGNING_KEY.removeprefix("whsec_") not in written
        assert "https://hooks.example:8443" in written


def lines_of(walk: Walk) -> str:
    stream = io.StringIO()
    lines = JsonLines(stream, MovedClock())
    for event, facts in walk.journal.lines:
        lines.take(event, facts)
    lines.close()
    assert len(stream.getvalue().splitlines()) == len(walk.journal.lines)
    return stream.getvalue()


def envelopes_of(walk: Walk, ingestion: Ingestion) -> list[object]:
    way = Way(instrumentation_key=KEY, endpoint=ingestion.endpoint)
    insights = ApplicationInsights(lambda: way, MovedClock(), lambda: NOTHING, pace=Pace(sending=3600))
    for event, facts in walk.journal.lines:
        insights.take(event, facts)
    insights.close()
    assert len(ingestion.envelopes) >= len(walk.journal.lines)
    assert insights.dropped == 0
    return list(ingestion.envelopes)
