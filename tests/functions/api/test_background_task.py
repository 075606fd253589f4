"""Background tasks over HTTP."""

from datetime import timedelta

import pytest

from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token, portal_token
from tests.makers import OTHER_ORG

APP = "/api/v1/app/acme"
TASKS = "/api/v1/background-task"


async def begun(api: Client, what: str = "msg/expunge-all-contents") -> str:
    """The id of a task that was begun."""
    answer = await api.post(f"{APP}/{what}")
    assert answer.status == 202
    task_id: str = answer.json["id"]
    return task_id


async def test_a_task_shows_how_far_it_is(api: Client, acme: str, walk: Walk) -> None:
    await api.post(f"{APP}/msg", {"eventType": "a", "payload": {"n": 1}})
    began = (await api.post(f"{APP}/msg/expunge-all-contents")).json
    assert began == {
        "id": began["id"],
        "status": "running",
        "task": "application.purge_content",
        "updatedAt": "2026-11-24T12:00:00Z",
    }
    running = (await api.get(f"{TASKS}/{began['id']}")).json
    progress = {"appId": acme, "startedAt": "2026-11-24T12:00:00Z", "failed": 0}
    assert running == {**began, "data": {**progress, "done": 0, "messagesPurged": 0}}

    await walk.passes(timedelta(seconds=1))
    done = (await api.get(f"{TASKS}/{began['id']}")).json
    assert (done["status"], done["updatedAt"]) == ("finished", "2026-11-24T12:00:01Z")
    ended = {"finishedAt": "2026-11-24T12:00:01Z", "done": 1, "messagesPurged": 1}
    assert done["data"] == {**progress, **ended}


async def test_a_task_is_cancelled(api: Client, acme: str, walk: Walk) -> None:
    task_id = await begun(api)
    walk.clock.move(timedelta(seconds=1))
    answer = await api.post(f"{TASKS}/{task_id}/cancel")
    assert (answer.status, answer.json["status"]) == (200, "failed")
    assert answer.json["data"]["why"] == "it was cancelled"
    assert answer.json["data"]["finishedAt"] == "2026-11-24T12:00:01Z"
    await walk.passes(timedelta(seconds=1))
    assert (await api.post(f"{TASKS}/{task_id}/cancel")).json == answer.json
    assert (await api.get(f"{TASKS}/{task_id}")).json == answer.json
    assert (await api.post(f"{TASKS}/qtask_none/cancel")).status == 404


async def test_tasks_are_listed_page_by_page(api: Client, acme: str) -> None:
    ids = sorted([await begun(api) for _ in range(3)])
    first = (await api.get(f"{TASKS}?limit=2")).json
    assert [row["id"] for row in first["data"]] == ids[:0:-1]
    assert (first["done"], first["iterator"]) == (False, ids[1])
    rest = (await api.get(f"{TASKS}?limit=2&iterator={first['iterator']}")).json
    assert ([row["id"] for row in rest["data"]], rest["done"]) == ([ids[0]], True)
    back = (await api.get(f"{TASKS}?limit=2&iterator={rest['prevIterator']}")).json
    assert [row["id"] for row in back["data"]] == ids[:0:-1]
    upward = (await api.get(f"{TASKS}?order=ascending")).json
    assert [row["id"] for row in upward["data"]] == ids


async def test_a_list_is_filtered_by_status_and_type(api: Client, acme: str, walk: Walk) -> None:
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    finished = await begun(api)
    await walk.works()
    walk.clock.move(timedelta(seconds=1))
    running = await begun(api)
    cancelled = await begun(api, "endpoint/here/cancel-msgs")

    async def shown(query: str) -> list[str]:
        return [row["id"] for row in (await api.get(f"{TASKS}?{query}")).json["data"]]

    assert await shown("") == [running, finished]
    assert await shown("status=finished") == [finished]
    assert await shown("status=running&task=application.purge_content") == [running]
    assert await shown("task=endpoint.recover") == await shown("task=sdk.generate") == []
    assert await shown("task=endpoint.cancel-msgs") == [cancelled]
    assert (await api.get(f"{TASKS}/{cancelled}")).json["task"] == "endpoint.cancel-msgs"


async def test_tasks_of_more_than_90_days_ago_are_not_listed(api: Client, acme: str, walk: Walk) -> None:
    old = await begun(api)
    walk.clock.move(timedelta(days=90, seconds=1))
    recent = await begun(api)
    for order in ("ascending", "descending"):
        listed = (await api.get(f"{TASKS}?order={order}")).json
        assert [row["id"] for row in listed["data"]] == [recent]
    assert (await api.get(f"{TASKS}/{old}")).status == 200


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("status=done", 400, "write running, finished or failed"),
        ("task=endpoint.dance", 400, "endpoint.recover"),
        ("order=up", 400, "write ascending or descending"),
        ("limit=251", 422, "must not exceed 250"),
        ("iterator=msg_1", 422, "starts with qtask_"),
        ("iterator=qtask_1", 200, ""),
    ],
)
async def test_a_query_that_cannot_be_answered_says_what_to_write(
    api: Client, query: str, status: int, says: str
) -> None:
    answer = await api.get(f"{TASKS}?{query}")
    assert answer.status == status
    assert says in answer.body.decode()


async def test_tasks_are_for_the_organization_that_began_them(api: Client, acme: str, walk: Walk) -> None:
    task_id = await begun(api)
    settings, now = walk.service.settings, walk.clock.now()
    portal = Client(portal_token(settings, acme))
    other = Client(organization_token(settings, now, OTHER_ORG))
    assert (await portal.get(TASKS)).status == (await portal.get(f"{TASKS}/{task_id}")).status == 403
    assert (await other.get(TASKS)).json["data"] == []
    unknown = await other.get(f"{TASKS}/{task_id}")
    assert (unknown.status, unknown.json) == (404, {"code": "not_found", "detail": "Entity not found"})
