"""The rules for bodies, a row each: what is just taken, what is just refused, and how that is told.

`loc` names the value by the contract's own words, which are not always the field's name; `__all__` stands for
a text as a whole. What is not of the right form is a `value_error.jsondecode`, what says something that it
must not is a `value_error`.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from functions.api.bodies import MISSING
from functions.api.request_headers import FORBIDDEN, FORBIDDEN_PREFIXES
from functions.api.requests import BODY_LIMIT_BYTES
from tests.functions.api.client import Client

pytestmark = pytest.mark.usefixtures("acme")

APP = "/api/v1/app/acme"
CREATE_APP = "POST /api/v1/app"
PATCH_APP = f"PATCH {APP}"
PUT_APP = f"PUT {APP}"
CREATE_TYPE = "POST /api/v1/event-type"
PUT_TYPE = "PUT /api/v1/event-type/a"
CREATE_ENDPOINT = f"POST {APP}/endpoint"
PUT_ENDPOINT = f"PUT {APP}/endpoint/here"
SEND = f"POST {APP}/msg"
PORTAL = "POST /api/v1/auth/app-portal-access/acme"
BASES: Mapping[str, Mapping[str, Any]] = {
    CREATE_APP: {"name": "A"},
    PUT_APP: {"name": "A", "uid": "acme"},
    PATCH_APP: {},
    CREATE_TYPE: {"name": "a", "description": ""},
    PUT_TYPE: {"description": ""},
    CREATE_ENDPOINT: {"url": "https://a.example"},
    PUT_ENDPOINT: {"url": "https://a.example"},
    SEND: {"eventType": "a", "payload": {}},
    PORTAL: {},
}
"""By method and path: a body that is taken, which the rows below change."""

DECODE, VALUE = "value_error.jsondecode", "value_error"
FORM = "?"
"""The text for a wrong form is the parser's own, and is not compared."""

EMPTY, LONG = "String must be at least one character", "String too long"
PATTERN = r"String must match the following pattern: [a-zA-Z0-9\-_.]."
CONTROL = "Control characters 0x00-0x08 not allowed."
RANGE = "Validation error"
SCHEMES = "Endpoint URL schemes must be http or https"
TEN, FIVE = (f"Channels must have 1 to {most} items." for most in (10, 5))
NO_TYPES = "eventTypes can't be empty, it must have at least one item."
ROOT = ["body", "", ""]


def name_rules(at: str, field: str, *loc: str) -> list[tuple[Any, ...]]:
    """The rows of a name: 1 to 256 of `a-z A-Z 0-9 - _ .`."""
    where = ["body", *loc, "__all__"]
    return [
        (at, {field: ""}, where, EMPTY, VALUE),
        (at, {field: "a" * 257}, where, LONG, VALUE),
        (at, {field: "ü" * 129}, where, LONG, VALUE),
        (at, {field: "a b"}, where, PATTERN, VALUE),
        (at, {field: "a\n"}, where, PATTERN, VALUE),
        (at, {field: 1}, ["body", field], FORM, DECODE),
    ]


def rate_rules(at: str, field: str, loc: str) -> list[tuple[Any, ...]]:
    """The rows of a number from 1 to 65535."""
    return [
        (at, {field: 0}, ["body", loc], RANGE, VALUE),
        *(
            (at, {field: wrong}, ["body", field], FORM, DECODE)
            for wrong in (-1, 65_536, 10**30, 1.5, "1", True)
        ),
    ]


def secret_of(length: int) -> str:
    return "whsec_" + base64.b64encode(bytes(length)).decode()


