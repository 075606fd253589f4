"""What a message may say beside its payload: tags, what it is delivered as, when, and how long it is kept."""

from datetime import timedelta

import pytest

from functions.api.message import post_from_queue
from functions.api.posting import CONTENT_TYPE_MAX_BYTES
from shared.domain.errors import Invalid
from tests.clock import NOON
from tests.flows.walk import Walk, header
from tests.functions.api.client import Client, Reply
from tests.functions.api.test_events import an_event

APP = "/api/v1/app/acme"
ALL = f"{APP}/msg"
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("acme")


async def post(api: Client, **said: object) -> Reply:
    return await api.post(ALL, {"eventType": "invoice.paid", "payload": {}, **said})


def raw(text: str | None = None, content_type: str | None = None) -> dict[str, object]:
    """As the SDKs' helper for raw payloads writes it."""
    params: dict[str, object] = {} if text is None else {"rawPayload": text}
    if content_type is not None:
        params["headers"] = {"content-type": content_type}
    return {"transformationsParams": params}


# ---- tags


async def test_tags_are_a_set_and_shown_wherever_the_message_is(api: Client) -> None:
    posted = await post(api, tags=["vip", r"user/4\2#_-.", "vip"], eventId="e1")
    assert posted.status == 202
    assert posted.json["tags"] == [r"user/4\2#_-.", "vip"]
    for shown in (await api.get(f"{ALL}/e1"), await api.get(f"{ALL}/e1?with_content=false")):
        assert shown.json["tags"] == posted.json["tags"]


@pytest.mark.parametrize("tags", [None, []])
async def test_a_message_without_tags_says_nothing_of_them(api: Client, tags: object) -> None:
    assert "tags" not in (await post(api, tags=tags)).json


@pytest.mark.parametrize(
    "tags", [["a"] * 6 + ["b"], ["a" * 128], [str(number) for number in range(5)]], ids=str
)
async def test_a_message_has_up_to_five_tags_of_up_to_128_bytes(api: Client, tags: list[str]) -> None:
    assert (await post(api, tags=tags)).status == 202


@pytest.mark.parametrize(
    ("tags", "loc"),
    [
        ([str(number) for number in range(6)], ["body", "tags"]),
        (["a" * 129], ["body", "tags", "__all__"]),
        ([""], ["body", "tags", "__all__"]),
        (["a b"], ["body", "tags", "__all__"]),
        (["ü"], ["body", "tags", "__all__"]),
        (["a\n"], ["body", "tags", "__all__"]),
        ([1], ["body", "tags[0]"]),
        ("vip", ["body", "tags"]),
    ],
)
async def test_what_is_no_set_of_tags_is_refused(api: Client, tags: object, loc: list[str]) -> None:
    refused = await post(api, tags=tags)
    assert (refused.status, refused.loc) == (422, loc)


LISTED = {
    "": "other both tagged plain",
    "tag=vip": "other both tagged",
    "tag=eu": "tagged",
    "tag=vi": "",
    "tag=vip&channel=eu": "other both",
    "tag=vip&channel=us": "other",
    "tag=eu&channel=vip": "",
    "tag=vip&event_types=refund": "other",
    "tag=vip&channel=eu&event_types=invoice.paid": "both",
    "tag=vip&limit=1": "other",
    "tag=vip&before=2026-11-24T12:00:02Z": "tagged",
}


async def test_every_list_filters_by_tag(api: Client, walk: Walk) -> None:
    """Alone, and together with whatever else a list is filtered by."""
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    said: dict[str, dict[str, object]] = {
        "plain": {},
        "tagged": {"tags": ["vip", "eu"]},
        "both": {"tags": ["vip"], "channels": ["eu"]},
        "other": {"tags": ["vip"], "channels": ["eu", "us"], "eventType": "refund"},
    }
    names = {}
    for name, more in said.items():
        names[(await post(api, **more)).json["id"]] = name
        await walk.works()
        walk.clock.move(timedelta(seconds=1))

    for query, found in LISTED.items():
        messages = (await api.get(f"{ALL}?{query}")).json["data"]
        at_endpoint = (await api.get(f"{APP}/endpoint/here/msg?{query}")).json["data"]
        attempts = (await api.get(f"{APP}/attempt/endpoint/here?{query}")).json["data"]
        assert " ".join(names[row["id"]] for row in messages) == found
        assert [row["id"] for row in at_endpoint] == [row["id"] for row in messages]
        assert [row["msgId"] for row in attempts] == [row["id"] for row in messages]
    assert (await api.get(f"{APP}/attempt/endpoint/here?status=2&tag=vip")).json["data"] == []


