"""The rules for query strings and paths, a row each.

A parameter that cannot be read is a 400; one that can and breaks a rule is a 422 that says where.
"""

from itertools import product
from urllib.parse import quote

import pytest

from tests.functions.api.client import Client

pytestmark = pytest.mark.usefixtures("acme", "here")

APPS, TYPES = "/api/v1/app", "/api/v1/event-type"
MESSAGES = f"{APPS}/acme/msg"
ATTEMPTS = f"{APPS}/acme/attempt/endpoint/here"
ENDPOINTS = f"{APPS}/acme/endpoint"
MESSAGE = {"eventType": "a", "payload": {}}
KSUID = "1srOrr5WjKyYWLajIlnglfBaJQu"
LONG = "a" * 257


@pytest.fixture
async def here(api: Client, acme: str) -> None:
    """An endpoint with this uid."""
    await api.post(ENDPOINTS, {"url": "https://a.example", "uid": "here"})


READ = [
    *(f"{APPS}?limit={text}" for text in ("0", "1", "250", "%2B1")),
    *(f"{TYPES}?with_content={text}" for text in ("true", "false")),
    *(f"{APPS}?order={text}" for text in ("ascending", "descending")),
    *(f"{ATTEMPTS}?status={text}" for text in "0123"),
    *(f"{ATTEMPTS}?status_code_class={text}" for text in ("0", "100", "500")),
    *(f"{APPS}?iterator={text}" for text in ("app_", "-app_1")),
    *(f"{ENDPOINTS}?iterator={text}" for text in ("ep_1", "-ep_1")),
    *(f"{TYPES}?iterator={text}" for text in ("a", "-a")),
    *(f"{MESSAGES}?iterator={text}" for text in (f"msg_{KSUID}", f"-msg_{KSUID}")),
    *(f"{MESSAGES}?channel={text}" for text in ("a", "a" * 256)),
    *(f"{MESSAGES}?event_types={text}" for text in ("a", "a,b", "a%2Cb", "a&event_types=b")),
    *(f"{MESSAGES}?{text}" for text in ("event_types[]=a", "event_types[0]=a&event_types[1]=b")),
    f"{MESSAGES}?event_types%5B%5D=a&event_types%5B%5D=b",
    f"{APPS}?nobody=1&nobody=2&limit[]=x&=&&%ff",
]
UNREADABLE = [
    *(f"{APPS}?limit={text}" for text in ("-1", "x", "", "1.0", str(2**64), "9" * 5000)),
    *(f"{TYPES}?with_content={text}" for text in ("True", "1", "yes", "")),
    *(f"{APPS}?order={text}" for text in ("down", "Ascending", "")),
    *(f"{ATTEMPTS}?status={text}" for text in ("success", "-1", "5", "")),
    *(f"{ATTEMPTS}?status_code_class={text}" for text in ("600", "404", "2xx", "")),
    f"{APPS}?limit=1&limit=1",
]
BROKEN = [
    *((f"{APPS}?limit={text}", "limit", "limit") for text in ("251", str(2**64 - 1))),
    *((f"{APPS}?iterator={text}", "iterator", "__all__") for text in ("", "-", "BAD-$$$ITERATOR", "ep_1")),
    *((f"{ENDPOINTS}?iterator={text}", "iterator", "__all__") for text in ("app_1", "1", "--ep_1")),
    *((f"{TYPES}?iterator={text}", "iterator", "__all__") for text in ("", "a%20b", LONG)),
    *((f"{MESSAGES}?iterator={text}", "iterator", "__all__") for text in ("msg_1", f"atmpt_{KSUID}")),
    *((f"{MESSAGES}?iterator={text}", "iterator", "__all__") for text in (f"msg_{KSUID[:-1]}%24", "msg_$$")),
    *((f"{MESSAGES}?channel={text}", "channel", "__all__") for text in ("", LONG, "%C3%BC")),
    *((f"{MESSAGES}?event_types{text}", "event_types", "__all__") for text in ("=", "=a,", "[]=a%20b")),
]


@pytest.mark.parametrize("target", READ)
async def test_what_keeps_the_rules_is_read(api: Client, target: str) -> None:
    assert (await api.get(target)).status == 200


@pytest.mark.parametrize("target", UNREADABLE)
async def test_what_cannot_be_read_is_told_before_anybody_asks_who_it_is(api: Client, target: str) -> None:
    refused = await Client(None).get(target)
    assert (refused.status, refused.json["code"]) == (400, "generic_error")
    assert refused.json["detail"].startswith("Failed to deserialize query string: ")
    assert await api.get(target) == refused


