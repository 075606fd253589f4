"""Idempotency keys: what comes again with its key is answered and not done again."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from functions.api.idempotency import LOCK, POLL, POLLS, claim_key, once
from functions.api.requests import Request
from shared.domain.errors import Unavailable
from shared.ports.answers import Answers, Begun, StoredAnswer
from shared.ports.removal import Removed
from shared.wiring import Service, install
from tests.flows.walk import Walk
from tests.functions.api.client import Client, Reply, organization_token

APPS = "/api/v1/app"
SENDS = "/api/v1/app/acme/msg"
MESSAGE = {"eventType": "a", "payload": {}}


async def test_a_repeat_is_answered_as_before_whatever_its_body(api: Client) -> None:
    first = await api.post(APPS, {"name": "First"}, idempotency_key="k")
    again = await api.post(APPS, {"name": "Second"}, idempotency_key="k")
    broken = await api.post(APPS, b"{", idempotency_key="k")
    assert first.status == 201
    assert (again, broken) == (first, first)
    assert len((await api.get(APPS)).json["data"]) == 1


async def test_a_repeated_message_is_answered_as_before_whatever_its_body(api: Client, acme: str) -> None:
    first = await api.post(SENDS, {**MESSAGE, "eventId": "e"}, idempotency_key="k")
    assert first.status == 202
    for body in (
        {**MESSAGE, "eventId": "e"},
        {**MESSAGE, "payload": {"b": 1}},
        {"eventType": "no spaces"},
        b"{",
    ):
        assert await api.post(SENDS, body, idempotency_key="k") == first
    assert (await api.post(SENDS, b" " * 3_000_000, idempotency_key="k")) == first
    assert len((await api.get(SENDS)).json["data"]) == 1
    await api.delete("/api/v1/app/acme")
    after = await api.post(SENDS, MESSAGE, idempotency_key="k")
    assert after.json == {**first.json, "payload": {"expired": True}}


@pytest.mark.parametrize("path", [APPS, SENDS])
async def test_the_key_is_the_callers_and_the_requests(api: Client, acme: str, walk: Walk, path: str) -> None:
    body = {**MESSAGE, "name": "A"}
    first = await api.post(path, body, idempotency_key="k")
    slash = await api.post(path + "/", body, idempotency_key="k")
    assert slash.json == first.json
    later = walk.clock.now() + timedelta(seconds=1)
    others = [
        await api.post(path, body, idempotency_key="k2"),
        await api.post(path + "?x=1", body, idempotency_key="k"),
        await Client(organization_token(walk.service.settings, later)).post(path, body, idempotency_key="k"),
        await api.post(path, body),
    ]
    assert len({first.json["id"], *(other.json["id"] for other in others)}) == 5


@pytest.mark.parametrize("path", [APPS, SENDS])
async def test_a_failure_is_not_kept(api: Client, acme: str, path: str) -> None:
    """Whoever mends the request may use the same key."""
    assert (await api.post(path, b"{", idempotency_key="k")).status == 422
    mended = await api.post(path, {**MESSAGE, "name": "A"}, idempotency_key="k")
    assert mended.status in (201, 202)


async def test_a_conflict_is_not_kept(api: Client, acme: str) -> None:
    body = {**MESSAGE, "eventId": "e"}
    await api.post(SENDS, body)
    assert (await api.post(SENDS, body, idempotency_key="k")).status == 409
    assert (await api.post(SENDS, MESSAGE, idempotency_key="k")).status == 202
    assert (await api.post(APPS, {"name": "A", "uid": "acme"}, idempotency_key="k")).status == 409
    assert (await api.post(APPS, {"name": "A"}, idempotency_key="k")).status == 201


@pytest.mark.parametrize("path", [APPS, SENDS])
async def test_a_key_is_forgotten_after_twelve_hours(api: Client, acme: str, walk: Walk, path: str) -> None:
    body = {**MESSAGE, "name": "A"}
    first = await api.post(path, body, idempotency_key="k")
    walk.clock.move(timedelta(hours=11, minutes=59))
    assert (await api.post(path, body, idempotency_key="k")) == first
    walk.clock.move(timedelta(minutes=2))
    assert (await api.post(path, body, idempotency_key="k")).json["id"] != first.json["id"]


@pytest.mark.parametrize("path", [APPS, SENDS])
async def test_a_key_outlives_a_restart(api: Client, acme: str, walk: Walk, path: str) -> None:
    body = {**MESSAGE, "name": "A"}
    first = await api.post(path, body, idempotency_key="k")
    await walk.restarts()
    install(walk.service)
    assert await api.post(path, body, idempotency_key="k") == first


@pytest.mark.parametrize("path", [APPS, SENDS])
async def test_requests_at_once_are_answered_alike(api: Client, acme: str, walk: Walk, path: str) -> None:
    body = {**MESSAGE, "name": "A"}
    posting = [asyncio.create_task(api.post(path, body, idempotency_key="k")) for _ in range(8)]

    async def time_passes() -> None:
        while True:
            await walk.clock.asleep()
            walk.clock.move(POLL)

    passing = asyncio.create_task(time_passes())
    replies: list[Reply] = await asyncio.gather(*posting)
    passing.cancel()
    assert replies == [replies[0]] * 8
    assert replies[0].status in (201, 202)


async def test_who_finds_another_at_it_waits_for_the_answer(api: Client, walk: Walk) -> None:
    key = await held(api, walk)
    waiting = asyncio.create_task(api.post(APPS, {"name": "A"}, idempotency_key="k"))
    await walk.clock.asleep()
    answer = StoredAnswer(201, (("content-type", "application/json"),), b'{"id":"app_1"}')
    await walk.service.answers.finish(key, answer, expires_at=walk.clock.now() + timedelta(hours=1))
    walk.clock.move(POLL)
    assert (await waiting).json == {"id": "app_1"}


async def test_a_key_held_by_the_dead_is_free_after_five_seconds(api: Client, walk: Walk) -> None:
    await held(api, walk)
    waiting = asyncio.create_task(api.post(APPS, {"name": "A"}, idempotency_key="k"))
    await walk.clock.asleep()
    walk.clock.move(LOCK)
    assert (await waiting).status == 201


async def test_a_caller_that_fails_late_does_not_let_a_third_one_in(api: Client, walk: Walk) -> None:
    async def fails_late() -> StoredAnswer:
        walk.clock.move(LOCK)
        await held(api, walk)
        return StoredAnswer(409, (), b"")

    key = key_of(api)
    assert (await once(walk.service, key, fails_late)).status == 409

    now = walk.clock.now()
    assert await walk.service.answers.begin(key, now=now, lock_until=now + LOCK) is Begun.SOMEONE_ELSES


async def test_who_waits_too_long_is_told_so(api: Client, walk: Walk) -> None:
    await held(api, walk, timedelta(minutes=1))
    waiting = asyncio.create_task(api.post(APPS, {"name": "A"}, idempotency_key="k"))
    for _ in range(POLLS):
        await walk.clock.asleep()
        walk.clock.move(POLL)
    failed = await waiting
    assert (failed.status, failed.body) == (500, b"")


async def test_keys_out_of_reach_are_a_failure_and_nothing_is_done(api: Client, walk: Walk) -> None:
    install(without("begin", walk))
    failed = await api.post(APPS, {"name": "A"}, idempotency_key="k")
    assert (failed.status, failed.body) == (500, b"")
    install(walk.service)
    assert (await api.get(APPS)).json["data"] == []


async def test_what_was_done_is_answered_also_when_the_answer_cannot_be_kept(api: Client, walk: Walk) -> None:
    """A 500 would have the client do it again."""
    install(without("finish", walk))
    assert (await api.post(APPS, {"name": "A"}, idempotency_key="k")).status == 201
    assert walk.journal.of("answer.lost") == [{"status": 201, "part": "store"}]


async def test_a_bug_of_ours_frees_the_key(api: Client, walk: Walk) -> None:
    """The client's own repeat must not wait for a lock that nobody holds."""

    class Broken:
        async def add_application(self, *_: object) -> None:
            raise ZeroDivisionError

    install(replace(walk.service, catalogue=Broken()))  # type: ignore[arg-type]
    assert (await api.post(APPS, {"name": "A"}, idempotency_key="k")).status == 500
    install(walk.service)
    assert (await api.post(APPS, {"name": "A"}, idempotency_key="k")).status == 201


