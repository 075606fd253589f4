"""Accepted is delivered: whatever moment the service is killed at."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl

import aiohttp
import pytest
from svix.api import ApplicationIn, EndpointIn

from tests.journeys.running import Running, eventually
from tests.receivers import Receiver

KILLS = 20
PRODUCERS = 8
SEED = 20261124


@dataclass
class Producers:
    """Post events as fast as they are answered, and repeat what was not accepted under the same eventId."""

    service: Running
    payload: Callable[[int], object] = lambda n: {"n": n}
    """What the n-th event says."""
    accepted: dict[str, str] = field(default_factory=dict)
    """The message id that each eventId was answered with; empty after a 409: it was accepted before."""
    unanswered: list[str] = field(default_factory=list)
    failed: int = 0
    """How often the answer was that something of ours has failed."""
    posted: int = 0
    is_over: bool = False
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Post until the service is gone, or it is over and everything is accepted."""
        async with aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self.service.token}"}
        ) as session:
            await asyncio.gather(*(self._post_until_it_is_gone(session) for _ in range(PRODUCERS)))

    async def are_told_of_failures(self) -> None:
        """Wait for the next answer that something of ours has failed."""
        before = self.failed
        async with self.came:
            await self.came.wait_for(lambda: self.failed > before)

    async def have(self, count: int) -> None:
        """Wait until so many events were accepted."""
        async with self.came:
            await self.came.wait_for(lambda: len(self.accepted) >= count)

    async def _post_until_it_is_gone(self, session: aiohttp.ClientSession) -> None:
        while self.unanswered or not self.is_over:
            event_id = self.unanswered.pop() if self.unanswered else self._next()
            try:
                await self._post(session, event_id)
            except aiohttp.ClientError:
                self.unanswered.append(event_id)
                return

    def _next(self) -> str:
        self.posted += 1
        return f"event-{self.posted}"

    async def _post(self, session: aiohttp.ClientSession, event_id: str) -> None:
        payload = self.payload(int(event_id.partition("-")[2]))
        event = {"eventType": "order.paid", "eventId": event_id, "payload": payload}
        async with session.post(f"{self.service.url}/api/v1/app/acme/msg", json=event) as answer:
            if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                await self._is_told_of_a_failure(event_id, await answer.text())
                return
            assert answer.status in {HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT}, await answer.text()
            body = await answer.json()
        async with self.came:
            self.accepted[event_id] = body.get("id", "")
            self.came.notify_all()

    async def _is_told_of_a_failure(self, event_id: str, said: str) -> None:
        assert said == "{}"
        self.unanswered.append(event_id)
        async with self.came:
            self.failed += 1
            self.came.notify_all()


async def test_killed_20_times_under_load_nothing_acknowledged_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every acknowledged event is delivered and can be seen; what is delivered twice is counted."""
    dice = random.Random(SEED)
    async with (
        Receiver() as receiver,
        Running(tmp_path, retry_schedule=",".join(["100ms"] * 50), request_timeout="2s") as service,
    ):
        svix = service.svix()
        await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
        endpoint = await svix.endpoint.create("acme", EndpointIn(url=receiver.url))
        producers = Producers(service)
        for _ in range(KILLS):
            if dice.random() < 0.5:
                # Half of the time there are retries under way, too.
                receiver.answers_with(503, times=dice.randrange(40))
            load = asyncio.ensure_future(producers.run())
            await producers.have(len(producers.accepted) + dice.randrange(1, 120))
            await service.killed()
            await load
            await service.starts()

        messages = {message["eventId"]: message["id"] for message in await rows(service, "msg")}
        assert set(producers.accepted) <= set(messages)
        assert all(messages[event] == id_ for event, id_ in producers.accepted.items() if id_)
        accepted = {messages[event] for event in producers.accepted}
        await eventually(lambda: delivered(service, endpoint.id), until=accepted.issubset)
        recorded = await rows(service, f"attempt/endpoint/{endpoint.id}")

    assert accepted <= {request.header("webhook-id") for request in receiver.requests}
    # What arrived and was not recorded before the kill was sent once more.
    doubled = len(receiver.requests) - len(recorded)
    with capsys.disabled():
        print(f"\n{KILLS} kills: {len(accepted)} events accepted and delivered, {doubled} of them twice")  # noqa: T201


async def delivered(service: Running, endpoint_id: str) -> set[str]:
    """The messages that the service has recorded a success for."""
    return {attempt["msgId"] for attempt in await rows(service, f"attempt/endpoint/{endpoint_id}?status=0")}


async def rows(service: Running, what: str) -> list[dict[str, str]]:
    """Every row of a list of the application."""
    path, _, query = what.partition("?")
    asked = {"limit": "250", "with_content": "false", **dict(parse_qsl(query))}
    found: list[dict[str, str]] = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {service.token}"}) as session:
        done = False
        while not done:
            async with session.get(f"{service.url}/api/v1/app/acme/{path}", params=asked) as answer:
                page = await answer.json()
            found += page["data"]
            done = page["done"]
            asked["iterator"] = page["iterator"] or ""
    return found
