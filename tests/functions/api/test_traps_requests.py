"""What existing clients rely on, part 1 of 4: requests and answers.

The four parts are one list of 33 traps: each has tripped up a server that meant to speak this API, and each
has a test here that bears its number.
"""

import asyncio
from datetime import timedelta
from urllib.parse import quote

import pytest

from functions.api.idempotency import POLL
from functions.api.requests import BODY_LIMIT_BYTES
from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token, portal_token

APPS = "/api/v1/app"
APP = "/api/v1/app/acme"
MESSAGE = {"eventType": "invoice.paid", "payload": {}}


@pytest.mark.parametrize("slashes", ["", "/", "//"])
async def test_trap_01_a_trailing_slash_makes_no_difference_to_any_method(
    api: Client, acme: str, slashes: str
) -> None:
    """Some clients always send one."""
    made = await api.post(f"{APP}/endpoint{slashes}", {"url": "https://a.example/"}, idempotency_key="k")
    again = await api.post(f"{APP}/endpoint", {"url": "https://a.example/"}, idempotency_key="k")
    one = f"{APP}/endpoint/{made.json['id']}{slashes}"
    assert (made.status, again.json) == (201, made.json)
    assert (await api.get(f"{one}?x=1")).json == made.json
    assert (await api.patch(one, {})).status == 200
    assert (await api.delete(one)).status == 204


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_trap_02_an_unknown_route_is_a_404_in_json(api: Client, method: str) -> None:
    """An SDK parses every refusal as JSON, and stumbles over an empty one."""
    unknown = await api.call(method, "/api/v1/no-such-thing", b"{}")
    assert (unknown.status, unknown.headers["content-type"]) == (404, "application/json")
    assert unknown.json["code"] == "not_found"
    assert isinstance(unknown.json["detail"], str)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T12:00:01Z",
        "2026-11-24t12:00:01z",
        "2026-11-24 12:00:01.000000123 UTC",
        "2026-11-24T12:00:01.000+00:00",
        "2026-11-24 13:00:01 +0100",
    ],
)
async def test_trap_04_instants_are_read_in_every_form_that_clients_write(
    api: Client, acme: str, walk: Walk, text: str
) -> None:
    """One writes a space, nanoseconds and the word UTC."""
    for _ in range(2):
        await api.post(f"{APP}/msg", MESSAGE)
        walk.clock.move(timedelta(seconds=1))
    (early,) = (await api.get(f"{APP}/msg?before={quote(text)}")).json["data"]
    (late,) = (await api.get(f"{APP}/msg?after={quote(text)}")).json["data"]
    assert (early["timestamp"], late["timestamp"]) == ("2026-11-24T12:00:00Z", "2026-11-24T12:00:01Z")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (APPS, {"name": "A", "uid": None, "throttleRate": None, "rateLimit": None, "metadata": None}),
        (
            "/api/v1/event-type",
            {"name": "a", "description": "", "archived": None, "deprecated": None, "schemas": None}
            | {"featureFlag": None},
        ),
        (
            f"{APP}/endpoint",
            {"url": "https://a.example", "description": None, "throttleRate": None, "rateLimit": None}
            | {"uid": None, "version": None, "disabled": None, "eventTypes": None, "channels": None}
            | {"secret": None, "metadata": None, "headers": None},
        ),
        (
            f"{APP}/msg",
            {**MESSAGE, "eventId": None, "channels": None, "application": None}
            | {"payloadRetentionPeriod": None, "tags": None, "deliverAt": None}
            | {"payloadRetentionHours": None, "transformationsParams": None},
        ),
        (
            "/api/v1/auth/app-portal-access/acme",
            {"featureFlags": None, "application": None, "expiry": None, "readOnly": None}
            | {"capabilities": None, "sessionId": None},
        ),
    ],
)
async def test_trap_15_an_optional_field_may_be_null(
    api: Client, acme: str, path: str, body: dict[str, object]
) -> None:
    """An SDK sends null for what its caller set to None."""
    assert (await api.post(path, body)).status in (200, 201, 202)


async def test_trap_16_the_code_of_a_403_has_a_space(api: Client, acme: str, walk: Walk) -> None:
    refused = await Client(portal_token(walk.service.settings, acme)).get(APPS)
    assert (refused.status, refused.json["code"]) == (403, "insufficient access")


