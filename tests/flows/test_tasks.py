"""What is done with many messages: every one once, whatever happens in between."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.application import Application
from shared.domain.attempt import Status, Trigger
from shared.domain.background_task import CANCELLED, BackgroundTask, Replay, TaskStatus, Worked, advanced
from shared.domain.endpoint import Endpoint, EndpointEdit
from shared.domain.errors import EndpointDisabled, Unavailable, Unknown
from shared.domain.message import Message
from shared.domain.work import TASKS_QUEUE, TaskStep
from shared.flows.recover import MOST_AT_ONCE
from tests.flows.walk import Walk, answer
from tests.makers import OTHER_ORG

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def endpoint(walk: Walk, application: Application) -> Endpoint:
    return await walk.has_endpoint(application, uid="here")


async def missed(walk: Walk, application: Application, count: int) -> list[Message]:
    """Messages that failed once and that a retry follows."""
    walk.receiver.goes_down()
    messages = await asyncio.gather(*(walk.accepts(application) for _ in range(count)))
    await walk.works()
    walk.clock.move(SECOND)
    walk.receiver.sent.clear()
    return list(messages)


async def recovery(
    walk: Walk, application: Application, since: datetime | None = None, until: datetime | None = None
) -> BackgroundTask:
    """Ask for the recovery of a day, and do nothing about it yet."""
    since = since or walk.clock.now() - DAY
    return await walk.service.begin_task.recovery(application, "here", since, until)


async def now(walk: Walk, task: BackgroundTask) -> BackgroundTask:
    """How a task is doing."""
    return await walk.service.background_tasks.get(task.org_id, task.id)


async def by_hand(walk: Walk, messages: list[Message]) -> list[int]:
    """How many manual attempts each message has had."""
    return [
        sum(attempt.trigger is Trigger.MANUAL for attempt in await walk.attempts(message))
        for message in messages
    ]


async def test_what_an_endpoint_has_missed_is_attempted_once_each(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """A page and a bit, and nothing is left out between them."""
    messages = await missed(walk, application, 110)
    walk.receiver.comes_back()
    task = await recovery(walk, application)
    await walk.works()

    assert sorted(walk.receiver.got) == sorted(message.id for message in messages)
    assert await by_hand(walk, messages) == [1] * 110
    task = await now(walk, task)
    assert (task.status, task.done, task.total, task.failed) == (TaskStatus.FINISHED, 110, 110, 0)
    await walk.passes(HOUR)
    assert len(walk.receiver.got) == 110


async def test_what_is_recovered_has_failed_there_and_not_arrived(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """Whether retries follow or it was given up."""
    delivered = await walk.posts(application)
    walk.receiver.first.append(answer(500))
    arrived_later = await walk.posts(application)
    await walk.passes(10 * SECOND)
    walk.receiver.goes_down()
    given_up = await walk.posts(application)
    await walk.passes(HOUR)
    await walk.passes(HOUR)
    await walk.passes(HOUR)
    under_way = await walk.posts(application)
    walk.clock.move(SECOND)
    walk.receiver.comes_back()
    walk.receiver.sent.clear()
    await recovery(walk, application)
    await walk.works()

    assert sorted(walk.receiver.got) == [given_up.id, under_way.id]
    assert await by_hand(walk, [delivered, arrived_later]) == [0, 0]


async def test_only_messages_of_the_time_asked_about_are_recovered(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    before, first, last, after = [(await missed(walk, application, 1))[0] for _ in range(4)]  # a second apart
    walk.receiver.comes_back()
    await recovery(walk, application, since=first.created_at, until=after.created_at)
    await walk.works()
    assert sorted(walk.receiver.got) == [first.id, last.id]
    assert await by_hand(walk, [before, after]) == [0, 0]


async def test_an_until_that_is_still_to_come_is_now(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    task = await recovery(walk, application, until=walk.clock.now() + DAY)
    walk.clock.move(SECOND)
    await missed(walk, application, 1)
    await walk.works()
    assert walk.receiver.got == []
    assert (await now(walk, task)).total == 0


async def test_a_recovery_that_fails_leaves_the_retries_as_they_are(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    messages = await missed(walk, application, 2)
    task = await now(walk, await recovery(walk, application))
    await walk.works()
    task = await now(walk, task)
    assert (task.status, task.done, task.failed) == (TaskStatus.FINISHED, 2, 2)
    walk.receiver.comes_back()
    await walk.passes(HOUR)
    assert [[one.number for one in await walk.attempts(message)] for message in messages] == [[0, 1, 2]] * 2


async def test_a_page_that_is_worked_again_attempts_and_counts_nothing_again(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """We died when all of it was attempted, before that was kept."""
    messages = await missed(walk, application, 3)
    walk.receiver.comes_back()
    walk.receiver.first.append(answer(500))
    task = await recovery(walk, application)
    (first,) = await walk.takes(TASKS_QUEUE)
    await walk.does(first)
    (second,) = await walk.takes(TASKS_QUEUE)
    planned = await now(walk, task)
    await walk.service.carry_on.recover(planned, planned.arguments)  # type: ignore[arg-type]
    assert len(walk.receiver.got) == 3

    await walk.does(second)
    await walk.works()
    assert len(walk.receiver.got) == 3
    assert await by_hand(walk, messages) == [1, 1, 1]
    task = await now(walk, task)
    assert (task.status, task.done, task.total, task.failed) == (TaskStatus.FINISHED, 3, 3, 1)


async def test_a_step_that_is_handed_over_again_is_over(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """We died before it was known that it was done; whoever asks again hears how the task stands."""
    await missed(walk, application, 3)
    walk.receiver.comes_back()
    task = await recovery(walk, application)
    step = TaskStep(task.org_id, task.id, 0)
    assert await walk.service.carry_on(step) == await walk.service.carry_on(step) == await now(walk, task)
    assert (await now(walk, task)).step == 1


async def test_a_task_that_is_cancelled_goes_no_further(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """Of 110 messages, a page was attempted; the rest keep their retries."""
    await missed(walk, application, 110)
    walk.receiver.comes_back()
    task = await recovery(walk, application)
    for _ in range(2):
        (step,) = await walk.takes(TASKS_QUEUE)
        await walk.does(step)
    walk.clock.move(SECOND)
    cancelled = await walk.service.cancel_task(task.org_id, task.id)
    assert (cancelled.status, cancelled.why, cancelled.done) == (TaskStatus.FAILED, CANCELLED, 100)
    assert (cancelled.finished_at, cancelled.page) == (walk.clock.now(), ())
    await walk.works()
    assert len(walk.receiver.got) == 100
    assert await now(walk, task) == cancelled
    assert len(walk.journal.of("task.cancelled")) == 1
    await walk.passes(HOUR)
    assert len(walk.receiver.got) == 110


async def test_a_step_whose_task_is_cancelled_meanwhile_brings_it_no_further(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await missed(walk, application, 3)
    task = await recovery(walk, application)
    before = await now(walk, task)
    cancelled = await walk.service.cancel_task(task.org_id, task.id)
    after = advanced(before, Worked(["msg_1"]), walk.clock.now())
    assert not await walk.service.background_tasks.advance(before, after)
    assert await now(walk, task) == cancelled


async def test_a_task_that_has_ended_stays_as_it_is_when_it_is_cancelled(
    walk: Walk, application: Application
) -> None:
    task = await walk.service.begin_task.purge(application)
    await walk.works()
    ended = await now(walk, task)
    walk.clock.move(SECOND)
    assert await walk.service.cancel_task(task.org_id, task.id) == ended
    with pytest.raises(Unknown):
        await walk.service.cancel_task(OTHER_ORG, task.id)


async def test_a_recovery_goes_on_after_a_restart(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    messages = await missed(walk, application, 110)
    walk.receiver.comes_back()
    task = await recovery(walk, application)
    for _ in range(2):
        (step,) = await walk.takes(TASKS_QUEUE)
        await walk.does(step)
    await walk.restarts()
    await walk.works()
    assert sorted(walk.receiver.got) == sorted(message.id for message in messages)
    assert (await now(walk, task)).done == 110


async def test_what_arrives_by_itself_meanwhile_is_not_sent_again(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    (message,) = await missed(walk, application, 1)
    task = await recovery(walk, application)
    (first,) = await walk.takes(TASKS_QUEUE)
    await walk.does(first)
    (second,) = await walk.takes(TASKS_QUEUE)
    walk.receiver.comes_back()
    await walk.passes(10 * SECOND)
    assert walk.receiver.got == [message.id]

    await walk.does(second)
    assert walk.receiver.got == [message.id]
    task = await now(walk, task)
    assert (task.status, task.done, task.failed) == (TaskStatus.FINISHED, 1, 0)


async def test_a_recovery_keeps_to_the_rate_of_the_endpoint(walk: Walk, application: Application) -> None:
    """What waits for its turn has not failed, nothing else waits for it, and the task ends after it."""
    await walk.has_endpoint(application, uid="here", throttle_rate=1)
    messages = await missed(walk, application, 3)
    for _ in messages:
        await walk.passes(SECOND)
    walk.receiver.sent.clear()
    walk.receiver.comes_back()
    task = await recovery(walk, application)
    await walk.works()
    assert (await now(walk, task)).status is TaskStatus.RUNNING
    arrived = [len(walk.receiver.got)]
    for _ in messages:
        await walk.passes(SECOND)
        arrived.append(len(walk.receiver.got))
    assert arrived in ([0, 1, 2, 3], [1, 2, 3, 3])
    assert await by_hand(walk, messages) == [1, 1, 1]
    task = await now(walk, task)
    assert (task.status, task.done, task.total, task.failed) == (TaskStatus.FINISHED, 3, 3, 0)


@pytest.mark.parametrize("slow", ["the endpoint", "the application"])
async def test_under_a_rate_no_more_than_a_page_waits_when_a_task_is_cancelled(walk: Walk, slow: str) -> None:
    """Of 110 messages at 20 a second; what is on its way then arrives."""
    of_endpoint, of_application = (20, 500) if slow == "the endpoint" else (500, 20)
    application = await walk.has_application(throttle_rate=of_application)
    endpoint = await walk.has_endpoint(application, uid="here", disabled=True)
    messages = await asyncio.gather(*(walk.accepts(application) for _ in range(110)))
    await walk.works()
    edit = EndpointEdit(disabled=False, throttle_rate=of_endpoint)
    await walk.service.catalogue.edit_endpoint(application, endpoint.id, edit)
    walk.clock.move(SECOND)
    wanted = Replay("here", messages[0].created_at, walk.clock.now())
    task = await walk.service.begin_task.resending(application, wanted)
    await walk.passes(SECOND)
    assert (await walk.service.cancel_task(task.org_id, task.id)).done == 100
    assert len(walk.receiver.got) < 30
    for _ in range(20):
        await walk.passes(SECOND)
    assert len(walk.receiver.got) == 100


async def test_what_arrives_by_itself_while_its_recovery_waits_for_a_turn_is_not_sent_again(
    walk: Walk, application: Application
) -> None:
    """Retries that have come before the recovery stand before it in the line of the endpoint's rate."""
    await walk.has_endpoint(application, uid="here", throttle_rate=1)
    messages = await missed(walk, application, 8)
    for _ in messages:
        await walk.passes(SECOND)
    walk.receiver.sent.clear()
    walk.receiver.comes_back()
    await recovery(walk, application)
    await walk.works()
    for _ in range(3 * len(messages)):
        await walk.passes(SECOND)
    assert sorted(walk.receiver.got) == sorted(message.id for message in messages)


