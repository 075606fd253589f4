"""Accepted is delivered: whatever moment the service is killed at."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp

from tests.journeys.running import Running
from tests.receivers import Receiver

KILLS = 20
PRODUCERS = 8
SEED = 20261124


@dataclass
class Producers:
    """Post events as fast as they are answered, and repeat what was not answered under the same eventId."""

    service: Running
    accepted: dict[str, str] = field(default_factory=dict)
    """The message id that each eventId was answered with; of a 409 we know only that it was accepted before."""
    unanswered: list[str] = field(default_factory=list)
    posted: int = 0
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Post until the service is gone."""
        async with aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self.service.token}"}
        ) as session:
            await asyncio.gather(*(self._post_until_it_is_gone(session) for _ in range(PRODUCERS)))

    async def have(self, count: int) -> None:
        """Wait until so many events were accepted."""
        async with self.came:
            await self.came.wait_for(lambda: len(self.accepted) >= count)

    async def _post_until_it_is_gone(self, session: aiohttp.ClientSession) -> None:
        while True:
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
        event = {"eventType": "order.paid", "eventId": event_id, "payload": {"n": event_id}}
        async with session.post(f"{self.service.url}/api/v1/app/acme/msg", json=event) as answer:
            assert answer.status in {HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT}, await answer.text()
            body = await answer.json()
        async with self.came:
            self.accepted[event_id] = body.get("id", "")
            self.came.notify_all()


async def test_killed_20_times_under_load_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Every acknowledged event arrives and can be seen; what is doubled is counted, and is little."""
    dice = random.Random(SEED)
    async with (
        Receiver() as receiver,
        Running(tmp_path, retry_schedule=",".join(["100ms"] * 50), request_timeout="2s") as service,
    ):
        await with_endpoint(service, receiver)
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

        await all_arrive(receiver, producers)
        message_ids = await visible(service)
        await service.stopped()

    assert set(producers.accepted) <= set(message_ids)
    assert all(message_ids[event] == id_ for event, id_ in producers.accepted.items() if id_)
    arrived = Counter(request.header("webhook-id") for request in receiver.requests)
    assert {message_ids[event] for event in producers.accepted} <= set(arrived)


async def with_endpoint(service: Running, receiver: Receiver) -> None:
    svix = service.svix()
    from svix.api import ApplicationIn, EndpointIn  # noqa: PLC0415

    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    await svix.endpoint.create("acme", EndpointIn(url=receiver.url))


async def all_arrive(receiver: Receiver, producers: Producers) -> None:
    """Wait until the receiver has seen every accepted event."""
    while True:
        seen = len(receiver.requests)
        bodies = {request.body for request in receiver.requests}
        if all(f'{{"n": "{event_id}"}}'.encode() in bodies for event_id in producers.accepted):
            return
        await receiver.got(seen + 1)


async def visible(service: Running) -> dict[str, str]:
    """Every message that the service lists: its id by eventId."""
    listed: dict[str, str] = {}
    headers = {"Authorization": f"Bearer {service.token}"}
    iterator, done = "", False
    async with aiohttp.ClientSession(headers=headers) as session:
        while not done:
            query = {"limit": "250", "with_content": "false", **({"iterator": iterator} if iterator else {})}
            async with session.get(f"{service.url}/api/v1/app/acme/msg", params=query) as answer:
                page = await answer.json()
            listed |= {message["eventId"]: message["id"] for message in page["data"]}
            iterator, done = page["iterator"], page["done"]
    return listed
