"""Events that come as queue messages: the same promises as over HTTP."""

import json

import pytest

from functions.api.message import post_from_queue
from shared.domain.errors import EventIdTaken, HeliographError, Invalid, Unknown
from tests.flows.walk import Walk
from tests.functions.api.client import Client
from tests.makers import ORG

pytestmark = pytest.mark.usefixtures("acme")
MESSAGE = {"eventType": "a", "payload": {"b": 1}}


def an_event(**change: object) -> bytes:
    return json.dumps({"orgId": ORG, "appId": "acme", "message": MESSAGE, **change}).encode()


async def listed(api: Client) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = (await api.get("/api/v1/app/acme/msg")).json["data"]
    return rows


async def test_an_event_becomes_a_message(api: Client, walk: Walk) -> None:
    await post_from_queue(walk.service, an_event(), "1")
    (row,) = await listed(api)
    assert (row["eventType"], row["payload"]) == ("a", {"b": 1})


async def test_an_event_handed_over_again_is_accepted_once(api: Client, walk: Walk) -> None:
    """Queues deliver at least once."""
    for _ in range(3):
        await post_from_queue(walk.service, an_event(), "1")
    assert len(await listed(api)) == 1
    await post_from_queue(walk.service, an_event(), "2")
    assert len(await listed(api)) == 2


async def test_another_event_under_an_old_number_is_not_lost(api: Client, walk: Walk) -> None:
    """A queue that was made anew counts from the beginning."""
    await post_from_queue(walk.service, an_event(), "1")
    await post_from_queue(walk.service, an_event(message={**MESSAGE, "payload": {}}), "1")
    await post_from_queue(walk.service, an_event(), None)
    assert len(await listed(api)) == 3


async def test_an_event_may_bring_its_application(api: Client, walk: Walk) -> None:
    message = {**MESSAGE, "application": {"name": "New", "uid": "new"}}
    await post_from_queue(walk.service, an_event(appId="new", message=message), "1")
    assert (await api.get("/api/v1/app/new")).json["name"] == "New"


async def test_an_event_id_is_used_once(walk: Walk) -> None:
    message = {**MESSAGE, "eventId": "e"}
    await post_from_queue(walk.service, an_event(message=message), "1")
    with pytest.raises(EventIdTaken):
        await post_from_queue(walk.service, an_event(message=message), "2")


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (b"", Invalid, "body"),
        (b"[]", Invalid, "object"),
        (an_event(orgId=None), Invalid, "orgId"),
        (an_event(orgId="acme"), Invalid, "org_"),
        (an_event(appId="no spaces"), Invalid, "appId"),
        (an_event(appId="none"), Unknown, "none"),
        (an_event(message=None), Invalid, "object"),
        (an_event(message={"eventType": "a"}), Invalid, "payload"),
        (an_event(message={**MESSAGE, "eventType": "no spaces"}), Invalid, "event_type"),
        (b'{"orgId":"org_1","orgId":"org_2","appId":"acme","message":{}}', Invalid, "orgId"),
    ],
)
async def test_a_bad_event_says_what_is_wrong_with_it(
    walk: Walk, body: bytes, error: type[HeliographError], says: str
) -> None:
    """The reason stands beside it among the dead letters."""
    with pytest.raises(error) as refused:
        await post_from_queue(walk.service, body, "1")
    assert says in str(refused.value)
