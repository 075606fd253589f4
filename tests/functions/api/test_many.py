"""What is done with many messages, over HTTP."""

from datetime import timedelta

import pytest
import pytest_asyncio

from functions.api.many import EXPUNGED_AT_ONCE_MAX
from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token, portal_token
from tests.makers import OTHER_ORG

APP = "/api/v1/app/acme"
RECOVER = f"{APP}/endpoint/here/recover"
CANCEL = f"{APP}/endpoint/here/cancel-msgs"
BULK = f"{APP}/msg/bulk-expunge"
PURGE = f"{APP}/msg/expunge-all-contents"
PRECHECK = f"{APP}/msg/precheck/active"
GONE = {"expired": True}


@pytest_asyncio.fixture
async def failed(api: Client, acme: str, walk: Walk) -> str:
    """The id of the message `e1`, which failed at the endpoint `here`; a second ago, at 12:00."""
    walk.receiver.goes_down()
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    posted = await api.post(f"{APP}/msg", {"eventType": "a", "eventId": "e1", "payload": {"n": 1}})
    await walk.works()
    await walk.passes(timedelta(seconds=1))
    walk.receiver.comes_back()
    walk.receiver.sent.clear()
    message_id: str = posted.json["id"]
    return message_id


async def test_a_recovery_is_answered_and_done_once(api: Client, failed: str, walk: Walk) -> None:
    body = {"since": "2026-11-24T11:00:00Z"}
    answer = await api.post(RECOVER, body, idempotency_key="once")
    repeat = await api.post(RECOVER, body, idempotency_key="once")
    assert (answer.status, answer.body) == (202, repeat.body)
    task = answer.json
    assert task == {
        "id": task["id"],
        "status": "running",
        "task": "endpoint.recover",
        "updatedAt": "2026-11-24T12:00:01Z",
    }
    await walk.works()
    assert walk.receiver.got == [failed]
    shown = (await api.get(f"/api/v1/background-task/{task['id']}")).json
    assert shown["status"] == "finished"
    assert shown["data"] == {
        "appId": shown["data"]["appId"],
        "endpointId": (await api.get(f"{APP}/endpoint/here")).json["id"],
        "since": "2026-11-24T11:00:00Z",
        "until": "2026-11-24T12:00:01Z",
        "total": 1,
        "done": 1,
        "failed": 0,
        "startedAt": "2026-11-24T12:00:01Z",
        "finishedAt": "2026-11-24T12:00:01Z",
    }


@pytest.mark.parametrize(
    ("body", "attempts"),
    [
        ({"since": "2026-11-24T12:00:00Z"}, 1),
        ({"since": "2026-11-24T12:00:00.004Z"}, 0),
        ({"since": "2026-11-24 11:00:00.123456789 UTC", "until": None}, 1),
        ({"since": "2026-11-24T11:00:00Z", "until": "2026-11-24T12:00:00Z"}, 0),
        ({"since": "2026-11-24T11:00:00Z", "until": "2026-11-24T13:00:00.004+01:00"}, 1),
        ({"since": "2026-11-24T12:00:01Z", "until": "2026-11-24T11:00:00Z"}, 0),
        ({"since": "2026-11-10T11:55:01Z"}, 1),
        ({"since": "0001-01-01T00:00:00Z", "until": "0001-01-01T00:00:00Z"}, 0),
        ({"since": "9999-12-31T23:59:59Z"}, 0),
    ],
    ids=str,
)
async def test_a_window_is_as_long_as_it_says(
    api: Client, failed: str, walk: Walk, body: dict[str, object], attempts: int
) -> None:
    assert (await api.post(RECOVER, body)).status == 202
    await walk.works()
    assert len(walk.receiver.got) == attempts


@pytest.mark.parametrize(
    ("body", "loc", "says"),
    [
        ({"since": "2026-11-10T11:55:00Z"}, "since", "Cannot recover more than 14 days of messages"),
        (
            {"since": "2026-11-01T00:00:00Z", "until": "2026-11-15T00:05:00.000001Z"},
            "since",
            "Cannot recover more than 14 days of messages",
        ),
        ({"since": "yesterday"}, "since", "write an instant with its offset"),
        ({"since": "2026-11-24T11:00:00Z", "until": "2026-11-24T12:00:00"}, "until", "with its offset"),
        ({"since": 7}, "since", "Expected `str`"),
        ({"since": None}, "since", "Expected `str`"),
        ({"until": "2026-11-24T11:00:00Z"}, "", "missing required field `since`"),
        ([], "", "Expected `object`"),
    ],
    ids=str,
)
async def test_a_window_that_cannot_be_recovered_is_refused(
    api: Client, failed: str, body: object, loc: str, says: str
) -> None:
    """Also for an endpoint that is not there: the window is looked at first."""
    for endpoint in ("here", "ep_none"):
        refused = await api.post(f"{APP}/endpoint/{endpoint}/recover", body)
        assert (refused.status, refused.loc[:2]) == (422, ["body", loc])
        assert says in refused.json["detail"][0]["msg"]


