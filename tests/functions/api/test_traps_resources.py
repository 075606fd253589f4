"""What existing clients rely on, part 2 of 4: applications, event types, endpoints and messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from shared.domain import ids
from tests.flows.walk import Walk
from tests.functions.api.client import Client

APPS = "/api/v1/app"
APP = "/api/v1/app/acme"
TYPES = "/api/v1/event-type"
ENDPOINTS = f"{APP}/endpoint"
URL = {"url": "https://a.example/"}
MESSAGE = {"eventType": "invoice.paid", "payload": {}}
PAIR = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="


@dataclass(frozen=True)
class Kind:
    """What can be made: where, of what, where one is read again, and which field tells when it was made."""

    at: str
    body: Mapping[str, object]
    one: str
    when: str = "createdAt"


EVENT_TYPE = Kind(TYPES, {"name": "a", "description": ""}, TYPES + "/{name}")
WITH_AN_ID = [
    Kind(APPS, {"name": "A"}, APPS + "/{id}"),
    Kind(ENDPOINTS, URL, ENDPOINTS + "/{id}"),
    Kind(f"{APP}/msg", MESSAGE, APP + "/msg/{id}", "timestamp"),
]


@pytest.mark.parametrize("kind", [EVENT_TYPE, *WITH_AN_ID], ids=lambda kind: kind.at)
async def test_trap_03_what_was_made_reads_the_same_later_to_the_microsecond(
    api: Client, acme: str, walk: Walk, kind: Kind
) -> None:
    """Clients compare the two whole."""
    walk.clock.move(timedelta(microseconds=123_456))
    made = (await api.post(kind.at, kind.body)).json
    assert made[kind.when] == "2026-11-24T12:00:00.123456Z"
    assert (await api.get(kind.one.format(**made))).json == made
    listed = (await api.get(f"{kind.at}?with_content=true")).json["data"]
    assert made in listed


@pytest.mark.parametrize("edit", [False, True])
@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("http://bad.url", "http://bad.url/"),
        ("HTTPS://Mixed.Case.example:443/Path", "https://mixed.case.example/Path"),
        ("http://bücher.example?q", "http://xn--bcher-kva.example/?q"),
        ("http://0x7f000001", "http://127.0.0.1/"),
    ],
)
async def test_trap_05_a_url_is_shown_as_the_whatwg_standard_writes_it(
    api: Client, acme: str, url: str, stored: str, *, edit: bool
) -> None:
    made = (await api.post(ENDPOINTS, URL if edit else {"url": url})).json
    if edit:
        made = (await api.patch(f"{ENDPOINTS}/{made['id']}", {"url": url})).json
    assert made["url"] == stored


@pytest.mark.parametrize("kind", WITH_AN_ID, ids=lambda kind: kind.at)
async def test_trap_06_an_id_holds_the_instant_that_the_thing_says_it_was_made_and_sorts_by_it(
    api: Client, acme: str, walk: Walk, kind: Kind
) -> None:
    """To 4 ms: clients make the bounds of lists out of instants."""
    tick, made = timedelta(milliseconds=4), []
    for _ in range(20):
        walk.clock.move(tick)
        made.append((await api.post(kind.at, kind.body)).json)
    for row in made:
        apart = datetime.fromisoformat(row[kind.when]) - ids.instant_of(row["id"])
        assert timedelta(0) <= apart < tick
    assert sorted(row["id"].encode() for row in made) == [row["id"].encode() for row in made]


async def test_trap_09_put_of_what_is_not_there_makes_a_new_one_whose_id_is_not_the_paths(
    api: Client, acme: str
) -> None:
    """Neither is the path taken as its uid; only an event type is its name."""
    for at, body in ((APPS, {"name": "A"}), (ENDPOINTS, URL)):
        made = await api.put(f"{at}/chosen", body)
        assert made.status == 201
        assert made.json["id"] != "chosen"
        assert made.json.get("uid") is None
        assert (await api.get(f"{at}/chosen")).status == 404
    made = await api.put(f"{TYPES}/chosen", {"description": "", "name": "another"})
    assert (made.status, made.json["name"]) == (201, "chosen")


async def test_trap_10_patch_leaves_what_is_absent_and_clears_what_is_null(api: Client, acme: str) -> None:
    said = {"uid": "a", "throttleRate": 5, "metadata": {"a": "b"}}
    made = await api.post(ENDPOINTS, {**URL, **said, "channels": ["eu"]})
    at = f"{ENDPOINTS}/{made.json['id']}"
    kept = (await api.patch(at, {})).json
    assert {name: kept[name] for name in said} == said
    cleared = (await api.patch(at, {"uid": None, "throttleRate": None, "channels": None})).json
    assert (cleared["uid"], cleared["throttleRate"], cleared["channels"]) == (None, None, None)
    assert cleared["metadata"] == {"a": "b"}
    assert (await api.patch(APP, {"name": None})).status == 422


async def test_trap_11_old_and_new_names_of_a_field_are_shown_and_either_is_understood(
    api: Client, acme: str
) -> None:
    """SDKs before 2 read `filterTypes` and `rateLimit`, later ones `eventTypes` and `throttleRate`."""
    await api.put(f"{TYPES}/a", {"description": ""})
    for said in ({"eventTypes": ["a"], "throttleRate": 7}, {"filterTypes": ["a"], "rateLimit": 7}):
        made = (await api.post(ENDPOINTS, {**URL, **said})).json
        assert made["eventTypes"] == made["filterTypes"] == ["a"]
        assert made["throttleRate"] == made["rateLimit"] == 7
        assert made["version"] == 1
    application = (await api.post(APPS, {"name": "A", "rateLimit": 7})).json
    assert application["throttleRate"] == application["rateLimit"] == 7


async def test_trap_12_an_application_leaves_out_what_is_not_set_and_an_endpoint_shows_null(
    api: Client, acme: str
) -> None:
    application = (await api.post(APPS, {"name": "A"})).json
    assert {"uid", "rateLimit"}.isdisjoint(application)
    assert application["throttleRate"] is None
    endpoint = (await api.post(ENDPOINTS, URL)).json
    for name in ("uid", "rateLimit", "throttleRate", "eventTypes", "filterTypes", "channels"):
        assert endpoint[name] is None


async def test_trap_13_the_secret_of_an_ed25519_endpoint_is_shown_as_its_public_key(
    api: Client, acme: str
) -> None:
    made = await api.post(ENDPOINTS, {**URL, "secret": PAIR})
    shown = await api.get(f"{ENDPOINTS}/{made.json['id']}/secret")
    assert shown.json == {"key": "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="}


@pytest.mark.parametrize(
    ("user_agent", "status"),
    [("", 204), ("curl/8", 204), ("svix-libs/2.5.0/javascript", 204), ("svix-libs/2.9.1/python", 200)],
)
async def test_trap_14_rotating_a_secret_answers_204_and_the_key_to_sdks_that_fail_without_it(
    api: Client, acme: str, user_agent: str, status: int
) -> None:
    made = await api.post(ENDPOINTS, URL)
    at = f"{ENDPOINTS}/{made.json['id']}/secret"
    rotated = await api.post(f"{at}/rotate", {}, user_agent=user_agent)
    assert rotated.status == status
    assert rotated.body == (b"" if status == 204 else (await api.get(at)).body)


async def test_trap_19_a_message_may_have_any_event_type_and_an_endpoint_wants_only_what_is_there(
    api: Client, acme: str
) -> None:
    assert (await api.post(f"{APP}/msg", {**MESSAGE, "eventType": "never.made"})).status == 202
    refused = await api.post(ENDPOINTS, {**URL, "eventTypes": ["never.made", "nor.this"]})
    assert (refused.status, refused.loc) == (422, ["body", "eventTypes"])
    said = "The following event types don't exist: never.made, nor.this"
    assert refused.json["detail"][0]["msg"] == said
    await api.put(f"{TYPES}/never.made", {"description": "", "archived": True})
    assert (await api.post(ENDPOINTS, {**URL, "eventTypes": ["never.made"]})).status == 422


async def test_trap_21_a_payload_that_was_not_asked_for_is_empty_and_one_that_is_gone_says_so(
    api: Client, acme: str
) -> None:
    await api.post(f"{APP}/msg", {**MESSAGE, "eventId": "e", "payload": {"a": 1}})
    at = f"{APP}/msg/e"
    assert (await api.get(f"{at}?with_content=false")).json["payload"] == {}
    await api.delete(f"{at}/content")
    assert (await api.get(at)).json["payload"] == {"expired": True}
    assert (await api.get(f"{at}?with_content=false")).json["payload"] == {}
    (listed,) = (await api.get(f"{APP}/msg")).json["data"]
    assert listed["payload"] == {"expired": True}