async def test_the_attempts_on_a_message_are_filtered_by_tag(api: Client, walk: Walk) -> None:
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    posted = await post(api, tags=["vip", "eu"])
    await walk.works()
    attempts = f"{APP}/attempt/msg/{posted.json['id']}"
    assert len((await api.get(f"{attempts}?tag=vip")).json["data"]) == 1
    assert (await api.get(f"{attempts}?tag=x")).json["data"] == []
    (row,) = (await api.get(f"{APP}/endpoint/here/msg")).json["data"]
    assert row["tags"] == ["eu", "vip"]


# ---- raw payloads


@pytest.mark.parametrize(
    ("text", "content_type", "shown"),
    [
        ("id;amount\r\n1;ü\x00\r\n", "text/csv", {"rawPayload": "id;amount\r\n1;ü\x00\r\n"}),
        ("", "text/plain", {"rawPayload": ""}),
        ("[1, 2]", None, {"rawPayload": "[1, 2]"}),
        ("{", "application/json", {"rawPayload": "{"}),
        (' {"b": 1.10,\n"a": 2}', None, {"a": 2, "b": 1.1}),
        (' {"b": 1.10,\n"a": 2}', "application/json", {"a": 2, "b": 1.1}),
        ('{"a": 2}', "application/cloudevents+json", {"a": 2}),
    ],
)
async def test_a_raw_payload_is_delivered_as_it_was_written_and_shown_as_an_object(
    api: Client, walk: Walk, text: str, content_type: str | None, shown: object
) -> None:
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    posted = await post(api, **raw(text, content_type))
    await walk.works()

    (outgoing,) = walk.receiver.sent
    assert outgoing.body == text.encode()
    assert header(outgoing, "content-type") == (content_type or "application/json")
    message = f"{ALL}/{posted.json['id']}"
    assert posted.json["payload"] == (await api.get(message)).json["payload"] == shown
    assert (await api.get(ALL)).json["data"][0]["payload"] == shown
    assert (await api.get(f"{APP}/endpoint/here/msg")).json["data"][0]["payload"] == shown
    attempts = (await api.get(f"{APP}/attempt/endpoint/here?with_msg=true")).json["data"]
    assert attempts[0]["msg"]["payload"] == shown
    assert (await api.get(f"{message}?with_content=false")).json["payload"] == {}

    assert (await api.delete(f"{message}/content")).status == 204
    assert (await api.get(message)).json["payload"] == {"expired": True}
    assert (await api.post(f"{message}/endpoint/here/resend")).status == 400


async def test_a_raw_payload_is_sent_again_as_what_it_is(api: Client, walk: Walk) -> None:
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    posted = await post(api, **raw("<a/>", "application/xml"))
    await walk.works()
    assert (await api.post(f"{ALL}/{posted.json['id']}/endpoint/here/resend")).status == 202
    await walk.works()

    first, again = walk.receiver.sent
    assert first.body == again.body == b"<a/>"
    assert header(again, "content-type") == "application/xml"


async def test_a_payload_that_is_not_raw_may_have_a_content_type(api: Client, walk: Walk) -> None:
    await api.post(f"{APP}/endpoint", {"url": "https://a.example"})
    params = {"headers": {"Content-Type": "application/cloudevents+json"}}
    posted = await post(api, payload={"b": 1}, transformationsParams=params)
    await walk.works()
    assert posted.json["payload"] == {"b": 1}
    assert header(walk.receiver.sent[0], "content-type") == "application/cloudevents+json"
    assert walk.receiver.sent[0].body == b'{"b": 1}'


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"rawPayload": None, "headers": None},
        {"headers": {}},
        {"mood": [1], "headers": {"x-a": "b"}},
    ],
)
async def test_what_asks_for_nothing_changes_nothing(
    api: Client, walk: Walk, params: dict[str, object] | None
) -> None:
    await api.post(f"{APP}/endpoint", {"url": "https://a.example"})
    await post(api, payload={"b": 1}, transformationsParams=params)
    await walk.works()
    assert walk.receiver.sent[0].body == b'{"b": 1}'
    assert header(walk.receiver.sent[0], "content-type") == "application/json"


