"""Rates: what has no turn yet is delayed, never failed and never lost."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from shared.domain.application import Application, ApplicationEdit
from shared.domain.attempt import Status, Trigger
from shared.domain.endpoint import Endpoint, EndpointEdit
from shared.domain.message import Message
from shared.domain.paging import TimeQuery, scan_by_time
from shared.domain.throttle import LOOK
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, Retry, dispatch_from
from shared.ports.destinations import AttemptedMessageFilter
from tests.clock import NOON
from tests.flows.walk import Walk, answer

SECOND = timedelta(seconds=1)
STEP = timedelta(milliseconds=100)
WINDOW = 10 * SECOND
HOUR = timedelta(hours=1)
SLOW_URL, OTHER_URL = "https://slow.example/", "https://other.example/"


async def accept_many(walk: Walk, application: Application, count: int) -> list[Message]:
    """Accept so many messages, and do nothing about them yet."""
    return await asyncio.gather(*(walk.accepts(application) for _ in range(count)))


async def departures(walk: Walk, length: timedelta) -> list[tuple[timedelta, str]]:
    """Let time pass in small steps; when requests left, counted from now, and to which URL."""
    began_at, left = walk.clock.now(), list[tuple[timedelta, str]]()
    walk.receiver.sent.clear()
    while True:
        await walk.works_at_once()
        at = walk.clock.now() - began_at
        left += [(at, outgoing.url) for outgoing in walk.receiver.sent[len(left) :]]
        if at >= length:
            return left
        walk.clock.move(STEP)


def in_ten_seconds(left: list[tuple[timedelta, str]], *urls: str) -> list[int]:
    """How many left in each window of ten seconds after the first second; one begins every tenth of one."""
    times = [at for at, url in left if not urls or url in urls]
    begins = [SECOND + n * SECOND / 10 for n in range((left[-1][0] - SECOND - WINDOW) * 10 // SECOND + 1)]
    return [sum(begin <= at < begin + WINDOW for at in times) for begin in begins]


@pytest.mark.parametrize("rate", [1, 7, 50, 500])
async def test_in_any_ten_seconds_as_much_leaves_as_the_rate_says(
    walk: Walk, application: Application, rate: int
) -> None:
    """After the first second, and within 5 %. The messages are all there at the beginning."""
    await walk.has_endpoint(application, throttle_rate=rate)
    await accept_many(walk, application, 12 * rate)

    counts = in_ten_seconds(await departures(walk, 11.5 * SECOND))

    assert min(counts) >= 0.95 * 10 * rate
    assert max(counts) <= 1.05 * 10 * rate


async def test_everything_arrives_once_and_nothing_has_failed(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application, throttle_rate=2)
    messages = await accept_many(walk, application, 20)
    await departures(walk, WINDOW)

    assert sorted(walk.receiver.got) == sorted(message.id for message in messages)
    for message in messages:
        (attempt,) = await walk.attempts(message)
        assert (attempt.number, attempt.status, attempt.trigger) == (1, Status.SUCCESS, Trigger.SCHEDULED)


class NotingOutbox:
    """The outbox, and what it was told to wait for."""

    def __init__(self, outbox: Any) -> None:  # noqa: ANN401 - whichever the service has
        self._outbox = outbox
        self.postponed: list[tuple[int, timedelta]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._outbox, name)

    async def postpone(self, retry: Retry, *, due_at: datetime) -> None:
        """As the port says."""
        self.postponed.append((retry.number, due_at - NOON))


async def test_a_retry_that_takes_a_turn_is_due_at_that_from_then_on(
    walk: Walk, application: Application
) -> None:
    """Else the sweep would take it for lost, queue it once more, and have it take another."""
    outbox = NotingOutbox(walk.service.store.outbox)
    in_turn = walk.service.reattempt.attempt_in_turn
    noting = replace(in_turn, make_attempt=replace(in_turn.make_attempt, outbox=outbox))  # type: ignore[arg-type]
    reattempt = replace(walk.service.reattempt, attempt_in_turn=noting)
    endpoint = await walk.has_endpoint(application, throttle_rate=1)
    message = await walk.accepts(application)
    await walk.takes(DISPATCH_QUEUE)
    retry = Retry(endpoint.org_id, application.id, message.id, endpoint.id, number=2)
    begun_at = walk.clock.now() - NOON

    await reattempt(retry, delivery_count=1)  # leaves at once
    for number in (2, 1, 2):
        other = await walk.accepts(application)
        await walk.takes(DISPATCH_QUEUE)
        again = structs.replace(retry, message_id=other.id, number=number)
        await reattempt(again, delivery_count=1)

    assert outbox.postponed == [(2, begun_at + SECOND), (2, begun_at + 3 * SECOND)]


async def test_who_sends_less_than_the_rate_does_not_wait(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application, throttle_rate=500)
    await accept_many(walk, application, 50)
    await walk.works()
    assert len(walk.receiver.got) == 50


async def test_a_slow_endpoint_holds_up_no_other(walk: Walk, application: Application) -> None:
    """It holds no place of those that deliver either: what waits is in the queue."""
    await walk.has_endpoint(application, url=SLOW_URL, throttle_rate=1)
    await walk.has_endpoint(application, url=OTHER_URL)
    await accept_many(walk, application, 30)
    await walk.works()

    urls = [outgoing.url for outgoing in walk.receiver.sent]
    assert (urls.count(SLOW_URL), urls.count(OTHER_URL)) == (1, 30)


async def test_the_rate_of_an_application_is_shared_by_its_endpoints(walk: Walk) -> None:
    application = await walk.has_application(throttle_rate=10)
    for url in (SLOW_URL, OTHER_URL):
        await walk.has_endpoint(application, url=url)
    await accept_many(walk, application, 60)

    counts = in_ten_seconds(await departures(walk, 11.5 * SECOND))

    assert 95 <= min(counts) <= max(counts) <= 105


async def test_the_rates_of_endpoint_and_application_both_hold(walk: Walk) -> None:
    """The other endpoint has all of the first five seconds; then the slow one leaves as fast as it may."""
    application = await walk.has_application(throttle_rate=20)
    await walk.has_endpoint(application, url=SLOW_URL, throttle_rate=8)
    await walk.has_endpoint(application, url=OTHER_URL)
    await accept_many(walk, application, 100)

    left = await departures(walk, 19 * SECOND)

    assert len(left) == 200
    assert max(in_ten_seconds(left)) <= 210
    assert max(in_ten_seconds(left, SLOW_URL)) <= 84


async def test_what_waited_through_an_outage_does_not_leave_at_once(
    walk: Walk, application: Application
) -> None:
    """The receiver asked for a rate; that we were down is no reason to forget it."""
    await walk.has_endpoint(application, throttle_rate=7)
    await accept_many(walk, application, 90)
    await walk.works_at_once()
    await walk.restarts()
    walk.clock.move(HOUR)

    left = await departures(walk, 14 * SECOND)

    assert len(left) >= 89
    assert max(in_ten_seconds(left)) <= 73
    assert sum(at < SECOND for at, _ in left) <= 9


async def test_what_always_comes_late_leaves_all_the_same(walk: Walk, application: Application) -> None:
    """Under a heavy load everything comes late; the rate is what it may be, not nothing."""
    await walk.has_endpoint(application, throttle_rate=2)
    await accept_many(walk, application, 20)
    await walk.works_at_once()
    walk.receiver.sent.clear()

    for _ in range(20):
        late = await walk.takes(RETRY_QUEUE)
        walk.clock.move(SECOND / 2)
        await asyncio.gather(*map(walk.does, late))

    assert len(walk.receiver.sent) >= 17


async def changes_rate(walk: Walk, application: Application, endpoint: Endpoint, rate: int | None) -> None:
    """Give an endpoint another rate, or none."""
    edit = EndpointEdit(throttle_rate=rate)
    await walk.service.catalogue.edit_endpoint(application, endpoint.id, edit)


@pytest.mark.parametrize("rate", [None, 50])
async def test_what_waits_hours_is_gone_in_minutes_when_the_rate_is_raised_or_removed(
    walk: Walk, application: Application, rate: int | None
) -> None:
    """Somebody who typed 1 in place of 1,000 corrects it, and need not wait for what it has done."""
    endpoint = await walk.has_endpoint(application, throttle_rate=1)
    await accept_many(walk, application, 330)
    await walk.works_at_once()

    await changes_rate(walk, application, endpoint, rate)
    for _ in range(LOOK // (2 * SECOND)):
        walk.clock.move(2 * SECOND)
        await walk.works_at_once()

    assert len(walk.receiver.sent) == 330


async def test_a_new_rate_holds_for_new_messages_at_once(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application, throttle_rate=1)
    await accept_many(walk, application, 100)
    await walk.works_at_once()
    await changes_rate(walk, application, endpoint, 5)

    new = await walk.posts(application)

    assert new.id in walk.receiver.got


async def test_nobody_waits_for_messages_that_are_gone(walk: Walk, application: Application) -> None:
    """The rate is removed until the backlog is gone, and is then what it was."""
    endpoint = await walk.has_endpoint(application, throttle_rate=1)
    await accept_many(walk, application, 100)
    await walk.works_at_once()
    await changes_rate(walk, application, endpoint, None)
    await walk.passes(LOOK)
    assert len(walk.receiver.got) == 100
    await changes_rate(walk, application, endpoint, 1)

    new = [await walk.posts(application) for _ in range(2)]

    assert walk.receiver.got[100:] == [new[0].id]


async def test_a_rate_that_is_lowered_holds_for_what_waits(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application, throttle_rate=50)
    await accept_many(walk, application, 200)
    await walk.works_at_once()
    await changes_rate(walk, application, endpoint, 5)

    left = await departures(walk, 12 * SECOND)

    assert 47 <= min(in_ten_seconds(left)) <= max(in_ten_seconds(left)) <= 52


async def test_the_rate_of_an_application_may_change_likewise(walk: Walk) -> None:
    application = await walk.has_application(throttle_rate=1)
    await walk.has_endpoint(application)
    await accept_many(walk, application, 20)
    await walk.works_at_once()

    edit = ApplicationEdit(throttle_rate=None)
    await walk.service.catalogue.edit_application(application.org_id, application.id, edit)
    await walk.passes(20 * SECOND)

    assert len(walk.receiver.got) == 20


async def test_retries_wait_for_their_turn_too(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application, throttle_rate=2)
    walk.receiver.goes_down()
    messages = await accept_many(walk, application, 4)
    await departures(walk, 3 * SECOND)
    walk.receiver.comes_back()
    walk.clock.move(HOUR)

    left = await departures(walk, 2 * SECOND)

    assert [at for at, _ in left] == [n * SECOND / 2 for n in range(4)]
    for message in messages:
        assert [attempt.number for attempt in await walk.attempts(message)] == [1, 2]


async def test_what_is_sent_by_hand_waits_for_its_turn_too(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application, throttle_rate=1)
    message = await walk.posts(application)
    for _ in range(2):
        await walk.service.send_again(application, message.id, endpoint.id)

    left = await departures(walk, 3 * SECOND)

    assert [at for at, _ in left] == [SECOND, 2 * SECOND]
    manual = [one for one in await walk.attempts(message) if one.trigger is Trigger.MANUAL]
    assert [(one.number, one.status) for one in manual] == [(0, Status.SUCCESS)] * 2


async def waits(walk: Walk, application: Application) -> Message:
    """Have one message wait for its turn, and its endpoint without another."""
    await walk.posts(application)
    message = await walk.posts(application)
    assert message.id not in walk.receiver.got
    return message


async def test_a_message_that_was_sent_by_hand_while_it_waited_is_not_sent_twice(
    walk: Walk, application: Application
) -> None:
    endpoint = await walk.has_endpoint(application, throttle_rate=1)
    message = await waits(walk, application)
    await changes_rate(walk, application, endpoint, None)
    await walk.service.send_again(application, message.id, endpoint.id)
    await walk.works()
    await walk.passes(HOUR)

    assert walk.receiver.got.count(message.id) == 1
    (attempt,) = await walk.attempts(message)
    assert attempt.trigger is Trigger.MANUAL


async def test_a_message_that_failed_by_hand_while_it_waited_is_listed_as_it_stands_now(
    walk: Walk, application: Application
) -> None:
    """As one that arrived."""
    endpoint = await walk.has_endpoint(application, throttle_rate=1)
    message = await waits(walk, application)
    await changes_rate(walk, application, endpoint, None)
    walk.receiver.first.append(answer(500))
    await walk.service.send_again(application, message.id, endpoint.id)
    await walk.works()
    await walk.passes(HOUR)

    scan = scan_by_time(TimeQuery(limit=50), "msg_", walk.clock.now())
    for status, count in ((Status.SUCCESS, 1), (Status.FAIL, 0)):
        only = AttemptedMessageFilter(status=status)
        listed = await walk.service.destinations.messages_at(application.id, endpoint.id, scan, only)
        assert [one.message.id for one in listed].count(message.id) == count


@pytest.mark.parametrize("change", ["removed", "disabled", "filtered"])
async def test_what_waits_ends_when_its_endpoint_wants_it_no_more(
    walk: Walk, application: Application, change: str
) -> None:
    endpoint = await walk.has_endpoint(application, throttle_rate=1)
    message = await waits(walk, application)
    catalogue = walk.service.catalogue
    match change:
        case "removed":
            await catalogue.remove_endpoint(application, endpoint.id)
        case "disabled":
            await catalogue.edit_endpoint(application, endpoint.id, EndpointEdit(disabled=True))
        case "filtered":
            edit = EndpointEdit(channels=frozenset({"eu"}))
            await catalogue.edit_endpoint(application, endpoint.id, edit)

    await walk.passes(HOUR)

    assert message.id not in walk.receiver.got
    assert [ended["message_id"] for ended in walk.journal.of("retries.ended")] == [message.id]


async def test_a_message_for_one_endpoint_alone_gets_there_in_its_turn(
    walk: Walk, application: Application
) -> None:
    """Such as an example, which goes whatever the endpoint filters by."""
    endpoint = await walk.has_endpoint(application, throttle_rate=1, channels=frozenset({"eu"}))
    for _ in range(2):
        await walk.service.send_example(application, endpoint.id, "svix.ping", 0)
    await walk.works()
    assert len(walk.receiver.got) == 1
    await walk.passes(SECOND)
    assert len(walk.receiver.got) == 2


async def test_a_dispatch_that_is_handed_over_again_delivers_once(
    walk: Walk, application: Application
) -> None:
    """As after a crash between the queueing of what waits and the end of the call."""
    await walk.has_endpoint(application, throttle_rate=1)
    await walk.posts(application)
    message = await walk.accepts(application)
    (delivery,) = await walk.takes(DISPATCH_QUEUE)
    work = dispatch_from(delivery.body)
    await walk.service.deliver(work, delivery_count=1)
    await walk.does(delivery)

    await walk.passes(SECOND)
    await walk.passes(SECOND)
    await walk.passes(HOUR)

    assert walk.receiver.got.count(message.id) == 1