@pytest.mark.parametrize("change", ["disabled", "removed", "application"])
@pytest.mark.parametrize("steps", [0, 1])
async def test_a_recovery_of_an_endpoint_that_is_gone_fails_and_says_why(
    walk: Walk, application: Application, endpoint: Endpoint, change: str, steps: int
) -> None:
    await missed(walk, application, 1)
    task = await recovery(walk, application)
    for _ in range(steps):
        (step,) = await walk.takes(TASKS_QUEUE)
        await walk.does(step)
    if change == "disabled":
        await walk.service.endpoints.disable(application.id, endpoint.id, at=walk.clock.now())
        walk.service.directory.forget_targets(application.id)
    elif change == "removed":
        await walk.service.catalogue.remove_endpoint(application, endpoint.id)
    else:
        await walk.service.catalogue.remove_application(application)
    await walk.works()

    task = await now(walk, task)
    assert (task.status, task.finished_at) == (TaskStatus.FAILED, walk.clock.now())
    assert ("disabled" if change == "disabled" else "removed") in (task.why or "")
    assert walk.receiver.got == []
    assert len(walk.journal.of("task.failed")) == 1


async def test_a_receiver_that_says_410_ends_its_recovery(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """The rest of the page is not sent to it, and the task says so though there is no page after it."""
    await missed(walk, application, 60)
    walk.receiver.always = answer(410)
    task = await recovery(walk, application)
    await walk.works()
    task = await now(walk, task)
    assert 1 <= len(walk.receiver.got) <= MOST_AT_ONCE
    assert (task.status, task.why, task.failed) == (TaskStatus.FAILED, "the endpoint is disabled", 60)


async def test_what_has_no_payload_any_more_counts_as_failed(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    erased, kept = await missed(walk, application, 2)
    await walk.service.erase.payload(application, erased.id)
    walk.receiver.comes_back()
    task = await recovery(walk, application)
    await walk.works()
    task = await now(walk, task)
    assert walk.receiver.got == [kept.id]
    assert (task.status, task.done, task.failed) == (TaskStatus.FINISHED, 2, 1)


async def test_nothing_is_begun_for_an_endpoint_that_gets_nothing(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    begin, since = walk.service.begin_task, walk.clock.now() - DAY
    with pytest.raises(Unknown):
        await begin.recovery(application, "nowhere", since, None)
    with pytest.raises(Unknown):
        await begin.cancellation(application, "nowhere")
    await walk.service.endpoints.disable(application.id, endpoint.id, at=walk.clock.now())
    with pytest.raises(EndpointDisabled):
        await begin.recovery(application, "here", since, None)
    assert await walk.takes(TASKS_QUEUE) == []


async def test_a_step_of_a_task_that_nobody_knows_is_let_go(walk: Walk, application: Application) -> None:
    await walk.service.begin_task.purge(application)
    (step,) = await walk.takes(TASKS_QUEUE)
    await walk.does(replace(step, body=step.body.replace(b"qtask_", b"qtask_x")))
    assert await walk.takes(TASKS_QUEUE) == []


async def test_a_task_is_not_promised_if_it_is_not_kept(walk: Walk, application: Application) -> None:
    await walk.service.store.close()
    with pytest.raises(Unavailable):
        await walk.service.begin_task.purge(application)
    assert walk.journal.of("task.begun") == []


async def test_pending_retries_end_visibly_and_new_messages_keep_theirs(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """The queue of one customer whose receiver was down is emptied; 110 messages are more than a page."""
    messages = await missed(walk, application, 110)
    task = await walk.service.begin_task.cancellation(application, "here")
    walk.clock.move(SECOND)
    (later,) = await missed(walk, application, 1)

    task = await now(walk, task)
    assert (task.status, task.done, task.total, task.failed) == (TaskStatus.FINISHED, 110, 110, 0)
    for message in messages:
        assert [one.next_attempt_at for one in await walk.attempts(message)] == [None]
    walk.receiver.comes_back()
    await walk.passes(HOUR)
    assert walk.receiver.got == [later.id]


async def test_what_was_cancelled_can_be_recovered(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    messages = await missed(walk, application, 2)
    await walk.service.begin_task.cancellation(application, "here")
    await walk.works()
    walk.receiver.comes_back()
    await recovery(walk, application)
    await walk.works()
    assert sorted(walk.receiver.got) == sorted(message.id for message in messages)


async def test_other_endpoints_keep_their_retries(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    other = await walk.has_endpoint(application, url="https://other.example/")
    await missed(walk, application, 1)
    await walk.service.begin_task.cancellation(application, "here")
    walk.receiver.comes_back()
    await walk.works()
    await walk.passes(HOUR)
    assert [outgoing.url for outgoing in walk.receiver.sent] == [other.url]


async def test_a_purge_erases_what_there_was_and_nothing_else(walk: Walk, application: Application) -> None:
    """Messages stay, and so do those of others and those that come after it; 260 are more than a page."""
    other = await walk.has_application(uid="other")
    kept = await walk.accepts(other)
    messages = await asyncio.gather(*(walk.accepts(application) for _ in range(260)))
    task = await walk.service.begin_task.purge(application)
    walk.clock.move(SECOND)
    later = await walk.accepts(application)
    await walk.works()

    task = await now(walk, task)
    assert (task.status, task.done, task.total) == (TaskStatus.FINISHED, 260, None)
    read = walk.service.messages.get
    assert {(await read(application.id, message.id)).payload for message in messages} == {None}
    assert (await read(application.id, later.id)).payload == later.payload
    assert (await read(other.id, kept.id)).payload == kept.payload


async def test_recovered_messages_show_one_manual_attempt_of_the_time_they_were_asked_for(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    (message,) = await missed(walk, application, 1)
    walk.receiver.comes_back()
    asked_at = walk.clock.now()
    await recovery(walk, application)
    walk.clock.move(SECOND)
    await walk.works()
    manual = [one for one in await walk.attempts(message) if one.trigger is Trigger.MANUAL]
    assert [(one.status, one.timestamp, one.next_attempt_at) for one in manual] == [
        (Status.SUCCESS, asked_at, None)
    ]
