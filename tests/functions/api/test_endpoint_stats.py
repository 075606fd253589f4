"""The counted attempts at an endpoint over HTTP."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
import pytest_asyncio

from tests.flows.walk import Walk
from tests.functions.api.client import Client, portal_token

STATS = "/api/v1/app/acme/endpoint/main/stats"
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("acme", "main")


@pytest_asyncio.fixture
async def main(api: Client) -> None:
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://receiver.example", "uid": "main"})


async def posts(api: Client, walk: Walk, times: int) -> None:
    for _ in range(times):
        await api.post("/api/v1/app/acme/msg", {"eventType": "a", "payload": {}})
        await walk.works()


async def counted(api: Client, query: str = "") -> Mapping[str, int]:
    got = await api.get(f"{STATS}?{query}")
    assert got.status == 200
    counts: Mapping[str, int] = got.json
    return {name: count for name, count in counts.items() if count}


async def test_attempts_are_counted_by_what_came_of_them(api: Client, walk: Walk) -> None:
    assert (await api.get(STATS)).json == {"success": 0, "pending": 0, "sending": 0, "fail": 0, "canceled": 0}
    await posts(api, walk, 3)
    walk.receiver.goes_down()
    await posts(api, walk, 2)
    walk.clock.move(timedelta(seconds=1))

    assert await counted(api) == {"success": 3, "fail": 2}
    await walk.passes(timedelta(minutes=1))  # one retry each
    walk.clock.move(timedelta(seconds=1))
    assert await counted(api) == {"success": 3, "fail": 4}


async def test_other_endpoints_do_not_count(api: Client, walk: Walk) -> None:
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://other.example"})
    await posts(api, walk, 1)
    walk.clock.move(timedelta(seconds=1))
    assert await counted(api) == {"success": 1}


async def test_only_the_time_asked_about_counts(api: Client, walk: Walk) -> None:
    await posts(api, walk, 1)
    walk.clock.move(DAY)
    await posts(api, walk, 2)
    walk.clock.move(DAY)

    assert await counted(api, "since=2026-11-25T00:00:00Z") == {"success": 2}
    assert await counted(api, "until=2026-11-25T00:00:00Z") == {"success": 1}
    assert await counted(api, "since=2026-11-24T00:00:00Z&until=2026-11-26T00:00:00Z") == {"success": 3}
    assert await counted(api, "since=2026-11-26T00:00:00Z&until=2026-11-24T00:00:00Z") == {}
    assert await counted(api, "since=2026-11-25T12:00:00Z") == {"success": 2}
    walk.clock.move(27 * DAY)
    assert await counted(api) == {"success": 2}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("until=2026-11-24T12:00:01Z", "invalid_range"),
        ("since=2026-10-27T11:54:59Z", "invalid_range"),
        ("since=2026-10-01T00:00:00Z&until=2026-11-01T00:00:00Z", "invalid_range"),
        ("since=0001-01-01T00:00:00Z", "invalid_range"),
        ("since=yesterday", "generic_error"),
    ],
)
async def test_a_time_that_cannot_be_answered_for_is_refused(api: Client, query: str, code: str) -> None:
    refused = await api.get(f"{STATS}?{query}")
    assert (refused.status, refused.json["code"]) == (400, code)


async def test_clocks_may_differ_by_five_minutes(api: Client) -> None:
    assert await counted(api, "since=2026-10-27T11:55:00Z&until=2026-11-24T12:00:00Z") == {}
    assert await counted(api, "since=1971-01-01T00:00:00Z&until=1971-01-02T00:00:00Z") == {}


@pytest.mark.parametrize("year", ["0001", "2014", "1971"])
async def test_any_time_past_can_be_asked_about(api: Client, year: str) -> None:
    assert await counted(api, f"until={year}-01-01T00:00:00Z") == {}


async def test_the_future_is_named_as_the_reason(api: Client) -> None:
    refused = await api.get(f"{STATS}?until=2027-01-01T00:00:00Z")
    assert refused.json["detail"] == "'until' cannot be in the future"


async def test_who_may_ask(api: Client, acme: str, walk: Walk) -> None:
    assert (await api.get("/api/v1/app/acme/endpoint/unknown/stats")).status == 404
    assert (await Client(portal_token(walk.service.settings, acme)).get(STATS)).status == 200
