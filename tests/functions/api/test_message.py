"""Messages over HTTP."""

import asyncio
import json
from datetime import timedelta
from urllib.parse import quote

import pytest

from shared.domain.work import DISPATCH_QUEUE, dispatch_from
from shared.ports.queue import Delivery
from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token, portal_token

ALL = "/api/v1/app/acme/msg"
ATTEMPTS = "/api/v1/app/acme/attempt/msg"
WHOLE = {
    "eventType": "invoice.paid",
    "eventId": "invoice-1",
    "payload": {"b": 1, "a": "ü"},
    "channels": ["eu", "de"],
    "payloadRetentionPeriod": 5,
}

pytestmark = pytest.mark.usefixtures("acme")


async def queued(walk: Walk) -> list[Delivery]:
    """What waits to be delivered."""
    lease = timedelta(minutes=1)
    return list(
        await walk.service.store.consumer.receive(DISPATCH_QUEUE, limit=99, lease=lease, patience=timedelta())
    )


async def post(api: Client, **change: object) -> str:
    """Post a message, and say its id."""
    posted = await api.post(ALL, {"eventType": "invoice.paid", "payload": {}, **change})
    assert posted.status == 202
    message_id: str = posted.json["id"]
    return message_id


async def test_what_was_accepted_is_read_again_exactly(api: Client) -> None:
    posted = await api.post(ALL, WHOLE)

    assert posted.status == 202
    assert posted.body == (
        b'{"eventId":"invoice-1","eventType":"invoice.paid","payload":{"a":"\xc3\xbc","b":1},'
        b'"channels":["de","eu"],"id":"'
        + posted.json["id"].encode()
        + b'","timestamp":"2026-11-24T12:00:00Z"}'
    )
    for key in (posted.json["id"], "invoice-1"):
        assert (await api.get(f"{ALL}/{key}")).body == posted.body
    assert (await api.get(ALL)).json["data"] == [posted.json]
    assert (await api.get(f"{ALL}/msg_none")).json == {"code": "not_found", "detail": "Message not found"}


async def test_what_is_not_set_is_null(api: Client) -> None:
    nulls = dict.fromkeys(("eventId", "channels", "payloadRetentionPeriod", "application"))
    posted = await api.post(ALL, {"eventType": "a", "payload": {}, **nulls})
    assert posted.status == 202
    assert (posted.json["eventId"], posted.json["channels"]) == (None, None)


async def test_the_payload_is_delivered_as_it_was_written(api: Client, walk: Walk) -> None:
    """Receivers verify a signature over these very bytes."""
    written = '{ "z": 1.10,\n\t"a": -0, "ü": "\\u00e9\\/", "big": 1e400 }'
    body = f'{{"payload" : {written} , "eventType":"a"}}'.encode()
    posted = await api.post(ALL, body)
    assert posted.status == 202
    assert '"payload":{"a":-0,"big":1e400,"z":1.10,"ü":"é/"}' in posted.body.decode()
    (delivery,) = await queued(walk)
    assert dispatch_from(delivery.body).payload == written


@pytest.mark.parametrize("how", ["", "?with_content=true"])
async def test_content_is_shown_unless_the_caller_does_without(api: Client, how: str) -> None:
    assert (await api.post(ALL + how, WHOLE)).json["payload"] == WHOLE["payload"]
    hidden = await api.post(f"{ALL}?with_content=false", {**WHOLE, "eventId": "2"})
    assert (hidden.status, hidden.json["payload"]) == (202, {})
    assert (await api.get(f"{ALL}/2?with_content=false")).json["payload"] == {}
    assert (await api.get(f"{ALL}/2")).json["payload"] == WHOLE["payload"]
    assert [row["payload"] for row in (await api.get(f"{ALL}?with_content=false")).json["data"]] == [{}, {}]


async def test_an_expired_payload_is_said_to_be_so(api: Client, walk: Walk) -> None:
    await api.post(ALL, WHOLE)
    walk.clock.move(timedelta(days=5, seconds=1))
    await walk.retains()
    assert (await api.get(f"{ALL}/invoice-1")).json["payload"] == {"expired": True}
    assert (await api.get(ALL)).json["data"][0]["payload"] == {"expired": True}


