"""What is found out about all applications of an organization, a page at a time."""

from datetime import timedelta

from shared.domain.application import Application, NewApplication
from shared.domain.background_task import (
    CANCELLED,
    BackgroundTask,
    Finding,
    SubscriptionCensus,
    Subscriptions,
    TaskStatus,
    Usage,
)
from shared.domain.event_type import NewEventType
from shared.domain.work import TASKS_QUEUE
from shared.flows.census import APPLICATIONS_MAX, PAGE
from tests.flows.walk import Walk, answer
from tests.makers import ORG, OTHER_ORG, a_task

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MANY = 2 * PAGE + 1


async def usage(walk: Walk, *keys: str) -> BackgroundTask:
    """Have counted what was used within an hour of now."""
    now = walk.clock.now()
    task, _ = await walk.service.begin_task.usage(ORG, now - HOUR, now + HOUR, keys or None)
    assert task is not None
    return task


async def found(walk: Walk, task: BackgroundTask) -> list[Finding]:
    """What a task has found out once it has finished."""
    await walk.works()
    ended = await walk.service.background_tasks.get(ORG, task.id)
    assert ended.status is TaskStatus.FINISHED
    return list(await walk.service.background_tasks.findings(ORG, task.id))


def in_order(*findings: Finding) -> list[Finding]:
    """As a task comes upon applications: by their ids."""
    return sorted(findings, key=lambda finding: finding.app_id)


async def test_destinations_are_counted_for_each_application(walk: Walk, application: Application) -> None:
    """A message counts once at each endpoint, however often it was attempted; one outside of the time not."""
    url = "https://down.example/hooks"
    await walk.has_endpoint(application)
    await walk.has_endpoint(application, url=url)
    walk.receiver.at[url] = answer(500)
    idle = await walk.has_application()
    await walk.posts(application)
    walk.clock.move(2 * HOUR)
    await walk.posts(application)
    await walk.posts(application)
    walk.clock.move(timedelta(minutes=1))
    await walk.works()

    assert await found(walk, await usage(walk)) == in_order(
        Usage(application.id, "acme", 4), Usage(idle.id, None, 0)
    )


async def test_only_the_applications_that_were_named_are_counted(
    walk: Walk, application: Application
) -> None:
    """By id or uid, each once; what is no application's is said."""
    await walk.has_application(uid="idle")
    other = await walk.has_application()
    keys = [other.id, "nobody", "acme", application.id]
    now = walk.clock.now()
    task, unknown = await walk.service.begin_task.usage(ORG, now - HOUR, now, keys)
    assert task is not None
    assert unknown == ["nobody"]
    assert await found(walk, task) == in_order(Usage(application.id, "acme", 0), Usage(other.id, None, 0))
    ended = await walk.service.background_tasks.get(ORG, task.id)
    assert (ended.done, ended.total) == (2, 2)


async def test_nothing_is_begun_for_applications_that_are_not_there(walk: Walk) -> None:
    assert await walk.service.begin_task.usage(ORG, walk.clock.now(), walk.clock.now(), ["a", "b"]) == (
        None,
        ["a", "b"],
    )
    assert await walk.takes(TASKS_QUEUE) == []


async def test_subscriptions_are_those_of_all_live_endpoints(walk: Walk, application: Application) -> None:
    """Disabled ones too: they may be enabled again."""
    for name in ("a", "b", "c"):
        await walk.service.catalogue.add_event_type(ORG, NewEventType(name, description=""))
    await walk.has_endpoint(application, event_types=frozenset({"b", "a"}))
    await walk.has_endpoint(application, event_types=frozenset({"b"}), disabled=True)
    removed = await walk.has_endpoint(application, event_types=frozenset({"c"}))
    await walk.service.catalogue.remove_endpoint(application, removed.id)
    greedy, idle = await walk.has_application(), await walk.has_application()
    await walk.has_endpoint(greedy)

    task = await walk.service.begin_task.subscriptions(ORG)

    assert await found(walk, task) == in_order(
        Subscriptions(application.id, ("a", "b"), has_catch_all=False),
        Subscriptions(greedy.id, (), has_catch_all=True),
        Subscriptions(idle.id, (), has_catch_all=False),
    )


async def test_every_application_is_found_once_also_across_a_restart(walk: Walk) -> None:
    """Those of the organization, and none that came after the task was asked for."""
    made = [await walk.has_application() for _ in range(MANY)]
    await walk.service.catalogue.add_application(OTHER_ORG, NewApplication(name="Else"))
    task = await usage(walk)
    walk.clock.move(timedelta(seconds=1))
    await walk.has_application()
    await walk.does((await walk.takes(TASKS_QUEUE))[0])
    await walk.does((await walk.takes(TASKS_QUEUE))[0])
    halfway = await walk.service.background_tasks.get(ORG, task.id)
    assert (halfway.status, halfway.done) == (TaskStatus.RUNNING, PAGE)

    await walk.restarts()

    assert await found(walk, task) == in_order(*(Usage(one.id, None, 0) for one in made))


async def test_a_step_that_is_handed_over_twice_finds_nothing_twice(
    walk: Walk, application: Application
) -> None:
    task = await usage(walk)
    (first,) = await walk.takes(TASKS_QUEUE)
    await walk.does(first)
    (second,) = await walk.takes(TASKS_QUEUE)
    await walk.does(second)
    await walk.does(second)
    await walk.does(first)
    assert await found(walk, task) == [Usage(application.id, "acme", 0)]


async def test_what_was_removed_meanwhile_is_left_out(walk: Walk, application: Application) -> None:
    other = await walk.has_application()
    task = await usage(walk)
    await walk.does((await walk.takes(TASKS_QUEUE))[0])
    await walk.service.catalogue.remove_application(application)
    assert await found(walk, task) == [Usage(other.id, None, 0)]


async def test_a_census_that_is_cancelled_goes_no_further(walk: Walk) -> None:
    for _ in range(MANY):
        await walk.has_application()
    task = await usage(walk)
    await walk.does((await walk.takes(TASKS_QUEUE))[0])
    await walk.service.cancel_task(ORG, task.id)
    await walk.works()
    ended = await walk.service.background_tasks.get(ORG, task.id)
    assert (ended.status, ended.why, ended.done) == (TaskStatus.FAILED, CANCELLED, 0)


async def test_a_census_of_more_applications_than_can_be_told_of_says_so(walk: Walk) -> None:
    for _ in range(2):
        await walk.has_application()
    take_census = walk.service.carry_on.take_census
    census = SubscriptionCensus()
    asked_at = walk.clock.now() + HOUR
    told = await take_census(a_task(done=APPLICATIONS_MAX - 2, asked_at=asked_at, app_id=""), census)
    assert (len(told.next_page), told.why) == (2, None)
    told = await take_census(a_task(done=APPLICATIONS_MAX - 1, asked_at=asked_at, app_id=""), census)
    assert told.why == "there are more than 50000 applications; ask for some of them"