REFUSED = [
    # Names and uids
    *name_rules(CREATE_APP, "uid", "uid"),
    *name_rules(PUT_APP, "uid", "uid"),
    *name_rules(PATCH_APP, "uid", "uid"),
    *name_rules(CREATE_ENDPOINT, "uid", "uid"),
    *name_rules(PUT_ENDPOINT, "uid", "uid"),
    *name_rules(SEND, "eventId", "uid"),
    *name_rules(SEND, "eventType", "event_type"),
    *name_rules(CREATE_TYPE, "name", "name"),
    (
        CREATE_APP,
        {"uid": "app_1"},
        ["body", "uid", "__all__"],
        "A uid must not start with app_, as ids do.",
        VALUE,
    ),
    (
        CREATE_ENDPOINT,
        {"uid": "ep_1"},
        ["body", "uid", "__all__"],
        "A uid must not start with ep_, as ids do.",
        VALUE,
    ),
    (
        SEND,
        {"eventId": "msg_1"},
        ["body", "uid", "__all__"],
        "A uid must not start with msg_, as ids do.",
        VALUE,
    ),
    (CREATE_TYPE, {"featureFlag": "a b"}, ["body", "featureFlag"], PATTERN, DECODE),
    (PORTAL, {"featureFlags": ["a" * 257]}, ["body", "featureFlags"], LONG, DECODE),
    # Texts for people
    (CREATE_APP, {"name": ""}, ["body", "name"], "`name` must be at least one character", VALUE),
    (CREATE_APP, {"name": "\x00"}, ["body", "name"], CONTROL, VALUE),
    (PUT_APP, {"name": ""}, ["body", "name"], "`name` must be at least one character", VALUE),
    (PUT_TYPE, {"description": "\x00"}, ["body", "description"], CONTROL, VALUE),
    (CREATE_APP, {"name": "\x08"}, ["body", "name"], CONTROL, VALUE),
    (CREATE_TYPE, {"description": "\x08"}, ["body", "description"], CONTROL, VALUE),
    (CREATE_ENDPOINT, {"description": "\x00"}, ["body", "description"], CONTROL, VALUE),
    (CREATE_APP, {"name": 1}, ["body", "name"], FORM, DECODE),
    # Null where null means nothing
    (CREATE_TYPE, {"description": None}, ["body", "description"], FORM, DECODE),
    (CREATE_APP, {"name": None}, ["body", "name"], FORM, DECODE),
    (PATCH_APP, {"name": None}, ["body", "name"], FORM, DECODE),
    (SEND, {"eventType": None}, ["body", "eventType"], FORM, DECODE),
    # Booleans
    (CREATE_ENDPOINT, {"disabled": "true"}, ["body", "disabled"], FORM, DECODE),
    (CREATE_TYPE, {"archived": 1}, ["body", "archived"], FORM, DECODE),
    # Numbers
    *rate_rules(CREATE_APP, "throttleRate", "throttle_rate"),
    *rate_rules(CREATE_APP, "rateLimit", "rate_limit"),
    *rate_rules(PUT_APP, "throttleRate", "throttle_rate"),
    *rate_rules(PATCH_APP, "throttleRate", "throttle_rate"),
    *rate_rules(PUT_ENDPOINT, "throttleRate", "throttle_rate"),
    *rate_rules(CREATE_ENDPOINT, "throttleRate", "throttle_rate"),
    *rate_rules(CREATE_ENDPOINT, "version", "version"),
    (SEND, {"payloadRetentionPeriod": 4}, ["body", "payload_retention_period"], RANGE, VALUE),
    (SEND, {"payloadRetentionPeriod": 91}, ["body", "payload_retention_period"], RANGE, VALUE),
    (PORTAL, {"expiry": 3599}, ["body", "expiry"], RANGE, VALUE),
    (PORTAL, {"expiry": 604_801}, ["body", "expiry"], RANGE, VALUE),
    # Metadata
    (CREATE_APP, {"metadata": {"a": 1}}, ["body", "metadata"], FORM, DECODE),
    (CREATE_APP, {"metadata": ["a"]}, ["body", "metadata"], FORM, DECODE),
    (
        CREATE_APP,
        {"metadata": {"a": "b" * 4089}},
        ["body", "metadata"],
        "metadata takes at most 4096 bytes as JSON",
        DECODE,
    ),
    # Sets
    (CREATE_ENDPOINT, {"channels": []}, ["body", "channels"], TEN, VALUE),
    (CREATE_ENDPOINT, {"channels": [*"abcdefghijk"]}, ["body", "channels"], TEN, VALUE),
    (SEND, {"channels": []}, ["body", "channels"], FIVE, VALUE),
    (SEND, {"channels": [*"abcdef"]}, ["body", "channels"], FIVE, VALUE),
    (SEND, {"channels": ["a", 1]}, ["body", "channels[1]"], FORM, DECODE),
    (SEND, {"channels": ["a b"]}, ["body", "channels", "__all__"], PATTERN, VALUE),
    (CREATE_ENDPOINT, {"eventTypes": []}, ["body", "event_types"], NO_TYPES, VALUE),
    (CREATE_ENDPOINT, {"filterTypes": []}, ["body", "event_types"], NO_TYPES, VALUE),
    (CREATE_ENDPOINT, {"channels": [""]}, ["body", "channels", "__all__"], EMPTY, VALUE),
    (CREATE_ENDPOINT, {"eventTypes": ["a b"]}, ["body", "event_types", "__all__"], PATTERN, VALUE),
    (
        CREATE_ENDPOINT,
        {"eventTypes": ["no", "nor"]},
        ["body", "eventTypes"],
        "The following event types don't exist: no, nor",
        VALUE,
    ),
    # URLs
    (CREATE_ENDPOINT, {"url": ""}, ["body", "url"], FORM, DECODE),
    (CREATE_ENDPOINT, {"url": "a.example"}, ["body", "url"], FORM, DECODE),
    (CREATE_ENDPOINT, {"url": "/hooks"}, ["body", "url"], FORM, DECODE),
    (CREATE_ENDPOINT, {"url": "//a.example"}, ["body", "url"], FORM, DECODE),
    (CREATE_ENDPOINT, {"url": "https://"}, ["body", "url"], FORM, DECODE),
    (CREATE_ENDPOINT, {"url": "https://a b"}, ["body", "url"], FORM, DECODE),
    (CREATE_ENDPOINT, {"url": "https://[::1"}, ["body", "url"], FORM, DECODE),
    (CREATE_ENDPOINT, {"url": "https://a:65536"}, ["body", "url"], FORM, DECODE),
    (CREATE_ENDPOINT, {"url": "https://1.2.3.256"}, ["body", "url"], FORM, DECODE),
    (CREATE_ENDPOINT, {"url": "https://a.example%00"}, ["body", "url"], FORM, DECODE),
    (CREATE_ENDPOINT, {"url": "ftp://a.example"}, ["body", "url"], SCHEMES, VALUE),
    (CREATE_ENDPOINT, {"url": "javascript:alert(1)"}, ["body", "url"], SCHEMES, VALUE),
    # Secrets
    (CREATE_ENDPOINT, {"secret": secret_of(23)}, ["body", "secret"], FORM, DECODE),
    (CREATE_ENDPOINT, {"secret": secret_of(76)}, ["body", "secret"], FORM, DECODE),
    (CREATE_ENDPOINT, {"secret": secret_of(24)[6:]}, ["body", "secret"], FORM, DECODE),
    (CREATE_ENDPOINT, {"secret": "whsec_*"}, ["body", "secret"], FORM, DECODE),
    (CREATE_ENDPOINT, {"secret": "whpk_" + secret_of(32)[6:]}, ["body", "secret"], FORM, DECODE),
    (CREATE_ENDPOINT, {"secret": "whsk_" + secret_of(64)[6:]}, ["body", "secret"], FORM, DECODE),
    # JSON Schemas
    (CREATE_TYPE, {"schemas": {"1": {"readOnly": 15}}}, ["body", "schemas"], FORM, VALUE),
    (CREATE_TYPE, {"schemas": {"1": {"type": "thing"}}}, ["body", "schemas"], FORM, VALUE),
    (CREATE_TYPE, {"schemas": {"1": {"pattern": "["}}}, ["body", "schemas"], FORM, VALUE),
    (CREATE_TYPE, {"schemas": {"1": 15}}, ["body", "schemas"], FORM, VALUE),
    (CREATE_TYPE, {"schemas": {"1": {}, "2": []}}, ["body", "schemas"], FORM, VALUE),
    (CREATE_TYPE, {"schemas": []}, ["body", "schemas"], FORM, DECODE),
    # Payloads
    (SEND, {"payload": []}, ["body", "payload"], "the payload must be a JSON object", DECODE),
    (SEND, {"payload": "{}"}, ["body", "payload"], "the payload must be a JSON object", DECODE),
    # An application that a message brings along
    (
        SEND,
        {"application": {"name": "A", "uid": "a b"}},
        ["body", "application", "uid", "__all__"],
        PATTERN,
        VALUE,
    ),
    # The old and the new name of a field at once
    (SEND, {"data": {}}, ROOT, "duplicate field `payload`", DECODE),
    (
        CREATE_ENDPOINT,
        {"eventTypes": None, "filterTypes": None},
        ROOT,
        "duplicate field `eventTypes`",
        DECODE,
    ),
]


