"""Destinations over HTTP."""

from datetime import timedelta

import pytest
import pytest_asyncio

from tests.flows.walk import Walk, answer
from tests.functions.api.client import Client, portal_token

APP = "/api/v1/app/acme"
SECOND = timedelta(seconds=1)


@pytest_asyncio.fixture
async def posted(api: Client, acme: str, walk: Walk) -> list[str]:
    """The ids of three messages for the endpoint `here`: delivered, given up, and still under way."""
    del acme
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here", "metadata": {"a": "b"}})
    found = []
    for event_id, came in (
        ("delivered", answer(200)),
        ("given-up", answer(500, webhook_delivery="abort-message")),
        ("under-way", answer(500)),
    ):
        walk.receiver.first.append(came)
        body = {"eventType": event_id, "eventId": event_id, "payload": {"n": 1}, "channels": ["eu", event_id]}
        found.append((await api.post(f"{APP}/msg", body)).json["id"])
        await walk.works()
        walk.clock.move(SECOND)
    return found


async def test_a_message_of_an_endpoint_tells_how_it_stands_there(api: Client, posted: list[str]) -> None:
    rows = (await api.get(f"{APP}/endpoint/here/msg")).json["data"]
    under_way, given_up, delivered = rows
    assert under_way == {
        "eventId": "under-way",
        "eventType": "under-way",
        "payload": {"n": 1},
        "channels": ["eu", "under-way"],
        "id": posted[2],
        "timestamp": "2026-11-24T12:00:02Z",
        "status": 3,
        "statusText": "sending",
        "nextAttempt": under_way["nextAttempt"],
    }
    assert under_way["nextAttempt"].startswith("2026-11-24T12:00:0")
    assert under_way["nextAttempt"].endswith("+00:00")
    assert (given_up["status"], given_up["statusText"]) == (2, "fail")
    assert (delivered["status"], delivered["statusText"]) == (0, "success")
    assert "nextAttempt" not in given_up


@pytest.mark.parametrize(
    ("query_string", "names"),
    [
        ("status=0", ["delivered"]),
        ("status=1", []),
        ("status=2", ["given-up"]),
        ("status=3", ["under-way"]),
        ("channel=eu", ["under-way", "given-up", "delivered"]),
        ("channel=eu&status=2", ["given-up"]),
        ("event_types=delivered,given-up", ["given-up", "delivered"]),
        ("before=2026-11-24T12:00:02Z", ["given-up", "delivered"]),
        ("after=2026-11-24T12:00:01Z", ["under-way", "given-up"]),
        ("limit=2", ["under-way", "given-up"]),
        ("expanded_statuses=true&limit=1", ["under-way"]),
    ],
)
async def test_the_messages_of_an_endpoint(
    api: Client, posted: list[str], query_string: str, names: list[str]
) -> None:
    page = (await api.get(f"{APP}/endpoint/here/msg?with_content=false&{query_string}")).json
    assert [row["eventId"] for row in page["data"]] == names
    assert all(row["payload"] == {} for row in page["data"])
    if not names:
        assert page == {"data": [], "iterator": None, "done": True}


async def test_pages_of_the_messages_of_an_endpoint_go_on_and_back(api: Client, posted: list[str]) -> None:
    first = (await api.get(f"{APP}/endpoint/here/msg?limit=2")).json
    assert (first["iterator"], first["prevIterator"], first["done"]) == (posted[1], f"-{posted[2]}", False)
    second = (await api.get(f"{APP}/endpoint/here/msg?limit=2&iterator={first['iterator']}")).json
    assert ([row["id"] for row in second["data"]], second["done"]) == ([posted[0]], True)
    back = (await api.get(f"{APP}/endpoint/here/msg?limit=2&iterator={second['prevIterator']}")).json
    assert [row["id"] for row in back["data"]] == [posted[2], posted[1]]


async def test_the_endpoints_of_a_message_come_in_order_deleted_ones_too(
    api: Client, posted: list[str], walk: Walk
) -> None:
    there = (await api.post(f"{APP}/endpoint", {"url": "https://b.example", "uid": "there"})).json
    await api.post(f"{APP}/msg/delivered/endpoint/there/resend")
    await walk.works()
    await api.delete(f"{APP}/endpoint/there")

    page = (await api.get(f"{APP}/msg/delivered/endpoint")).json
    here, gone = page["data"]
    expected = (await api.get(f"{APP}/endpoint/here")).json | {
        "status": 0,
        "statusText": "success",
        "nextAttempt": None,
    }
    del expected["metadata"]
    assert here == expected
    assert (gone["id"], gone["uid"]) == (there["id"], None)
    assert (page["iterator"], page["prevIterator"], page["done"]) == (there["id"], f"-{here['id']}", True)

    first = (await api.get(f"{APP}/msg/delivered/endpoint?limit=1")).json
    assert ([row["id"] for row in first["data"]], first["done"]) == ([here["id"]], True)
    rest = (await api.get(f"{APP}/msg/delivered/endpoint?iterator={first['iterator']}")).json
    assert [row["id"] for row in rest["data"]] == [there["id"]]

    (waiting,) = (await api.get(f"{APP}/msg/under-way/endpoint")).json["data"]
    assert (waiting["status"], waiting["statusText"]) == (2, "fail")
    assert waiting["nextAttempt"].endswith("Z")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("endpoint/ep_none/msg", 404),
        ("msg/msg_none/endpoint", 404),
        ("endpoint/here/msg?status=4", 400),
        ("endpoint/here/msg?iterator=atmpt_1", 422),
        ("endpoint/here/msg?channel=a%20b", 422),
        ("msg/delivered/endpoint?iterator=msg_1", 422),
        ("msg/delivered/endpoint?limit=251", 422),
    ],
)
async def test_what_cannot_be_listed_is_refused(
    api: Client, posted: list[str], path: str, status: int
) -> None:
    assert (await api.get(f"{APP}/{path}")).status == status


async def test_a_portal_sees_its_destinations(api: Client, posted: list[str], acme: str, walk: Walk) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    for path in ("endpoint/here/msg", "msg/delivered/endpoint"):
        assert (await portal.get(f"{APP}/{path}")).status == 200
