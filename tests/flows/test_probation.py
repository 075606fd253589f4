"""An endpoint that was disabled because it failed for too long is pinged, and brought back if it answers."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.application import Application, NewApplication
from shared.domain.background_task import CANCELLED, BackgroundTask, TaskName, TaskStatus
from shared.domain.endpoint import Endpoint, EndpointEdit
from shared.domain.errors import Unavailable
from shared.domain.operational import MANAGEMENT_ORG
from shared.domain.organization import OrganizationSettingsEdit
from shared.domain.paging import Scan
from shared.domain.probation import LONGEST, LONGEST_REST, PING, SETTLING
from shared.domain.signature import parse_secret, sign
from shared.domain.verdict import Answer
from shared.ports.background_tasks import BackgroundTaskFilter, BackgroundTasks
from shared.ports.messages import MessageFilter
from shared.ports.sender import Outgoing
from tests.flows.walk import Walk, answer, header
from tests.makers import ORG

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EVERY = Scan(None, None, descending=False, limit=50)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def sets(walk: Walk, **said: Any) -> None:  # noqa: ANN401 - checked by the dataclass
    await walk.service.catalogue.edit_settings(ORG, OrganizationSettingsEdit(**said))


@pytest.fixture
async def endpoint(walk: Walk, application: Application) -> Endpoint:
    """One of an organization that asks for probation, and disables what fails for an hour."""
    await sets(walk, endpoint_probation=True, retry_schedule=(), disable_after=HOUR)
    return await walk.has_endpoint(application, secret=SECRET)


async def fails_for_too_long(walk: Walk, application: Application) -> list[str]:
    """Have an endpoint disabled; the messages that it has failed with."""
    walk.receiver.goes_down()
    failed = []
    for wait in (SECOND, HOUR):
        walk.clock.move(wait)
        failed.append(await walk.accepts(application))
        await walk.passes(SECOND)  # it is attempted some time after it was posted
    walk.receiver.sent.clear()
    return [message.id for message in failed]


async def tasks(walk: Walk, name: TaskName = TaskName.PROBATION) -> list[BackgroundTask]:
    only = BackgroundTaskFilter(names=frozenset({name}))
    return list(await walk.service.background_tasks.scan(ORG, EVERY, only))


async def the_task(walk: Walk) -> BackgroundTask:
    (task,) = await tasks(walk)
    return task


async def is_disabled(walk: Walk, endpoint: Endpoint) -> bool:
    return (await walk.service.endpoints.get(endpoint.app_id, endpoint.id)).disabled


def pings(walk: Walk) -> list[Outgoing]:
    return [outgoing for outgoing in walk.receiver.sent if PING.encode() in outgoing.body]


async def passes(walk: Walk, time: timedelta, step: timedelta) -> None:
    for _ in range(time // step):
        await walk.passes(step)


async def test_a_receiver_that_is_back_is_found_and_sent_all_that_it_has_missed(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """What failed, and what came while it was disabled: each once, and live messages go on after it."""
    delivered = await walk.posts(application)
    walk.clock.move(DAY)
    failed = await fails_for_too_long(walk, application)
    untried = await walk.posts(application)
    assert await is_disabled(walk, endpoint)
    walk.receiver.comes_back()
    await walk.passes(7 * MINUTE)
    assert not await is_disabled(walk, endpoint)
    assert len(walk.receiver.sent) == len(pings(walk)) == 1

    await walk.passes(SETTLING)
    live = await walk.posts(application)
    assert sorted(walk.receiver.got[1:]) == sorted([*failed, untried.id, live.id])
    assert delivered.id not in walk.receiver.got
    task = await the_task(walk)
    assert (task.status, task.done, task.failed) == (TaskStatus.FINISHED, 1, 0)
    for name in (TaskName.RECOVER, TaskName.REPLAY):
        (following,) = await tasks(walk, name)
        assert following.status is TaskStatus.FINISHED


async def test_what_came_before_the_endpoint_is_not_sent(walk: Walk, application: Application) -> None:
    await sets(walk, endpoint_probation=True, retry_schedule=(HOUR,), disable_after=HOUR)
    before = await walk.posts(application)
    walk.clock.move(SECOND)
    endpoint = await walk.has_endpoint(application)
    failed = await fails_for_too_long(walk, application)
    await passes(walk, 3 * HOUR, HOUR)
    await walk.posts(application)
    await passes(walk, 3 * HOUR, HOUR)
    assert await is_disabled(walk, endpoint)
    walk.receiver.comes_back()
    walk.receiver.sent.clear()
    await passes(walk, 2 * LONGEST_REST, HOUR)
    assert set(failed) < set(walk.receiver.got)
    assert before.id not in walk.receiver.got


async def test_an_endpoint_that_seldom_gets_a_message_is_pinged_as_long_as_any(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """It was disabled long after its time was over."""
    walk.receiver.goes_down()
    await walk.posts(application)
    walk.clock.move(2 * LONGEST)
    await walk.posts(application)
    walk.receiver.comes_back()
    await walk.passes(7 * MINUTE)
    assert not await is_disabled(walk, endpoint)


async def test_a_ping_is_signed_and_is_none_of_the_customers_messages(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """No producer has posted it, so it is in no list."""
    failed = await fails_for_too_long(walk, application)
    await walk.passes(7 * MINUTE)

    (ping,) = pings(walk)
    ping_id, seconds = header(ping, "webhook-id"), int(header(ping, "webhook-timestamp"))
    assert header(ping, "webhook-signature") == sign([parse_secret(SECRET)], ping_id, seconds, ping.body)
    found = await walk.service.messages.scan(application.id, EVERY, MessageFilter())
    assert [message.id for message in found] == failed
    assert walk.journal.of("endpoint.probed")[0]["delivered"] is False


async def test_pings_become_fewer_and_end_visibly(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await fails_for_too_long(walk, application)
    await walk.passes(DAY)
    task = await the_task(walk)
    assert (task.status, task.failed) == (TaskStatus.RUNNING, task.done)
    sent = list[int]()
    for _ in range(12):
        before = len(pings(walk))
        await passes(walk, 4 * HOUR, 30 * MINUTE)
        sent.append(len(pings(walk)) - before)
    assert 2 <= max(sent[:2]) <= 5
    assert max(sent[4:]) <= 2

    await passes(walk, LONGEST, 2 * LONGEST_REST)
    task = await the_task(walk)
    assert (task.status, task.why) == (TaskStatus.FAILED, "no ping has arrived in 14 days")
    assert await is_disabled(walk, endpoint)
    count = len(pings(walk))
    walk.receiver.comes_back()
    await walk.passes(DAY)
    assert len(pings(walk)) == count


async def test_who_does_not_ask_for_it_has_none(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await sets(walk, endpoint_probation=None)
    await fails_for_too_long(walk, application)
    walk.receiver.comes_back()
    await walk.passes(DAY)
    assert await is_disabled(walk, endpoint)
    assert (pings(walk), await tasks(walk)) == ([], [])


async def test_a_receiver_that_asked_to_be_disabled_is_left_alone(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    walk.receiver.first.append(answer(410))
    await walk.posts(application)
    await walk.passes(DAY)
    assert await is_disabled(walk, endpoint)
    assert (pings(walk), await tasks(walk)) == ([], [])


@pytest.mark.parametrize(
    ("came", "why"),
    [
        (answer(410), "the receiver wants no more messages"),
        (answer(200, webhook_delivery="disable"), "the receiver wants no more messages"),
    ],
)
async def test_a_receiver_that_wants_no_more_is_asked_no_more(
    walk: Walk, application: Application, endpoint: Endpoint, came: Answer, why: str
) -> None:
    await fails_for_too_long(walk, application)
    walk.receiver.always = came
    await walk.passes(DAY)
    await walk.passes(DAY)
    task = await the_task(walk)
    assert (task.status, task.why, len(pings(walk))) == (TaskStatus.FAILED, why, 1)
    assert await is_disabled(walk, endpoint)


@pytest.mark.parametrize("change", ["enabled", "removed", "asked for no more", "cancelled"])
async def test_it_ends_when_a_person_has_decided_otherwise(
    walk: Walk, application: Application, endpoint: Endpoint, change: str
) -> None:
    await fails_for_too_long(walk, application)
    await walk.passes(7 * MINUTE)
    walk.receiver.sent.clear()
    match change:
        case "enabled":
            edit = EndpointEdit(disabled=False)
            await walk.service.catalogue.edit_endpoint(application, endpoint.id, edit)
            why = "a person has enabled or disabled the endpoint"
        case "removed":
            await walk.service.catalogue.remove_endpoint(application, endpoint.id)
            why = "the endpoint or its application was removed"
        case "asked for no more":
            await sets(walk, endpoint_probation=False)
            why = "the organization does not ask for it any more"
        case _:
            await walk.service.cancel_task(ORG, (await the_task(walk)).id)
            why = CANCELLED
    await passes(walk, DAY, HOUR)

    task = await the_task(walk)
    assert (task.status, task.why) == (TaskStatus.FAILED, why)
    assert pings(walk) == []


async def test_an_endpoint_that_fails_again_is_on_probation_again(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """The one of before sees that it was disabled anew, and leaves it to the other."""
    await fails_for_too_long(walk, application)
    await passes(walk, DAY, HOUR)
    edit = EndpointEdit(disabled=False)
    await walk.service.catalogue.edit_endpoint(application, endpoint.id, edit)
    await sets(walk, disable_after=SECOND)
    for _ in range(2):
        await walk.posts(application)
        walk.clock.move(2 * SECOND)
    assert await is_disabled(walk, endpoint)
    assert [task.status for task in await tasks(walk)] == [TaskStatus.RUNNING] * 2
    await passes(walk, DAY, HOUR)
    first, second = await tasks(walk)
    assert (first.status, second.status) == (TaskStatus.FAILED, TaskStatus.RUNNING)


async def test_it_goes_on_after_a_restart(walk: Walk, application: Application, endpoint: Endpoint) -> None:
    await fails_for_too_long(walk, application)
    await walk.passes(7 * MINUTE)
    await walk.restarts()
    walk.receiver.comes_back()
    await passes(walk, HOUR, 5 * MINUTE)
    assert not await is_disabled(walk, endpoint)
    assert (await the_task(walk)).status is TaskStatus.FINISHED


async def test_messages_that_fail_at_the_same_time_begin_one(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    walk.receiver.goes_down()
    await walk.posts(application)
    walk.clock.move(HOUR + SECOND)
    for _ in range(5):
        await walk.accepts(application)
    await walk.works_at_once()
    await walk.works()
    assert len(await tasks(walk)) == 1


class FailsOnce:
    """Background tasks that are out of reach once, when a second task is begun."""

    def __init__(self, really: BackgroundTasks) -> None:
        self._really = really
        self._begun = 0

    async def begin(self, task: BackgroundTask) -> None:
        """Fail the second time.

        Raises:
            Unavailable: It is the second time.
        """
        self._begun += 1
        if self._begun == 2:
            raise Unavailable("the store", "is out of reach")
        await self._really.begin(task)


async def test_a_step_that_is_worked_again_begins_nothing_again(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """We died between the beginning of the two tasks that send what was missed."""
    failed = await fails_for_too_long(walk, application)
    walk.receiver.comes_back()
    carry_on = walk.service.carry_on
    probe = replace(carry_on.probe, background_tasks=FailsOnce(carry_on.background_tasks))  # type: ignore[arg-type]
    walk.service = replace(walk.service, carry_on=replace(carry_on, probe=probe))
    await walk.passes(7 * MINUTE)
    await walk.passes(SETTLING)

    assert sorted(walk.receiver.got[1:]) == failed
    assert [len(await tasks(walk, name)) for name in (TaskName.RECOVER, TaskName.REPLAY)] == [1, 1]
    assert (await the_task(walk)).status is TaskStatus.FINISHED


async def test_an_endpoint_that_a_person_disables_at_once_stays_so(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await fails_for_too_long(walk, application)
    walk.receiver.comes_back()
    await walk.passes(7 * MINUTE)
    edit = EndpointEdit(disabled=True)
    await walk.service.catalogue.edit_endpoint(application, endpoint.id, edit)
    await walk.passes(SETTLING)

    assert await is_disabled(walk, endpoint)
    task = await the_task(walk)
    assert (task.status, task.why) == (TaskStatus.FAILED, "a person has disabled the endpoint")
    assert await tasks(walk, TaskName.REPLAY) == []


async def test_the_organization_is_told_that_it_is_enabled(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    await fails_for_too_long(walk, application)
    walk.receiver.comes_back()
    listener = await walk.service.catalogue.add_application(MANAGEMENT_ORG, NewApplication("Us", uid=ORG))
    await walk.has_endpoint(listener, url="https://us.example/")
    await walk.passes(7 * MINUTE)
    (told,) = [outgoing.body for outgoing in walk.receiver.sent if outgoing.url == "https://us.example/"]
    assert b'"type":"endpoint.enabled"' in told
    assert endpoint.id.encode() in told
    (noted,) = walk.journal.of("endpoint.enabled")
    assert (noted["endpoint_id"], noted["task_id"]) == (endpoint.id, (await the_task(walk)).id)