@pytest.mark.parametrize(("at", "change", "loc", "msg", "kind"), REFUSED)
async def test_what_breaks_a_rule_is_told_where_and_which(
    api: Client, at: str, change: dict[str, object], loc: list[str], msg: str, kind: str
) -> None:
    method, path = at.split()
    refused = await api.call(method, path, json.dumps({**BASES[at], **change}).encode())
    assert refused.status == 422
    (broken,) = refused.json["detail"]
    assert (broken["loc"], broken["type"]) == (loc, kind)
    assert broken["msg"] == msg or (msg == FORM and broken["msg"])


TAKEN = [
    *((at, {field: text}) for at, field in ((CREATE_APP, "uid"), (CREATE_ENDPOINT, "uid"), (SEND, "eventId"))
      for text in ("a", "a" * 256, "A-z_0.9", "org_1")),
    *((SEND, {"eventType": text}) for text in ("a", "a" * 256, "msg_1")),
    *((CREATE_APP, {"name": text}) for text in ("a", "\t\n\x0b", "ü" * 1000)),
    *((at, {field: number}) for at in (CREATE_APP, CREATE_ENDPOINT) for field in ("throttleRate", "rateLimit")
      for number in (1, 65_535, None)),
    *((CREATE_ENDPOINT, {"version": number}) for number in (1, 65_535)),
    *((SEND, {"payloadRetentionPeriod": days}) for days in (5, 90)),
    *((PORTAL, {"expiry": seconds}) for seconds in (3600, 604_800)),
    *((CREATE_APP, {"metadata": pairs}) for pairs in (None, {}, {"a": "b" * 4088}, {"": ""})),
    *((CREATE_ENDPOINT, {"channels": names}) for names in (["a"], [*"abcdefghij"], ["a"] * 20)),
    *((SEND, {"channels": names}) for names in (["a"], [*"abcde"], ["a"] * 20)),
    *((CREATE_ENDPOINT, {"secret": secret}) for secret in (secret_of(24), secret_of(75), None)),
    *((CREATE_TYPE, {"schemas": schemas}) for schemas in (None, {}, {"1": {"type": "object"}})),
    (SEND, {"payload": {"": [{"a": None}]}}),
    *((at, {"unknown": [{"a": 1}], "Name": 1}) for at in BASES),
]  # fmt: skip


