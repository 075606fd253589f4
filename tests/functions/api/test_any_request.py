"""No request of any shape gives a 500: method, path, query string, headers and body, as a server brings them.

The names in queries and bodies are those of the table of operations, so that a new operation is tried, too.
"""

import json
import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_from_bytes, unquote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.api.operations import PREFIX, Operation
from functions.api.table import OPERATIONS
from functions.http import asgi
from tests.flows.walk import Walk
from tests.functions.api.client import Client, portal_token

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "")
ENDINGS = ("", "/", "//", "/x", "%0A", "%00", "?")
ASPECTS = ("method", "path", "query string", "headers", "caller", "body")
"""A request is odd in up to three of these, and ordinary in the others: so that most get far."""
REFUSALS = {400, 401, 403, 404, 409, 413, 422}

PARTS_OF = re.compile(r"{(\w+)}").findall
PARTS = max(len(PARTS_OF(operation.path)) for operation in OPERATIONS)

ODD_TEXTS = (
    *("", "acme", "a.b", "-", "-a", "\x00", "\n", "é", "a" * 257, "9" * 400, "0", "251", "1.5", "true"),
    *("null", "[]", "{}", "https://[::1", "http://a b", "whsec_", "whsk_AAAA", "msg_1", "app_1", "ep_1"),
    *("msg_" + "z" * 27, "-atmpt_" + "0" * 27, "2026-11-24T12:00:00Z", "2026-11-24 12:00:00.123456789 UTC"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-2359"),
)
ODD_NUMBERS = (0, -1, 1, 5, 65_535, 65_536, 2**63, 2**64, 10**400, 1e308)
HEADERS = (
    *(b"authorization", b"idempotency-key", b"content-length", b"content-type", b"user-agent", b"host"),
    *(b"origin", b"access-control-request-method", b"access-control-request-headers", b"cookie"),
    *(b"x-forwarded-proto", b"accept-encoding", b"connection", b"x-a"),
)
ODD_OCTETS = (
    *(b"", b"1", b"-1", b"9" * 5000, b"https", b"PATCH", b"https://portal.example"),
    *(b"svix-libs/2.9.1 (python)", b"svix-libs/" + b"9" * 30),
    *(b"Bearer ", b"bearer a.b.c", b"Bearer \xff.\x00"),
)
TAKEN = {
    "name": "a",
    "description": "",
    "url": "https://a.example",
    "headers": {"X-A": "1"},
    "eventType": "a",
    "eventTypes": ["a"],
    "payload": {},
    "since": "2026-11-24T11:00:00Z",
}
"""What some bodies must have, in a form in which it is taken."""

odd_texts = st.text(max_size=12) | st.sampled_from(ODD_TEXTS)
odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(ODD_NUMBERS) | odd_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_texts, inner, max_size=3),
    max_leaves=6,
)
odd_headers = st.lists(
    st.tuples(st.sampled_from(HEADERS), st.binary(max_size=12) | st.sampled_from(ODD_OCTETS)), max_size=4
)


@dataclass(frozen=True)
class Asked:
    """A request before it is known what there is.

    Attributes:
        parts: For each part of the path: what stands there, or None for the name of something that there is.
    """

    operation: Operation
    method: str
    parts: list[str | None]
    ending: str
    query_string: bytes
    headers: list[tuple[bytes, bytes]]
    who: str
    pieces: list[bytes]

    def path(self, known: Mapping[str, str]) -> str:
        # What is removed would be missed by every later request.
        removes = self.operation.method == "DELETE" and not self.operation.path.endswith("/content")
        path = PREFIX + self.operation.path
        for name, part in zip(PARTS_OF(path), self.parts, strict=False):
            there = "not-there" if removes else known[name]
            path = path.replace(f"{{{name}}}", there if part is None else _quoted(part), 1)
        return unquote(path + self.ending)


def _quoted(text: str) -> str:
    return quote(text, errors="replace", safe=",[]")


def _names(shape: type[Any]) -> st.SearchStrategy[str]:
    names = shape.__struct_encode_fields__
    return st.sampled_from(names) | odd_texts if names else odd_texts


