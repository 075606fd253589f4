"""Replays over HTTP."""

from datetime import timedelta

import pytest
import pytest_asyncio

from tests.flows.walk import Walk
from tests.functions.api.client import Client, portal_token

APP = "/api/v1/app/acme"
MISSING = f"{APP}/endpoint/here/replay-missing"
BULK = f"{APP}/endpoint/here/bulk-replay"
DAY = {"since": "2026-11-23T12:00:00Z"}


@pytest_asyncio.fixture
async def here(api: Client, acme: str, walk: Walk) -> str:
    """The id of the endpoint `here`, made a second after the message `e1`; it has got `e2`."""
    await api.post(f"{APP}/msg", {"eventType": "a", "eventId": "e1", "payload": {"n": 1}})
    await walk.passes(timedelta(seconds=1))
    made = await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    await api.post(f"{APP}/msg", {"eventType": "b", "eventId": "e2", "payload": {"n": 2}, "tags": ["vip"]})
    await walk.passes(timedelta(seconds=1))
    walk.receiver.sent.clear()
    endpoint_id: str = made.json["id"]
    return endpoint_id


async def got(api: Client, walk: Walk) -> list[str]:
    """The eventIds of what has arrived."""
    return [(await api.get(f"{APP}/msg/{one}")).json["eventId"] for one in walk.receiver.got]


async def test_what_was_never_sent_is_sent_by_a_task(api: Client, here: str, walk: Walk) -> None:
    began = await api.post(MISSING, DAY)
    assert (began.status, began.json["task"], began.json["status"]) == (202, "endpoint.replay", "running")
    await walk.works()
    assert await got(api, walk) == ["e1"]
    data = (await api.get(f"/api/v1/background-task/{began.json['id']}")).json["data"]
    facts = {"messagesSent": 1, "done": 1, "failed": 0, "endpointId": here, "until": "2026-11-24T12:00:02Z"}
    assert facts.items() <= data.items()


async def test_what_was_sent_is_sent_again_by_a_task(api: Client, here: str, walk: Walk) -> None:
    wanted = {**DAY, "eventTypes": ["b", "c"], "tag": "vip", "status": 0, "statusCodeClass": 200}
    began = await api.post(BULK, wanted)
    assert (began.status, began.json["task"]) == (202, "endpoint.bulk-replay")
    await walk.works()
    assert await got(api, walk) == ["e2"]
    data = (await api.get(f"/api/v1/background-task/{began.json['id']}")).json["data"]
    assert {**wanted, "messagesSent": 1}.items() <= data.items()


@pytest.mark.parametrize(("path", "event_id"), [(MISSING, "e1"), (BULK, "e2")])
async def test_a_dry_run_counts_and_sends_nothing(
    api: Client, here: str, walk: Walk, path: str, event_id: str
) -> None:
    message_id = (await api.get(f"{APP}/msg/{event_id}")).json["id"]
    shown = await api.post(path, {**DAY, "dryRun": True})
    assert shown.status == 200
    assert shown.json == {"dryRun": True, "count": 1, "complete": True, "messageIds": [message_id]}
    await walk.works()
    assert walk.receiver.got == []
    assert (await api.get("/api/v1/background-task")).json["data"] == []


@pytest.mark.parametrize(
    ("path", "body", "loc", "says"),
    [
        (MISSING, {}, "", "missing required field `since`"),
        (MISSING, {"since": "2026-08-01T00:00:00Z"}, "since", "Cannot replay more than 90 days of messages"),
        (MISSING, {**DAY, "until": "soon"}, "until", "write an instant with its offset"),
        (MISSING, {**DAY, "dryRun": "yes"}, "dryRun", "Expected `bool`"),
        (BULK, {**DAY, "status": 4}, "status", "write one of 0, 1, 2, 3"),
        (
            BULK,
            {**DAY, "statusCodeClass": 404},
            "status_code_class",
            "write one of 0, 100, 200, 300, 400, 500",
        ),
        (BULK, {**DAY, "eventTypes": ["order paid"]}, "event_types", "must match"),
        (BULK, {**DAY, "channel": ""}, "channel", "at least one character"),
        (BULK, {**DAY, "tag": "no tag"}, "tag", "must match"),
    ],
    ids=str,
)
async def test_what_cannot_be_replayed_is_refused(
    api: Client, here: str, path: str, body: object, loc: str, says: str
) -> None:
    refused = await api.post(path, body)
    assert refused.status == 422
    assert loc in str(refused.json)
    assert says in str(refused.json)


@pytest.mark.parametrize("what", ["replay-missing", "bulk-replay"])
async def test_a_replay_is_for_an_endpoint_that_is_there_and_gets_something(
    api: Client, here: str, walk: Walk, what: str
) -> None:
    """A portal may ask for one, as for a recovery; not for another application's endpoint."""
    assert (await api.post(f"{APP}/endpoint/nowhere/{what}", DAY)).status == 404
    app_id = (await api.get(APP)).json["id"]
    portal = Client(portal_token(walk.service.settings, app_id))
    assert (await portal.post(f"{APP}/endpoint/here/{what}", DAY)).status == 202
    await api.patch(f"{APP}/endpoint/here", {"disabled": True})
    recover = await api.post(f"{APP}/endpoint/here/recover", DAY)
    for body in (DAY, {**DAY, "dryRun": True}):
        refused = await api.post(f"{APP}/endpoint/here/{what}", body)
        assert (refused.status, refused.json) == (recover.status, recover.json)