@pytest.mark.parametrize("content_type", ["a", "a" * CONTENT_TYPE_MAX_BYTES, 'a/b; c="d\te"'])
async def test_a_content_type_is_a_value_of_a_header(api: Client, content_type: str) -> None:
    assert (await post(api, **raw("x", content_type))).status == 202


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        " ",
        " a",
        "a ",
        "a\r\nX-Forged: 1",
        "a\n",
        "a\x00",
        "ü",
        "a\x7f",
        "a" * (CONTENT_TYPE_MAX_BYTES + 1),
    ],
)
async def test_what_cannot_be_a_content_type_is_refused(api: Client, content_type: str) -> None:
    """A line break would let a producer forge headers, our signature among them."""
    refused = await post(api, **raw("x", content_type))
    where = ["body", "transformations_params", "headers", "content-type"]
    assert (refused.status, refused.loc) == (422, where)
    assert "such as text/plain" in refused.json["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("params", "loc"),
    [
        ([], ["body", "transformationsParams"]),
        ({"rawPayload": {}}, ["body", "transformationsParams", "rawPayload"]),
        ({"headers": []}, ["body", "transformationsParams", "headers"]),
        ({"headers": {"content-type": None}}, ["body", "transformationsParams", "headers"]),
    ],
)
async def test_parameters_of_another_form_are_refused(api: Client, params: object, loc: list[str]) -> None:
    refused = await post(api, transformationsParams=params)
    assert (refused.status, refused.loc) == (422, loc)


# ---- later


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("2026-11-24T12:01:00Z", "2026-11-24T12:01:00Z"),
        ("2026-11-25T12:00:00.000Z", "2026-11-25T12:00:00Z"),
        ("2026-11-24 15:30:00.123456789 +02:00", "2026-11-24T13:30:00.123456Z"),
    ],
)
async def test_a_time_to_be_delivered_is_shown_and_kept_to(
    api: Client, walk: Walk, told: str, shown: str
) -> None:
    await api.post(f"{APP}/endpoint", {"url": "https://a.example"})
    posted = await post(api, deliverAt=told)
    assert (posted.status, posted.json["deliverAt"]) == (202, shown)
    assert (await api.get(f"{ALL}/{posted.json['id']}?with_content=false")).json["deliverAt"] == shown
    assert (await api.get(ALL)).json["data"] == [posted.json]

    await walk.passes(timedelta(seconds=59))
    assert walk.receiver.sent == []
    await walk.passes(timedelta(days=1))
    assert walk.receiver.got == [posted.json["id"]]


@pytest.mark.parametrize("change", [{}, {"deliverAt": None}])
async def test_what_is_delivered_at_once_shows_no_time(api: Client, change: dict[str, object]) -> None:
    assert "deliverAt" not in (await post(api, **change)).json


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("2026-11-24T12:00:59.999999Z", "at least 1 minute and at most 24 hours from now"),
        ("2026-11-25T12:00:00.000001Z", "at least 1 minute and at most 24 hours from now"),
        ("2026-11-24T11:00:00Z", "at least 1 minute"),
        ("0001-01-01T00:00:00Z", "at least 1 minute"),
        ("9999-12-31T23:59:59Z", "at most 24 hours"),
        ("2026-11-24T13:00:00", "with its offset"),
        ("tomorrow", "such as 2026-11-23T22:14:02Z"),
        ("", "such as 2026-11-23T22:14:02Z"),
    ],
)
async def test_a_time_out_of_range_says_what_to_write(api: Client, told: str, says: str) -> None:
    refused = await post(api, deliverAt=told)
    assert (refused.status, refused.loc) == (422, ["body", "deliver_at"])
    assert says in refused.json["detail"][0]["msg"]


async def test_a_repeat_with_its_key_is_answered_also_when_its_time_is_too_near_by_then(
    api: Client, walk: Walk
) -> None:
    said = {"eventType": "a", "payload": {}, "deliverAt": "2026-11-24T12:01:00Z"}
    first = await api.post(ALL, said, idempotency_key="once")
    walk.clock.move(timedelta(seconds=30))
    again = await api.post(ALL, said, idempotency_key="once")
    assert (first.status, again) == (202, first)


