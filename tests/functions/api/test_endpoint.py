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


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("http://bad.url", "http://bad.url/"),
        ("HTTPS://Receiver.Example/Hooks", "https://receiver.example/Hooks"),
        ("https://a.example:443/x", "https://a.example/x"),
        ("https://bücher.example", "https://xn--bcher-kva.example/"),
        ("http://0x7f.1", "http://127.0.0.1/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("https://user:p%40ss@a.example/?q=1#f", "https://user:p%40ss@a.example/?q=1#f"),
        (" https://a.example/a b ", "https://a.example/a%20b"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("http:a.example", "http://a.example/"),
    ],
)
async def test_a_url_is_kept_as_the_standard_writes_it(api: Client, url: str, stored: str) -> None:
    """What the guard checks before sending must be what is called."""
    made = await api.post(ALL, {"url": url})
    assert (made.status, made.json["url"]) == (201, stored)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "/hooks",
        "ftp://a.example",
        "javascript:alert(1)",
        "http://",
        "http://a b",
        "http://a:99999",
    ],
)
async def test_what_is_no_http_url_is_refused(api: Client, url: str) -> None:
    refused = await api.post(ALL, {"url": url})
    assert (refused.status, refused.loc) == (422, ["body", "url"])


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


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"uid": "ep_1"}, ["body", "uid", "__all__"]),
        ({"description": "\u0001"}, ["body", "description"]),
        ({"version": 0}, ["body", "version"]),
        ({"throttleRate": 0}, ["body", "throttle_rate"]),
        ({"eventTypes": []}, ["body", "event_types"]),
        ({"filterTypes": []}, ["body", "event_types"]),
        ({"eventTypes": ["no spaces"]}, ["body", "event_types", "__all__"]),
        ({"channels": []}, ["body", "channels"]),
        ({"channels": list("abcdefghijk")}, ["body", "channels"]),
        ({"channels": [""]}, ["body", "channels", "__all__"]),
        ({"channels": [1]}, ["body", "channels[0]"]),
        ({"secret": ""}, ["body", "secret"]),
        ({"secret": SECRET.removeprefix("whsec_")}, ["body", "secret"]),
        ({"secret": "whsec_" + base64.b64encode(bytes(23)).decode()}, ["body", "secret"]),
        ({"secret": "whsec_" + base64.b64encode(bytes(76)).decode()}, ["body", "secret"]),
        ({"secret": "whsec_***"}, ["body", "secret"]),
        ({"secret": "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="}, ["body", "secret"]),
        ({"secret": "whsk_" + base64.b64encode(bytes(64)).decode()}, ["body", "secret"]),
        ({"metadata": {"a": "b" * 5000}}, ["body", "metadata"]),
        ({"disabled": 1}, ["body", "disabled"]),
    ],
)
async def test_a_broken_rule_says_where(api: Client, change: dict[str, object], loc: list[str]) -> None:
    refused = await api.post(ALL, {"url": "https://a.example", **change})
    assert (refused.status, refused.loc) == (422, loc)


async def test_a_refused_secret_is_not_repeated(api: Client) -> None:
    """Answers end up in logs."""
    refused = await api.post(ALL, {"url": "https://a.example", "secret": "whsec_hunter2"})
    assert b"hunter2" not in refused.body


async def test_ten_channels_are_as_many_as_an_endpoint_may_have(api: Client) -> None:
    made = await api.post(ALL, {"url": "https://a.example", "channels": [*"abcdefghij", "a", "a"]})
    assert (made.status, made.json["channels"]) == (201, list("abcdefghij"))


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("", "1", "Invalid Header Name."),
        ("no spaces", "1", "Invalid Header Name."),
        ("ü", "1", "Invalid Header Name."),
        ("x\r\ny", "1", "Invalid Header Name."),
        ("User-Agent", "1", "Header uses a forbidden key."),
        ("content-type", "1", "Header uses a forbidden key."),
        ("Transfer-Encoding", "chunked", "Header uses a forbidden key."),
        ("HOST", "internal", "Header uses a forbidden key."),
        ("Connection", "close", "Header uses a forbidden key."),
        ("X-Amz-Date", "1", "Header starts with a forbidden prefix."),
        ("x-google-x", "1", "Header starts with a forbidden prefix."),
        ("Svix-Id", "1", "Header starts with a forbidden prefix."),
        ("Webhook-Signature", "1", "Header starts with a forbidden prefix."),
        ("X-A", "1\r\nX-B: 2", "Invalid Header Value."),
        ("X-A", "\u0000", "Invalid Header Value."),
        ("X-A", "\u007f", "Invalid Header Value."),
        ("X-A", "a" * 4097, "Maximum header length is 4096 bytes"),
    ],
)
async def test_a_header_that_is_not_the_callers_to_set_is_refused(
    api: Client, name: str, value: str, why: str
) -> None:
    refused = await api.post(ALL, {"url": "https://a.example", "headers": {name: value}})
    assert (refused.status, refused.loc[:2]) == (422, ["body", "headers"])
    assert refused.json["detail"][0]["msg"] == why


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