@pytest.mark.parametrize(("at", "change"), TAKEN)
async def test_what_just_keeps_the_rules_is_taken(api: Client, at: str, change: dict[str, object]) -> None:
    method, path = at.split()
    taken = await api.call(method, path, json.dumps({**BASES[at], **change}).encode())
    assert taken.status in (200, 201, 202), taken.body


@pytest.mark.parametrize(
    ("at", "body", "msg"),
    [
        (CREATE_APP, b"", FORM),
        (CREATE_APP, b"{", FORM),
        (CREATE_APP, b"null", FORM),
        (CREATE_APP, b'[{"name":"A"}]', FORM),
        (CREATE_APP, b'{"name":"A"} x', FORM),
        (CREATE_APP, b'{"name":"A"}{}', FORM),
        (CREATE_APP, b"\xef\xbb\xbf" + b'{"name":"A"}', FORM),
        (CREATE_APP, b'{"name":"A","x":NaN}', FORM),
        (CREATE_APP, b"{}", "Object missing required field `name`"),
        (SEND, b'{"payload":{}}', "Object missing required field `eventType`"),
        (SEND, b'{"eventType":"a"}', "missing field `payload`"),
        (CREATE_APP, b'{"name":"A","name":"A"}', "duplicate field `name`"),
        (SEND, b'{"eventType":"a","payload":{},"payload":{}}', "duplicate field `payload`"),
    ],
)
async def test_a_body_that_is_wrong_as_a_whole_is_told_so(
    api: Client, at: str, body: bytes, msg: str
) -> None:
    method, path = at.split()
    refused = await api.call(method, path, body, content_type="text/plain")
    assert refused.status == 422
    (broken,) = refused.json["detail"]
    assert (broken["loc"], broken["type"]) == (ROOT, DECODE)
    assert broken["msg"] == msg or (msg == FORM and broken["msg"])


