"""Retries: a receiver that comes back gets everything, and one that does not is given up visibly."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.domain.application import Application
from shared.domain.attempt import Attempt, Status
from shared.domain.endpoint import EndpointEdit
from shared.domain.verdict import Answer
from tests.flows.walk import TOO_SLOW, Walk, answer

HOUR = timedelta(hours=1)


async def test_a_receiver_that_comes_back_gets_everything(walk: Walk, application: Application) -> None:
    """An outage of an hour costs the customer nothing but the hour."""
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    messages = [await walk.posts(application) for _ in range(3)]

    walk.receiver.comes_back()
    walk.receiver.sent.clear()
    await walk.passes(HOUR)

    assert sorted(walk.receiver.got) == sorted(message.id for message in messages)


async def test_rests_follow_the_schedule_and_then_the_message_is_given_up(
    walk: Walk, application: Application
) -> None:
    """The schedule of these tests is 5 s, 5 min, 30 min, each a fifth more or less."""
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)
    for _ in range(4):
        await walk.passes(HOUR)

    attempts = await walk.attempts(message)
    assert [attempt.number for attempt in attempts] == [1, 2, 3, 4]
    assert attempts[-1].next_attempt_at is None
    for attempt, seconds in zip(attempts, (5, 300, 1800), strict=False):
        assert 0.8 * seconds <= rest(attempt).total_seconds() <= 1.2 * seconds


async def test_no_retry_comes_before_its_time(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)
    (first,) = await walk.attempts(message)
    assert first.next_attempt_at is not None

    await walk.passes(rest(first) - timedelta(milliseconds=1))
    assert len(walk.receiver.got) == 1
    await walk.passes(timedelta(milliseconds=1))
    assert len(walk.receiver.got) == 2


@pytest.mark.parametrize(
    ("came", "seconds"),
    [
        pytest.param(answer(500), (4, 6), id="a failure"),
        pytest.param(answer(308), (4, 6), id="a redirect is a failure, and is not followed"),
        pytest.param(answer(503, retry_after="7"), (5.6, 8.4), id="it asks for 7 s"),
        pytest.param(answer(503, retry_after="3600"), (8, 12), id="it asks for too much: twice the rest"),
        pytest.param(answer(429), (48, 72), id="it is overloaded"),
        pytest.param(TOO_SLOW, (48, 72), id="it is too slow"),
    ],
)
async def test_the_receiver_has_a_say_in_how_long_we_rest(
    walk: Walk, application: Application, came: Answer, seconds: Sequence[float]
) -> None:
    await walk.has_endpoint(application)
    walk.receiver.always = came
    message = await walk.posts(application)
    (attempt,) = await walk.attempts(message)
    assert seconds[0] <= rest(attempt).total_seconds() <= seconds[1]


async def test_a_retry_survives_a_restart(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)

    await walk.restarts()
    walk.receiver.comes_back()
    await walk.passes(HOUR)

    assert walk.receiver.got == [message.id, message.id]


async def test_a_receiver_that_is_gone_is_not_called_again(walk: Walk, application: Application) -> None:
    """410 disables the endpoint, and ends what was under way to it."""
    endpoint = await walk.has_endpoint(application)
    walk.receiver.first.extend([answer(500), answer(410)])
    waiting = await walk.posts(application)
    gone = await walk.posts(application)

    await walk.passes(HOUR)
    await walk.posts(application)

    assert (await walk.service.endpoints.get(application.id, endpoint.id)).disabled
    assert walk.receiver.got == [waiting.id, gone.id]
    for message in (waiting, gone):
        assert (await walk.attempts(message))[-1].next_attempt_at is None
    assert walk.journal.of("endpoint.disabled") != []


async def test_a_message_the_receiver_wants_no_more_of_is_not_repeated(
    walk: Walk, application: Application
) -> None:
    endpoint = await walk.has_endpoint(application)
    walk.receiver.first.append(answer(500, webhook_delivery="abort-message"))
    aborted = await walk.posts(application)
    await walk.passes(HOUR)
    other = await walk.posts(application)

    assert walk.receiver.got == [aborted.id, other.id]
    found = await walk.service.endpoints.get(application.id, endpoint.id)
    assert (found.disabled, found.failing_since) == (False, None)


@pytest.mark.parametrize("change", ["removed", "disabled"])
async def test_an_endpoint_that_wants_no_more_ends_its_retries_visibly(
    walk: Walk, application: Application, change: str
) -> None:
    """A message must not look as if it were still under way for ever."""
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)
    if change == "removed":
        await walk.service.catalogue.remove_endpoint(application, endpoint.id)
    else:
        await walk.service.endpoints.disable(application.id, endpoint.id, at=walk.clock.now())
        walk.service.directory.forget_targets(application.id)

    await walk.passes(HOUR)

    (attempt,) = await walk.attempts(message)
    assert (attempt.status, attempt.next_attempt_at) == (Status.FAIL, None)
    assert walk.journal.of("retries.ended") != []


async def test_an_endpoint_that_gives_up_messages_for_five_days_is_disabled(
    walk: Walk, application: Application
) -> None:
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await give_up_one(walk, application)
    await walk.passes(timedelta(hours=100))
    await give_up_one(walk, application)
    assert not (await walk.service.endpoints.get(application.id, endpoint.id)).disabled

    await walk.passes(timedelta(hours=20))
    await give_up_one(walk, application)
    assert (await walk.service.endpoints.get(application.id, endpoint.id)).disabled


async def test_one_success_starts_the_five_days_anew(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await give_up_one(walk, application)
    await walk.passes(timedelta(hours=119))
    walk.receiver.comes_back()
    await walk.posts(application)

    walk.receiver.goes_down()
    await walk.passes(HOUR)
    await give_up_one(walk, application)
    assert not (await walk.service.endpoints.get(application.id, endpoint.id)).disabled


async def test_an_endpoint_that_is_enabled_again_has_the_five_days_anew(
    walk: Walk, application: Application
) -> None:
    """Whoever has mended a receiver must not find it disabled at the first message that is given up."""
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await give_up_one(walk, application)
    await walk.passes(timedelta(hours=120))
    await give_up_one(walk, application)
    assert (await walk.service.endpoints.get(application.id, endpoint.id)).disabled

    await walk.service.catalogue.edit_endpoint(application, endpoint.id, EndpointEdit(disabled=False))
    await give_up_one(walk, application)
    assert not (await walk.service.endpoints.get(application.id, endpoint.id)).disabled


async def give_up_one(walk: Walk, application: Application) -> None:
    """Have one message attempted until the schedule is used up."""
    await walk.posts(application)
    for _ in range(3):
        await walk.passes(HOUR)


def rest(attempt: Attempt) -> timedelta:
    """From an attempt to its retry."""
    assert attempt.next_attempt_at is not None
    return attempt.next_attempt_at - attempt.timestamp