async def test_what_is_in_the_way_of_a_task_is_told(api: Client, failed: str, acme: str, walk: Walk) -> None:
    body = {"since": "2026-11-24T11:00:00Z"}
    for path in ("endpoint/ep_none/recover", "endpoint/ep_none/cancel-msgs"):
        unknown = await api.post(f"{APP}/{path}", body)
        assert (unknown.status, unknown.json["detail"]) == (404, "Entity not found")
    for path in ("endpoint/here/recover", "msg/bulk-expunge", "msg/expunge-all-contents"):
        unknown = await api.post(f"/api/v1/app/app_none/{path}", body)
        assert (unknown.status, unknown.json["detail"]) == (404, "Application not found")
    await api.patch(f"{APP}/endpoint/here", {"disabled": True})
    disabled = await api.post(RECOVER, body)
    assert (disabled.status, disabled.json["code"]) == (400, "endpoint_disabled")
    assert (await api.post(CANCEL)).status == 202


@pytest.mark.parametrize(
    ("capabilities", "recover", "cancel"),
    [
        (None, 202, 202),
        (["ViewBase"], 403, 403),
        (["CreateAttempts"], 202, 403),
        (["ManageEndpoint"], 403, 202),
    ],
)
async def test_a_portal_may_do_what_it_is_made_for(
    api: Client, failed: str, capabilities: list[str] | None, recover: int, cancel: int
) -> None:
    asked = {} if capabilities is None else {"capabilities": capabilities}
    made = await api.post("/api/v1/auth/app-portal-access/acme", asked)
    portal = Client(made.json["token"])
    assert (await portal.post(RECOVER, {"since": "2026-11-24T11:00:00Z"})).status == recover
    assert (await portal.post(CANCEL)).status == cancel


@pytest.mark.parametrize("path", [BULK, PURGE, PRECHECK])
async def test_a_portal_neither_erases_nor_sends(api: Client, acme: str, walk: Walk, path: str) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.post(path, {"eventType": "a"})).status == 403


async def test_retries_end_visibly(api: Client, failed: str, walk: Walk) -> None:
    list_of = f"{APP}/endpoint/here/msg"
    (row,) = (await api.get(list_of)).json["data"]
    assert (row["id"], row["statusText"], "nextAttempt" in row) == (failed, "sending", True)
    answer = await api.post(CANCEL)
    assert (answer.status, answer.json["task"]) == (202, "endpoint.cancel-msgs")
    await walk.works()
    (row,) = (await api.get(list_of)).json["data"]
    assert (row["id"], row["statusText"], "nextAttempt" in row) == (failed, "fail", False)
    await walk.passes(timedelta(hours=1))
    assert walk.receiver.got == []


async def test_payloads_are_erased_by_id_and_event_id(api: Client, failed: str) -> None:
    other = (await api.post(f"{APP}/msg", {"eventType": "a", "payload": {"n": 2}})).json["id"]
    kept = (await api.post(f"{APP}/msg", {"eventType": "a", "payload": {"n": 3}})).json["id"]
    for _ in range(2):
        answer = await api.post(BULK, {"ids": ["e1", other, other, "msg_none", "no id at all"]})
        assert answer.status == 200
        assert answer.json["results"]["e1"] == answer.json["results"][other] == "expunged"
        assert answer.json["results"]["msg_none"] == "not-found"
    assert (await api.get(f"{APP}/msg/{failed}")).json["payload"] == GONE
    assert (await api.get(f"{APP}/msg/{other}")).json["payload"] == GONE
    assert (await api.get(f"{APP}/msg/{kept}")).json["payload"] == {"n": 3}


@pytest.mark.parametrize("body", [{}, {"ids": None}, {"ids": []}])
async def test_erasing_nothing_is_nothing(api: Client, acme: str, body: dict[str, object]) -> None:
    answer = await api.post(BULK, body)
    assert (answer.status, answer.json) == (200, {"results": {}})


