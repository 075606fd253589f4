"""Probation over HTTP: asked for in the settings, and seen among the background tasks."""

from datetime import timedelta

from tests.flows.walk import Walk
from tests.functions.api.client import Client

TASKS = "/api/v1/background-task"
HERE = "/api/v1/app/acme/endpoint/here"


async def test_an_endpoint_is_brought_back_and_the_task_says_so(api: Client, acme: str, walk: Walk) -> None:
    asked = {
        "endpointProbation": True,
        "retrySchedule": [],
        "endpointFailureDisableAfterSeconds": 60,
    }
    assert (await api.patch("/api/v1/organization/settings", asked)).status == 200
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://down.example", "uid": "here"})
    endpoint_id = (await api.get(HERE)).json["id"]
    walk.receiver.goes_down()
    for _ in range(2):
        await api.post("/api/v1/app/acme/msg", {"eventType": "a", "payload": {}})
        await walk.works()
        walk.clock.move(timedelta(seconds=61))
    assert (await api.get(HERE)).json["disabled"]

    assert (await api.get(TASKS)).json["data"] == []  # SDKs do not know its type
    (row,) = (await api.get(f"{TASKS}?task=endpoint.probation")).json["data"]
    assert (row["status"], row["task"]) == ("running", "endpoint.probation")
    assert row["data"] == {
        "appId": acme,
        "endpointId": endpoint_id,
        "since": "2026-11-24T12:00:00Z",
        "done": 0,
        "failed": 0,
        "startedAt": "2026-11-24T12:01:00Z",
    }

    await walk.passes(timedelta(minutes=7))
    walk.receiver.comes_back()
    await walk.passes(timedelta(minutes=14))
    await walk.passes(timedelta(seconds=10))
    assert not (await api.get(HERE)).json["disabled"]
    found = (await api.get(f"{TASKS}/{row['id']}")).json
    assert found["status"] == "finished"
    assert (found["data"]["done"], found["data"]["failed"]) == (2, 1)
    assert found["data"]["answeredAt"] == "2026-11-24T12:23:02Z"
    following = (await api.get(TASKS)).json["data"]
    assert sorted(one["task"] for one in following) == ["endpoint.recover", "endpoint.replay"]


async def test_a_probation_is_cancelled_as_any_task(api: Client, acme: str, walk: Walk) -> None:
    settings = {"endpointProbation": True, "retrySchedule": [], "endpointFailureDisableAfterSeconds": 1}
    await api.patch("/api/v1/organization/settings", settings)
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://down.example", "uid": "here"})
    walk.receiver.goes_down()
    for _ in range(2):
        await api.post("/api/v1/app/acme/msg", {"eventType": "a", "payload": {}})
        await walk.works()
        walk.clock.move(timedelta(seconds=2))
    (row,) = (await api.get(f"{TASKS}?task=endpoint.probation")).json["data"]

    cancelled = await api.post(f"{TASKS}/{row['id']}/cancel")

    assert (cancelled.status, cancelled.json["status"]) == (200, "failed")
    walk.receiver.sent.clear()
    await walk.passes(timedelta(days=1))
    assert walk.receiver.sent == []
