"""Sending by hand over HTTP."""

from datetime import timedelta

import pytest
import pytest_asyncio

from shared.domain.work import DISPATCH_QUEUE
from tests.flows.walk import Walk
from tests.functions.api.client import Client, portal_token

APP = "/api/v1/app/acme"
RESEND = f"{APP}/msg/e1/endpoint/here/resend"


@pytest_asyncio.fixture
async def posted(api: Client, acme: str) -> str:
    """The id of the message `e1`, for the endpoint `here`."""
    del acme
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    answer = await api.post(f"{APP}/msg", {"eventType": "a", "eventId": "e1", "payload": {}})
    message_id: str = answer.json["id"]
    return message_id


async def test_a_resend_is_answered_and_made_once(api: Client, posted: str, walk: Walk) -> None:
    await walk.works()
    for _ in range(2):  # a client that repeats its request after a timeout
        again = await api.post(RESEND, idempotency_key="once")
        assert (again.status, again.json) == (202, {})
    await walk.works()

    rows = (await api.get(f"{APP}/attempt/msg/e1")).json["data"]
    assert sorted((row["triggerType"], row["status"]) for row in rows) == [(0, 0), (1, 0)]
    assert walk.receiver.got == [posted, posted]


async def test_a_portal_may_resend_and_send_no_example(
    api: Client, posted: str, acme: str, walk: Walk
) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.post(RESEND)).status == 202
    refused = await portal.post(f"{APP}/endpoint/here/send-example", {"eventType": "svix.ping"})
    assert refused.status == 403


@pytest.mark.parametrize(
    ("allowed", "status"),
    [
        ({"readOnly": True}, 403),
        ({"capabilities": ["ManageEndpoint"]}, 403),
        ({"capabilities": ["CreateAttempts"]}, 202),
        ({}, 202),
    ],
)
async def test_a_portal_resends_if_it_may_make_attempts(
    api: Client, posted: str, allowed: dict[str, object], status: int
) -> None:
    made = await api.post("/api/v1/auth/app-portal-access/acme", allowed)
    assert (await Client(made.json["token"]).post(RESEND)).status == status


async def test_what_is_in_the_way_of_a_resend_is_told_in_order(
    api: Client, posted: str, acme: str, walk: Walk
) -> None:
    unknown = await api.post(f"{APP}/msg/msg_none/endpoint/ep_none/resend")
    assert (unknown.status, unknown.json["detail"]) == (404, "Message not found")
    unknown = await api.post(f"{APP}/msg/e1/endpoint/ep_none/resend")
    assert (unknown.status, unknown.json["detail"]) == (404, "Entity not found")

    endpoint = await walk.service.endpoints.get(acme, "here")
    await walk.service.endpoints.disable(acme, endpoint.id, at=walk.clock.now())
    disabled = await api.post(RESEND)
    assert (disabled.status, disabled.json["code"]) == (400, "endpoint_disabled")

    after_all = walk.clock.now() + timedelta(days=91)
    await walk.service.messages.erase_payloads(expired_at=after_all, limit=10)
    gone = await api.post(f"{APP}/msg/e1/endpoint/ep_none/resend")
    assert (gone.status, gone.json["code"]) == (400, "missing_payload")


async def test_an_example_is_a_message_that_is_shown_without_its_payload(
    api: Client, posted: str, walk: Walk
) -> None:
    await walk.works()
    sent = await api.post(f"{APP}/endpoint/here/send-example", {"eventType": "svix.ping"})
    assert (sent.status, sent.json["payload"], sent.json["eventType"]) == (200, {}, "svix.ping")
    await walk.works()
    assert walk.receiver.got == [posted, sent.json["id"]]
    assert (await api.get(f"{APP}/msg/{sent.json['id']}")).json["payload"] == {"success": True}


async def test_work_that_was_given_up_is_done_after_all(
    api: Client, posted: str, acme: str, walk: Walk
) -> None:
    (delivery,) = await walk.takes(DISPATCH_QUEUE)
    await walk.service.store.consumer.bury(delivery, reason="the store was out of reach ten times")
    await walk.works()
    assert walk.receiver.got == []

    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.post("/api/v1/admin/redrive-dlq")).status == 403
    assert (await api.post("/api/v1/admin/redrive-dlq")).status == 204
    await walk.works()
    assert walk.receiver.got == [posted]
    assert (await api.post("/api/v1/admin/redrive-dlq")).status == 204


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"eventType": "none"}, 404, "not_found"),
        ({"eventType": "bare"}, 400, "invalid_scheme"),
        ({"eventType": "a b"}, 422, None),
        ({"eventType": "bare", "exampleIndex": -1}, 422, None),
        ({}, 422, None),
    ],
)
async def test_an_example_that_is_not_there_is_refused(
    api: Client, posted: str, body: dict[str, object], status: int, code: str | None
) -> None:
    await api.post("/api/v1/event-type", {"name": "bare", "description": ""})
    refused = await api.post(f"{APP}/endpoint/here/send-example", body)
    assert (refused.status, refused.json.get("code")) == (status, code)