async def test_a_message_is_found_nowhere_after_a_year_and_its_event_id_is_free(
    api: Client, walk: Walk
) -> None:
    message_id = (await api.post(ALL, WHOLE)).json["id"]
    since = f"{ALL}?after=2026-11-01T00:00:00Z"
    assert len((await api.get(since)).json["data"]) == 1
    walk.clock.move(timedelta(days=365, seconds=1))
    await walk.retains()
    api = Client(organization_token(walk.service.settings, walk.clock.now()))

    for key in (message_id, "invoice-1"):
        for path in (f"{ALL}/{key}", f"{ALL}/{key}/timeline", f"{ALL}/{key}/endpoint", f"{ATTEMPTS}/{key}"):
            assert (await api.get(path)).status == 404
    assert (await api.get(since)).json["data"] == []
    assert (await api.post(ALL, WHOLE)).status == 202


async def test_the_old_name_of_the_payload_is_understood(api: Client) -> None:
    assert (await api.post(ALL, {"eventType": "a", "data": {"b": 1}})).json["payload"] == {"b": 1}


async def test_an_event_id_is_used_once_an_application(api: Client) -> None:
    await api.post("/api/v1/app", {"name": "Other", "uid": "other"})
    assert (await api.post(ALL, WHOLE)).status == 202
    again = await api.post(ALL, WHOLE)
    assert (again.status, again.json) == (409, {"code": "conflict", "detail": "A conflict has occurred"})
    assert (await api.post("/api/v1/app/other/msg", WHOLE)).status == 202


async def test_no_event_type_needs_to_exist(api: Client) -> None:
    """A producer must not lose messages because someone forgot to register a type."""
    assert (await api.post(ALL, {"eventType": "never.heard.of", "payload": {}})).status == 202


async def test_a_message_may_bring_its_application(api: Client) -> None:
    body = {"eventType": "a", "payload": {}, "application": {"name": "New", "uid": "new"}}
    assert (await api.post("/api/v1/app/new/msg", body)).status == 202
    assert (await api.get("/api/v1/app/new")).json["name"] == "New"
    changed = {**body, "application": {"name": "Changed", "uid": "elsewhere"}}
    assert (await api.post("/api/v1/app/new/msg", changed)).status == 202
    assert (await api.get("/api/v1/app/new")).json["name"] == "New"


async def test_messages_at_once_may_bring_the_same_application(api: Client) -> None:
    """The first two events of a new customer often come together."""
    body = {"eventType": "a", "payload": {}, "application": {"name": "New", "uid": "new"}}
    posted = await asyncio.gather(*(api.post("/api/v1/app/new/msg", body) for _ in range(4)))
    assert [reply.status for reply in posted] == [202] * 4
    assert len((await api.get("/api/v1/app/new/msg")).json["data"]) == 4


@pytest.mark.parametrize(
    ("application", "kind"),
    [
        ({"name": "New"}, "application_uid_missing"),
        ({"name": "New", "uid": None}, "application_uid_missing"),
        ({"name": "New", "uid": "elsewhere"}, "application_uid_mismatch"),
    ],
)
async def test_an_application_is_made_only_under_the_paths_name(
    api: Client, application: dict[str, object], kind: str
) -> None:
    body = {"eventType": "a", "payload": {}, "application": application}
    refused = await api.post("/api/v1/app/new/msg", body)
    assert (refused.status, refused.loc) == (422, ["body", "application", "uid"])
    assert refused.json["detail"][0]["type"] == kind
    assert (await api.get("/api/v1/app/new")).status == 404


async def test_no_application_and_none_described_is_unknown(api: Client) -> None:
    unknown = await api.post("/api/v1/app/new/msg", {"eventType": "a", "payload": {}})
    assert (unknown.status, unknown.json) == (404, {"code": "not_found", "detail": "Application not found"})