async def test_an_answer_that_is_no_success_is_not_kept(walk: Walk) -> None:
    statuses = [400, 204, 500]

    async def run() -> StoredAnswer:
        return StoredAnswer(statuses.pop(0), (), b"")

    answered = [(await once(walk.service, b"key", run)).status for _ in range(3)]
    assert answered == [400, 204, 204]


async def test_other_methods_have_no_key(api: Client, acme: str) -> None:
    assert (await api.delete("/api/v1/app/acme", idempotency_key="k")).status == 204
    assert (await api.delete("/api/v1/app/acme", idempotency_key="k")).status == 404


def key_of(api: Client) -> bytes:
    """What the key `k` of `POST /app` stands for."""
    headers = [(b"authorization", f"Bearer {api.token}".encode()), (b"idempotency-key", b"k")]

    async def receive() -> dict[str, object]:
        return {}

    key = claim_key(Request({"headers": headers, "path": APPS, "query_string": b""}, receive, {}))
    assert key is not None
    return key


async def held(api: Client, walk: Walk, lock: timedelta = LOCK) -> bytes:
    """Have someone else work on that key."""
    key = key_of(api)
    now = walk.clock.now()
    assert await walk.service.answers.begin(key, now=now, lock_until=now + lock) is Begun.MINE
    return key


@dataclass
class PartlyOutOfReach:
    """Answers of which one method does not work."""

    answers: Answers
    broken: str

    async def begin(self, key: bytes, *, now: datetime, lock_until: datetime) -> StoredAnswer | Begun:
        self._check("begin")
        return await self.answers.begin(key, now=now, lock_until=lock_until)

    async def finish(self, key: bytes, answer: StoredAnswer, *, expires_at: datetime) -> None:
        self._check("finish")
        await self.answers.finish(key, answer, expires_at=expires_at)

    async def give_up(self, key: bytes, *, lock_until: datetime) -> None:
        await self.answers.give_up(key, lock_until=lock_until)

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        return await self.answers.forget(before=before, limit=limit)

    def _check(self, method: str) -> None:
        if method == self.broken:
            raise Unavailable("store", "gone")


def without(method: str, walk: Walk) -> Service:
    return replace(walk.service, answers=PartlyOutOfReach(walk.service.answers, method))