def _queries(operation: Operation) -> st.SearchStrategy[bytes]:
    pairs = st.lists(st.tuples(_names(operation.query), odd_texts), max_size=3)
    return (
        pairs.map(lambda asked: "&".join(f"{name}={_quoted(text)}" for name, text in asked).encode())
        | st.binary(max_size=20).map(lambda octets: quote_from_bytes(octets, safe="=&[]%+;").encode())
        | st.binary(max_size=12)
    )


def _bodies(operation: Operation) -> st.SearchStrategy[bytes]:
    objects = st.dictionaries(_names(operation.body or operation.query), odd_values, min_size=1, max_size=4)
    texts = (objects.map(lambda body: {**TAKEN, **body}) | odd_values).map(_as_json)
    return texts | st.binary(max_size=30) | st.tuples(texts, st.binary(max_size=3)).map(b"".join)


def _as_json(value: object) -> bytes:
    return json.dumps(value).encode()


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    operation = draw(st.sampled_from(OPERATIONS))
    odd = draw(st.sets(st.sampled_from(ASPECTS), max_size=3))
    body = draw(_bodies(operation)) if "body" in odd else _as_json(TAKEN)
    cut = draw(st.integers(0, len(body)))
    parts = st.lists(st.none() | odd_texts, min_size=PARTS, max_size=PARTS)
    return Asked(
        operation=operation,
        method=draw(st.sampled_from(METHODS)) if "method" in odd else operation.method,
        parts=draw(parts) if "path" in odd else [None] * PARTS,
        ending=draw(st.sampled_from(ENDINGS)) if "path" in odd else "",
        query_string=draw(_queries(operation)) if "query string" in odd else b"",
        headers=draw(odd_headers) if "headers" in odd else [],
        who=draw(st.sampled_from(("portal", "nobody"))) if "caller" in odd else "organization",
        pieces=[body[:cut], body[cut:]],
    )


@pytest.fixture
async def known(api: Client, acme: str, walk: Walk) -> Mapping[str, str]:
    """Something of every kind, by the name of its id in paths: so that a request gets beyond the 404."""
    app = f"{PREFIX}/app/acme"
    await api.put(f"{PREFIX}/event-type/a", {"description": "", "schemas": {"1": {"examples": [{"a": 1}]}}})
    await api.post(f"{app}/endpoint", {"url": "https://receiver.example", "uid": "acme"})
    told = {"url": "https://operations.example", "uid": "acme"}
    await api.post(f"{PREFIX}/operational-webhook/endpoint", told)
    await api.post(f"{app}/msg", {"eventType": "a", "payload": {"a": 1}, "eventId": "acme"})
    await walk.works()
    attempts = (await api.get(f"{app}/attempt/msg/acme")).json["data"]
    return {
        "app_id": acme,
        "endpoint_id": "acme",
        "msg_id": "acme",
        "attempt_id": attempts[0]["id"],
        "event_type_name": "a",
        "task_id": "not-there",
    }


async def answered(scope: MutableMapping[str, Any], pieces: Iterable[bytes]) -> tuple[int, bytes]:
    """Call the app as a server does; what it sends must be one whole answer."""
    sent: list[MutableMapping[str, Any]] = []
    coming = list(pieces)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": coming.pop(0), "more_body": bool(coming)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await asgi(scope, receive, send)
    start, body = sent
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    return start["status"], body["body"]


@settings(
    max_examples=400,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(asked=requests())
async def test_any_request_is_answered_and_a_refusal_says_why(
    api: Client, known: Mapping[str, str], walk: Walk, asked: Asked
) -> None:
    tokens = {"organization": api.token, "portal": portal_token(walk.service.settings, known["app_id"])}
    token = tokens.get(asked.who)
    status, body = await answered(
        {
            "type": "http",
            "method": asked.method,
            "path": asked.path(known),
            "query_string": asked.query_string,
            "headers": [*asked.headers, *([(b"authorization", f"Bearer {token}".encode())] if token else [])],
        },
        asked.pieces,
    )

    assert status < 500, walk.journal.of("request.failed")
    if status in REFUSALS:
        assert msgspec.json.decode(body).keys() in ({"code", "detail"}, {"detail"})
