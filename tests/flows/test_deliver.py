"""Delivering: one attempt at each endpoint that wants the message, recorded, whatever comes in between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from msgspec import structs
from standardwebhooks.webhooks import Webhook

from shared.domain.application import Application
from shared.domain.attempt import Attempt, Status
from shared.domain.endpoint import Endpoint
from shared.domain.errors import EventIdTaken, Unavailable
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, Retry, dispatch_from, to_body
from shared.flows.deliver import CARRIED_FOR
from shared.ports.outbox import DueRetry, Outbox
from shared.ports.sender import NoTurn
from tests.clock import NOON, MovedClock
from tests.flows.walk import Receivers, Walk, answer, header
from tests.makers import a_dispatch

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

SECOND = timedelta(seconds=1)


async def test_a_message_reaches_every_endpoint_that_wants_it_once(
    walk: Walk, application: Application
) -> None:
    await walk.has_endpoint(application, url="https://a.example/")
    await walk.has_endpoint(application, url="https://b.example/", channels=frozenset({"eu"}))
    await walk.has_endpoint(application, url="https://c.example/", disabled=True)

    message = await walk.posts(application, channels=frozenset({"eu"}))
    other = await walk.posts(application)

    sent = [(header(outgoing, "webhook-id"), outgoing.url) for outgoing in walk.receiver.sent]
    assert sorted(sent) == sorted(
        [
            (message.id, "https://a.example/"),
            (message.id, "https://b.example/"),
            (other.id, "https://a.example/"),
        ]
    )
    assert [attempt.status for attempt in await walk.attempts(message)] == [Status.SUCCESS, Status.SUCCESS]


async def test_what_is_sent_is_signed_as_the_standard_says(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application, secret=SECRET, headers={"X-Api-Test": "1"})
    message = await walk.posts(application, payload='{"b":1.10, "a":"ü"}')

    (outgoing,) = walk.receiver.sent
    assert outgoing.body == '{"b":1.10, "a":"ü"}'.encode()
    assert header(outgoing, "webhook-id") == message.id
    timestamp = int(header(outgoing, "webhook-timestamp"))
    assert timestamp == int(walk.clock.now().timestamp())
    expected = Webhook(SECRET).sign(message.id, NOON, outgoing.body.decode())
    assert header(outgoing, "webhook-signature") == expected
    assert outgoing.headers[-1] == ("X-Api-Test", "1")


@dataclass
class Busy(Receivers):
    """Receivers at which one waits for a turn."""

    clock: MovedClock = field(default_factory=MovedClock)
    wait: timedelta = timedelta(minutes=10)

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        """Time passes until it comes."""
        del url
        self.clock.move(self.wait)
        yield


async def test_a_message_that_waited_for_its_turn_is_signed_when_it_comes(
    walk: Walk, application: Application
) -> None:
    """Receivers refuse a signature that is five minutes old: it could be a replay."""
    busy = Busy(clock=walk.clock)
    walk.makes_attempts_with("deliver", sender=busy)
    await walk.has_endpoint(application)

    message = await walk.posts(application)

    (outgoing,) = busy.sent
    (attempt,) = await walk.attempts(message)
    assert int(header(outgoing, "webhook-timestamp")) == int((NOON + busy.wait).timestamp())
    assert attempt.timestamp == NOON + busy.wait


@dataclass
class Overrun(Receivers):
    """Receivers that are too busy, so many times."""

    times: int = 1

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        """Not now.

        Raises:
            NoTurn: So many times.
        """
        del url
        if self.times:
            self.times -= 1
            raise NoTurn
        yield


async def test_a_message_for_a_receiver_that_is_too_busy_is_delivered_later(
    walk: Walk, application: Application
) -> None:
    """That it had to wait for us is no failure of the receiver's."""
    walk.makes_attempts_with("deliver", sender=Overrun())
    await walk.has_endpoint(application)
    message = await walk.posts(application)
    assert await walk.attempts(message) == []

    await walk.passes(4 * SECOND)

    (attempt,) = await walk.attempts(message)
    assert (attempt.number, attempt.status) == (1, Status.SUCCESS)
    assert attempt.timestamp == walk.clock.now()


