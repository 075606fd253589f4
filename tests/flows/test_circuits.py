"""An endpoint that fails every time is tried less often; what waits for it is neither lost nor failed."""

import asyncio
from datetime import timedelta
from typing import NoReturn

import pytest

from shared.domain.application import Application
from shared.domain.attempt import Status, Trigger
from shared.domain.endpoint import Endpoint, EndpointEdit
from shared.domain.health import (
    FAILING_FOR,
    FAILURES_TO_OPEN,
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    TRIAL,
    Circuit,
)
from shared.domain.message import Message
from shared.domain.timeline import MessageStanding, StandingReason
from shared.domain.work import RETRY_QUEUE
from shared.flows.circuits import ENDPOINTS_KEPT, QUIET, Circuits
from shared.ports.sender import NoTurn
from tests.clock import NOON, MovedClock
from tests.dice import LoadedDice
from tests.flows.walk import REFUSED, Notes, Receivers, Walk, answer
from tests.makers import ORG, OTHER_ORG, an_endpoint

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DOWN_URL, WELL_URL = "https://down.example/", "https://well.example/"


@pytest.fixture
async def endpoint(walk: Walk, application: Application) -> Endpoint:
    """One whose receiver is down."""
    walk.receiver.at[DOWN_URL] = REFUSED
    return await walk.has_endpoint(application, url=DOWN_URL)


async def opens(walk: Walk, application: Application) -> None:
    """Have the receiver fail until the circuit is open; nothing else is due then."""
    await walk.is_failed_at_length(application)
    assert walk.journal.of("circuit.opened") != []
    walk.receiver.sent.clear()


async def posts_many(walk: Walk, application: Application, count: int) -> list[Message]:
    """Post so many messages at once."""
    messages = await asyncio.gather(*(walk.accepts(application) for _ in range(count)))
    await walk.works_at_once()
    return messages


