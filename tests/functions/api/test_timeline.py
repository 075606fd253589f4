"""The timeline of a message over HTTP."""

import pytest
import pytest_asyncio

from tests.flows.walk import REFUSED, Walk, answer
from tests.functions.api.client import Client, portal_token

APP = "/api/v1/app/acme"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest_asyncio.fixture
async def posted(api: Client, acme: str, walk: Walk) -> str:
    """The id of the message `e1`, which failed at the endpoint `here` and was not for `there`."""
    del acme
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    await api.post(f"{APP}/endpoint", {"url": "https://b.example", "uid": "there", "channels": ["eu"]})
    walk.receiver.first.append(answer(500))
    body = {"eventType": "a", "eventId": "e1", "payload": {"secret": 1}}
    made = await api.post(f"{APP}/msg", body, traceparent=f"00-{TRACE_ID}-b7ad6b7169203331-01")
    await walk.works()
    message_id: str = made.json["id"]
    return message_id


async def test_a_timeline_tells_stations_and_endpoints(api: Client, posted: str) -> None:
    here, there = [(await api.get(f"{APP}/endpoint/{uid}")).json["id"] for uid in ("here", "there")]
    (attempt,) = (await api.get(f"{APP}/attempt/msg/e1")).json["data"]

    timeline = (await api.get(f"{APP}/msg/e1/timeline")).json

    due_at = timeline["endpoints"][0]["nextAttempt"]
    assert due_at.startswith("2026-11-24T12:00:0")
    assert timeline == {
        "msgId": posted,
        "eventId": "e1",
        "eventType": "a",
        "traceId": TRACE_ID,
        "at": "2026-11-24T12:00:00Z",
        "stations": [
            {"at": "2026-11-24T12:00:00Z", "kind": "message.accepted", "planned": False},
            {
                "at": "2026-11-24T12:00:00Z",
                "kind": "delivery.attempted",
                "planned": False,
                "endpointId": here,
                "attempt": {
                    "id": attempt["id"],
                    "number": 1,
                    "triggerType": 0,
                    "status": 2,
                    "statusText": "fail",
                    "responseStatusCode": 500,
                    "failure": None,
                    "responseDurationMs": 12,
                    "nextAttempt": due_at,
                },
            },
            {"at": due_at, "kind": "retry.due", "planned": True, "endpointId": here},
            {"at": "2027-02-22T12:00:00Z", "kind": "payload.expires", "planned": True},
        ],
        "endpoints": [
            {
                "endpointId": here,
                "uid": "here",
                "url": "https://a.example/",
                "standing": "retrying",
                "why": [],
                "nextAttempt": due_at,
                "attempts": 1,
            },
            {
                "endpointId": there,
                "uid": "there",
                "url": "https://b.example/",
                "standing": "left_out",
                "why": ["channels"],
                "nextAttempt": None,
                "attempts": 0,
            },
        ],
        "complete": True,
    }
    assert (await api.get(f"{APP}/msg/{posted}/timeline")).json == timeline


async def test_why_nobody_answered_is_told(api: Client, posted: str, walk: Walk) -> None:
    walk.receiver.goes_down()
    await walk.passes(walk.service.settings.retry_schedule[0] * 2)

    stations = (await api.get(f"{APP}/msg/{posted}/timeline")).json["stations"]

    attempt = stations[2]["attempt"]
    assert (attempt["responseStatusCode"], attempt["failure"]) == (0, REFUSED.body)


async def test_why_retries_ended_is_told(api: Client, posted: str, walk: Walk) -> None:
    """And a payload that was erased at a time that is not kept has none."""
    await api.delete(f"{APP}/msg/{posted}/content")
    await walk.passes(walk.service.settings.retry_schedule[0] * 2)

    stations = (await api.get(f"{APP}/msg/{posted}/timeline")).json["stations"]

    assert (stations[2]["kind"], stations[2]["why"]) == ("retries.ended", "payload_gone")
    assert stations[-1] == {"at": None, "kind": "payload.erased", "planned": False}


async def test_a_portal_sees_the_timelines_of_its_application(
    api: Client, posted: str, acme: str, walk: Walk
) -> None:
    """There is nothing in them that its lists do not show."""
    other = (await api.post("/api/v1/app", {"name": "Other"})).json["id"]
    mine, theirs = (Client(portal_token(walk.service.settings, app_id)) for app_id in (acme, other))
    assert (await mine.get(f"{APP}/msg/{posted}/timeline")).json["msgId"] == posted
    assert (await theirs.get(f"{APP}/msg/{posted}/timeline")).status == 404


@pytest.mark.parametrize("key", ["msg_none", "nothing"])
async def test_what_is_unknown_has_no_timeline(api: Client, posted: str, key: str) -> None:
    assert (await api.get(f"{APP}/msg/{key}/timeline")).status == 404
    assert (await Client(None).get(f"{APP}/msg/{posted}/timeline")).status == 401