@pytest.mark.parametrize("call_off", ["erase", "disable"])
async def test_what_waits_can_be_called_off(api: Client, walk: Walk, call_off: str) -> None:
    endpoint = await api.post(f"{APP}/endpoint", {"url": "https://a.example"})
    posted = await post(api, deliverAt="2026-11-24T13:00:00Z")
    if call_off == "erase":
        await api.delete(f"{ALL}/{posted.json['id']}/content")
    else:
        await api.patch(f"{APP}/endpoint/{endpoint.json['id']}", {"disabled": True})
    await walk.passes(2 * HOUR)
    assert walk.receiver.sent == []
    assert (await api.get(f"{ALL}/{posted.json['id']}")).json["deliverAt"] == "2026-11-24T13:00:00Z"


# ---- retention


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({}, timedelta(days=90)),
        ({"payloadRetentionPeriod": 5}, timedelta(days=5)),
        ({"payloadRetentionHours": 1}, HOUR),
        ({"payloadRetentionHours": 2160}, timedelta(days=90)),
        ({"payloadRetentionHours": 30, "payloadRetentionPeriod": None}, 30 * HOUR),
        ({"payloadRetentionHours": None, "payloadRetentionPeriod": 5}, timedelta(days=5)),
    ],
)
async def test_a_payload_is_kept_for_days_or_for_hours(
    api: Client, walk: Walk, said: dict[str, object], kept: timedelta
) -> None:
    message = f"{ALL}/{(await post(api, payload={'a': 1}, **said)).json['id']}"
    walk.clock.move(kept - timedelta(microseconds=1))
    assert (await api.get(message)).json["payload"] == {"a": 1}
    walk.clock.move(timedelta(microseconds=1))
    assert (await api.get(message)).json["payload"] == {"expired": True}


@pytest.mark.parametrize(
    ("said", "loc"),
    [
        ({"payloadRetentionHours": 0}, ["body", "payload_retention_hours"]),
        ({"payloadRetentionHours": 2161}, ["body", "payload_retention_hours"]),
        ({"payloadRetentionHours": -1}, ["body", "payload_retention_hours"]),
        ({"payloadRetentionHours": 1.5}, ["body", "payloadRetentionHours"]),
        ({"payloadRetentionHours": 24, "payloadRetentionPeriod": 5}, ["body", "payload_retention_hours"]),
        ({"payloadRetentionHours": 1, "deliverAt": "2026-11-24T13:00:00Z"}, ["body", "deliver_at"]),
    ],
)
async def test_a_retention_that_cannot_be_is_refused(
    api: Client, said: dict[str, object], loc: list[str]
) -> None:
    refused = await post(api, **said)
    assert (refused.status, refused.loc) == (422, loc)


# ---- the same by queue


async def test_an_event_may_say_all_of_it_too(api: Client, walk: Walk) -> None:
    await api.post(f"{APP}/endpoint", {"url": "https://a.example"})
    said = {
        "eventType": "a",
        "payload": {},
        "tags": ["vip"],
        "deliverAt": "2026-11-24T13:00:00Z",
        "payloadRetentionHours": 2,
        **raw("<a/>", "application/xml"),
    }
    await post_from_queue(walk.service, an_event(message=said), "1")
    (row,) = (await api.get(f"{ALL}?tag=vip")).json["data"]
    assert (row["payload"], row["deliverAt"]) == ({"rawPayload": "<a/>"}, "2026-11-24T13:00:00Z")

    await walk.passes(HOUR)
    (outgoing,) = walk.receiver.sent
    assert (outgoing.body, header(outgoing, "content-type")) == (b"<a/>", "application/xml")
    await walk.passes(HOUR)
    assert (await api.get(ALL)).json["data"][0]["payload"] == {"expired": True}


async def test_an_event_whose_time_is_past_is_delivered_at_once(api: Client, walk: Walk) -> None:
    """It may have waited for us; and handed over again, it is not taken for a wrong one."""
    await api.post(f"{APP}/endpoint", {"url": "https://a.example"})
    said = {"eventType": "a", "payload": {}, "deliverAt": (NOON - HOUR).isoformat()}
    for _ in range(2):
        await post_from_queue(walk.service, an_event(message=said), "1")
        await walk.works()
    assert len(walk.receiver.sent) == 1


async def test_an_event_for_the_day_after_tomorrow_is_refused(walk: Walk) -> None:
    said = {"eventType": "a", "payload": {}, "deliverAt": (NOON + 48 * HOUR).isoformat()}
    with pytest.raises(Invalid, match="at most 24 hours"):
        await post_from_queue(walk.service, an_event(message=said), "1")
