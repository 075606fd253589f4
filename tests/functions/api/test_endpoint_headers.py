"""The extra request headers of an endpoint over HTTP."""

import pytest
import pytest_asyncio

from tests.flows.walk import Walk, header
from tests.functions.api.client import Client, portal_token

ONE = "/api/v1/app/acme/endpoint/main"
AT = f"{ONE}/headers"

pytestmark = pytest.mark.usefixtures("acme", "main")


@pytest_asyncio.fixture
async def main(api: Client) -> None:
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://receiver.example", "uid": "main"})


async def shown(api: Client) -> dict[str, object]:
    got = await api.get(AT)
    assert got.status == 200
    headers: dict[str, object] = got.json
    return headers


async def test_there_are_none_at_first(api: Client) -> None:
    assert await shown(api) == {"headers": {}, "sensitive": []}


async def test_put_replaces_all_of_them(api: Client) -> None:
    assert (await api.put(AT, {"headers": {"X-Api-Test": "a", "x-other": "b"}})).status == 204
    put = await api.put(AT, {"headers": {"X-Api-Test": "c"}})
    assert (put.status, put.body) == (204, b"")
    assert await shown(api) == {"headers": {"X-Api-Test": "c"}, "sensitive": []}
    assert (await api.put(AT, {"headers": {}})).status == 204
    assert await shown(api) == {"headers": {}, "sensitive": []}


async def test_patch_sets_and_takes_away(api: Client) -> None:
    """It works when there are none yet, and what it does not name stays."""
    assert (await api.patch(AT, {"headers": {"X-A": "1", "X-B": "2", "X-C": "3"}})).status == 204
    said = {"headers": {"X-A": None, "X-B": "4", "X-None": None}, "deleteHeaders": ["X-C", "never set"]}
    patched = await api.patch(AT, said)
    assert (patched.status, patched.body) == (204, b"")
    assert await shown(api) == {"headers": {"X-B": "4"}, "sensitive": []}
    assert (await api.patch(AT, {"headers": {}, "deleteHeaders": None})).status == 204
    assert await shown(api) == {"headers": {"X-B": "4"}, "sensitive": []}


async def test_credentials_are_named_and_never_shown(api: Client) -> None:
    names = ["Authorization", "X-Api-Key", "x-auth-token", "WWW-Authenticate"]
    await api.put(AT, {"headers": {**dict.fromkeys(names, "hidden"), "X-Open": "1"}})

    got = await api.get(AT)

    assert got.json["headers"] == {"X-Open": "1"}
    assert sorted(got.json["sensitive"]) == sorted(names)
    assert b"hidden" not in got.body
    await api.patch(AT, {"headers": {"X-Api-Key": None}})
    assert "X-Api-Key" not in (await api.get(AT)).json["sensitive"]
    await api.put(AT, {"headers": {}})
    assert await shown(api) == {"headers": {}, "sensitive": []}


@pytest.mark.parametrize("send", ["put", "patch"])
@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"no spaces": "1"}, "Invalid Header Name."),
        ({"": "1"}, "Invalid Header Name."),
        ({"User-Agent": "x"}, "Header uses a forbidden key."),
        ({"host": "x"}, "Header uses a forbidden key."),
        ({"X-Svix-Id": "x"}, "Header starts with a forbidden prefix."),
        ({"webhook-id": "x"}, "Header starts with a forbidden prefix."),
        ({"X-A": "a\nb"}, "Invalid Header Value."),
        ({"X-A": "a" * 4097}, "Maximum header length is 4096 bytes"),
    ],
)
async def test_what_is_not_the_callers_to_set_is_refused(
    api: Client, send: str, headers: dict[str, str], why: str
) -> None:
    await api.put(AT, {"headers": {"X-Before": "1"}})
    refused = await getattr(api, send)(AT, {"headers": {"X-Good": "1", **headers}})
    assert (refused.status, refused.loc) == (422, ["body", "headers", next(iter(headers))])
    assert refused.json["detail"][0]["msg"] == why
    assert (await shown(api))["headers"] == {"X-Before": "1"}


@pytest.mark.parametrize("body", [{}, {"headers": None}, {"headers": {"X-A": 1}}, {"headers": []}, []])
async def test_a_body_of_another_shape_is_refused(api: Client, body: object) -> None:
    assert (await api.put(AT, body)).status == 422
    assert (await api.patch(AT, body)).status == 422
    assert (await api.put(AT, {"headers": {"X-A": None}})).status == 422
    assert (await api.patch(AT, {"headers": {"User-Agent": None}})).status == 422


async def test_an_unknown_endpoint_has_none(api: Client) -> None:
    at = "/api/v1/app/acme/endpoint/unknown/headers"
    assert (await api.get(at)).status == 404
    assert (await api.put(at, {"headers": {}})).status == 404
    assert (await api.patch(at, {"headers": {}})).status == 404


async def test_the_next_message_carries_them_as_they_were_written(api: Client, walk: Walk) -> None:
    async def post() -> None:
        await api.post("/api/v1/app/acme/msg", {"eventType": "a", "payload": {}})
        await walk.works()

    await post()
    await api.put(AT, {"headers": {"X-Api-Test": "1", "AUTHORIZATION": "Bearer x"}})
    await post()

    before, after = walk.receiver.sent
    assert "X-Api-Test" not in dict(before.headers)
    assert dict(after.headers)["X-Api-Test"] == "1"
    assert header(after, "authorization") == "Bearer x"
    assert "AUTHORIZATION" in dict(after.headers)


async def test_a_portal_sets_the_headers_of_its_own_endpoints(api: Client, acme: str, walk: Walk) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.put(AT, {"headers": {"X-A": "1"}})).status == 204
    assert await shown(portal) == {"headers": {"X-A": "1"}, "sensitive": []}
