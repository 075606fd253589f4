"""Retry schedules of event types over HTTP."""

import pytest

from tests.flows.walk import Walk
from tests.functions.api.client import Client, portal_token

ONE = "/api/v1/event-type/a"
AT = f"{ONE}/retry-schedule"


@pytest.fixture(autouse=True)
async def an_event_type(api: Client) -> None:
    await api.post("/api/v1/event-type", {"name": "a", "description": ""})


async def shown(api: Client) -> list[float] | None:
    got = await api.get(AT)
    assert (got.status, list(got.json)) == (200, ["retrySchedule"])
    schedule: list[float] | None = got.json["retrySchedule"]
    return schedule


async def test_an_event_type_follows_the_organization_until_it_has_its_own(api: Client) -> None:
    assert await shown(api) is None
    for schedule in ([0.5, 300], [], [1]):
        put = await api.put(AT, {"retrySchedule": schedule})
        assert (put.status, put.json) == (200, {"retrySchedule": schedule})
        assert await shown(api) == schedule
    for nothing in ({"retrySchedule": None}, {}):
        await api.put(AT, {"retrySchedule": [1]})
        assert (await api.put(AT, nothing)).json == {"retrySchedule": None}
        assert await shown(api) is None


async def test_other_edits_leave_it_and_a_new_beginning_does_not(api: Client) -> None:
    await api.put(AT, {"retrySchedule": [1]})
    await api.put(ONE, {"description": "put"})
    await api.patch(ONE, {"description": "patched"})
    await api.delete(ONE)
    assert await shown(api) == [1]

    await api.post("/api/v1/event-type", {"name": "a", "description": "back"})
    assert await shown(api) is None


async def test_an_unknown_event_type_has_none(api: Client) -> None:
    unknown = "/api/v1/event-type/b/retry-schedule"
    assert (await api.get(unknown)).status == 404
    assert (await api.put(unknown, {"retrySchedule": [1]})).status == 404


@pytest.mark.parametrize(
    ("schedule", "loc"),
    [
        ([1] * 51, ["body", "retrySchedule"]),
        ([0], ["body", "retrySchedule"]),
        ([31 * 24 * 60 * 60], ["body", "retrySchedule"]),
        (["5s"], ["body", "retrySchedule[0]"]),
        ("5s", ["body", "retrySchedule"]),
    ],
)
async def test_a_broken_rule_says_where(api: Client, schedule: object, loc: list[str]) -> None:
    refused = await api.put(AT, {"retrySchedule": schedule})
    assert (refused.status, refused.loc) == (422, loc)
    assert await shown(api) is None


async def test_only_the_organization_may(api: Client, acme: str, walk: Walk) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.get(AT)).status == 403
    assert (await portal.put(AT, {"retrySchedule": []})).status == 403
