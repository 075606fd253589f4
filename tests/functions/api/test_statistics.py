"""What applications use, over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from functions.api.statistics import APP_IDS_MAX
from tests.flows.walk import Walk
from tests.functions.api.client import Client, portal_token

USAGE = "/api/v1/stats/usage/app"
EVENT_TYPES = "/api/v1/stats/usage/event-types"
MONTH = {"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}


async def data_of(api: Client, walk: Walk, task_id: str) -> Any:  # noqa: ANN401 - JSON
    """What a task says of itself when it has ended."""
    await walk.works()
    return (await api.get(f"/api/v1/background-task/{task_id}")).json["data"]


async def test_usage_is_told_by_a_task_in_the_words_of_the_sdks(api: Client, acme: str, walk: Walk) -> None:
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://a.example"})
    await api.post("/api/v1/app/acme/msg", {"eventType": "a", "payload": {}})
    await walk.works()

    began = await api.post(USAGE, {**MONTH, "appIds": [acme, "nobody", "acme"]})

    assert began.status == 202
    assert began.json == {
        "id": began.json["id"],
        "status": "running",
        "task": "application.stats",
        "updatedAt": "2026-11-24T12:00:00Z",
        "unresolvedAppIds": ["nobody"],
    }
    now = "2026-11-24T12:00:00Z"
    assert await data_of(api, walk, began.json["id"]) == {
        **MONTH,
        "appStats": [{"appId": acme, "appUid": "acme", "messageDestinations": 1}],
        "done": 1,
        "failed": 0,
        "total": 1,
        "startedAt": now,
        "finishedAt": now,
    }


async def test_event_types_are_told_by_a_task_in_the_words_of_the_sdks(
    api: Client, acme: str, walk: Walk
) -> None:
    await api.post("/api/v1/event-type", {"name": "a", "description": ""})
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://a.example", "eventTypes": ["a"]})
    began = await api.put(EVENT_TYPES, None)
    assert (began.status, began.json["task"]) == (202, "event-type.aggregate")
    assert "event_types" not in (await api.get(f"/api/v1/background-task/{began.json['id']}")).json["data"]
    data = await data_of(api, walk, began.json["id"])
    assert data["event_types"] == [
        {"appId": acme, "explicitlySubscribedEventTypes": ["a"], "hasCatchAllEndpoint": False}
    ]
    assert "appId" not in data


async def test_lists_show_such_tasks_without_what_they_have_found_out(api: Client, walk: Walk) -> None:
    """It may be long."""
    await api.put(EVENT_TYPES, None)
    await walk.passes(timedelta(seconds=1))
    await api.post(USAGE, MONTH)
    await walk.works()
    (listed, _) = (await api.get("/api/v1/background-task")).json["data"]
    assert (listed["task"], "appStats" in listed["data"]) == ("application.stats", False)
    of_type = (await api.get("/api/v1/background-task?task=event-type.aggregate")).json["data"]
    assert [one["task"] for one in of_type] == ["event-type.aggregate"]


@pytest.mark.parametrize(
    ("said", "where", "why"),
    [
        ({"until": "2026-11-01T00:00:00Z"}, "until", "write an instant after 'since'"),
        ({"since": "yesterday"}, "since", ""),
        ({"appIds": []}, "appIds", "name 1 to 1000 applications, or leave this out to count for all"),
        (
            {"appIds": [str(number) for number in range(APP_IDS_MAX + 1)]},
            "appIds",
            "name 1 to 1000 applications, or leave this out to count for all",
        ),
        (
            {"appIds": ["nobody"]},
            "appIds",
            "there is none of these applications; name ids or uids of the organization's",
        ),
    ],
    ids=["empty time", "no instant", "no name", "too many names", "nobody"],
)
async def test_what_cannot_be_counted_is_refused(
    api: Client, said: dict[str, object], where: str, why: str
) -> None:
    refused = await api.post(USAGE, {**MONTH, **said})
    assert refused.status == 422
    (broken,) = refused.json["detail"]
    assert (broken["loc"], why in broken["msg"]) == (["body", where], True)


async def test_as_many_applications_as_may_be_named_are_looked_for(api: Client, acme: str) -> None:
    keys = [acme, *(str(number) for number in range(APP_IDS_MAX - 1))]
    began = await api.post(USAGE, {**MONTH, "appIds": keys})
    assert (began.status, began.json["unresolvedAppIds"]) == (202, keys[1:])


async def test_no_names_at_all_are_all(api: Client, acme: str, walk: Walk) -> None:
    began = await api.post(USAGE, {**MONTH, "appIds": None})
    data = await data_of(api, walk, began.json["id"])
    assert [one["appId"] for one in data["appStats"]] == [acme]


@pytest.mark.parametrize(("method", "path"), [("post", USAGE), ("put", EVENT_TYPES)])
async def test_only_the_organization_may_ask(acme: str, walk: Walk, method: str, path: str) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await getattr(portal, method)(path, MONTH)).status == 403
