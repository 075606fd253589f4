"""Operational webhooks, by the SDK that people already use, against the running service, both ways."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from svix.api import (
    ApplicationIn,
    EndpointIn,
    EndpointPatch,
    EndpointSecretRotateIn,
    EventTypeListOptions,
    MessageIn,
    OperationalWebhookEndpointHeadersIn,
    OperationalWebhookEndpointIn,
    OperationalWebhookEndpointListOptions,
    OperationalWebhookEndpointSecretIn,
    OperationalWebhookEndpointUpsertIn,
    SvixAsync,
)
from svix.exceptions import HttpError
from svix.webhooks import Webhook as SvixWebhook

from tests.journeys.running import Running
from tests.receivers import Received, Receiver

MANAGEMENT = "org_00000000000SvixManagement00"


@pytest.fixture
def settings() -> Mapping[str, str]:
    """Six attempts within two seconds."""
    return {"retry_schedule": "50ms,50ms,50ms,800ms,50ms", "endpoint_failure_disable_after": "1ms"}


@pytest.fixture
async def listener() -> AsyncIterator[Receiver]:
    """Where the organization is told."""
    async with Receiver() as listening:
        yield listening


async def news(listener: Receiver, secret: str, count: int) -> list[dict[str, Any]]:
    """What was told, as verified by both libraries; as much as is certain to come."""
    received = await listener.got(count)
    return [verified(secret, one) for one in received]


def verified(secret: str, received: Received) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in received.headers}
    StandardWebhook(secret).verify(received.body, headers)
    SvixWebhook(secret).verify(received.body, headers)
    told: dict[str, Any] = json.loads(received.body)
    return told


async def test_an_organization_says_itself_where_it_is_told(svix: SvixAsync) -> None:
    endpoints = svix.operational_webhook.endpoint
    assert (await endpoints.list()).data == []
    made = await endpoints.create(
        OperationalWebhookEndpointIn(
            url="https://operations.example",
            uid="main",
            description="Ours",
            throttle_rate=5,
            event_types=["endpoint.disabled"],
            metadata={"team": "a"},
            headers={"X-A": "1"},
        )
    )
    assert (made.uid, made.throttle_rate, made.event_types, made.disabled) == (
        "main",
        5,
        ["endpoint.disabled"],
        False,
    )
    assert await endpoints.get("main") == made
    listed = await endpoints.list(OperationalWebhookEndpointListOptions(limit=1))
    assert (listed.data, listed.done) == ([made], True)
    changed = await endpoints.upsert(
        "main", OperationalWebhookEndpointUpsertIn(url="https://b.example", uid="main", disabled=True)
    )
    assert (changed.id, changed.url, changed.disabled, changed.event_types) == (
        made.id,
        "https://b.example/",
        True,
        None,
    )

    old = (await endpoints.get_secret("main")).key
    await endpoints.rotate_secret("main", OperationalWebhookEndpointSecretIn(grace_period_seconds=0))
    assert (await endpoints.get_secret("main")).key != old

    await endpoints.set_headers("main", OperationalWebhookEndpointHeadersIn(headers={"X-B": "2"}))
    assert (await endpoints.get_headers("main")).headers == {"X-B": "2"}

    await endpoints.delete("main")
    with pytest.raises(HttpError) as gone:
        await endpoints.get("main")
    assert gone.value.status_code == 404


async def test_an_organization_hears_of_edits(svix: SvixAsync, listener: Receiver) -> None:
    await svix.operational_webhook.endpoint.create(OperationalWebhookEndpointIn(url=listener.url, uid="main"))
    secret = (await svix.operational_webhook.endpoint.get_secret("main")).key
    app = await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    endpoint = await svix.endpoint.create("acme", EndpointIn(url="https://a.example", uid="a"))
    await listener.got(1)
    await svix.endpoint.patch("acme", "a", EndpointPatch(description="New"))
    await listener.got(2)
    await svix.endpoint.rotate_secret("acme", "a", EndpointSecretRotateIn())
    await listener.got(3)
    await svix.endpoint.delete("acme", "a")

    told = await news(listener, secret, 4)
    assert [one["type"] for one in told] == [
        "endpoint.created",
        "endpoint.updated",
        "endpoint.updated",
        "endpoint.deleted",
    ]
    about = {"appId": app.id, "appUid": "acme", "endpointId": endpoint.id, "endpointUid": "a"}
    assert [one["data"] for one in told] == [about] * 4


async def test_an_organization_hears_of_messages_that_fail_and_of_their_end(
    service: Running, svix: SvixAsync, receiver: Receiver, listener: Receiver
) -> None:
    """Made by the management organization's token, as the open-source server's users do it."""
    management = service.svix(await service.run("token", MANAGEMENT))
    seeded = await management.event_type.list(EventTypeListOptions(with_content=True))
    wanted = [one.name for one in seeded.data if one.name.startswith("message.attempt.")]
    assert len(wanted) == 3
    assert all(one.schemas is not None and "1" in one.schemas for one in seeded.data)
    org_id = service.organization
    await management.application.create(ApplicationIn(name="Operations", uid=org_id))
    await management.endpoint.create(org_id, EndpointIn(url=listener.url, uid="main", event_types=wanted))
    secret = (await management.endpoint.get_secret(org_id, "main")).key

    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    await svix.endpoint.create("acme", EndpointIn(url=receiver.url))
    receiver.answers_with(503)
    sent = await svix.message.create("acme", MessageIn(event_type="a", event_id="order-1", payload={}))
    failing, exhausted = await news(listener, secret, 2)

    assert [failing["type"], exhausted["type"]] == ["message.attempt.failing", "message.attempt.exhausted"]
    assert len(receiver.requests) == 6
    for told in (failing, exhausted):
        data = told["data"]
        assert (data["appUid"], data["msgId"], data["msgEventId"]) == ("acme", sent.id, "order-1")
        attempt = await svix.message_attempt.get("acme", sent.id, data["lastAttempt"]["id"])
        assert (data["lastAttempt"]["responseStatusCode"], attempt.response_status_code) == (503, 503)
        assert attempt.endpoint_id == data["endpointId"]


async def test_an_organization_hears_that_a_message_arrived_after_all(
    svix: SvixAsync, receiver: Receiver, listener: Receiver
) -> None:
    wanted = ["message.attempt.failing", "message.attempt.recovered"]
    await svix.operational_webhook.endpoint.create(
        OperationalWebhookEndpointIn(url=listener.url, uid="main", event_types=wanted)
    )
    secret = (await svix.operational_webhook.endpoint.get_secret("main")).key
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    await svix.endpoint.create("acme", EndpointIn(url=receiver.url))
    receiver.answers_with(503, times=4)
    await svix.message.create("acme", MessageIn(event_type="a", payload={}))

    failing, recovered = await news(listener, secret, 2)
    assert [failing["type"], recovered["type"]] == wanted
    assert recovered["data"]["lastAttempt"]["responseStatusCode"] == 204
    assert len(receiver.requests) == 5


@pytest.mark.parametrize("status_code", [410, 500])
async def test_an_organization_hears_that_an_endpoint_was_disabled(
    svix: SvixAsync, receiver: Receiver, listener: Receiver, status_code: int
) -> None:
    """At once if the receiver is gone; else when it has given up messages for longer than a millisecond."""
    await svix.operational_webhook.endpoint.create(
        OperationalWebhookEndpointIn(url=listener.url, uid="main", event_types=["endpoint.disabled"])
    )
    secret = (await svix.operational_webhook.endpoint.get_secret("main")).key
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    endpoint = await svix.endpoint.create("acme", EndpointIn(url=receiver.url, uid="a"))
    receiver.answers_with(status_code)
    for _ in range(2):
        await svix.message.create("acme", MessageIn(event_type="a", payload={}))

    (told,) = await news(listener, secret, 1)
    assert told["type"] == "endpoint.disabled"
    assert (told["data"]["endpointId"], told["data"]["endpointUid"]) == (endpoint.id, "a")
    assert "failSince" in told["data"]
    assert (await svix.endpoint.get("acme", "a")).disabled