async def test_what_is_sent_by_hand_waits_likewise(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application)
    message = await walk.posts(application)
    walk.makes_attempts_with("attempt_by_hand", sender=Overrun())
    await walk.service.send_again(application, message.id, endpoint.id)
    await walk.passes(4 * SECOND)
    assert len(await walk.attempts(message)) == 1

    walk.makes_attempts_with("attempt_by_hand", sender=walk.receiver)
    await walk.passes(8 * SECOND)
    assert len(await walk.attempts(message)) == 2


async def test_it_rests_longer_each_time(walk: Walk, application: Application) -> None:
    for flow in ("deliver", "reattempt"):
        walk.makes_attempts_with(flow, sender=Overrun(times=100))
    await walk.has_endpoint(application)
    await walk.posts(application)
    for _ in range(150):
        await walk.passes(4 * SECOND)

    assert 6 <= len(walk.journal.of("receiver.busy")) <= 10


async def test_an_attempt_tells_what_came_back(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application)
    walk.receiver.first.append(structs.replace(answer(503), body="busy"))
    message = await walk.posts(application)

    (attempt,) = await walk.attempts(message)
    assert (attempt.response_status_code, attempt.response, attempt.status) == (503, "busy", Status.FAIL)
    assert (attempt.endpoint_id, attempt.url, attempt.number) == (endpoint.id, endpoint.url, 1)
    assert attempt.timestamp == NOON


async def test_an_endpoint_made_before_the_delivery_gets_the_message(
    walk: Walk, application: Application
) -> None:
    message = await walk.accepts(application)
    await walk.has_endpoint(application)
    await walk.works()
    assert walk.receiver.got == [message.id]


async def test_a_change_to_an_endpoint_holds_for_the_next_message(
    walk: Walk, application: Application
) -> None:
    """Nobody waits for a cache: what was answered is in force."""
    endpoint = await walk.has_endpoint(application)
    await walk.posts(application)
    await walk.service.catalogue.remove_endpoint(application, endpoint.id)
    await walk.posts(application)
    assert len(walk.receiver.got) == 1


async def test_a_removed_application_gets_nothing_more(walk: Walk, application: Application) -> None:
    """The customer has left: neither what is queued nor what waits for its retry goes out any more."""
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    failed = await walk.posts(application)
    await walk.accepts(application)
    await walk.service.catalogue.remove_application(application)
    walk.receiver.comes_back()

    await walk.passes(timedelta(hours=1))

    assert walk.receiver.got == [failed.id]
    (attempt,) = await walk.attempts(failed)
    assert attempt.next_attempt_at is None


async def test_a_payload_that_has_expired_is_delivered_no_more(walk: Walk, application: Application) -> None:
    """Neither as a retry nor out of the queue after days of standing still, though no timer has run yet."""
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    failed = await walk.posts(application, payload_retention=timedelta(seconds=1))
    await walk.accepts(application, payload_retention=timedelta(seconds=1))
    walk.receiver.comes_back()

    await walk.restarts()
    await walk.passes(timedelta(hours=1))

    assert walk.receiver.got == [failed.id]
    (attempt,) = await walk.attempts(failed)
    assert attempt.next_attempt_at is None
    assert len(walk.journal.of("delivery.skipped")) == 1


async def test_a_payload_that_travels_along_is_looked_up_once_it_has_waited_long(
    walk: Walk, application: Application
) -> None:
    """A queue that is no part of the store carries it still when it has expired, or was erased by hand."""
    await walk.has_endpoint(application)
    erased, there = await walk.accepts(application), await walk.accepts(application)
    await walk.service.erase.payload(application, erased.id)
    queued_at = walk.clock.now()
    walk.clock.move(CARRIED_FOR + timedelta(seconds=1))

    for message in (erased, there):
        await walk.service.deliver(a_dispatch(message), delivery_count=1, queued_at=queued_at)

    assert walk.receiver.got == [there.id]
    assert len(walk.journal.of("delivery.skipped")) == 1


