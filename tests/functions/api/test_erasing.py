"""Erasing content over HTTP: the payload of a message, the response of an attempt."""

from datetime import timedelta

import pytest

from shared.domain.verdict import Answer
from tests.flows.walk import TOOK, Walk
from tests.functions.api.client import Client, portal_token

APP = "/api/v1/app/acme"
PERSONAL = {"name": "Ada"}

pytestmark = pytest.mark.usefixtures("acme")


async def posted(api: Client, event_id: str | None = None) -> str:
    said = {"eventType": "order.paid", "payload": PERSONAL, "eventId": event_id}
    sent = await api.post(f"{APP}/msg", said)
    assert sent.json["payload"] == PERSONAL
    message_id: str = sent.json["id"]
    return message_id


@pytest.mark.parametrize("by_event_id", [False, True])
async def test_an_erased_payload_is_shown_nowhere(api: Client, *, by_event_id: bool) -> None:
    message_id = await posted(api, "order-1")
    await posted(api)

    erased = await api.delete(f"{APP}/msg/{'order-1' if by_event_id else message_id}/content")

    assert (erased.status, erased.body) == (204, b"")
    for key in (message_id, "order-1"):
        got = await api.get(f"{APP}/msg/{key}")
        assert (got.status, got.json["payload"]) == (200, {"expired": True})
    listed = (await api.get(f"{APP}/msg")).json["data"]
    assert [row["payload"] for row in listed] == [PERSONAL, {"expired": True}]
    assert (await api.get(f"{APP}/msg/{message_id}?with_content=false")).json["payload"] == {}
    assert (await api.delete(f"{APP}/msg/{message_id}/content")).status == 204


@pytest.mark.parametrize("erase", ["the message's", "the application's"])
async def test_an_erased_payload_does_not_come_back_with_its_idempotency_key(
    api: Client, walk: Walk, erase: str
) -> None:
    """That the message was accepted is still answered."""
    said = {"eventType": "order.paid", "payload": PERSONAL, "tags": ["t"], "channels": ["c"]}
    first = await api.post(f"{APP}/msg", said, idempotency_key="k")
    assert first.json["payload"] == PERSONAL
    assert await api.post(f"{APP}/msg", said, idempotency_key="k") == first
    if erase == "the message's":
        await api.delete(f"{APP}/msg/{first.json['id']}/content")
    else:
        await api.post(f"{APP}/msg/expunge-all-contents")
        await walk.works()

    for body in (said, b"{"):
        again = await api.post(f"{APP}/msg", body, idempotency_key="k")
        assert (again.status, again.json) == (202, {**first.json, "payload": {"expired": True}})


async def test_an_erased_payload_is_not_sent_again(api: Client, walk: Walk) -> None:
    """A retry that was to come does not bring it back, and ends where everybody can see it."""
    await api.post(f"{APP}/endpoint", {"url": "https://receiver.example"})
    walk.receiver.goes_down()
    message_id = await posted(api)
    await walk.works()
    assert len(walk.receiver.sent) == 1

    await api.delete(f"{APP}/msg/{message_id}/content")
    walk.receiver.comes_back()
    await walk.passes(timedelta(hours=1))

    assert len(walk.receiver.sent) == 1
    (ended,) = walk.journal.of("retries.ended")
    assert ended["why"] == "the payload is gone"


async def test_an_erased_response_says_so(api: Client, walk: Walk) -> None:
    await api.post(f"{APP}/endpoint", {"url": "https://receiver.example"})
    walk.receiver.always = Answer(200, "Hello Ada", TOOK, {})
    message_id = await posted(api, "order-1")
    await walk.works()
    (attempt,) = (await api.get(f"{APP}/attempt/msg/{message_id}")).json["data"]
    assert attempt["response"] == "Hello Ada"
    one = f"{APP}/msg/order-1/attempt/{attempt['id']}"

    erased = await api.delete(f"{one}/content")

    assert (erased.status, erased.body) == (204, b"")
    assert (await api.get(one)).json == {**attempt, "response": "EXPUNGED"}
    (listed,) = (await api.get(f"{APP}/attempt/msg/{message_id}")).json["data"]
    assert listed["response"] == "EXPUNGED"
    assert (await api.delete(f"{one}/content")).status == 204


async def test_what_there_is_not_cannot_be_erased(api: Client) -> None:
    message_id = await posted(api)
    unknown = await api.delete(f"{APP}/msg/msg_none/content")
    assert (unknown.status, unknown.json["detail"]) == (404, "Message not found")
    for key, detail in (("msg_none", "Message not found"), (message_id, "Message attempt not found")):
        unknown = await api.delete(f"{APP}/msg/{key}/attempt/atmpt_none/content")
        assert (unknown.status, unknown.json["detail"]) == (404, detail)
    assert (await api.delete("/api/v1/app/none/msg/msg_none/content")).status == 404


async def test_a_portal_erases_nothing(api: Client, acme: str, walk: Walk) -> None:
    message_id = await posted(api)
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.delete(f"{APP}/msg/{message_id}/content")).status == 403
    assert (await portal.delete(f"{APP}/msg/{message_id}/attempt/atmpt_1/content")).status == 403
    assert (await api.get(f"{APP}/msg/{message_id}")).json["payload"] == PERSONAL