async def test_the_application_described_is_checked_also_when_it_is_there(api: Client) -> None:
    body = {"eventType": "a", "payload": {}, "application": {"name": ""}}
    assert (await api.post(ALL, body)).status == 422


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"eventType": None}, ["body", "eventType"]),
        ({"eventType": ""}, ["body", "event_type", "__all__"]),
        ({"eventType": "user signed up"}, ["body", "event_type", "__all__"]),
        ({"eventType": "a" * 257}, ["body", "event_type", "__all__"]),
        ({"eventId": "msg_1"}, ["body", "uid", "__all__"]),
        ({"eventId": ""}, ["body", "uid", "__all__"]),
        ({"payload": None}, ["body", "payload"]),
        ({"payload": []}, ["body", "payload"]),
        ({"payload": "{}"}, ["body", "payload"]),
        ({"payload": 1}, ["body", "payload"]),
        ({"data": {}}, ["body", "", ""]),
        ({"channels": []}, ["body", "channels"]),
        ({"channels": list("abcdef")}, ["body", "channels"]),
        ({"channels": ["a b"]}, ["body", "channels", "__all__"]),
        ({"payloadRetentionPeriod": 4}, ["body", "payload_retention_period"]),
        ({"payloadRetentionPeriod": 91}, ["body", "payload_retention_period"]),
        ({"payloadRetentionPeriod": "5"}, ["body", "payloadRetentionPeriod"]),
        ({"application": {"uid": "acme"}}, ["body", "application"]),
        ({"application": {"name": "a", "uid": "no spaces"}}, ["body", "application", "uid", "__all__"]),
        ({"application": {"name": "a", "rateLimit": 0}}, ["body", "application", "rate_limit"]),
    ],
)
async def test_a_broken_rule_says_where(api: Client, change: dict[str, object], loc: list[str]) -> None:
    refused = await api.post(ALL, {"eventType": "a", "payload": {}, **change})
    assert (refused.status, refused.loc) == (422, loc)


@pytest.mark.parametrize("missing", ["eventType", "payload"])
async def test_what_must_be_there_is_named_when_it_is_not(api: Client, missing: str) -> None:
    body = {key: value for key, value in WHOLE.items() if key != missing}
    refused = await api.post(ALL, body)
    assert (refused.status, refused.loc) == (422, ["body", "", ""])
    assert f"`{missing}`" in refused.json["detail"][0]["msg"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xef\xbb\xbf{}",
        b'{"eventType":"a","payload":{}',
        b'{"eventType":"a","payload":{},}',
        b"{'eventType':'a','payload':{}}",
        b'{"eventType":"a","payload":{"a":01}}',
        b'{"eventType":"a","payload":{"a":NaN}}',
        b'{"eventType":"a","payload":{"a":"\xff"}}',
        b'{"eventType":"a","payload":{"\xff":1}}',
        b'{"eventType":"a","payload":{"a":"\x00"}}',
        b'{"eventType":"a","payload":{"a":"\\ud800"}}',
        b'{"eventType":"a","payload":{"a":"\xed\xa0\x80"}}',
        b'{"eventType":"a\\u0000","payload":{}}',
        b'{"eventType":"a\xff","payload":{}}',
        b'{"eventType":"a","payload":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"eventType":"a","payload":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"eventType":"a","payload":{},"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"eventType":"a","payload":{},"x":' + b"[" * 100_000,
        b'{"eventType":"a","eventType":"b","payload":{}}',
        b'{"eventType":"a","payload":{},"payload":{}}',
        b'{"eventType":"a","payload":{"a":1},"payload" :{"a":1}}',
        b'{"eventType":"a","data":{},"payload":{}}',
        b'{"eventType":"a","data":{},"data":{}}',
        b'{"eventType":"a","payload":{},"channels":null,"channels":["a"]}',
        b'{"eventType":"a","payload":{},"\xff":{"eventType":1}}',
    ],
)
async def test_a_body_that_is_no_message_is_refused(api: Client, body: bytes) -> None:
    refused = await api.post(ALL, body)
    assert refused.status == 422
    assert all(set(broken) == {"loc", "msg", "type"} for broken in refused.json["detail"])


