"""Attempts over HTTP."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio

from shared.domain.attempt import Attempt, Status
from tests.flows.walk import Walk
from tests.functions.api.client import Client, portal_token
from tests.makers import ORG, a_failed_attempt, an_attempt

APP = "/api/v1/app/acme"


@dataclass
class Posted:
    """A message for two endpoints, and the attempts on it by name."""

    message: str
    first: str
    second: str
    attempts: dict[str, Attempt]

    def named(self, rows: list[dict[str, object]]) -> str:
        """The names of listed attempts, in their order."""
        names = {attempt.id: name for name, attempt in self.attempts.items()}
        return "".join(names[str(row["id"])] for row in rows)


@pytest_asyncio.fixture
async def posted(api: Client, acme: str, walk: Walk) -> Posted:
    """`a` failed with 500 and `b` succeeded at the first endpoint; `c` got no answer from the second."""
    service = walk.service
    application = await service.applications.get(ORG, acme)
    keys = [
        (await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": uid})).json["id"]
        for uid in ("first", "second")
    ]
    body = {"eventType": "invoice.paid", "eventId": "e1", "payload": {}, "channels": ["eu"]}
    message_id = (await api.post(f"{APP}/msg", body)).json["id"]
    message = await service.messages.get(application.id, message_id)
    endpoints = [await service.endpoints.get(application.id, key) for key in keys]
    made = {}
    for name, endpoint, change in (
        ("a", endpoints[0], {"status": Status.FAIL, "response_status_code": 500, "next_attempt_at": None}),
        ("b", endpoints[0], {"response": "thanks", "number": 2}),
        (
            "c",
            endpoints[1],
            {"status": Status.FAIL, "response_status_code": 0, "response": "request timed out"},
        ),
    ):
        walk.clock.move(timedelta(seconds=1))
        make = a_failed_attempt if change.get("status") else an_attempt
        made[name] = make(message, endpoint, timestamp=walk.clock.now(), **change)
        await service.store.outbox.record(made[name], None)
    return Posted(message_id, keys[0], keys[1], made)


async def test_an_attempt_tells_what_came_of_it(api: Client, posted: Posted) -> None:
    expected = {
        "id": posted.attempts["b"].id,
        "msgId": posted.message,
        "endpointId": posted.first,
        "url": "https://a.example/",
        "response": "thanks",
        "responseStatusCode": 200,
        "responseDurationMs": 12,
        "status": 0,
        "statusText": "success",
        "triggerType": 0,
        "timestamp": "2026-11-24T12:00:02Z",
    }
    for key in (posted.message, "e1"):
        got = await api.get(f"{APP}/msg/{key}/attempt/{posted.attempts['b'].id}")
        assert (got.status, got.json) == (200, expected)
    failed = (await api.get(f"{APP}/msg/e1/attempt/{posted.attempts['c'].id}")).json
    assert (failed["status"], failed["statusText"], failed["responseStatusCode"]) == (2, "fail", 0)


@pytest.mark.parametrize(
    ("query_string", "names"),
    [
        ("", "cba"),
        ("limit=2", "cb"),
        ("status=0", "b"),
        ("status=2", "ca"),
        ("status=1", ""),
        ("status=3", ""),
        ("status_code_class=0", "c"),
        ("status_code_class=200", "b"),
        ("status_code_class=500&status=2", "a"),
        ("status_code_class=400", ""),
        ("channel=eu", "cba"),
        ("channel=us", ""),
        ("event_types=invoice.paid,x", "cba"),
        ("event_types=x", ""),
        ("endpoint_id=first", "ba"),
        ("after=2026-11-24T12:00:02Z", "cb"),
        ("before=2026-11-24T12:00:02Z", "a"),
        ("expanded_statuses=true", "cba"),
    ],
)
async def test_the_attempts_on_a_message(api: Client, posted: Posted, query_string: str, names: str) -> None:
    listed = await api.get(f"{APP}/attempt/msg/e1?{query_string}")
    assert listed.status == 200
    assert posted.named(listed.json["data"]) == names


@pytest.mark.parametrize(
    ("endpoint", "query_string", "names"),
    [
        ("first", "", "ba"),
        ("second", "", "c"),
        ("first", "status=2", "a"),
        ("first", "status_code_class=200", "b"),
        ("first", "channel=us", ""),
        ("first", "limit=1", "b"),
        ("first", "endpoint_id=second", "ba"),
    ],
)
async def test_the_attempts_at_an_endpoint(
    api: Client, posted: Posted, endpoint: str, query_string: str, names: str
) -> None:
    listed = await api.get(f"{APP}/attempt/endpoint/{endpoint}?{query_string}")
    assert listed.status == 200
    assert posted.named(listed.json["data"]) == names


async def test_pages_go_on(api: Client, posted: Posted) -> None:
    page = (await api.get(f"{APP}/attempt/msg/e1?limit=2")).json
    assert (page["iterator"], page["done"]) == (posted.attempts["b"].id, False)
    rest = (await api.get(f"{APP}/attempt/msg/e1?limit=2&iterator={page['iterator']}")).json
    assert (posted.named(rest["data"]), rest["done"]) == ("a", True)


async def test_responses_are_shown_unless_the_caller_does_without(api: Client, posted: Posted) -> None:
    for path in ("msg/e1", "endpoint/first"):
        rows = (await api.get(f"{APP}/attempt/{path}?with_content=false")).json["data"]
        assert {row["response"] for row in rows} == {"{}"}


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("attempt/msg/msg_none", "Message not found"),
        ("attempt/msg/e1?endpoint_id=ep_none", "Entity not found"),
        ("attempt/endpoint/ep_none", "Entity not found"),
        ("msg/msg_none/attempt/atmpt_none", "Message not found"),
        ("msg/e1/attempt/atmpt_none", "Message attempt not found"),
    ],
)
async def test_what_is_not_there_is_named(api: Client, posted: Posted, path: str, detail: str) -> None:
    unknown = await api.get(f"{APP}/{path}")
    assert (unknown.status, unknown.json) == (404, {"code": "not_found", "detail": detail})


async def test_the_message_is_shown_with_its_attempt_if_it_is_asked_for(api: Client, posted: Posted) -> None:
    message = (await api.get(f"{APP}/msg/e1")).json
    for path in ("msg/e1", "endpoint/first"):
        rows = (await api.get(f"{APP}/attempt/{path}?with_msg=true")).json["data"]
        assert all(row["msg"] == message for row in rows)
        rows = (await api.get(f"{APP}/attempt/{path}?with_msg=true&with_content=false")).json["data"]
        assert all(row["msg"] == message | {"payload": {}} for row in rows)
        assert "msg" not in (await api.get(f"{APP}/attempt/{path}")).json["data"][0]


async def test_old_clients_find_the_lists_where_they_were(api: Client, posted: Posted) -> None:
    for path, names in (
        ("msg/e1/attempt", "cba"),
        ("msg/e1/attempt?endpoint_id=first&status=2", "a"),
        ("msg/e1/endpoint/first/attempt", "ba"),
        ("msg/e1/endpoint/second/attempt?event_types=x", ""),
    ):
        listed = await api.get(f"{APP}/{path}")
        assert (listed.status, posted.named(listed.json["data"])) == (200, names)
    assert (await api.get(f"{APP}/msg/e1/endpoint/ep_none/attempt")).status == 404


async def test_a_deleted_endpoint_has_no_list_but_its_attempts_stay(api: Client, posted: Posted) -> None:
    await api.delete(f"{APP}/endpoint/first")
    assert (await api.get(f"{APP}/attempt/endpoint/{posted.first}")).status == 404
    assert posted.named((await api.get(f"{APP}/attempt/msg/e1")).json["data"]) == "cba"


async def test_another_message_does_not_show_the_attempt(api: Client, posted: Posted) -> None:
    other = (await api.post(f"{APP}/msg", {"eventType": "a", "payload": {}})).json["id"]
    assert (await api.get(f"{APP}/msg/{other}/attempt/{posted.attempts['a'].id}")).status == 404


async def test_a_portal_sees_the_attempts_of_its_application(
    api: Client, posted: Posted, acme: str, walk: Walk
) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    for path in ("attempt/msg/e1", "attempt/endpoint/first", f"msg/e1/attempt/{posted.attempts['a'].id}"):
        assert (await portal.get(f"{APP}/{path}")).status == 200


@pytest.mark.parametrize("query_string", ["status=4", "status=fail", "status_code_class=250", "limit=x"])
async def test_a_filter_that_cannot_be_read_is_refused(
    api: Client, posted: Posted, query_string: str
) -> None:
    for path in ("msg/e1", "endpoint/first"):
        refused = await api.get(f"{APP}/attempt/{path}?{query_string}")
        assert (refused.status, refused.json["code"]) == (400, "generic_error")
