"""Exchanging an endpoint's secret over HTTP, and what its receiver sees of it."""

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from standardwebhooks.webhooks import Webhook

from shared.ports.sender import Outgoing
from tests.flows.walk import Walk, header
from tests.functions.api.client import Client, portal_token

ONE = "/api/v1/app/acme/endpoint/main"
ROTATE = f"{ONE}/secret/rotate"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
PAIR = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("acme", "main")


@pytest_asyncio.fixture
async def main(api: Client) -> None:
    said = {"url": "https://receiver.example", "uid": "main", "secret": SECRET}
    await api.post("/api/v1/app/acme/endpoint", said)


async def key(api: Client) -> str:
    shown: str = (await api.get(f"{ONE}/secret")).json["key"]
    return shown


async def sent(api: Client, walk: Walk) -> Outgoing:
    """The request of a message that is posted now."""
    await api.post("/api/v1/app/acme/msg", {"eventType": "a", "payload": {"n": 1}})
    await walk.works()
    return walk.receiver.sent[-1]


def signs(secret: str, outgoing: Outgoing) -> bool:
    """Whether the reference library, which receivers run, finds its signature among those of a request."""
    return expected(secret, outgoing) in header(outgoing, "webhook-signature").split(" ")


def expected(secret: str, outgoing: Outgoing) -> str:
    at = datetime.fromtimestamp(int(header(outgoing, "webhook-timestamp")), UTC)
    return Webhook(secret).sign(header(outgoing, "webhook-id"), at, outgoing.body.decode())


async def test_during_the_grace_period_both_secrets_verify(api: Client, walk: Walk) -> None:
    """The receiver exchanges its secret when it gets round to it, and loses nothing."""
    assert signs(SECRET, await sent(api, walk))

    rotated = await api.post(ROTATE, {"gracePeriodSeconds": 3600})
    assert (rotated.status, rotated.body) == (204, b"")
    new = await key(api)

    assert new != SECRET
    during = await sent(api, walk)
    assert signs(new, during)
    assert signs(SECRET, during)
    assert header(during, "webhook-signature").startswith(expected(new, during))
    walk.clock.move(timedelta(hours=1))
    after = await sent(api, walk)
    assert signs(new, after)
    assert not signs(SECRET, after)


async def test_the_old_secret_verifies_for_a_day_unless_said_otherwise(api: Client, walk: Walk) -> None:
    await api.post(ROTATE, {"key": OTHER, "gracePeriodSeconds": None})
    assert await key(api) == OTHER
    walk.clock.move(DAY - timedelta(seconds=1))
    assert signs(SECRET, await sent(api, walk))
    walk.clock.move(timedelta(seconds=1))
    assert not signs(SECRET, await sent(api, walk))


async def test_without_grace_the_old_secret_ends_at_once(api: Client, walk: Walk) -> None:
    """A secret that has leaked."""
    await api.post(ROTATE, {"key": OTHER, "gracePeriodSeconds": 0})
    outgoing = await sent(api, walk)
    assert signs(OTHER, outgoing)
    assert header(outgoing, "webhook-signature").count("v1,") == 1


async def test_a_shared_secret_can_become_a_pair(api: Client, walk: Walk) -> None:
    await api.post(ROTATE, {"key": PAIR})
    assert await key(api) == PUBLIC
    signatures = header(await sent(api, walk), "webhook-signature").split(" ")
    assert [signature.partition(",")[0] for signature in signatures] == ["v1a", "v1"]


async def test_the_eleventh_rotation_in_a_grace_period_is_refused(api: Client, walk: Walk) -> None:
    for _ in range(10):
        assert (await api.post(ROTATE, {})).status == 204
    last = await key(api)
    refused = await api.post(ROTATE, {})
    assert (refused.status, refused.json["code"]) == (400, "limit_reached")
    assert await key(api) == last
    outgoing = await sent(api, walk)
    assert signs(SECRET, outgoing)
    assert header(outgoing, "webhook-signature").count("v1,") == 11
    walk.clock.move(DAY)
    assert (await api.post(ROTATE, {})).status == 204


@pytest.mark.parametrize(
    ("user_agent", "gets_the_key"),
    [
        ("svix-libs/2.9.1/python python/3.11.7 Linux/x86_64", True),
        ("svix-libs/2.7.0/python", True),
        ("svix-libs/2.10.0/go", True),
        ("svix-libs/3.0.0/rust", True),
        ("svix-libs/2.5.0/javascript", False),
        ("svix-libs/1.99.1/javascript", False),
        ("svix-libs/next/python", False),
        ("curl/8.5.0", False),
        ("", False),
    ],
)
async def test_a_client_gets_the_answer_that_it_can_read(
    api: Client, user_agent: str, *, gets_the_key: bool
) -> None:
    """Newer SDKs fail on an answer without the key, other clients insist on an empty one."""
    rotated = await api.post(ROTATE, {"key": OTHER}, user_agent=user_agent)
    if gets_the_key:
        assert (rotated.status, rotated.json) == (200, {"key": OTHER})
    else:
        assert (rotated.status, rotated.body) == (204, b"")


async def test_a_pair_answers_with_its_public_half(api: Client) -> None:
    rotated = await api.post(ROTATE, {"key": PAIR}, user_agent="svix-libs/2.9.1/python")
    assert rotated.json == {"key": PUBLIC}


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"key": "whsec_AAAA"}, ["body", "key"]),
        ({"key": PUBLIC}, ["body", "key"]),
        ({"key": 1}, ["body", "key"]),
        ({"gracePeriodSeconds": -1}, ["body", "gracePeriodSeconds"]),
        ({"gracePeriodSeconds": 604_801}, ["body", "grace_period_seconds"]),
        ({"gracePeriodSeconds": 10**30}, ["body", "grace_period_seconds"]),
        ({"gracePeriodSeconds": 1.5}, ["body", "gracePeriodSeconds"]),
        (b"", ["body", "", ""]),
    ],
)
async def test_a_broken_rule_says_where_and_changes_nothing(
    api: Client, body: object, loc: list[str]
) -> None:
    refused = await api.post(ROTATE, body)
    assert (refused.status, refused.loc) == (422, loc)
    assert await key(api) == SECRET


async def test_the_longest_grace_is_a_week(api: Client, walk: Walk) -> None:
    assert (await api.post(ROTATE, {"gracePeriodSeconds": 604_800})).status == 204
    walk.clock.move(timedelta(days=7, seconds=-1))
    assert signs(SECRET, await sent(api, walk))


async def test_who_may_rotate(api: Client, acme: str, walk: Walk) -> None:
    assert (await api.post("/api/v1/app/acme/endpoint/unknown/secret/rotate", {})).status == 404
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.post(ROTATE, {})).status == 204
