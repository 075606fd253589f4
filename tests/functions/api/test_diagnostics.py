"""How things stand, over HTTP."""

from datetime import timedelta

from tests.flows.walk import Walk, answer
from tests.functions.api.client import Client, portal_token
from tests.makers import ORG

QUIET = {"due": 0, "scheduled": 0, "dueSince": None, "deadLetters": 0}


async def test_how_things_stand(api: Client, acme: str, walk: Walk) -> None:
    walk.receiver.at = {"https://gone.example/": answer(410)}
    for uid in ("gone", "slow"):
        body = {"url": f"https://{uid}.example", "uid": uid, "throttleRate": 1}
        await api.post("/api/v1/app/acme/endpoint", body)
    gone, slow = [(await api.get(f"/api/v1/app/acme/endpoint/{uid}")).json["id"] for uid in ("gone", "slow")]
    for _ in range(3):
        await api.post("/api/v1/app/acme/msg", {"eventType": "a", "payload": {}})
        await walk.works()

    found = (await api.get("/api/v1/diagnostics")).json

    at = "2026-11-24T12:00:00Z"
    nobody = {"data": [], "complete": True}
    of_acme = {"appId": acme, "appUid": "acme"}
    assert found == {
        "at": at,
        "deployment": {
            "queues": [
                {"name": "dispatch", **QUIET},
                {"name": "retry", **QUIET, "scheduled": 2},
                {"name": "events", **QUIET},
                {"name": "tasks", **QUIET},
            ]
        },
        "organization": {
            "failing": nobody,
            "openCircuits": nobody,
            "disabled": {
                "data": [
                    {
                        **of_acme,
                        "endpointId": gone,
                        "uid": "gone",
                        "url": "https://gone.example/",
                        "since": at,
                    }
                ],
                "complete": True,
            },
            "throttled": {
                "data": [
                    {
                        **of_acme,
                        "endpointId": slow,
                        "uid": "slow",
                        "url": "https://slow.example/",
                        "throttleRate": 1,
                        "waiting": 2,
                        "until": "2026-11-24T12:00:02Z",
                    }
                ],
                "complete": True,
            },
        },
    }


async def test_an_endpoint_that_fails_every_time_is_told_with_its_health(
    api: Client, acme: str, walk: Walk
) -> None:
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://down.example", "uid": "down"})
    await api.post("/api/v1/app/acme/msg", {"eventType": "a", "payload": {}})
    await walk.works()
    walk.receiver.goes_down()
    application = await walk.service.applications.get(ORG, acme)
    walk.clock.move(timedelta(minutes=1))
    await walk.is_failed_at_length(application)

    (row,) = (await api.get("/api/v1/diagnostics")).json["organization"]["openCircuits"]["data"]
    del row["endpointId"]
    assert row == {
        "appId": acme,
        "appUid": "acme",
        "uid": "down",
        "url": "https://down.example/",
        "circuit": "open",
        "failures": 50,
        "since": "2026-11-24T12:01:00Z",
        "until": "2026-11-24T12:06:10Z",
        "failureShare": 50 / 51,
        "lastSuccess": "2026-11-24T12:00:00Z",
    }

    for _ in range(3):
        await walk.passes(timedelta(hours=1))
    (row,) = (await api.get("/api/v1/diagnostics")).json["organization"]["failing"]["data"]
    assert row["failureShare"] > 0.9
    assert (row["circuit"], row["lastSuccess"]) == ("half_open", "2026-11-24T12:00:00Z")


async def test_how_things_stand_is_for_organizations(api: Client, acme: str, walk: Walk) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.get("/api/v1/diagnostics")).status == 403
    assert (await Client(None).get("/api/v1/diagnostics")).status == 401
