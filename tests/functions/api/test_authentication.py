"""Portal tokens over HTTP: who makes them, and what they open."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from functions.api.tokens import mint_organization_token
from shared.config import JwtAlgorithm
from shared.wiring import compose, install
from tests.flows.walk import Walk
from tests.functions.api.client import Client, portal_token
from tests.makers import ORG

ACCESS = "/api/v1/auth/app-portal-access"
DAY = timedelta(days=1)
TOLERANCE = timedelta(minutes=15)

pytestmark = pytest.mark.usefixtures("acme")


async def portal(api: Client, app: str = "acme", /, **said: object) -> Client:
    """A portal with the token that was made for it."""
    made = await api.post(f"{ACCESS}/{app}", said)
    assert made.status == 200
    return Client(made.json["token"])


async def test_a_portal_opens_its_own_application(api: Client, acme: str) -> None:
    await api.post("/api/v1/app", {"name": "Other", "uid": "other"})
    for key in ("acme", acme):
        mine = await portal(api, key)
        assert (await mine.get("/api/v1/app/acme")).json["id"] == acme
        assert (await mine.get("/api/v1/app/other")).status == 404
        assert (await mine.get("/api/v1/app")).status == 403
        assert (await mine.post(f"{ACCESS}/acme", {})).status == 403


async def test_the_answer_has_a_page_of_this_service(api: Client) -> None:
    async def url(**headers: str) -> str:
        made = await api.post(f"{ACCESS}/acme", {}, **headers)
        assert set(made.json) == {"url", "token"}
        shown: str = made.json["url"]
        return shown

    assert await url(host="hooks.example:8071") == "http://hooks.example:8071/docs"
    assert await url(host="hooks.example", x_forwarded_proto="https, http") == "https://hooks.example/docs"
    assert await url(host="hooks.example", x_forwarded_proto="javascript") == "http://hooks.example/docs"


async def test_a_portal_sees_the_event_types_that_its_flags_show(api: Client) -> None:
    for name, flag in (("open", None), ("beta", "beta"), ("secret", "secret")):
        await api.post("/api/v1/event-type", {"name": name, "description": "", "featureFlag": flag})

    async def seen(**said: object) -> list[str]:
        listed = await (await portal(api, **said)).get("/api/v1/event-type")
        return [row["name"] for row in listed.json["data"]]

    assert await seen() == ["open"]
    assert await seen(featureFlags=None) == ["open"]
    assert await seen(featureFlags=["beta"]) == ["beta", "open"]
    assert await seen(featureFlags=["beta", "secret", "beta"]) == ["beta", "open", "secret"]


async def test_a_portal_is_good_for_28_days_or_as_long_as_was_asked_for(api: Client, walk: Walk) -> None:
    usual, short = await portal(api), await portal(api, expiry=3600)

    async def status(client: Client) -> int:
        return (await client.get("/api/v1/app/acme")).status

    walk.clock.move(timedelta(hours=1) + TOLERANCE)
    assert await status(short) == 200
    walk.clock.move(timedelta(seconds=1))
    assert await status(short) == 401
    walk.clock.move(27 * DAY)
    assert await status(usual) == 200
    walk.clock.move(DAY)
    assert await status(usual) == 401


ONE = "/api/v1/app/acme/endpoint/main"
ALLOWED = 200
FORBIDDEN = 403


@pytest.mark.parametrize(
    ("said", "secret", "rotates", "manages"),
    [
        ({}, ALLOWED, ALLOWED, ALLOWED),
        ({"readOnly": None, "capabilities": None}, ALLOWED, ALLOWED, ALLOWED),
        ({"readOnly": False}, ALLOWED, ALLOWED, ALLOWED),
        ({"readOnly": True}, FORBIDDEN, FORBIDDEN, FORBIDDEN),
        ({"readOnly": True, "capabilities": ["ManageEndpoint"]}, FORBIDDEN, FORBIDDEN, FORBIDDEN),
        ({"capabilities": []}, FORBIDDEN, FORBIDDEN, FORBIDDEN),
        ({"capabilities": ["ViewBase", "ViewEndpointSecret"]}, ALLOWED, FORBIDDEN, FORBIDDEN),
        ({"capabilities": ["ViewBase", "ManageEndpointSecret"]}, ALLOWED, ALLOWED, FORBIDDEN),
        ({"capabilities": ["ViewBase", "ManageEndpoint"]}, ALLOWED, ALLOWED, ALLOWED),
        ({"capabilities": ["CreateAttempts", "ManageTransformations"]}, FORBIDDEN, FORBIDDEN, FORBIDDEN),
    ],
)
async def test_a_portal_may_do_what_its_token_is_good_for(
    api: Client, said: dict[str, object], secret: int, rotates: int, manages: int
) -> None:
    """A token for looking, in the hands of many, must not show what signs, nor move an endpoint."""
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://receiver.example", "uid": "main"})
    mine = await portal(api, **said)

    for seen in ("/api/v1/app/acme", ONE, f"{ONE}/headers", "/api/v1/app/acme/msg", "/api/v1/event-type"):
        assert (await mine.get(seen)).status == ALLOWED
    assert (await mine.get(f"{ONE}/secret")).status == secret
    rotated = await mine.post(f"{ONE}/secret/rotate", {}, user_agent="svix-libs/2.9.1/python")
    assert rotated.status == rotates
    for managed in (
        await mine.patch(ONE, {"description": "x"}),
        await mine.put(ONE, {"url": "https://receiver.example", "uid": "main"}),
    ):
        assert managed.status == manages
    set_headers = await mine.put(f"{ONE}/headers", {"headers": {}})
    assert (set_headers.status == FORBIDDEN) == (manages == FORBIDDEN)
    assert ((await mine.delete(ONE)).status == FORBIDDEN) == (manages == FORBIDDEN)


async def test_an_application_can_be_made_with_its_portal(api: Client, acme: str) -> None:
    """A customer's first visit needs no call before."""
    described = {"name": "New", "uid": "newcomer"}
    missing = await api.post(f"{ACCESS}/newcomer", {})
    assert (missing.status, missing.json["detail"]) == (404, "Application not found")

    mine = await portal(api, "newcomer", application=described)

    assert (await mine.get("/api/v1/app/newcomer")).json["name"] == "New"
    again = await portal(api, "newcomer", application={"name": "Changed", "uid": "whatever"})
    assert (await again.get("/api/v1/app/newcomer")).json["name"] == "New"
    for wrong, kind in (({"name": "A"}, "missing"), ({"name": "A", "uid": "b"}, "mismatch")):
        refused = await api.post(f"{ACCESS}/unknown", {"application": wrong})
        assert (refused.status, refused.loc) == (422, ["body", "application", "uid"])
        assert refused.json["detail"][0]["type"] == f"application_uid_{kind}"


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        (b"", ["body", "", ""]),
        (b"null", ["body", "", ""]),
        ({"featureFlags": ["no spaces"]}, ["body", "featureFlags"]),
        ({"featureFlags": "beta"}, ["body", "featureFlags"]),
        ({"capabilities": ["Everything"]}, ["body", "capabilities[0]"]),
        ({"readOnly": "yes"}, ["body", "readOnly"]),
        ({"expiry": 3599}, ["body", "expiry"]),
        ({"expiry": 604_801}, ["body", "expiry"]),
        ({"application": {"name": ""}}, ["body", "application", "name"]),
    ],
)
async def test_a_broken_rule_says_where(api: Client, body: object, loc: list[str]) -> None:
    """The body is looked at before the application."""
    for app in ("acme", "unknown"):
        refused = await api.post(f"{ACCESS}/{app}", body)
        assert (refused.status, refused.loc) == (422, loc)


