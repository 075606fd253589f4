"""Queue triggers while a part of ours is out of reach, driven as Azure's host drives them."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared import wiring
from shared.adapters.servicebus.queues import MAX_DELIVERIES
from shared.domain.application import Application
from shared.domain.errors import TooLargeToQueue, Unavailable
from shared.domain.work import DISPATCH_QUEUE, EVENTS_QUEUE, RETRY_QUEUE, TASKS_QUEUE
from shared.flows.outage import DELIVERIES_HERE, LATER, rest_after
from tests.clock import MovedClock
from tests.flows.walk import Walk, answer
from tests.functions.azure_host import handed_over
from tests.makers import ORG

WORKED = (EVENTS_QUEUE, DISPATCH_QUEUE, RETRY_QUEUE, TASKS_QUEUE)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
EVENT = {"orgId": ORG, "appId": "acme", "message": {"eventType": "order.paid", "payload": {"n": 1}}}


class HurriedClock(MovedClock):
    """Whoever sleeps makes the time pass."""

    async def sleep(self, pause: timedelta) -> None:
        """As the port says."""
        self.move(pause)


@pytest.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    """A service that is the process's own."""
    walk = Walk.on(tmp_path, clock=HurriedClock())
    wiring.install(walk.service)
    yield walk
    wiring.install(None)
    await walk.service.close()


@pytest.fixture
async def application(walk: Walk) -> Application:
    application = await walk.has_application(uid="acme")
    await walk.has_endpoint(application)
    return application


class Down:
    """A flow, or a port, that is out of reach for a while."""

    def __init__(self, part: Any, clock: MovedClock, until: datetime) -> None:  # noqa: ANN401 - any of them
        self._part = part
        self._clock = clock
        self._until = until

    def __getattr__(self, name: str) -> object:
        return getattr(self._part, name)

    async def __call__(self, *asked: object, **said: object) -> object:
        self._check()
        return await self._part(*asked, **said)

    async def send(self, *asked: object, **said: object) -> None:
        self._check()
        await self._part.send(*asked, **said)

    def _check(self) -> None:
        if self._clock.now() < self._until:
            raise Unavailable("store", "it is down")


def is_down(walk: Walk, flow: str, until: datetime) -> None:
    """Have what a flow needs be out of reach until then."""
    down: dict[str, Any] = {flow: Down(getattr(walk.service, flow), walk.clock, until)}
    walk.service = replace(walk.service, **down)
    wiring.install(walk.service)


def queue_is_down(walk: Walk, until: datetime) -> None:
    """Have nothing be queued anew until then."""
    queue: Any = Down(walk.service.queue, walk.clock, until)
    walk.service = replace(walk.service, sit_out=replace(walk.service.sit_out, queue=queue))
    wiring.install(walk.service)


async def host_works(walk: Walk, until: datetime) -> None:
    """Do what is due until then, as Azure's host does."""
    while walk.clock.now() < until:
        taken = [one for queue in WORKED for one in await walk.takes(queue)]
        for delivery in taken:
            await handed_over(delivery, walk.service.store.consumer)
        if not taken:
            walk.clock.move(SECOND)


async def given_up(walk: Walk) -> int:
    return sum([len(await walk.service.store.dead_letters.page(queue, limit=10)) for queue in WORKED])


@pytest.mark.parametrize("outage", [SECOND, 2 * MINUTE, 60 * MINUTE], ids=str)
async def test_an_outage_has_no_dispatch_given_up(
    walk: Walk, application: Application, outage: timedelta
) -> None:
    """However long it is, what was accepted is delivered after it, and once."""
    message = await walk.accepts(application)
    ends_at = walk.clock.now() + outage
    is_down(walk, "deliver", ends_at)

    await host_works(walk, ends_at + 2 * LATER)

    assert walk.receiver.got == [message.id]
    assert await given_up(walk) == 0


async def test_a_payload_that_is_erased_meanwhile_is_not_delivered(
    walk: Walk, application: Application
) -> None:
    message = await walk.accepts(application)
    ends_at = walk.clock.now() + MINUTE
    is_down(walk, "deliver", ends_at)
    await host_works(walk, ends_at - MINUTE / 2)
    await walk.service.messages.erase_payload(application.id, message.id)

    await host_works(walk, ends_at + 2 * LATER)

    assert walk.receiver.got == []
    assert walk.journal.of("delivery.skipped")


async def test_an_outage_has_no_retry_given_up(walk: Walk, application: Application) -> None:
    walk.receiver.first.append(answer(500))
    message = await walk.accepts(application)
    ends_at = walk.clock.now() + 30 * MINUTE
    is_down(walk, "reattempt", ends_at)

    await host_works(walk, ends_at + 2 * LATER)

    assert walk.receiver.got == [message.id, message.id]
    assert await given_up(walk) == 0


@pytest.mark.parametrize("outage", [SECOND, 2 * MINUTE, 60 * MINUTE], ids=str)
async def test_an_outage_has_no_event_given_up(
    walk: Walk, application: Application, outage: timedelta
) -> None:
    await walk.service.queue.send(EVENTS_QUEUE, json.dumps(EVENT).encode())
    ends_at = walk.clock.now() + outage
    is_down(walk, "accept", ends_at)

    await host_works(walk, ends_at + 2 * MINUTE)

    assert len(walk.receiver.got) == 1
    assert await given_up(walk) == 0


async def test_an_outage_of_orchestrations_has_no_background_task_given_up(
    walk: Walk, application: Application
) -> None:
    """Here there is nothing where Azure's host has its durable client look."""
    await walk.service.begin_task.purge(application)

    await host_works(walk, walk.clock.now() + 10 * MINUTE)

    assert await given_up(walk) == 0
    backlog = await walk.service.queue.backlog(TASKS_QUEUE)
    assert backlog.due + backlog.scheduled == 1


async def test_work_that_is_too_large_to_be_queued_anew_rests_where_it_is(walk: Walk) -> None:
    """As an event may be that its sender has made as large as it could."""

    class Narrow:
        async def send(self, queue: str, *_: object, **__: object) -> None:
            raise TooLargeToQueue(queue)

    narrow: Any = Narrow()
    sit_out = replace(walk.service.sit_out, queue=narrow)
    with pytest.raises(Unavailable):
        await sit_out(EVENTS_QUEUE, b"{}", Unavailable("store", "it is down"), delivery_count=9)


async def test_work_rests_where_it_is_while_nothing_can_be_queued_anew(
    walk: Walk, application: Application
) -> None:
    message = await walk.accepts(application)
    ends_at = walk.clock.now() + 2 * MINUTE
    is_down(walk, "deliver", ends_at)
    queue_is_down(walk, ends_at)

    await host_works(walk, ends_at + 2 * MINUTE)

    assert walk.receiver.got == [message.id]
    assert await given_up(walk) == 0


def test_rests_grow_and_end_after_more_than_two_minutes() -> None:
    rests = [rest_after(count) for count in range(1, MAX_DELIVERIES)]
    assert rests == sorted(rests)
    assert sum(rests, timedelta()) > 3 * MINUTE
    assert sum(rests[:DELIVERIES_HERE], timedelta()) > 15 * SECOND
