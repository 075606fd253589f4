"""Endpoints over HTTP."""

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from shared.wiring import compose, install
from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token, portal_token

ALL = "/api/v1/app/acme/endpoint"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PAIR = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="

pytestmark = pytest.mark.usefixtures("acme")


async def test_what_was_made_is_read_again_exactly(api: Client) -> None:
    for name in ("a", "b"):
        await api.post("/api/v1/event-type", {"name": name, "description": ""})
    made = await api.post(
        ALL,
        {
            "url": "https://receiver.example/hooks",
            "description": "Main",
            "uid": "main",
            "version": 3,
            "disabled": True,
            "throttleRate": 5,
            "eventTypes": ["b", "a", "b"],
            "channels": ["eu", "de"],
            "secret": SECRET,
            "metadata": {"team": "x"},
            "headers": {"X-Api-Test": "1"},
        },
    )

    assert made.status == 201
    assert made.json == {
        "id": made.json["id"],
        "url": "https://receiver.example/hooks",
        "description": "Main",
        "uid": "main",
        "version": 3,
        "disabled": True,
        "throttleRate": 5,
        "rateLimit": 5,
        "eventTypes": ["a", "b"],
        "filterTypes": ["a", "b"],
        "channels": ["de", "eu"],
        "createdAt": "2026-11-24T12:00:00Z",
        "updatedAt": "2026-11-24T12:00:00Z",
        "metadata": {"team": "x"},
    }
    for key in (made.json["id"], "main"):
        assert (await api.get(f"{ALL}/{key}")).json == made.json
    assert (await api.get(ALL)).json["data"] == [made.json]


async def test_what_is_not_set_has_its_default_and_every_key_is_there(api: Client) -> None:
    names = (
        "description",
        "uid",
        "version",
        "disabled",
        "throttleRate",
        "rateLimit",
        "eventTypes",
        "channels",
    )
    nulls: dict[str, object] = dict.fromkeys((*names, "secret", "metadata", "headers"))
    for said in ({}, nulls, {"filterTypes": None}):
        made = await api.post(ALL, {"url": "https://receiver.example", **said})
        assert made.status == 201
        defaults = {"description": "", "version": 1, "disabled": False, "metadata": {}}
        assert {key: made.json[key] for key in defaults} == defaults
        for key in ("uid", "rateLimit", "throttleRate", "eventTypes", "filterTypes", "channels"):
            assert made.json[key] is None


@pytest.mark.parametrize("name", ["eventTypes", "filterTypes"])
async def test_wanted_types_have_an_old_and_a_new_name(api: Client, name: str) -> None:
    await api.post("/api/v1/event-type", {"name": "a", "description": ""})
    made = await api.post(ALL, {"url": "https://receiver.example", name: ["a"]})
    assert made.json["eventTypes"] == made.json["filterTypes"] == ["a"]


async def test_both_names_at_once_are_a_field_given_twice(api: Client) -> None:
    for other in (["a"], None):
        both = await api.post(ALL, {"url": "https://a.example", "eventTypes": ["a"], "filterTypes": other})
        assert both.status == 422


async def test_an_endpoint_cannot_want_what_does_not_exist(api: Client) -> None:
    await api.post("/api/v1/event-type", {"name": "live", "description": ""})
    await api.post("/api/v1/event-type", {"name": "gone", "description": ""})
    await api.delete("/api/v1/event-type/gone")
    refused = await api.post(ALL, {"url": "https://a.example", "eventTypes": ["live", "gone", "never"]})
    assert (refused.status, refused.loc) == (422, ["body", "eventTypes"])
    assert refused.json["detail"][0]["msg"] == "The following event types don't exist: gone, never"


async def test_a_uid_is_taken_once_an_application(api: Client) -> None:
    await api.post("/api/v1/app", {"name": "Other", "uid": "other"})
    said = {"url": "https://a.example", "uid": "main"}
    assert (await api.post(ALL, said)).status == 201
    taken = await api.post(ALL, said)
    assert (taken.status, taken.json["detail"]) == (409, "A conflict has occurred")
    assert (await api.post("/api/v1/app/other/endpoint", said)).status == 201
    assert (await api.delete(f"{ALL}/main")).status == 204
    assert (await api.get(f"{ALL}/main")).status == 404
    assert (await api.delete(f"{ALL}/main")).status == 404
    assert (await api.post(ALL, said)).status == 201


