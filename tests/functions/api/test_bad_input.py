"""Bodies of any content are taken or refused."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from functions.api.application import ApplicationIn, ApplicationPatch
from functions.api.authentication import ApplicationTokenExpireIn, AppPortalAccessIn
from functions.api.endpoint import EndpointIn, EndpointPatch, EndpointUpsertIn
from functions.api.endpoint_headers import EndpointHeadersIn, EndpointHeadersPatchIn
from functions.api.endpoint_secret import EndpointSecretRotateIn
from functions.api.event_type import EventTypeIn, EventTypePatch, EventTypeUpsertIn
from functions.api.event_type_openapi import EventTypeImportOpenApiIn
from functions.api.event_type_schedule import RetryScheduleInOut
from functions.api.organization import OrganizationSettingsIn, OrganizationSettingsPatch
from functions.api.posting import MessageIn
from tests.functions.api.client import Client

pytestmark = pytest.mark.usefixtures("acme", "what_is_changed")


@pytest.fixture
async def what_is_changed(api: Client, acme: str) -> None:
    await api.post("/api/v1/event-type", {"name": "acme", "description": ""})
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://receiver.example", "uid": "acme"})


async def send(api: Client, at: str, body: bytes) -> int:
    method, path = at.split(" ")
    return (await api.call(method, path, body)).status


BODIES: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "PUT /api/v1/organization/settings": (OrganizationSettingsIn, {"retrySchedule": [5]}),
    "PATCH /api/v1/organization/settings": (OrganizationSettingsPatch, {"signatureType": "ed25519"}),
    "POST /api/v1/app": (ApplicationIn, {"name": "Acme"}),
    "PUT /api/v1/app/other": (ApplicationIn, {"name": "Other", "uid": "other"}),
    "PATCH /api/v1/app/acme": (ApplicationPatch, {"name": "Acme"}),
    "POST /api/v1/event-type": (EventTypeIn, {"name": "a", "description": ""}),
    "PUT /api/v1/event-type/b": (EventTypeUpsertIn, {"description": ""}),
    "PATCH /api/v1/event-type/acme": (EventTypePatch, {}),
    "POST /api/v1/event-type/import/openapi": (
        EventTypeImportOpenApiIn,
        {"spec": {"webhooks": {"a": {"post": {}}}}},
    ),
    "PUT /api/v1/event-type/acme/retry-schedule": (RetryScheduleInOut, {"retrySchedule": [5]}),
    "POST /api/v1/app/acme/endpoint": (EndpointIn, {"url": "https://receiver.example"}),
    "PUT /api/v1/app/acme/endpoint/acme": (EndpointUpsertIn, {"url": "https://a.example", "uid": "acme"}),
    "PATCH /api/v1/app/acme/endpoint/acme": (EndpointPatch, {"description": ""}),
    "PUT /api/v1/app/acme/endpoint/acme/headers": (EndpointHeadersIn, {"headers": {"X-A": "1"}}),
    "PATCH /api/v1/app/acme/endpoint/acme/headers": (EndpointHeadersPatchIn, {"headers": {"X-A": None}}),
    "POST /api/v1/app/acme/endpoint/acme/secret/rotate": (EndpointSecretRotateIn, {"gracePeriodSeconds": 0}),
    "POST /api/v1/auth/app-portal-access/acme": (AppPortalAccessIn, {"featureFlags": ["beta"]}),
    "POST /api/v1/auth/app/acme/expire-all": (ApplicationTokenExpireIn, {"expiry": 0}),
    "POST /api/v1/app/acme/msg": (MessageIn, {"eventType": "a", "payload": {}}),
}
"""By method and path: the shape of the body, and one that is taken. What is changed keeps the uid `acme`."""
WHERE_NOTHING_IS_REQUIRED = {
    at for at, (shape, _) in BODIES.items() if not any(field.required for field in fields(shape))
}
"""Any object will do there."""
ANSWERS = {200, 201, 202, 204, 400, 404, 409, 422}
# One service takes all the requests of a test: what the earlier ones left behind is part of the trial.
many = settings(
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=timedelta(seconds=2),
)

odd_texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            "\x00",
            "\x08",
            "msg_1",
            "app_1",
            "ep_1",
            "a" * 257,
            "a.b",
            "\u2028",
            "http://",
            "https://[::1",
            "\ufeff",
        ]
    ),
)
odd_numbers = st.one_of(
    st.integers(), st.sampled_from([0, -0.0, 1e308, 65535, 65536, 2**63, 2**64, -(2**63) - 1, 10**400])
)
odd_values = st.recursive(
    st.one_of(st.none(), st.booleans(), odd_numbers, odd_texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(odd_texts, inner, max_size=4)),
    max_leaves=8,
)


def _names_of(shape: type[Any]) -> st.SearchStrategy[str]:
    return st.sampled_from(shape.__struct_encode_fields__)


def _bodies(at: str) -> st.SearchStrategy[dict[str, object]]:
    shape, good = BODIES[at]
    names = _names_of(shape) if at.startswith("POST") else _names_of(shape).filter(lambda name: name != "uid")
    changes = st.dictionaries(names, odd_values, max_size=4)
    return changes.map(lambda change: {**good, **change})


@many
@given(st.sampled_from(list(BODIES)).flatmap(lambda at: st.tuples(st.just(at), _bodies(at))))
async def test_any_values_are_taken_or_refused(api: Client, sent: tuple[str, dict[str, object]]) -> None:
    at, body = sent
    assert await send(api, at, json.dumps(body).encode()) in ANSWERS


@many
@given(st.sampled_from(list(BODIES)), st.binary(max_size=200))
async def test_any_bytes_are_taken_or_refused(api: Client, at: str, body: bytes) -> None:
    assert await send(api, at, body) in ({200, 204, 400, 422} if at in WHERE_NOTHING_IS_REQUIRED else {422})


@many
@given(
    st.sampled_from(list(BODIES)),
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=4)), min_size=1, max_size=4),
)
async def test_a_damaged_body_is_taken_or_refused(
    api: Client, at: str, damages: list[tuple[int, bytes]]
) -> None:
    body = json.dumps(BODIES[at][1] | {"metadata": {"a": "b"}, "channels": ["eu"], "x": [1.5, None]}).encode()
    for place, octets in damages:
        start = place % len(body)
        body = body[:start] + octets + body[start + len(octets) // 2 :]
    assert await send(api, at, body) in ANSWERS


DEEP = [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000]


@pytest.mark.parametrize("at", BODIES)
@pytest.mark.parametrize("deep", DEEP, ids=["arrays", "objects"])
async def test_a_depth_bomb_is_refused(api: Client, at: str, deep: bytes) -> None:
    assert await send(api, at, deep) == 422
    assert await send(api, at, b'{"name":' + deep + b"}") == 422
    assert await send(api, at, b'{"unknown":' + deep + b"}") == 422


@pytest.mark.parametrize("depth", [50, 127, 400, 900, 980, 990, 1000, 1100])
async def test_a_payload_of_any_depth_is_shown_again_or_refused(api: Client, depth: int) -> None:
    """One that is accepted must not make the list fail that shows it."""
    payload = b'{"a":' * depth + b"1" + b"}" * depth
    posted = await api.post("/api/v1/app/acme/msg", b'{"eventType":"a","payload":' + payload + b"}")
    assert posted.status in (202, 422)
    listed = await api.get("/api/v1/app/acme/msg")
    assert listed.status == 200
    assert listed.body.count(b'"eventType"') == (1 if posted.status == 202 else 0)