async def test_trap_17_who_sends_the_signing_secret_itself_is_told_so(walk: Walk) -> None:
    """It is what people try first, and `Invalid token` would not help them."""
    secret = await Client(walk.service.settings.jwt_secret).get(APPS)
    wrong = await Client("some.other.token").get(APPS)
    assert (secret.status, secret.json["code"]) == (401, "authentication_failed")
    assert secret.json["detail"].startswith("Authentication failed. JWT signing secrets can not be used")
    assert wrong.json == {"code": "authentication_failed", "detail": "Invalid token"}


@pytest.mark.parametrize("path", [APPS, f"{APP}/msg"])
async def test_trap_18_a_key_is_answered_as_before_whatever_the_body_unless_that_was_a_refusal(
    api: Client, acme: str, path: str
) -> None:
    body = {**MESSAGE, "name": "First"}
    assert (await api.post(path, {"uid": 1, "eventType": 1}, idempotency_key="k")).status == 422
    first = await api.post(path, body, idempotency_key="k")
    assert first.status in (201, 202)
    other = {"name": "Second", "eventType": "other", "payload": {"a": 1}}
    assert await api.post(path, other, idempotency_key="k") == first


async def test_trap_18_who_repeats_a_request_that_is_under_way_gets_its_answer(
    api: Client, acme: str, walk: Walk
) -> None:
    posting = [
        asyncio.create_task(api.post(APPS, {"name": name}, idempotency_key="k")) for name in ("A", "B", "C")
    ]

    async def time_passes() -> None:
        while True:
            await walk.clock.asleep()
            walk.clock.move(POLL)

    passing = asyncio.create_task(time_passes())
    replies = await asyncio.gather(*posting)
    passing.cancel()
    assert {reply.json["name"] for reply in replies} == {"A"}


@pytest.mark.parametrize(("beyond", "status"), [(0, 202), (1, 413)])
async def test_trap_30_a_body_has_at_most_two_mebibytes(
    api: Client, acme: str, beyond: int, status: int
) -> None:
    shell = b'{"eventType":"a","payload":{"a":"%b"}}'
    body = shell % (b"x" * (BODY_LIMIT_BYTES - len(shell % b"") + beyond))
    posted = await api.post(f"{APP}/msg", body)
    assert (posted.status, BODY_LIMIT_BYTES) == (status, 2 * 1024 * 1024)
    if beyond:
        expected = {"code": "payload_too_large", "detail": "Request payload is too large."}
        assert posted.json == expected


async def test_trap_31_a_portal_finds_no_other_application_and_may_not_do_what_is_the_organizations(
    api: Client, acme: str, walk: Walk
) -> None:
    """404 for the other one, as if it were not there; 403 for what no portal may do, also to its own."""
    await api.post(APPS, {"name": "Other", "uid": "other"})
    portal = Client(portal_token(walk.service.settings, acme))
    for path in ("", "/endpoint", "/msg", "/endpoint/x/secret"):
        assert (await portal.get(f"{APPS}/other{path}")).status == 404
    for method, path in (
        ("GET", APPS),
        ("POST", APPS),
        ("PUT", APP),
        ("PATCH", APP),
        ("DELETE", APP),
        ("DELETE", f"{APPS}/other"),
        ("POST", f"{APP}/msg"),
        ("POST", "/api/v1/event-type"),
        ("POST", "/api/v1/auth/app-portal-access/acme"),
    ):
        assert (await portal.call(method, path, b"{}")).status == 403
    assert (await portal.get(APP)).status == 200


async def test_trap_32_any_organization_is_there_as_soon_as_a_token_names_it(
    api: Client, acme: str, walk: Walk
) -> None:
    """Nobody makes organizations; each sees its own things only."""
    settings, now = walk.service.settings, walk.clock.now()
    new = Client(organization_token(settings, now, "org_never-seen-before"))
    assert (await new.get(APPS)).json["data"] == []
    assert (await new.get(APP)).status == 404
    assert (await new.post(APPS, {"name": "Mine", "uid": "acme"})).status == 201
    assert len((await api.get(APPS)).json["data"]) == 1


@pytest.mark.parametrize(
    "target",
    [
        f"{APPS}?with_content=true",
        f"{APP}?expanded_statuses=true&x=",
        f"{APP}/attempt/msg/e?expanded_statuses=true&with_content=false",
        f"{APP}/msg?with_content=false&something=else&a[]=1",
        f"{APP}/msg/e?with_content=false&limit=x",
        "/api/v1/event-type?order=descending&tag=x",
    ],
)
async def test_trap_33_a_query_parameter_that_means_nothing_here_is_passed_over(
    api: Client, acme: str, target: str
) -> None:
    await api.post(f"{APP}/msg", {**MESSAGE, "eventId": "e"})
    assert (await api.get(target)).status == 200
