"""What existing clients rely on, part 3 of 4: lists."""

from datetime import timedelta
from typing import Any

import pytest_asyncio

from tests.flows.walk import Walk, answer
from tests.functions.api.client import Client

APP = "/api/v1/app/acme"
MESSAGES = f"{APP}/msg"
SECOND = timedelta(seconds=1)


@pytest_asyncio.fixture
async def messages(api: Client, acme: str, walk: Walk) -> list[dict[str, Any]]:
    """Six messages, a second apart, the oldest first."""
    made = []
    for number in range(6):
        body = {"eventType": "a", "payload": {"n": number}}
        made.append((await api.post(MESSAGES, body)).json)
        walk.clock.move(SECOND)
    return made


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


async def test_trap_07_iterators_name_the_ends_of_a_page_and_done_is_said_of_the_direction_travelled(
    api: Client, messages: list[dict[str, Any]]
) -> None:
    newest_first = _ids(messages)[::-1]
    first = (await api.get(f"{MESSAGES}?limit=4")).json
    assert (_ids(first["data"]), first["done"]) == (newest_first[:4], False)
    assert (first["iterator"], first["prevIterator"]) == (newest_first[3], f"-{newest_first[0]}")
    last = (await api.get(f"{MESSAGES}?limit=4&iterator={first['iterator']}")).json
    assert (_ids(last["data"]), last["done"]) == (newest_first[4:], True)
    assert last["iterator"] == newest_first[5]
    back = (await api.get(f"{MESSAGES}?limit=4&iterator={last['prevIterator']}")).json
    assert (_ids(back["data"]), back["done"]) == (newest_first[:4], True)


async def test_trap_07_an_empty_page_has_no_previous_iterator_at_all(api: Client, acme: str) -> None:
    for path in (MESSAGES, f"{APP}/endpoint", "/api/v1/event-type"):
        assert (await api.get(path)).json == {"data": [], "iterator": None, "done": True}


async def test_trap_08_after_alone_takes_the_oldest_page_and_shows_it_newest_first(
    api: Client, messages: list[dict[str, Any]]
) -> None:
    """This is how a client catches up page by page."""
    page = (await api.get(f"{MESSAGES}?limit=2&after={messages[1]['timestamp']}")).json
    assert (_ids(page["data"]), page["done"]) == (_ids(messages[1:3])[::-1], False)
    both = f"after={messages[1]['timestamp']}&before={messages[4]['timestamp']}"
    page = (await api.get(f"{MESSAGES}?limit=2&{both}")).json
    assert _ids(page["data"]) == _ids(messages[2:4])[::-1]


async def test_trap_22_an_attempt_has_failed_while_its_message_is_being_sent_and_both_say_so_in_words(
    api: Client, acme: str, walk: Walk
) -> None:
    await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    walk.receiver.always = answer(500)
    await api.post(MESSAGES, {"eventType": "a", "eventId": "e", "payload": {}})
    await walk.works()

    async def standings() -> list[tuple[int, str]]:
        paths = ("attempt/msg/e", "attempt/endpoint/here", "msg/e/endpoint", "endpoint/here/msg")
        rows = [(await api.get(f"{APP}/{path}?limit=1")).json["data"][0] for path in paths]
        return [(row["status"], row["statusText"]) for row in rows]

    failed, sending, succeeded = (2, "fail"), (3, "sending"), (0, "success")
    assert await standings() == [failed, failed, failed, sending]
    walk.receiver.always = answer(200)
    await walk.passes(timedelta(seconds=6))
    assert await standings() == [succeeded] * 4
    for status, count in ((0, 1), (1, 0), (2, 0), (3, 0)):
        rows = (await api.get(f"{APP}/endpoint/here/msg?status={status}")).json["data"]
        assert len(rows) == count
    assert len((await api.get(f"{APP}/attempt/msg/e?status=2")).json["data"]) == 1


async def test_trap_23_the_endpoints_of_a_message_come_in_ascending_order_and_deleted_ones_stay(
    api: Client, acme: str, walk: Walk
) -> None:
    made = []
    for _ in range(3):
        made.append((await api.post(f"{APP}/endpoint", {"url": "https://a.example"})).json["id"])
        walk.clock.move(SECOND)
    await api.post(MESSAGES, {"eventType": "a", "eventId": "e", "payload": {}})
    await walk.works()
    await api.delete(f"{APP}/endpoint/{made[1]}")
    assert _ids((await api.get(f"{APP}/msg/e/endpoint")).json["data"]) == made
    assert _ids((await api.get(f"{APP}/endpoint")).json["data"]) == [made[2], made[0]]