@pytest.mark.parametrize("at", [CREATE_APP, CREATE_TYPE, CREATE_ENDPOINT, SEND, PORTAL])
async def test_a_body_just_over_two_mebibytes_is_too_large_and_one_of_two_is_read(
    api: Client, at: str
) -> None:
    method, path = at.split()
    body = json.dumps(BASES[at]).encode()
    whole = body + b" " * (BODY_LIMIT_BYTES - len(body))
    assert (await api.call(method, path, whole)).status in (200, 201, 202)
    refused = await api.call(method, path, whole + b" ")
    assert (refused.status, refused.json["code"]) == (413, "payload_too_large")


KEY, PREFIX = "Header uses a forbidden key.", "Header starts with a forbidden prefix."
NAME, VALUE_OF_IT = "Invalid Header Name.", "Invalid Header Value."
TOO_LONG = "Maximum header length is 4096 bytes"
HEADERS = [
    *((name, "1", KEY) for name in sorted(FORBIDDEN)),
    *((name.title(), "1", KEY) for name in sorted(FORBIDDEN)),
    *((f"{prefix}a", "1", PREFIX) for prefix in FORBIDDEN_PREFIXES),
    *((f"{prefix}a".upper(), "1", PREFIX) for prefix in FORBIDDEN_PREFIXES),
    *((name, "1", NAME) for name in ("", "a b", "a:", "a\r\n", "ü", "a\x00", "(a)")),
    *(
        (name, "1", None)
        for name in ("X-A", "authorization", "Accept", "x-am", "webhook", "!#$%&'*+-.^_`|~0")
    ),
    *(("X-A", value, VALUE_OF_IT) for value in ("a\r\nB: c", "\x00", "\x7f", "\x1f")),
    *(("X-A", value, TOO_LONG) for value in ("a" * 4097, "ü" * 2049)),
    *(("X-A", value, None) for value in ("", "\t", " a ", "\xff", "a" * 4096, "ü" * 2048)),
]
"""A name, a value, and why they are refused; None if they are not."""


@pytest.mark.parametrize(("name", "value", "why"), HEADERS)
async def test_a_header_of_an_endpoint_is_one_that_may_be_sent(
    api: Client, name: str, value: str, why: str | None
) -> None:
    made = await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    replaced = await api.put(f"{APP}/endpoint/here/headers", {"headers": {name: value}})
    assert made.status == 201
    if why is None:
        assert replaced.status == 204
        return
    assert replaced.status == 422
    expected = {"loc": ["body", "headers", name], "msg": why, "type": VALUE}
    assert replaced.json["detail"] == [expected]


@pytest.mark.parametrize("body", [b"", b" \r\n"])
@pytest.mark.parametrize("at", BASES)
async def test_who_sends_no_body_is_told_to_send_one(api: Client, at: str, body: bytes) -> None:
    method, path = at.split()
    refused = await api.call(method, path, body)
    assert refused.status == 422
    assert refused.json["detail"] == [{"loc": ROOT, "msg": MISSING, "type": DECODE}]


URLS = [
    ("http://a.example", "http://a.example/"),
    ("hTTps://A.Example/A?B#C", "https://a.example/A?B#C"),
    ("http://a.example:80/", "http://a.example/"),
    ("https://a.example:443", "https://a.example/"),
    ("https://a.example:80/", "https://a.example:80/"),
    ("https://a.example:65535/", "https://a.example:65535/"),
    ("https://bücher.example", "https://xn--bcher-kva.example/"),
    ("https://a.example/ü x", "https://a.example/%C3%BC%20x"),
    ("https://a.example/a/../b/./c", "https://a.example/b/c"),
    ("https:\\\\a.example\\x", "https://a.example/x"),
    ("\t https://a.example/\n", "https://a.example/"),
    ("https://127.1", "https://127.0.0.1/"),
    ("https://0x7f.0.0.1", "https://127.0.0.1/"),
    ("https://017700000001", "https://127.0.0.1/"),
    ("https://2130706433", "https://127.0.0.1/"),
    ("https://[0:0:0:0:0:0:0:1]", "https://[::1]/"),
    ("https://[::ffff:1.2.3.4]", "https://[::ffff:102:304]/"),
    ("https://u:p@a.example", "https://u:p@a.example/"),
    ("https://a.example.", "https://a.example./"),
    ("https://%61.example", "https://a.example/"),
]


@pytest.mark.parametrize(("url", "stored"), URLS)
async def test_a_url_is_brought_into_the_form_of_the_standard(api: Client, url: str, stored: str) -> None:
    made = await api.post(f"{APP}/endpoint", {"url": url})
    assert (made.status, made.json["url"]) == (201, stored)
