"""A producer's trace context, over HTTP and by queue."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from azure.functions.servicebus import ServiceBusMessage

import function_app
from functions.http import asgi
from infra.local import registrations
from shared import wiring
from tests.flows.walk import Walk, header
from tests.functions.api.client import Client, organization_token
from tests.makers import ORG

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
EVENTS = next(one for one in registrations.read(function_app.app, {}).queues if one.name == "events")
MESSAGE = {"eventType": "order.paid", "payload": {}}


@pytest.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    walk = Walk.on(tmp_path)
    wiring.install(walk.service)
    await walk.has_endpoint(await walk.has_application(uid="acme"))
    yield walk
    wiring.install(None)
    await walk.service.close()


@pytest.fixture
def api(walk: Walk) -> Client:
    return Client(organization_token(walk.service.settings, walk.clock.now()))


async def sent(walk: Walk) -> tuple[str, str | None]:
    """The trace that the receiver gets, and the state with it."""
    await walk.works()
    (outgoing,) = walk.receiver.sent
    state = dict(outgoing.headers).get("tracestate")
    return header(outgoing, "traceparent").split("-")[1], state


async def test_it_goes_from_the_request_to_the_receiver(walk: Walk, api: Client) -> None:
    posted = await api.post("/api/v1/app/acme/msg", MESSAGE, traceparent=PARENT, tracestate="a=1, b=2")

    assert posted.status == 202
    assert await sent(walk) == (TRACE, "a=1,b=2")


async def test_several_headers_of_state_are_one(walk: Walk, api: Client) -> None:
    body = json.dumps(MESSAGE).encode()
    token = f"Bearer {api.token}".encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/app/acme/msg",
        "query_string": b"",
        "headers": [
            (b"authorization", token),
            (b"tracestate", b"a=1"),
            (b"traceparent", PARENT.encode()),
            (b"tracestate", b"b=2"),
        ],
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_: Mapping[str, object]) -> None:
        """Nobody reads the answer."""

    await asgi(scope, receive, send)

    assert await sent(walk) == (TRACE, "a=1,b=2")


@pytest.mark.parametrize("bad", ["", "nonsense", PARENT.upper(), f"{PARENT},{PARENT}", "\xff" * 55])
async def test_one_that_breaks_the_rules_is_no_reason_to_refuse_a_message(
    walk: Walk, api: Client, bad: str
) -> None:
    posted = await api.post("/api/v1/app/acme/msg", MESSAGE, traceparent=bad, tracestate="a=1")

    assert posted.status == 202
    trace, state = await sent(walk)
    assert trace != TRACE
    assert state is None


@pytest.mark.parametrize(
    "properties",
    [
        {"traceparent": PARENT, "tracestate": "a=1"},
        {"Diagnostic-Id": PARENT, "tracestate": "a=1"},
        {"traceparent": PARENT.encode(), "Diagnostic-Id": "00-other", "tracestate": b"a=1"},
    ],
)
async def test_it_goes_from_a_queue_message_to_the_receiver(
    walk: Walk, properties: Mapping[str, object]
) -> None:
    """Azure's SDKs put it into `Diagnostic-Id`, OpenTelemetry into `traceparent`."""
    body = json.dumps({"orgId": ORG, "appId": "acme", "message": MESSAGE}).encode()
    message = ServiceBusMessage(
        body=body,
        message_id="1",
        application_properties=dict(properties),
        user_properties={},
        delivery_count=1,
    )

    await EVENTS.call(**{EVENTS.parameter: message})

    assert await sent(walk) == (TRACE, "a=1")


@pytest.mark.parametrize("name", ["traceparent", "TraceState"])
async def test_an_endpoint_cannot_ask_for_a_trace_of_its_own(api: Client, name: str) -> None:
    """It would break the trace of everybody else, and be noticed by nobody."""
    endpoint = {"url": "https://hooks.example", "headers": {name: PARENT}}

    refused = await api.post("/api/v1/app/acme/endpoint", endpoint)

    assert refused.status == 422
    assert refused.loc == ["body", "headers", name]
