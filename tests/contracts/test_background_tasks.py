"""What `shared.ports.background_tasks` promises."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.attempt import Status
from shared.domain.background_task import (
    ApplicationErasure,
    Arguments,
    BulkReplay,
    Cancellation,
    Erasure,
    Finding,
    Probation,
    Recovery,
    Replay,
    SubscriptionCensus,
    Subscriptions,
    TaskName,
    TaskStatus,
    Usage,
    UsageCount,
    Worked,
    advanced,
    restarted,
)
from shared.domain.errors import Unavailable, Unknown
from shared.domain.work import TASKS_QUEUE, TaskStep, step_from
from shared.ports.background_tasks import BackgroundTaskFilter
from tests.clock import NOON, MovedClock
from tests.contracts.adapters import Stores
from tests.contracts.removal import all_gone
from tests.contracts.scans import EVERYTHING, expected, on_one_store, scans
from tests.makers import ORG, OTHER_ORG, a_task

ANY = BackgroundTaskFilter()
MINUTE = timedelta(minutes=1)
LEASE = timedelta(minutes=1)


async def steps(stores: Stores) -> list[TaskStep]:
    """The steps that are queued, taken and done."""
    taken = await stores.consumer.receive(TASKS_QUEUE, limit=100, lease=LEASE, patience=timedelta(0))
    for delivery in taken:
        await stores.consumer.complete(delivery)
    return [step_from(delivery.body) for delivery in taken]


@pytest.mark.parametrize(
    "arguments",
    [
        Recovery("ep_1", NOON - MINUTE, NOON),
        Replay("ep_1", NOON - MINUTE, NOON),
        BulkReplay("ep_1", NOON - MINUTE, NOON),
        BulkReplay("ep_1", NOON, NOON, frozenset({"a", "b"}), "eu", "vip", Status.FAIL, 500),
        Cancellation("ep_1"),
        Erasure(),
        ApplicationErasure(),
        Probation("ep_1", NOON, NOON + MINUTE, NOON + 2 * MINUTE),
        UsageCount(NOON - MINUTE, NOON),
        UsageCount(NOON - MINUTE, NOON, ("app_1", "app_2")),
        SubscriptionCensus(),
    ],
    ids=lambda arguments: type(arguments).__name__,
)
async def test_a_task_reads_back_as_it_was_begun_and_its_first_step_is_queued(
    stores: Stores, arguments: Arguments
) -> None:
    task = a_task(arguments=arguments)
    await stores.background_tasks.begin(task)
    assert await stores.background_tasks.get(ORG, task.id) == task
    assert await steps(stores) == [TaskStep(ORG, task.id, step=0)]


async def test_a_task_that_is_begun_again_stays_as_it_is_and_its_first_step_is_queued_again(
    stores: Stores,
) -> None:
    """Whoever has begun it may have died before anybody was told."""
    task = a_task()
    await stores.background_tasks.begin(task)
    after = advanced(task, Worked(["msg_1"], arguments=Erasure()), NOON + MINUTE)
    await stores.background_tasks.advance(task, after)
    await stores.background_tasks.begin(task)
    assert await stores.background_tasks.get(ORG, task.id) == after
    assert await steps(stores) == [TaskStep(ORG, task.id, step=0)] * 2


async def test_another_organizations_task_is_unknown(stores: Stores) -> None:
    task = a_task()
    await stores.background_tasks.begin(task)
    for org_id, task_id in ((OTHER_ORG, task.id), (ORG, "qtask_none")):
        with pytest.raises(Unknown) as unknown:
            await stores.background_tasks.get(org_id, task_id)
        assert (unknown.value.what, unknown.value.key) == ("background task", task_id)


async def test_a_task_and_its_step_outlive_the_process(stores: Stores) -> None:
    task = a_task()
    await stores.background_tasks.begin(task)
    reborn = await stores.reborn()
    assert await reborn.background_tasks.get(ORG, task.id) == task
    assert await steps(reborn) == [TaskStep(ORG, task.id, step=0)]
    await reborn.close()


async def test_what_a_task_has_become_is_kept(stores: Stores) -> None:
    task = a_task()
    await stores.background_tasks.begin(task)
    await steps(stores)
    after = advanced(task, Worked(["msg_1", "msg_2"], scanned="msg_7", total=2), NOON + MINUTE)
    assert await stores.background_tasks.advance(task, after)
    assert await stores.background_tasks.get(ORG, task.id) == after
    assert await steps(stores) == []


@pytest.mark.parametrize("why", [None, "the endpoint is disabled"])
async def test_a_task_that_has_ended_ends_once(stores: Stores, why: str | None) -> None:
    task = a_task()
    await stores.background_tasks.begin(task)
    await steps(stores)
    ended = advanced(task, Worked(failed=1, why=why), NOON + MINUTE)
    assert await stores.background_tasks.advance(task, ended)
    assert not await stores.background_tasks.advance(ended, restarted(ended, NOON))
    assert await stores.background_tasks.get(ORG, task.id) == ended


async def test_a_step_that_is_worked_twice_counts_once(stores: Stores) -> None:
    task = a_task()
    await stores.background_tasks.begin(task)
    await steps(stores)
    first = advanced(task, Worked(["msg_1"]), NOON + MINUTE)
    assert await stores.background_tasks.advance(task, first)
    assert not await stores.background_tasks.advance(task, advanced(task, Worked(), NOON + 2 * MINUTE))
    assert await stores.background_tasks.get(ORG, task.id) == first


async def test_a_task_that_is_not_there_is_not_advanced(stores: Stores) -> None:
    task = a_task()
    assert not await stores.background_tasks.advance(task, advanced(task, Worked(["msg_1"]), NOON))
    assert await steps(stores) == []


FOUND: list[Finding] = [
    Usage("app_1", None, 0),
    Usage("app_2", "acme", 2**40),
    Subscriptions("app_3", (), has_catch_all=True),
    Subscriptions("app_4", ("invoice.paid", "user.made"), has_catch_all=False),
]


async def test_what_a_task_has_found_out_is_kept_with_its_steps(stores: Stores) -> None:
    """In their order, and once: a step that is worked twice has found it out once."""
    task, other = (a_task(org_id=org_id, arguments=SubscriptionCensus()) for org_id in (ORG, OTHER_ORG))
    for one in (task, other):
        await stores.background_tasks.begin(one)
    assert await stores.background_tasks.findings(ORG, task.id) == []
    for number in range(11):
        after = advanced(task, Worked(["app_1"]), NOON + MINUTE)
        findings: list[Finding] = [Usage(f"app_{number}", None, number)] if number else FOUND
        assert await stores.background_tasks.advance(task, after, findings)
        assert not await stores.background_tasks.advance(task, after, FOUND)
        task = after
    await stores.background_tasks.advance(other, advanced(other, Worked(["app_1"]), NOON), FOUND[:1])

    later = [Usage(f"app_{number}", None, number) for number in range(1, 11)]
    assert await stores.background_tasks.findings(ORG, task.id) == [*FOUND, *later]
    assert await stores.background_tasks.findings(OTHER_ORG, other.id) == FOUND[:1]
    assert await stores.background_tasks.findings(OTHER_ORG, task.id) == []
    assert await stores.background_tasks.get(ORG, task.id) == task


async def test_a_list_shows_what_its_filter_lets_through(stores: Stores) -> None:
    running, finished, failed = a_task(), a_task(arguments=Erasure()), a_task()
    for task in (running, finished, failed, a_task(org_id=OTHER_ORG)):
        await stores.background_tasks.begin(task)
    await stores.background_tasks.advance(finished, advanced(finished, Worked(), NOON))
    await stores.background_tasks.advance(failed, advanced(failed, Worked(why="no"), NOON))

    async def shown(only: BackgroundTaskFilter) -> list[str]:
        return [task.id for task in await stores.background_tasks.scan(ORG, EVERYTHING, only)]

    assert await shown(ANY) == [running.id, finished.id, failed.id]
    assert await shown(BackgroundTaskFilter(TaskStatus.FINISHED)) == [finished.id]
    assert await shown(BackgroundTaskFilter(names=frozenset({TaskName.RECOVER}))) == [running.id, failed.id]
    assert await shown(BackgroundTaskFilter(TaskStatus.FAILED, frozenset(TaskName))) == [failed.id]
    assert await shown(BackgroundTaskFilter(names=frozenset())) == []


KEPT = [a_task(asked_at=NOON + number * MINUTE) for number in range(5)]


@on_one_store
@given(data=st.data())
async def test_a_scan_reads_its_range_in_its_order_and_one_more_than_its_limit(
    stores: Stores, data: st.DataObject
) -> None:
    if not await stores.background_tasks.scan(ORG, EVERYTHING, ANY):
        for task in KEPT:
            await stores.background_tasks.begin(task)
    keys = [task.id for task in KEPT]
    scan = data.draw(scans(keys))
    found = await stores.background_tasks.scan(ORG, scan, ANY)
    assert [task.id for task in found] == expected(keys, scan)


async def test_running_tasks_that_do_not_advance_are_found(stores: Stores, clock: MovedClock) -> None:
    old, older, ended, fresh = (
        a_task(updated_at=NOON + number * MINUTE, org_id=org_id)
        for number, org_id in ((1, ORG), (0, OTHER_ORG), (0, ORG), (9, ORG))
    )
    for task in (old, older, ended, fresh):
        await stores.background_tasks.begin(task)
    await stores.background_tasks.advance(ended, advanced(ended, Worked(), NOON))

    stalled = stores.background_tasks.stalled
    found = await stalled(before=NOON + 9 * MINUTE, limit=10)
    assert {task.id for task in found} == {old.id, older.id}
    assert len(await stalled(before=NOON + 9 * MINUTE, limit=1)) == 1
    await stores.background_tasks.advance(old, restarted(old, NOON + 9 * MINUTE))
    assert list(await stalled(before=NOON + 9 * MINUTE, limit=10)) == [older]


async def test_a_task_that_rests_is_found_only_when_its_time_has_come(stores: Stores) -> None:
    task = a_task()
    await stores.background_tasks.begin(task)
    resting = advanced(task, Worked(rest=9 * MINUTE), NOON)
    await stores.background_tasks.advance(task, resting)
    assert await stores.background_tasks.get(ORG, task.id) == resting
    assert await stores.background_tasks.stalled(before=NOON + 9 * MINUTE, limit=10) == []
    found = await stores.background_tasks.stalled(before=NOON + 9 * MINUTE + MINUTE, limit=10)
    assert list(found) == [resting]


async def test_tasks_that_have_ended_are_forgotten_after_a_while(stores: Stores) -> None:
    ends = [NOON, NOON + MINUTE, NOON + 2 * MINUTE, NOON + 3 * MINUTE, None]
    tasks = [
        a_task(org_id=ORG if number % 2 else OTHER_ORG, arguments=SubscriptionCensus())
        for number in range(len(ends))
    ]
    for number, (task, at) in enumerate(zip(tasks, ends, strict=True)):
        await stores.background_tasks.begin(task)
        if at is not None:
            ended = advanced(task, Worked(why="no" if number == 1 else None), at)
            assert await stores.background_tasks.advance(task, ended, FOUND)

    async def gone(before: datetime) -> int:
        return await all_gone(lambda _: stores.background_tasks.forget(before=before, limit=2), limit=2)

    assert await gone(NOON) == 0
    assert await gone(NOON + 3 * MINUTE) == 3
    assert await gone(NOON + 3 * MINUTE) == 0
    for task in tasks[:3]:
        with pytest.raises(Unknown):
            await stores.background_tasks.get(task.org_id, task.id)
        assert await stores.background_tasks.findings(task.org_id, task.id) == []
    assert await stores.background_tasks.findings(tasks[3].org_id, tasks[3].id) == FOUND
    for task in tasks[3:]:
        assert (await stores.background_tasks.get(task.org_id, task.id)).id == task.id


async def test_a_store_that_is_out_of_reach_says_so(stores: Stores) -> None:
    task = a_task()
    await stores.background_tasks.begin(task)
    await stores.close()
    for call in (
        stores.background_tasks.begin(a_task()),
        stores.background_tasks.get(ORG, task.id),
        stores.background_tasks.scan(ORG, EVERYTHING, ANY),
        stores.background_tasks.findings(ORG, task.id),
        stores.background_tasks.advance(task, restarted(task, NOON)),
        stores.background_tasks.stalled(before=NOON, limit=1),
        stores.background_tasks.forget(before=NOON, limit=1),
    ):
        with pytest.raises(Unavailable):
            await call