async def test_the_newest_comes_first_unless_asked_otherwise(api: Client, walk: Walk) -> None:
    ids = []
    for _ in range(3):
        ids.append((await api.post(ALL, {"url": "https://a.example"})).json["id"])
        walk.clock.move(timedelta(milliseconds=4))
    assert [row["id"] for row in (await api.get(ALL)).json["data"]] == ids[::-1]
    ascending = await api.get(f"{ALL}?order=ascending")
    assert [row["id"] for row in ascending.json["data"]] == ids
    page = (await api.get(f"{ALL}?limit=1&iterator={ids[1]}")).json
    assert [row["id"] for row in page["data"]] == ids[:1]
    assert (await api.get(f"{ALL}?iterator=app_1")).status == 422


async def test_a_secret_is_shown_as_the_receiver_needs_it(api: Client) -> None:
    """What the receiver verifies with: the shared secret, or the public half of a pair."""

    async def key_of(secret: str | None) -> str:
        made = await api.post(ALL, {"url": "https://a.example", "secret": secret})
        shown = await api.get(f"{ALL}/{made.json['id']}/secret")
        assert (shown.status, set(shown.json)) == (200, {"key"})
        key: str = shown.json["key"]
        return key

    assert await key_of(SECRET) == SECRET
    assert await key_of(PAIR) == "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
    made = await key_of(None)
    assert len(base64.b64decode(made.removeprefix("whsec_"))) == 24
    Webhook(made)  # the reference verifier takes it
    assert (await api.get(f"{ALL}/ep_none/secret")).status == 404


async def test_only_https_may_be_allowed(tmp_path_factory: pytest.TempPathFactory) -> None:
    walk = Walk.on(tmp_path_factory.mktemp("https"))
    await walk.service.close()
    settings = replace(walk.service.settings, endpoint_https_only=True)
    service = compose(settings, clock=walk.clock, journal=walk.journal, sender=walk.receiver)
    install(service)
    api = Client(organization_token(settings, walk.clock.now()))
    await api.post("/api/v1/app", {"name": "Acme", "uid": "acme"})
    assert (await api.post(ALL, {"url": "http://a.example"})).status == 422
    assert (await api.post(ALL, {"url": "https://a.example"})).status == 201
    install(None)
    await service.close()


async def test_a_refused_secret_is_not_repeated(api: Client) -> None:
    """Answers end up in logs."""
    refused = await api.post(ALL, {"url": "https://a.example", "secret": "whsec_hunter2"})
    assert b"hunter2" not in refused.body


async def test_headers_go_along_as_they_were_written(api: Client, walk: Walk) -> None:
    said = {"X-Api-Test": "a\tb", "authorization": "Bearer ü", "Accept": ""}
    made = await api.post(ALL, {"url": "https://a.example", "headers": said})
    assert made.status == 201
    kept = await walk.service.endpoints.get((await api.get("/api/v1/app/acme")).json["id"], made.json["id"])
    assert dict(kept.headers) == said


async def test_a_portal_has_the_run_of_its_own_endpoints(api: Client, acme: str, walk: Walk) -> None:
    await api.post("/api/v1/app", {"name": "Other", "uid": "other"})
    portal = Client(portal_token(walk.service.settings, acme))
    made = await portal.post(ALL, {"url": "https://a.example"})
    assert made.status == 201
    one = f"{ALL}/{made.json['id']}"
    for answer in (await portal.get(ALL), await portal.get(one), await portal.get(f"{one}/secret")):
        assert answer.status == 200
    assert (await portal.get("/api/v1/app/other/endpoint")).status == 404
    assert (await portal.post("/api/v1/app/other/endpoint", {"url": "nonsense"})).status == 404
    assert (await portal.delete(one)).status == 204
