"""Work that was given up, over HTTP."""

from datetime import timedelta

import pytest

from shared.domain.operational import MANAGEMENT_ORG
from shared.domain.work import to_body
from shared.flows.dead_letters import FIRST, LookAtGivenUp, Place
from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token, portal_token
from tests.makers import ORG, a_dispatch, a_message

LIST = "/api/v1/diagnostics/dead-letters"
REDRIVE = f"{LIST}/redrive"


def an_event(org_id: str) -> bytes:
    return b'{"orgId": "%s", "appId": "acme", "message": {"payload": {"secret": 1}}}' % org_id.encode()


@pytest.fixture
def management(walk: Walk) -> Client:
    return Client(organization_token(walk.service.settings, walk.clock.now(), MANAGEMENT_ORG))


async def give_up(walk: Walk, queue: str, body: bytes, why: str = "no such application") -> None:
    await walk.service.queue.reject(queue, body, reason=why)


async def test_an_organization_sees_its_own_and_no_payload(api: Client, walk: Walk) -> None:
    message = a_message()
    await give_up(walk, "events", an_event("org_other"))
    await give_up(walk, "events", b"{")
    await give_up(walk, "dispatch", to_body(a_dispatch(message)), "the store was down")
    walk.clock.move(timedelta(seconds=1))
    await give_up(walk, "events", an_event(ORG))

    found = (await api.get(LIST)).json

    unknown = {"msgId": None, "endpointId": None, "taskId": None}
    assert found == {
        "data": [
            {
                **unknown,
                "id": "3",
                "queue": "dispatch",
                "why": "the store was down",
                "diedAt": "2026-11-24T12:00:00Z",
                "orgId": ORG,
                "appId": message.app_id,
                "msgId": message.id,
            },
            {
                **unknown,
                "id": "4",
                "queue": "events",
                "why": "no such application",
                "diedAt": "2026-11-24T12:00:01Z",
                "orgId": ORG,
                "appId": "acme",
            },
        ],
        "iterator": None,
        "done": True,
    }
    assert [row["queue"] for row in (await api.get(f"{LIST}?queue=events")).json["data"]] == ["events"]


async def test_the_management_organization_sees_everything(management: Client, walk: Walk) -> None:
    await give_up(walk, "events", an_event("org_other"))
    await give_up(walk, "events", b"{", "write a JSON object")

    data = (await management.get(LIST)).json["data"]

    assert [(row["orgId"], row["why"]) for row in data] == [
        ("org_other", "no such application"),
        (None, "write a JSON object"),
    ]


async def test_pages_follow_each_other_over_all_queues(api: Client, walk: Walk) -> None:
    for queue in ("tasks", "events", "retry"):
        for number in range(3):
            await give_up(walk, queue, b'{"org_id": "%s", "orgId": "%s"}' % (ORG.encode(), ORG.encode()))
            await give_up(walk, queue, b"not ours", str(number))

    pages = [(await api.get(f"{LIST}?limit=2")).json]
    while not pages[-1]["done"]:
        pages.append((await api.get(f"{LIST}?limit=2&iterator={pages[-1]['iterator']}")).json)

    queues = [row["queue"] for page in pages for row in page["data"]]
    assert queues == ["retry"] * 3 + ["events"] * 3 + ["tasks"] * 3
    assert all(len(page["data"]) <= 2 for page in pages)
    nothing = (await api.get(f"{LIST}?limit=0&iterator=retry:4")).json
    assert nothing == {"data": [], "iterator": "retry:4", "done": False}


async def test_a_page_ends_when_enough_was_looked_at(walk: Walk) -> None:
    """Another organization's thousands of dead letters cost a request of ours no minute."""
    look = LookAtGivenUp(walk.service.store.dead_letters, looked_at=3)
    for org in ("org_other",) * 3 + (ORG,):
        await give_up(walk, "events", an_event(org))

    first = await look(ORG, FIRST, limit=10)

    assert first.next is not None
    assert (first.rows, first.next) == ([], Place("events", "3"))
    assert len((await look(ORG, first.next, limit=10)).rows) == 1


@pytest.mark.parametrize("iterator", ["", "events", "events:", "nowhere:1", "events:x", "events:1.5"])
async def test_an_iterator_that_no_page_had_is_refused(api: Client, iterator: str) -> None:
    refused = await api.get(f"{LIST}?iterator={iterator}")

    assert (refused.status, refused.loc) == (422, ["query", "iterator", "__all__"])


@pytest.mark.parametrize("iterator", ["events:dead-5", "events:9999999999999999999"])
async def test_an_iterator_of_another_store_is_refused(api: Client, iterator: str) -> None:
    assert (await api.get(f"{LIST}?iterator={iterator}")).status == 422


async def test_what_was_given_up_is_done_after_all(api: Client, acme: str, walk: Walk) -> None:
    await api.post("/api/v1/app/acme/endpoint", {"url": "https://receiver.example"})
    message = a_message(await walk.service.applications.get(ORG, acme))
    await give_up(walk, "dispatch", to_body(a_dispatch(message)))
    await give_up(walk, "retry", b"{")

    done = await api.post(REDRIVE, {"queue": "dispatch"})

    assert (done.status, done.json) == (200, {"data": [{"queue": "dispatch", "count": 1}]})
    await walk.works()
    assert walk.receiver.got == [message.id]
    counts = (await api.post(REDRIVE, {})).json["data"]
    assert [(one["queue"], one["count"]) for one in counts] == [
        ("dispatch", 0),
        ("retry", 1),
        ("events", 0),
        ("tasks", 0),
    ]


async def test_a_queue_that_there_is_not_is_refused_with_those_that_there_are(api: Client) -> None:
    refused = await api.post(REDRIVE, {"queue": "dispatches"})

    assert (refused.status, refused.loc) == (422, ["body", "queue"])
    assert "dispatch, retry, events, tasks" in refused.json["detail"][0]["msg"]
    assert (await api.get(f"{LIST}?queue=dispatches")).status == 400


async def test_a_portal_sees_nothing_of_it(acme: str, walk: Walk) -> None:
    portal = Client(portal_token(walk.service.settings, acme))

    assert (await portal.get(LIST)).status == 403
    assert (await portal.post(REDRIVE, {})).status == 403