async def passes(walk: Walk, time: timedelta, step: timedelta) -> None:
    """Let time pass in steps."""
    for _ in range(time // step):
        walk.clock.move(step)
        await walk.works_at_once()


def first_attempts(walk: Walk, *messages: Message) -> list[str]:
    """Which of the messages have been sent to the receiver that is down."""
    ids = [message.id for message in messages]
    sent = zip(walk.receiver.sent, walk.receiver.got, strict=True)
    return [got for outgoing, got in sent if outgoing.url == DOWN_URL and got in ids]


async def test_new_messages_wait_at_an_endpoint_that_fails_every_time(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """They are in the queue with a time, nothing is recorded of them, and the endpoint beside has them."""
    await opens(walk, application)
    await walk.has_endpoint(application, url=WELL_URL)
    scheduled = (await walk.service.queue.backlog(RETRY_QUEUE)).scheduled
    messages = await posts_many(walk, application, 3)

    assert first_attempts(walk, *messages) == []
    assert [outgoing.url for outgoing in walk.receiver.sent] == [WELL_URL] * 3
    assert (await walk.service.queue.backlog(RETRY_QUEUE)).scheduled == scheduled + 3
    paused = walk.journal.of("delivery.paused")
    assert [facts["message_id"] for facts in paused] == [message.id for message in messages]
    assert {facts["endpoint_id"] for facts in paused} == {endpoint.id}


async def test_everything_arrives_once_when_the_receiver_is_back(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """Within two pauses, and nothing of it has failed by waiting."""
    await opens(walk, application)
    messages = await posts_many(walk, application, 30)
    walk.receiver.at[DOWN_URL] = answer(200)
    await passes(walk, 2 * LONGEST_PAUSE, 10 * SECOND)

    assert sorted(first_attempts(walk, *messages)) == sorted(message.id for message in messages)
    for message in messages:
        (attempt,) = await walk.attempts(message)
        assert (attempt.number, attempt.status, attempt.trigger) == (1, Status.SUCCESS, Trigger.SCHEDULED)
    assert len(walk.journal.of("circuit.closed")) == 1


async def test_one_message_is_let_through_after_each_pause_and_the_pauses_grow(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await opens(walk, application)
    messages = await posts_many(walk, application, 20)
    await passes(walk, 40 * MINUTE, 20 * SECOND)

    opened = [facts["pause_ms"] for facts in walk.journal.of("circuit.opened")]
    assert opened[:5] == [SHORTEST_PAUSE / SECOND * 1000 * 2**n for n in range(5)]
    assert set(opened[5:]) == {LONGEST_PAUSE / SECOND * 1000}
    tried = {message.id for message in messages} & set(walk.receiver.got)
    assert 0 < len(tried) <= len(opened)


async def test_what_was_attempted_keeps_its_schedule(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    failed = await walk.posts(application)
    await opens(walk, application)
    await walk.passes(6 * MINUTE)
    await walk.passes(36 * MINUTE)

    attempts = await walk.attempts(failed)
    assert [attempt.number for attempt in attempts] == [1, 2, 3, 4]
    assert attempts[-1].next_attempt_at is None


async def test_a_retry_that_arrives_closes_the_circuit(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await opens(walk, application)
    walk.receiver.at[DOWN_URL] = answer(200)
    await walk.passes(6 * MINUTE)
    messages = [await walk.posts(application) for _ in range(2)]

    assert first_attempts(walk, *messages) == [message.id for message in messages]


async def test_what_a_person_asks_for_goes_at_once_and_closes_it_if_it_arrives(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await opens(walk, application)
    waiting = await walk.posts(application)
    await walk.service.send_again(application, waiting.id, endpoint.id)
    await walk.works()
    assert first_attempts(walk, waiting) == [waiting.id]

    walk.receiver.at[DOWN_URL] = answer(200)
    example = await walk.service.send_example(application, endpoint.id, "svix.ping", 0)
    await walk.works()
    new = await walk.posts(application)
    assert first_attempts(walk, example, new) == [example.id, new.id]


async def test_a_recovery_attempts_everything_also_while_it_is_open(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await opens(walk, application)
    walk.receiver.at[DOWN_URL] = answer(200)
    await walk.service.begin_task.recovery(application, endpoint.id, NOON, None)
    await walk.works()
    assert len(walk.receiver.sent) == FAILURES_TO_OPEN // 2


async def test_a_message_that_was_sent_by_hand_while_it_waited_is_not_sent_twice(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await opens(walk, application)
    message = await walk.posts(application)
    walk.receiver.at[DOWN_URL] = answer(200)
    await walk.service.send_again(application, message.id, endpoint.id)
    await walk.works()
    await walk.passes(HOUR)

    assert first_attempts(walk, message) == [message.id]


@pytest.mark.parametrize("change", ["url", "enabled again"])
async def test_whoever_edits_the_endpoint_need_not_wait(
    walk: Walk, application: Application, endpoint: Endpoint, change: str
) -> None:
    """It may be mended by that."""
    await opens(walk, application)
    walk.receiver.at[DOWN_URL] = answer(200)
    walk.clock.move(SECOND)
    edits = {
        "url": [EndpointEdit(url=f"{DOWN_URL}new")],
        "enabled again": [EndpointEdit(disabled=True), EndpointEdit(disabled=False)],
    }
    for edit in edits[change]:
        await walk.service.catalogue.edit_endpoint(application, endpoint.id, edit)
    messages = [await walk.posts(application) for _ in range(2)]

    assert walk.receiver.got == [message.id for message in messages]


@pytest.mark.parametrize("change", ["removed", "disabled"])
async def test_what_waits_ends_when_its_endpoint_wants_it_no_more(
    walk: Walk, application: Application, endpoint: Endpoint, change: str
) -> None:
    await opens(walk, application)
    message = await walk.posts(application)
    catalogue = walk.service.catalogue
    if change == "removed":
        await catalogue.remove_endpoint(application, endpoint.id)
    else:
        await catalogue.edit_endpoint(application, endpoint.id, EndpointEdit(disabled=True))
    await walk.passes(HOUR)

    assert first_attempts(walk, message) == []
    assert message.id in [ended["message_id"] for ended in walk.journal.of("retries.ended")]
    assert (await walk.service.diagnose(ORG)).paused.rows == []


async def test_what_is_known_is_found_again_after_a_restart(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """Of an endpoint that has given up messages: one is let through, and what waited is still there."""
    await opens(walk, application)
    waiting = await walk.posts(application)
    for _ in range(3):
        await walk.passes(HOUR)
    await walk.restarts()
    walk.receiver.sent.clear()
    messages = await asyncio.gather(*(walk.accepts(application) for _ in range(5)))
    await walk.works()

    assert len(first_attempts(walk, *messages)) == 1
    walk.receiver.at[DOWN_URL] = answer(200)
    await passes(walk, 40 * MINUTE, MINUTE)
    for message in (waiting, *messages):
        assert (await walk.attempts(message))[-1].status is Status.SUCCESS


async def test_an_endpoint_that_fails_for_too_long_is_disabled_as_ever(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await opens(walk, application)
    for _ in range(9):
        await walk.posts(application)
        await walk.passes(24 * HOUR)
    assert (await walk.service.endpoints.get(application.id, endpoint.id)).disabled
    assert (await walk.service.measure()).ill == []


async def test_where_there_is_a_rate_the_one_let_through_has_a_turn(
    walk: Walk, application: Application
) -> None:
    """Else those with a turn would wait for one that waits for its turn."""
    walk.receiver.at[DOWN_URL] = REFUSED
    endpoint = await walk.has_endpoint(application, url=DOWN_URL)
    await opens(walk, application)
    await walk.service.catalogue.edit_endpoint(application, endpoint.id, EndpointEdit(throttle_rate=1))
    # An edit lets everything go: it fails until the circuit is open again.
    await posts_many(walk, application, FAILURES_TO_OPEN // 2)
    await passes(walk, 10 * MINUTE, MINUTE / 2)
    messages = await posts_many(walk, application, 20)
    walk.receiver.at[DOWN_URL] = answer(200)
    await passes(walk, 2 * LONGEST_PAUSE, SECOND)

    for message in messages:
        assert (await walk.attempts(message))[-1].status is Status.SUCCESS


async def test_a_receiver_that_refuses_one_message_alone_is_well(
    walk: Walk, application: Application
) -> None:
    """It says so in a header."""
    walk.receiver.always = answer(422, webhook_delivery="abort-message")
    await walk.has_endpoint(application)
    for _ in range(2):
        await posts_many(walk, application, FAILURES_TO_OPEN)
        walk.clock.move(FAILING_FOR)
    assert walk.journal.of("circuit.opened") == []


async def test_a_receiver_that_is_too_busy_for_the_one_let_through_gets_another(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await opens(walk, application)
    message = await walk.posts(application)
    busy = Busy()
    walk.makes_attempts_with("reattempt", sender=busy)
    await walk.passes(2 * SHORTEST_PAUSE)
    assert busy.asked == 1
    walk.receiver.at[DOWN_URL] = answer(200)
    walk.makes_attempts_with("reattempt", sender=walk.receiver)
    for _ in range(20):
        await walk.passes(TRIAL / 2)
    assert (await walk.attempts(message))[-1].status is Status.SUCCESS


class Busy(Receivers):
    """Receivers that have no turn."""

    asked = 0

    def turn(self, url: str) -> NoReturn:
        self.asked += 1
        raise NoTurn(url)


async def test_timeline_diagnosis_and_gauges_show_it(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """For its own organization alone; when nothing has come there for long, it is told of no more."""
    message = await walk.posts(application)
    await opens(walk, application)
    waiting = await walk.posts(application)

    timeline = await walk.service.look_back(application, waiting.id)
    (there,) = timeline.endpoints
    assert (there.standing, list(there.why)) == (MessageStanding.WAITING, [StandingReason.CIRCUIT])
    (there,) = (await walk.service.look_back(application, message.id)).endpoints
    assert there.standing is MessageStanding.RETRYING

    (row,) = (await walk.service.diagnose(ORG)).paused.rows
    assert (row.endpoint.id, row.app_uid, row.health.in_a_row) == (endpoint.id, "acme", FAILURES_TO_OPEN + 2)
    assert row.health.circuit(walk.clock.now()) is Circuit.OPEN
    assert (await walk.service.diagnose(OTHER_ORG)).paused.rows == []

    gauges = await walk.service.measure()
    assert (gauges.circuits(Circuit.OPEN), gauges.circuits(Circuit.HALF_OPEN)) == (1, 0)
    (told,) = walk.journal.of("endpoint.measured")
    assert (told["endpoint_id"], told["circuit"], told["failure_share"]) == (endpoint.id, "open", 1)
    walk.clock.move(SHORTEST_PAUSE)
    assert (await walk.service.measure.now()).circuits(Circuit.HALF_OPEN) == 1

    walk.clock.move(QUIET + SECOND)
    assert (await walk.service.measure.now()).ill == []


def test_those_that_are_well_are_forgotten_when_there_are_very_many() -> None:
    clock = MovedClock()
    circuits = Circuits(clock, LoadedDice(), Notes())
    ill = an_endpoint()
    for _ in range(FAILURES_TO_OPEN):
        circuits.answered(ill, is_success=False)
        clock.move(FAILING_FOR)
    circuits.answered(ill, is_success=False)
    for _ in range(ENDPOINTS_KEPT + 1):
        circuits.answered(an_endpoint(), is_success=True)

    assert circuits.wait_at(ill) is not None
    assert [one.endpoint.id for one in circuits.ill()] == [ill.id]
