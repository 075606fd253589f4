"""From one message id to everything that happened to it, against the running service."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from svix.api import ApplicationIn, EndpointIn, EndpointPatch, MessageIn, SvixAsync

from tests.journeys.running import Running, eventually
from tests.receivers import Receiver


@pytest.fixture
def settings() -> Mapping[str, str]:
    """What fails is repeated after an hour: nothing automatic comes between."""
    return {"retry_schedule": "1h"}


async def asked(service: Running, path: str) -> Any:  # noqa: ANN401 - JSON
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {service.token}"}) as client:
        answer = await client.get(f"{service.url}/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content)


async def failed(svix: SvixAsync, service: Running, receiver: Receiver) -> Any:  # noqa: ANN401 - JSON
    """The timeline of a message that failed at `here` and was not for `there`."""
    receiver.answers_with(500)
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    await svix.endpoint.create("acme", EndpointIn(url=receiver.url, uid="here"))
    await svix.endpoint.create("acme", EndpointIn(url=receiver.url, uid="there", channels=["eu"]))
    await svix.message.create("acme", MessageIn(event_type="order.paid", event_id="e1", payload={}))
    return await eventually(
        lambda: asked(service, "/app/acme/msg/e1/timeline"), until=lambda seen: len(seen["stations"]) > 2
    )


async def test_who_is_on_call_reads_what_became_of_a_message(
    service: Running, svix: SvixAsync, receiver: Receiver
) -> None:
    """It failed, support sent it again, it arrived; at the other endpoint it was not wanted."""
    before = await failed(svix, service, receiver)
    receiver.answers_with(200)
    await svix.message_attempt.resend("acme", "e1", "here")
    after = await eventually(
        lambda: asked(service, "/app/acme/msg/e1/timeline"),
        until=lambda seen: seen["endpoints"][0]["standing"] == "delivered",
    )

    kinds = ["message.accepted", "delivery.attempted", "retry.due", "payload.expires"]
    assert [station["kind"] for station in before["stations"]] == kinds
    assert [station["kind"] for station in after["stations"]] == [
        "message.accepted",
        "delivery.attempted",
        "delivery.attempted",
        "retries.ended",
        "payload.expires",
    ]
    assert [(one["uid"], one["standing"], one["why"]) for one in after["endpoints"]] == [
        ("here", "delivered", []),
        ("there", "left_out", ["channels"]),
    ]
    instants = [station["at"] for station in after["stations"]]
    assert instants == sorted(instants)


async def test_the_command_prints_it_line_by_line(
    service: Running, svix: SvixAsync, receiver: Receiver
) -> None:
    timeline = await failed(svix, service, receiver)
    await svix.endpoint.patch("acme", "there", EndpointPatch(disabled=True))
    accepted, attempted, due, expires = (station["at"] for station in timeline["stations"])
    took_ms = timeline["stations"][1]["attempt"]["responseDurationMs"]

    printed = (await timeline_of(service, "e1", "--url", service.url)).splitlines()

    assert printed[0].startswith(f"{timeline['msgId']} e1 (order.paid) as of 20")
    assert printed[1:] == [
        f"trace {timeline['traceId']}",
        "",
        f"{accepted:<27} message.accepted",
        f"{attempted:<27} delivery.attempted here attempt 1: fail 500 after {took_ms} ms",
        f"{due:<27} retry.due          here (planned)",
        f"{expires:<27} payload.expires    (planned)",
        "",
        f"here {receiver.url} retrying again at {due}",
        f"there {receiver.url} left_out (disabled, channels)",
    ]


async def test_the_command_says_what_is_missing(service: Running, svix: SvixAsync) -> None:
    assert await timeline_of(service, "e1") == "heliograph: Application not found"
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    assert await timeline_of(service, "e 1") == "heliograph: Message not found"


async def timeline_of(service: Running, message: str, *options: str) -> str:
    """What the command prints of a message."""
    return await service.run("timeline", "acme", message, "--org", service.organization, *options)