async def test_what_other_servers_understand_is_tolerated(api: Client) -> None:
    said = {"expiry": None, "application": None, "sessionId": "s", "unknown": 1}
    assert (await api.post(f"{ACCESS}/acme", said)).status == 200


EXPIRE = "/api/v1/auth/app/acme/expire-all"


async def is_good(client: Client) -> bool:
    """Whether a token opens both what belongs to its application and what does not."""
    statuses = {(await client.get(path)).status for path in ("/api/v1/app/acme", "/api/v1/event-type")}
    assert statuses in ({200}, {401})
    return statuses == {200}


async def test_all_portals_of_an_application_can_be_shut(api: Client, walk: Walk) -> None:
    """A customer's employee has left, or a token was lost."""
    await api.post("/api/v1/app", {"name": "Other", "uid": "other"})
    early, elsewhere = await portal(api), await portal(api, "other")
    assert await is_good(early)

    expired = await api.post(EXPIRE, {})
    walk.clock.move(timedelta(microseconds=1))

    assert (expired.status, expired.body) == (204, b"")
    assert not await is_good(early)
    assert (await early.get("/api/v1/app/acme")).json["detail"] == "Invalid token"
    assert await is_good(await portal(api))
    assert (await elsewhere.get("/api/v1/app/other")).status == 200
    assert (await api.get("/api/v1/app/acme")).status == 200


async def test_a_shut_portal_is_told_nothing(api: Client) -> None:
    """Neither what it was answered before, nor whether there is another application."""
    early, endpoint = await portal(api), {"url": "https://receiver.example/"}
    path = "/api/v1/app/acme/endpoint"
    assert (await early.post(path, endpoint, idempotency_key="k")).status == 201
    await api.post(EXPIRE, {})
    assert (await early.post(path, endpoint, idempotency_key="k")).status == 401
    assert (await early.get("/api/v1/app/nobody")).status == 401