@pytest.mark.parametrize(("target", "parameter", "part"), BROKEN)
async def test_what_breaks_a_rule_is_told_where_before_anybody_asks_who_it_is(
    api: Client, target: str, parameter: str, part: str
) -> None:
    refused = await Client(None).get(target)
    (broken,) = refused.json["detail"]
    assert (refused.status, broken["loc"]) == (422, ["query", parameter, part])
    assert broken["type"] == "value_error"
    assert broken["msg"]
    assert await api.get(target) == refused


WHAT_TO_WRITE = "write an instant with its offset, such as 2026-11-23T22:14:02Z"
FRACTIONS = ("", ".1", ".123456", ".123456789")
OFFSETS = ("Z", "z", "UTC", "utc", " UTC", "+00:00", "-0000", "+0130", " +02:00", "-23:59")
NO_INSTANTS = (
    *(
        "",
        "now",
        "1795521600",
        "2026-11-24",
        "2026-11-24T12:00Z",
        "2026-11-24T12:00:00",
        "2026-11-24_12:00:00Z",
    ),
    *("2026-11-24T12:00:00.Z", "2026-11-24T12:00:00,1Z", "2026-11-24T12:00:00.1234567890Z"),
    *("2026-11-24  12:00:00Z", "2026-11-24T12:00:00  Z", "2026-11-24T12:00:00Z ", "2026-11-24T12:00:00 CET"),
    *("2026-11-24T24:00:00Z", "2026-11-24T12:60:00Z", "2026-11-24T12:00:60Z", "2026-13-24T12:00:00Z"),
    *("2026-02-29T12:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00"),
    *("9999-12-31T23:59:59-01:00", "2026-11-24T12:00:00+24:00", "2026-11-24T12:00:00+01:60"),
    *("2026-11-24T12:00:00+1", "２０２６-11-24T12:00:00Z"),  # noqa: RUF001 - digits of another script
)


@pytest.mark.parametrize("between", ["T", "t", " "])
async def test_an_instant_is_read_in_every_form_that_clients_write(api: Client, between: str) -> None:
    for fraction, offset in product(FRACTIONS, OFFSETS):
        text = f"2026-11-24{between}12:00:00{fraction}{offset}"
        for parameter in ("before", "after"):
            assert (await api.get(f"{MESSAGES}?{parameter}={quote(text)}")).status == 200
    soon = f"2026-11-24{between}14:00:00.123456789 +01:00"
    posted = await api.post(MESSAGES, {**MESSAGE, "deliverAt": soon})
    assert (posted.status, posted.json["deliverAt"]) == (202, "2026-11-24T13:00:00.123456Z")


@pytest.mark.parametrize("text", NO_INSTANTS)
async def test_what_is_no_instant_is_told_what_to_write(api: Client, text: str) -> None:
    for parameter in ("before", "after"):
        refused = await api.get(f"{MESSAGES}?{parameter}={quote(text)}")
        assert (refused.status, WHAT_TO_WRITE in refused.json["detail"]) == (400, True)
    refused = await api.post(MESSAGES, {**MESSAGE, "deliverAt": text})
    assert (refused.status, refused.loc) == (422, ["body", "deliver_at"])
    assert WHAT_TO_WRITE in refused.json["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("method", "path", "status", "loc"),
    [
        ("POST", "/app/a%20b/msg", 422, ["path", "app_id_or_uid", "__all__"]),
        ("POST", f"/app/{'a' * 257}/msg", 422, ["path", "app_id_or_uid", "__all__"]),
        ("PUT", "/event-type/a%20b", 422, ["path", "event_type_name", "__all__"]),
        ("GET", "/app/a%20b", 404, None),
        ("GET", "/app/acme/endpoint/%00", 404, None),
        ("GET", "/app/acme/msg/%C3%BC", 404, None),
        ("GET", "/event-type/a%20b", 404, None),
    ],
)
async def test_a_name_in_a_path_is_checked_only_where_it_may_be_stored(
    api: Client, method: str, path: str, status: int, loc: list[str] | None
) -> None:
    answered = await api.call(method, f"/api/v1{path}", b'{"eventType":"a","payload":{},"description":""}')
    assert answered.status == status
    if loc is not None:
        assert answered.loc == loc