async def test_no_more_is_erased_at_once_than_one_write_takes(api: Client, acme: str) -> None:
    ids = [f"e{number}" for number in range(EXPUNGED_AT_ONCE_MAX)]
    assert len((await api.post(BULK, {"ids": ids})).json["results"]) == EXPUNGED_AT_ONCE_MAX
    assert (await api.post(BULK, {"ids": [*ids, ids[0]]})).status == 200
    refused = await api.post(BULK, {"ids": [*ids, "one more"]})
    assert (refused.status, refused.loc) == (422, ["body", "ids"])
    assert "send the rest" in refused.json["detail"][0]["msg"]
    assert (await api.post(BULK, {"ids": "e1"})).status == (await api.post(BULK)).status == 422


async def test_a_message_may_have_the_name_of_an_operation(api: Client, acme: str) -> None:
    """As may an endpoint; the methods that an operation has not belong to the message."""
    for name in ("bulk-expunge", "expunge-all-contents"):
        await api.post(f"{APP}/msg", {"eventType": "a", "eventId": name, "payload": {}})
        assert (await api.get(f"{APP}/msg/{name}")).json["eventId"] == name
        refused = await api.delete(f"{APP}/msg/{name}")
        assert (refused.status, refused.body) == (405, b"")
        assert set(refused.headers["allow"].split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize(
    ("asked", "active"),
    [
        ({"eventType": "user.made"}, False),
        ({"eventType": "order.paid"}, True),
        ({"eventType": "order.paid", "channels": None}, True),
        ({"eventType": "user.made", "channels": ["eu", "us"]}, True),
        ({"eventType": "user.made", "channels": ["asia"]}, False),
    ],
    ids=str,
)
async def test_a_precheck_says_what_delivery_would_do(
    api: Client, acme: str, walk: Walk, asked: dict[str, object], *, active: bool
) -> None:
    assert (await api.post(PRECHECK, asked)).json == {"active": False}
    await api.post("/api/v1/event-type", {"name": "order.paid", "description": ""})
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "eventTypes": ["order.paid"]})
    await api.post(f"{APP}/endpoint", {"url": "https://b.example", "channels": ["eu"]})
    await api.post(f"{APP}/endpoint", {"url": "https://c.example", "disabled": True})

    answer = await api.post(PRECHECK, asked)
    assert (answer.status, answer.json) == (200, {"active": active})
    await api.post(f"{APP}/msg", {**asked, "payload": {}})
    await walk.works()
    assert bool(walk.receiver.got) is active


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body", "", ""]),
        ({"eventType": "a b"}, ["body", "event_type", "__all__"]),
        ({"eventType": "a", "channels": []}, ["body", "channels"]),
        ({"eventType": "a", "channels": list("abcdef")}, ["body", "channels"]),
        ({"eventType": "a", "channels": ["a b"]}, ["body", "channels", "__all__"]),
    ],
    ids=str,
)
async def test_a_precheck_of_what_could_not_be_sent_is_refused(
    api: Client, acme: str, body: dict[str, object], loc: list[str]
) -> None:
    refused = await api.post(PRECHECK, body)
    assert (refused.status, refused.loc) == (422, loc)


async def test_an_application_is_erased(api: Client, failed: str, walk: Walk) -> None:
    app_id = (await api.get(APP)).json["id"]
    portal = Client(portal_token(walk.service.settings, app_id))
    assert (await portal.post(f"{APP}/erase")).status == 403
    began = await api.post(f"{APP}/erase")
    assert (began.status, began.json["task"]) == (202, "application.erase")
    await walk.works()
    assert (await api.get(APP)).status == (await api.post(f"{APP}/erase")).status == 404
    stranger = Client(organization_token(walk.service.settings, walk.clock.now(), OTHER_ORG))
    assert (await stranger.post(f"/api/v1/app/{app_id}/erase")).status == 404
    assert (await api.post(f"/api/v1/app/{app_id}/erase")).status == 202
    refused = await api.post(f"/api/v1/background-task/{began.json['id']}/cancel")
    assert (refused.status, refused.json["code"]) == (400, "not_to_be_cancelled")
    await walk.passes(timedelta(minutes=2))
    done = (await api.get(f"/api/v1/background-task/{began.json['id']}")).json
    assert (done["status"], done["data"]["messagesErased"], done["data"]["appId"]) == ("finished", 1, app_id)
    assert (await api.get("/api/v1/background-task")).json["data"] == []
    assert (await api.post(f"/api/v1/app/{app_id}/erase")).status == 404