async def test_portals_can_be_shut_after_a_while(api: Client, walk: Walk) -> None:
    early = await portal(api)
    assert (await api.post(EXPIRE, {"expiry": 3600, "sessionIds": None})).status == 204
    walk.clock.move(timedelta(seconds=3599))
    assert await is_good(early)
    walk.clock.move(timedelta(seconds=1))
    assert not await is_good(early)


async def test_portals_of_one_session_can_be_shut(api: Client) -> None:
    mine, other, none = await portal(api, sessionId="a"), await portal(api, sessionId="b"), await portal(api)
    assert (await api.post(EXPIRE, {"sessionIds": ["a"]})).status == 204
    assert [await is_good(client) for client in (mine, other, none)] == [False, True, True]
    await api.post(EXPIRE, {"sessionIds": []})
    assert [await is_good(client) for client in (mine, other, none)] == [False, False, False]


async def test_shut_portals_stay_shut(api: Client, walk: Walk) -> None:
    """Neither a restart nor an edit of the application opens them again."""
    early = await portal(api)
    await api.post(EXPIRE, {})
    await api.put("/api/v1/app/acme", {"name": "New", "uid": "acme"})
    await walk.restarts()
    install(walk.service)
    assert not await is_good(early)


async def test_the_portal_of_a_removed_application_opens_nothing(api: Client) -> None:
    early = await portal(api)
    await api.delete("/api/v1/app/acme")
    assert (await early.get("/api/v1/app/acme")).status == 404
    assert (await early.get("/api/v1/event-type")).status == 401


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"expiry": -1}, ["body", "expiry"]),
        ({"expiry": 604_801}, ["body", "expiry"]),
        ({"sessionIds": "a"}, ["body", "sessionIds"]),
        (b"", ["body", "", ""]),
    ],
)
async def test_a_wrong_end_is_refused(api: Client, body: object, loc: list[str]) -> None:
    early = await portal(api)
    refused = await api.post(EXPIRE, body)
    assert (refused.status, refused.loc) == (422, loc)
    assert (await early.post(EXPIRE, {})).status == 403
    assert (await api.post("/api/v1/auth/app/unknown/expire-all", {})).status == 404
    assert await is_good(early)


async def test_clients_of_long_ago_ask_elsewhere(api: Client, acme: str, walk: Walk) -> None:
    """They send no body, or null."""
    for body in (b"null", b"", b"not json"):
        made = await api.post("/api/v1/auth/dashboard-access/acme", body)
        assert (made.status, set(made.json)) == (200, {"url", "token"})
        assert (await Client(made.json["token"]).get("/api/v1/app/acme")).status == 200
    assert (await api.post("/api/v1/auth/dashboard-access/unknown")).status == 404
    mine = Client(portal_token(walk.service.settings, acme))
    assert (await mine.post("/api/v1/auth/dashboard-access/acme")).status == 403


async def test_anyone_may_log_out(api: Client) -> None:
    """SDKs call it at the end of a session, and repeat it when it fails."""
    for client in (api, Client(None), Client("nonsense")):
        answered = await client.post("/api/v1/auth/logout")
        assert (answered.status, answered.body) == (204, b"")


async def test_tokens_that_are_made_elsewhere_are_not_made_here(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A deployment may hold only the key that verifies."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    walk = Walk.on(tmp_path_factory.mktemp("verify-only"))
    await walk.service.close()
    signing = replace(walk.service.settings, jwt_algorithm=JwtAlgorithm.EDDSA, jwt_secret=private)
    settings = replace(signing, jwt_secret=public)
    service = compose(settings, clock=walk.clock, journal=walk.journal, sender=walk.receiver)
    install(service)
    api = Client(mint_organization_token(signing, ORG, walk.clock.now()))
    await api.post("/api/v1/app", {"name": "Acme", "uid": "acme"})

    refused = await api.post(f"{ACCESS}/acme", {})

    assert (refused.status, refused.json["code"]) == (400, "cannot_sign")
    install(None)
    await service.close()


async def test_a_token_says_for_whom_it_is_good(api: Client, acme: str) -> None:
    async def who(client: Client) -> object:
        answered = await client.get("/api/v1/auth/whoami")
        assert answered.status == 200
        return answered.json

    source = {"permissionSource": "SvixJwt"}
    assert await who(api) == {"envId": ORG, **source}
    assert await who(await portal(api)) == {"envId": ORG, "appId": acme, **source}
    session = await portal(api, sessionId="s", readOnly=True)
    assert await who(session) == {"envId": ORG, "appId": acme, "sessionId": "s", **source}
    assert (await Client(None).get("/api/v1/auth/whoami")).status == 401
    await api.post("/api/v1/auth/app/acme/expire-all", {})
    assert (await session.get("/api/v1/auth/whoami")).status == 401