@pytest.mark.parametrize(
    "payload",
    [
        {"eventType": "a", "payload": {"payload": 1}, "data": [], "channels": 1},
        {"x": [{"eventType": 1}, {"eventType": 1}], "eventId": "eventId"},
        {"text": '"eventType": "eventType":'},
    ],
)
async def test_names_of_fields_may_occur_again_inside(api: Client, payload: dict[str, object]) -> None:
    body = {"eventType": "a", "payload": payload, "x": {"eventType": 1, "payload": {"eventType": 2}}}
    assert (await api.post(ALL, body)).json["payload"] == payload


async def test_the_content_type_is_not_looked_at(api: Client) -> None:
    body = json.dumps(WHOLE).encode()
    assert (await api.post(ALL, body, content_type="text/plain")).status == 202


@pytest.mark.parametrize("key", ["no%20spaces", "%C3%BC", "a" * 257])
async def test_the_application_in_the_path_is_a_name(api: Client, key: str) -> None:
    refused = await api.post(f"/api/v1/app/{key}/msg", WHOLE)
    assert (refused.status, refused.loc) == (422, ["path", "app_id_or_uid", "__all__"])


async def test_a_portal_reads_and_does_not_send(api: Client, acme: str, walk: Walk) -> None:
    message_id = await post(api)
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.get(ALL)).status == 200
    assert (await portal.get(f"{ALL}/{message_id}")).status == 200
    assert (await portal.post(ALL, WHOLE)).status == 403
    stranger = Client(organization_token(walk.service.settings, walk.clock.now(), "org_other"))
    assert (await stranger.get(f"{ALL}/{message_id}")).status == 404
    assert (await stranger.post(ALL, WHOLE)).status == 404


async def test_lists_filter_by_channel_and_type(api: Client, walk: Walk) -> None:
    messages = {}
    for name, channels in (("a", None), ("b", ["eu"]), ("c", ["eu", "us"])):
        messages[name] = await post(api, eventType=name, channels=channels)
        walk.clock.move(timedelta(seconds=1))

    async def listed(query_string: str) -> str:
        names = {message_id: name for name, message_id in messages.items()}
        rows = (await api.get(f"{ALL}?{query_string}")).json["data"]
        return "".join(names[row["id"]] for row in rows)

    assert await listed("") == "cba"
    assert await listed("channel=eu") == "cb"
    assert await listed("channel=us&event_types=b") == ""
    assert await listed("event_types=a,c") == "ca"
    assert await listed("event_types[0]=a&event_types[1]=b&channel=eu") == "b"


async def test_windows_hold_what_clients_rely_on(api: Client, walk: Walk) -> None:
    """`after` shows what came at or after an instant, `before` what came before it, the newest first."""
    posted = []
    for _ in range(6):
        posted.append((await api.post(ALL, {"eventType": "a", "payload": {}})).json)
        walk.clock.move(timedelta(seconds=1))
    newest_first = [message["id"] for message in posted[::-1]]

    async def listed(query_string: str) -> list[str]:
        return [row["id"] for row in (await api.get(f"{ALL}?{query_string}")).json["data"]]

    at = quote(posted[2]["timestamp"])
    assert await listed("") == newest_first
    assert await listed(f"after={at}") == newest_first[:4]
    assert await listed(f"before={at}") == newest_first[4:]
    assert await listed(f"after={at}&limit=2") == newest_first[2:4]
    assert await listed(f"before={at}&limit=1") == newest_first[4:5]
    assert await listed(f"after={at}&before={quote(posted[4]['timestamp'])}") == newest_first[2:4]


async def test_pages_go_on_and_back(api: Client, walk: Walk) -> None:
    for _ in range(5):
        await post(api)
        walk.clock.move(timedelta(seconds=1))
    first = (await api.get(f"{ALL}?limit=2")).json
    second = (await api.get(f"{ALL}?limit=2&iterator={first['iterator']}")).json
    third = (await api.get(f"{ALL}?limit=2&iterator={second['iterator']}")).json
    back = (await api.get(f"{ALL}?limit=2&iterator={second['prevIterator']}")).json
    assert [first["done"], second["done"], third["done"], back["done"]] == [False, False, True, True]
    assert back["data"] == first["data"]
    assert len({row["id"] for page in (first, second, third) for row in page["data"]}) == 5
    assert "prevIterator" not in (await api.get(f"{ALL}?limit=0")).json
