"""Operational webhooks over HTTP: endpoints that an organization makes for news of itself."""

import asyncio

import msgspec
import pytest

from shared.domain.operational import MANAGEMENT_ORG
from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token, portal_token
from tests.makers import ORG, OTHER_ORG

ALL = "/api/v1/operational-webhook/endpoint"
ONE = f"{ALL}/main"
LISTENER = "https://operations.example/"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def management(walk: Walk) -> Client:
    """Somebody with a token of the management organization."""
    return Client(organization_token(walk.service.settings, walk.clock.now(), MANAGEMENT_ORG))


@pytest.fixture
def other(walk: Walk) -> Client:
    return Client(organization_token(walk.service.settings, walk.clock.now(), OTHER_ORG))


async def test_an_endpoint_is_made_shown_changed_and_removed(api: Client) -> None:
    assert (await api.get(ALL)).json == {"data": [], "iterator": None, "done": True}
    said = {
        "url": "https://Operations.example",
        "uid": "main",
        "description": "Ours",
        "throttleRate": 5,
        "eventTypes": ["endpoint.disabled"],
        "metadata": {"team": "a"},
    }
    made = await api.post(ALL, said)
    assert made.status == 201
    assert made.json == {
        **said,
        "url": LISTENER,
        "disabled": False,
        "rateLimit": 5,
        "filterTypes": ["endpoint.disabled"],
        "id": made.json["id"],
        "createdAt": made.json["createdAt"],
        "updatedAt": made.json["createdAt"],
    }
    assert (await api.get(ONE)).json == made.json
    assert (await api.get(f"{ALL}/{made.json['id']}")).json == made.json
    assert (await api.get(ALL)).json["data"] == [made.json]

    put = await api.put(ONE, {"url": "https://new.example", "uid": "main", "disabled": True})
    assert (put.status, put.json["id"], put.json["url"]) == (200, made.json["id"], "https://new.example/")
    assert (put.json["eventTypes"], put.json["metadata"], put.json["disabled"]) == (None, {}, True)
    new = await api.put(f"{ALL}/other", {"url": LISTENER})
    assert (new.status, new.json["uid"]) == (201, None)

    assert (await api.delete(ONE)).status == 204
    assert (await api.get(ONE)).status == 404
    assert [row["id"] for row in (await api.get(ALL)).json["data"]] == [new.json["id"]]


async def test_lists_have_pages(api: Client) -> None:
    ids = [(await api.post(ALL, {"url": LISTENER})).json["id"] for _ in range(3)]
    page = (await api.get(f"{ALL}?limit=2&order=ascending")).json
    assert ([row["id"] for row in page["data"]], page["done"]) == (sorted(ids)[:2], False)
    rest = (await api.get(f"{ALL}?limit=2&order=ascending&iterator={page['iterator']}")).json
    assert ([row["id"] for row in rest["data"]], rest["done"]) == (sorted(ids)[2:], True)


async def test_its_secret_is_shown_and_exchanged(api: Client) -> None:
    await api.post(ALL, {"url": LISTENER, "uid": "main", "secret": SECRET})
    assert (await api.get(f"{ONE}/secret")).json == {"key": SECRET}

    rotated = await api.post(f"{ONE}/secret/rotate", {}, user_agent="svix-libs/2.9.1/python")
    assert (rotated.status, rotated.body) == (204, b"")
    assert (await api.get(f"{ONE}/secret")).json["key"] != SECRET
    refused = await api.post(f"{ONE}/secret/rotate", {"gracePeriodSeconds": 604_801})
    assert (refused.status, refused.loc) == (422, ["body", "grace_period_seconds"])


async def test_its_headers_are_set_and_changed(api: Client) -> None:
    await api.post(ALL, {"url": LISTENER, "uid": "main", "headers": {"X-A": "1"}})
    assert (await api.put(f"{ONE}/headers", {"headers": {"X-B": "2", "X-C": "3"}})).status == 204
    changes = {"headers": {"X-C": None, "Authorization": "Bearer x"}}
    assert (await api.patch(f"{ONE}/headers", changes)).status == 204
    shown = (await api.get(f"{ONE}/headers")).json
    assert shown == {"headers": {"X-B": "2"}, "sensitive": ["Authorization"]}
    assert (await api.put(f"{ONE}/headers", {"headers": {"Content-Type": "x"}})).status == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ONE),
        ("DELETE", ONE),
        ("GET", f"{ONE}/secret"),
        ("POST", f"{ONE}/secret/rotate"),
        ("GET", f"{ONE}/headers"),
        ("PUT", f"{ONE}/headers"),
        ("PATCH", f"{ONE}/headers"),
    ],
)
@pytest.mark.parametrize("has_others", [False, True])
async def test_one_that_is_not_there_is_not_found(
    api: Client, other: Client, method: str, path: str, *, has_others: bool
) -> None:
    """Neither before the first, nor among others, nor one of another organization."""
    await other.post(ALL, {"url": LISTENER, "uid": "main"})
    if has_others:
        await api.post(ALL, {"url": LISTENER})
    answered = await api.call(method, path, b'{"headers": {}}')
    assert (answered.status, answered.json["detail"]) == (404, "Entity not found")


