"""The erasure of an application: a customer has left, and nothing stays but that it was done."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from msgspec import structs

from shared.domain.application import Application
from shared.domain.background_task import BackgroundTask, TaskStatus
from shared.domain.errors import NotToBeCancelled, Unknown
from shared.flows.erase_application import PAGE, SETTLING
from tests.flows.walk import Walk, answer
from tests.makers import ORG

TRACES = ("very-secret-payload", "very-secret-answer", "leaver", "https://leaver.example/")
"""What the application and its receivers said."""


@pytest.fixture
async def leaver(walk: Walk) -> Application:
    """An application with endpoints, one of them removed, and with more messages than a page."""
    application = await walk.has_application(uid="leaver", metadata={"who": "leaver"})
    removed = await walk.has_endpoint(application, url="https://leaver.example/old")
    await walk.has_endpoint(application, url="https://leaver.example/new", headers={"x-key": "leaver"})
    walk.receiver.always = structs.replace(answer(200), body="very-secret-answer")
    said = {"payload": '{"n": "very-secret-payload"}', "event_id": None, "tags": frozenset({"leaver"})}
    await asyncio.gather(*(walk.accepts(application, **said) for _ in range(PAGE + 5)))
    await walk.works()
    await walk.service.catalogue.remove_endpoint(application, removed.id)
    return application


async def erased(walk: Walk, application: Application) -> BackgroundTask:
    task = await walk.service.begin_task.erasure(ORG, application.id)
    await walk.works()
    await walk.passes(SETTLING)
    return await walk.service.background_tasks.get(task.org_id, task.id)


def rows(walk: Walk) -> str:
    """Every row of every table but those of Durable Functions' and of work that is done."""
    with closing(sqlite3.connect(walk.service.settings.database)) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        return str([connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables])  # noqa: S608


@pytest.mark.parametrize("is_removed", [False, True])
async def test_nothing_stays_of_an_application_but_that_it_was_erased(
    walk: Walk, leaver: Application, *, is_removed: bool
) -> None:
    other = await walk.has_application(uid="other")
    kept = await walk.accepts(other)
    before = rows(walk)
    assert [trace for trace in TRACES if trace not in before] == []

    if is_removed:
        await walk.service.catalogue.remove_application(leaver)
    task = await erased(walk, leaver)

    assert (task.status, task.done, task.app_id) == (TaskStatus.FINISHED, PAGE + 5, leaver.id)
    after = rows(walk)
    assert [trace for trace in TRACES if trace in after] == []
    assert after.count(leaver.id) == 1  # the task
    assert await walk.service.messages.get(other.id, kept.id) == kept


async def test_from_the_beginning_on_the_application_is_gone_and_its_name_is_free(
    walk: Walk, leaver: Application
) -> None:
    """What is under way at that moment comes to its end before anything is removed."""
    task = await walk.service.begin_task.erasure(ORG, leaver.id)
    await walk.works()
    with pytest.raises(Unknown):
        await walk.service.directory.application(ORG, "leaver")
    again = await walk.has_application(uid="leaver")
    last = await walk.accepts(leaver)
    await walk.passes(SETTLING)
    assert (await walk.service.background_tasks.get(ORG, task.id)).done == PAGE + 6
    with pytest.raises(Unknown):
        await walk.service.messages.get(leaver.id, last.id)
    assert (await walk.service.directory.application(ORG, "leaver")).id == again.id


async def test_an_erasure_goes_on_after_a_restart_and_is_not_cancelled(
    walk: Walk, leaver: Application
) -> None:
    task = await walk.service.begin_task.erasure(ORG, leaver.id)
    await walk.works()
    with pytest.raises(NotToBeCancelled):
        await walk.service.cancel_task(ORG, task.id)
    await walk.restarts()
    await walk.passes(SETTLING)
    assert (await walk.service.background_tasks.get(ORG, task.id)).status is TaskStatus.FINISHED
