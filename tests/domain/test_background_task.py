"""How a task goes from step to step."""

from datetime import timedelta

import pytest
from msgspec import structs

from shared.domain import ids
from shared.domain.background_task import (
    CANCELLED,
    ApplicationErasure,
    Arguments,
    BackgroundTask,
    BulkReplay,
    Cancellation,
    Erasure,
    Probation,
    Recovery,
    Replay,
    SubscriptionCensus,
    TaskStatus,
    UsageCount,
    Worked,
    advanced,
    attempt_id,
    cancelled,
    restarted,
)
from tests.clock import NOON
from tests.makers import a_task

LATER = NOON + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (Recovery("ep_1", NOON, LATER), "endpoint.recover"),
        (Replay("ep_1", NOON, LATER), "endpoint.replay"),
        (BulkReplay("ep_1", NOON, LATER), "endpoint.bulk-replay"),
        (Cancellation("ep_1"), "endpoint.cancel-msgs"),
        (Erasure(), "application.purge_content"),
        (ApplicationErasure(), "application.erase"),
        (Probation("ep_1", NOON), "endpoint.probation"),
        (UsageCount(NOON, NOON), "application.stats"),
        (SubscriptionCensus(), "event-type.aggregate"),
    ],
)
def test_a_task_has_the_name_that_clients_know(arguments: Arguments, name: str) -> None:
    assert a_task(arguments=arguments).name == name


def test_a_task_that_finds_nothing_is_finished_by_its_first_step() -> None:
    task = advanced(a_task(), Worked(total=0), LATER)
    assert (task.status, task.step, task.done, task.total) == (TaskStatus.FINISHED, 1, 0, 0)
    assert (task.updated_at, task.finished_at) == (LATER, LATER)


def test_a_page_counts_when_it_is_worked_and_not_when_it_is_found() -> None:
    task = advanced(a_task(), Worked(["msg_1", "msg_2"], total=5), LATER)
    assert (task.status, task.page, task.cursor) == (TaskStatus.RUNNING, ("msg_1", "msg_2"), "msg_2")
    assert (task.done, task.total, task.finished_at) == (0, 5, None)

    task = advanced(task, Worked(["msg_3"], failed=1), LATER)
    assert (task.cursor, task.done, task.failed, task.total) == ("msg_3", 2, 1, 5)


def test_a_task_that_has_looked_through_much_and_found_nothing_goes_on_from_there() -> None:
    task = advanced(a_task(page=("msg_3",)), Worked(scanned="msg_9"), LATER)
    assert (task.status, task.page, task.cursor, task.done) == (TaskStatus.RUNNING, (), "msg_9", 1)
    task = advanced(task, Worked(["msg_11"]), LATER)
    assert (task.status, task.cursor) == (TaskStatus.RUNNING, "msg_11")
    assert advanced(task, Worked(), LATER).status is TaskStatus.FINISHED


def test_a_task_that_rests_is_not_finished_though_it_has_found_nothing() -> None:
    task = advanced(a_task(), Worked(rest=timedelta(minutes=2)), LATER)
    assert (task.status, task.due_at) == (TaskStatus.RUNNING, LATER + timedelta(minutes=2))
    assert advanced(task, Worked(["msg_1"]), LATER).due_at is None


def test_a_task_may_find_out_what_it_is_about() -> None:
    task = advanced(a_task(), Worked(arguments=Cancellation("ep_1")), LATER)
    assert task.arguments == Cancellation("ep_1")
    assert advanced(a_task(), Worked(), LATER).arguments == a_task().arguments


def test_the_total_is_what_was_gone_through_at_the_end() -> None:
    """Of five that were missed, two arrived by themselves before their turn."""
    task = advanced(a_task(step=2, page=("msg_3",), done=2, total=5), Worked(), LATER)
    assert (task.status, task.done, task.total) == (TaskStatus.FINISHED, 3, 3)


def test_what_nobody_counted_has_no_total() -> None:
    assert advanced(a_task(), Worked(), LATER).total is None


def test_a_task_that_cannot_go_on_fails_and_says_why() -> None:
    task = a_task(step=2, page=("msg_3",), done=2, total=5)
    task = advanced(task, Worked(["msg_4"], why="the endpoint is disabled"), LATER)
    assert (task.status, task.why, task.finished_at) == (TaskStatus.FAILED, "the endpoint is disabled", LATER)
    assert (task.done, task.total) == (3, 5)


def test_a_task_that_has_come_to_a_standstill_goes_on_with_the_same_page() -> None:
    task = a_task(step=2, page=("msg_3",), done=2)
    assert restarted(task, LATER) == structs.replace(task, updated_at=LATER)


def test_a_task_that_is_cancelled_has_failed_and_its_step_is_over() -> None:
    task = cancelled(a_task(step=2, page=("msg_3",), done=2, total=5), LATER)
    assert (task.status, task.why, task.finished_at) == (TaskStatus.FAILED, CANCELLED, LATER)
    assert (task.step, task.page, task.done, task.total) == (3, (), 2, 5)


def test_an_attempt_of_a_task_has_the_same_id_whenever_it_is_made() -> None:
    task, other = a_task(), a_task()
    made = attempt_id(task, "msg_1")
    assert made == attempt_id(advanced(task, Worked(["msg_1"]), LATER), "msg_1")
    assert len({made, attempt_id(task, "msg_2"), attempt_id(other, "msg_1")}) == 3
    assert made.startswith(ids.ATTEMPT)
    assert ids.instant_of(made) == ids.instant_of(task.id)


def test_ids_of_attempts_do_not_change_with_the_release() -> None:
    """A task that an earlier release began must not attempt a page again under other ids."""
    task = BackgroundTask("qtask_1", "org_1", "app_1", Erasure(), NOON, NOON)
    assert attempt_id(task, "msg_1") == "atmpt_3MYJWcjpZAl32pm4Xr7bQ79gJ4V"