@pytest.mark.parametrize(
    ("said", "loc"),
    [
        ({}, ["body", "", ""]),
        ({"url": "ftp://x.example"}, ["body", "url"]),
        ({"url": LISTENER, "eventTypes": ["invoice.paid"]}, ["body", "eventTypes"]),
        ({"url": LISTENER, "eventTypes": []}, ["body", "event_types"]),
        ({"url": LISTENER, "eventTypes": ["a"], "filterTypes": ["a"]}, ["body", "", ""]),
        ({"url": LISTENER, "uid": "ep_1"}, ["body", "uid", "__all__"]),
        ({"url": LISTENER, "secret": "x"}, ["body", "secret"]),
        ({"url": LISTENER, "throttleRate": 0}, ["body", "throttle_rate"]),
    ],
)
async def test_bad_input_is_refused(api: Client, said: object, loc: list[str]) -> None:
    refused = await api.post(ALL, said)
    assert (refused.status, refused.loc) == (422, loc)


async def test_https_only_holds_for_them_too(api: Client) -> None:
    await api.patch("/api/v1/organization/settings", {"endpointHttpsOnly": True})
    refused = await api.post(ALL, {"url": "http://operations.example"})
    assert (refused.status, refused.loc) == (422, ["body", "url"])


async def test_a_portal_has_no_part_in_them(walk: Walk, acme: str) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.get(ALL)).status == 403


async def test_both_ways_lead_to_the_same_endpoints(api: Client, management: Client) -> None:
    """What was made in the management organization is seen under the other path, and the other way round."""
    await management.post("/api/v1/app", {"name": "Operations", "uid": ORG})
    made = await management.post(f"/api/v1/app/{ORG}/endpoint", {"url": LISTENER, "uid": "main"})
    assert (await api.get(ONE)).json["id"] == made.json["id"]

    second = await api.post(ALL, {"url": LISTENER})
    listed = (await management.get(f"/api/v1/app/{ORG}/endpoint")).json["data"]
    assert {row["id"] for row in listed} == {made.json["id"], second.json["id"]}


async def test_the_first_endpoint_makes_the_application(api: Client, management: Client) -> None:
    await api.get(ALL)
    assert (await management.get("/api/v1/app")).json["data"] == []
    await api.post(ALL, {"url": LISTENER})
    (made,) = (await management.get("/api/v1/app")).json["data"]
    assert (made["uid"], made["name"]) == (ORG, ORG)


async def test_first_endpoints_that_are_made_at_once_are_all_of_one_application(
    api: Client, management: Client
) -> None:
    made = await asyncio.gather(*(api.post(ALL, {"url": LISTENER}) for _ in range(4)))
    assert [one.status for one in made] == [201] * 4
    assert len((await management.get("/api/v1/app")).json["data"]) == 1
    assert len((await api.get(ALL)).json["data"]) == 4


async def test_the_management_organization_is_ready_for_use(management: Client) -> None:
    """An endpoint may filter by its event types, and examples of them can be sent."""
    listed = (await management.get("/api/v1/event-type?with_content=true")).json["data"]
    names = [
        "endpoint.created",
        "endpoint.deleted",
        "endpoint.disabled",
        "endpoint.enabled",
        "endpoint.updated",
        "message.attempt.exhausted",
        "message.attempt.failing",
        "message.attempt.recovered",
    ]
    assert [row["name"] for row in listed] == names
    await management.post("/api/v1/app", {"name": "Operations", "uid": "a"})
    said = {"url": LISTENER, "uid": "main", "filterTypes": names}
    assert (await management.post("/api/v1/app/a/endpoint", said)).status == 201
    for row in listed:
        sent = await management.post("/api/v1/app/a/endpoint/main/send-example", {"eventType": row["name"]})
        assert (sent.status, sent.json["eventType"]) == (200, row["name"])
        assert row["schemas"]["1"]["examples"][0]["type"] == row["name"]


async def test_news_is_a_message_there(api: Client, management: Client, walk: Walk, acme: str) -> None:
    await api.post(ALL, {"url": LISTENER, "eventTypes": ["endpoint.created"]})
    made = await api.post("/api/v1/app/acme/endpoint", {"url": "https://receiver.example"})
    await walk.works()

    (message,) = (await management.get(f"/api/v1/app/{ORG}/msg")).json["data"]
    facts = {"appId": acme, "appUid": "acme", "endpointId": made.json["id"], "endpointUid": None}
    assert message["eventType"] == "endpoint.created"
    assert message["payload"] == {"type": "endpoint.created", "data": facts}
    (sent,) = walk.receiver.sent
    assert msgspec.json.decode(sent.body) == message["payload"]