async def test_a_dispatch_handed_over_again_skips_what_is_recorded(
    walk: Walk, application: Application
) -> None:
    """We died between recording and settling: the receiver is not bothered twice."""
    await walk.has_endpoint(application, url="https://a.example/")
    message = await walk.accepts(application)
    (delivery,) = await walk.takes(DISPATCH_QUEUE)
    await walk.does(replace(delivery, sequence=-1))  # done, but not settled
    await walk.has_endpoint(application, url="https://b.example/")

    await walk.passes(timedelta(minutes=2))

    assert [outgoing.url for outgoing in walk.receiver.sent] == ["https://a.example/", "https://b.example/"]
    assert len(await walk.attempts(message)) == 2


async def test_a_large_payload_is_read_when_it_is_delivered(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    payload = '{"text": "' + "x" * 60_000 + '"}'
    await walk.posts(application, payload=payload)
    (outgoing,) = walk.receiver.sent
    assert outgoing.body == payload.encode()


async def test_what_was_accepted_before_a_restart_is_delivered_after_it(
    walk: Walk, application: Application
) -> None:
    await walk.has_endpoint(application)
    message = await walk.accepts(application, payload='{"kept": true}')

    await walk.restarts()
    await walk.works()

    assert walk.receiver.got == [message.id]
    assert walk.receiver.sent[0].body == b'{"kept": true}'


async def test_an_event_id_is_accepted_once(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    first = await walk.posts(application, event_id="order-1")
    with pytest.raises(EventIdTaken):
        await walk.accepts(application, event_id="order-1")
    assert walk.receiver.got == [first.id]


class FullDisk:
    """An outbox that records nothing at one endpoint until there is room again."""

    def __init__(self, outbox: Outbox, endpoint: Endpoint) -> None:
        self._outbox = outbox
        self._endpoint = endpoint
        self.is_full = True
        self.accept = outbox.accept
        self.answered = outbox.answered
        self.requeue = outbox.requeue

    async def record(self, attempt: Attempt, retry: DueRetry | None, *, beside_others: bool = False) -> None:
        """Keep an attempt, if there is room."""
        if self.is_full and attempt.endpoint_id == self._endpoint.id:
            raise Unavailable("store", "the disk is full")
        await self._outbox.record(attempt, retry, beside_others=beside_others)


async def test_a_failure_of_ours_is_handed_back_and_takes_nothing_from_other_endpoints(
    walk: Walk, application: Application
) -> None:
    """What the other endpoints did is on record, and only the one that is missing is attempted again."""
    await walk.has_endpoint(application, url="https://a.example/")
    second = await walk.has_endpoint(application, url="https://b.example/")
    disk = FullDisk(walk.service.store.outbox, second)
    walk.makes_attempts_with("deliver", outbox=disk)
    message = await walk.accepts(application)
    (delivery,) = await walk.takes(DISPATCH_QUEUE)

    await walk.does(delivery)
    assert [attempt.url for attempt in await walk.attempts(message)] == ["https://a.example/"]
    disk.is_full = False
    await walk.works()

    urls = [outgoing.url for outgoing in walk.receiver.sent]
    assert sorted(urls) == ["https://a.example/", "https://b.example/", "https://b.example/"]
    assert len(await walk.attempts(message)) == 2


async def test_a_retry_queued_twice_is_attempted_once(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application)
    walk.receiver.first.append(answer(500))
    message = await walk.posts(application)
    again = Retry(message.org_id, message.app_id, message.id, endpoint.id, number=2)

    await walk.passes(timedelta(seconds=7))
    await walk.service.queue.send(RETRY_QUEUE, to_body(again))
    await walk.works()

    assert len(walk.receiver.got) == 2


async def test_a_dispatch_that_two_calls_carried_at_once_is_retried_once(
    walk: Walk, application: Application
) -> None:
    """A laptop that slept outlives its leases: that costs a double, not a double of every retry for days."""
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.accepts(application)
    (delivery,) = await walk.takes(DISPATCH_QUEUE)
    for _ in range(2):
        await walk.service.deliver(dispatch_from(delivery.body), delivery_count=1)
    await walk.service.store.consumer.complete(delivery)

    for _ in range(3):
        await walk.passes(timedelta(hours=1))

    assert [attempt.number for attempt in await walk.attempts(message)] == [1, 1, 2, 3, 4]
    assert walk.journal.of("retry.repeated") != []
