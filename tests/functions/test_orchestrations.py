"""Background tasks under the orchestrator, in the embedded host's drivers and under a clock moved by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.functions.servicebus import ServiceBusMessage
from azure.functions.timer import TimerRequest

import function_app
from functions.housekeeping import HISTORY_KEPT
from functions.orchestrations import PAUSES, STANDS_STILL_AFTER, STEPS_OF_ONE_HISTORY
from infra.local import registrations
from infra.local.durable.driver import Durable, close_client
from infra.local.durable.management import binding
from infra.local.durable.surroundings import Surroundings
from shared import wiring
from shared.domain.background_task import BackgroundTask, TaskName, TaskStatus, Worked, advanced
from shared.domain.errors import Unavailable
from shared.domain.organization import OrganizationSettingsEdit
from shared.domain.probation import FIRST_REST, SETTLING
from shared.domain.work import DISPATCH_QUEUE, TASKS_QUEUE, TaskStep, to_body
from shared.ports.background_tasks import BackgroundTaskFilter, BackgroundTasks
from shared.ports.orchestrations import Instance
from tests.contracts.scans import EVERYTHING
from tests.flows.walk import Walk
from tests.makers import ORG, a_task

SECOND = timedelta(seconds=1)


@dataclass
class Steps:
    """In place of `CarryOn`: takes so many steps with a task, and fails as often as told."""

    background_tasks: BackgroundTasks
    until: int
    failures: int = 0
    taken: int = 0

    async def __call__(self, step: TaskStep) -> BackgroundTask | None:
        """See `CarryOn`.

        Raises:
            Unavailable: It is to fail.
        """
        if self.failures:
            self.failures -= 1
            raise Unavailable("the store", "is out of reach")
        task = await self.background_tasks.get(step.org_id, step.task_id)
        self.taken += 1
        page = [f"msg_{step.step}"] if step.step + 1 < self.until else []
        after = advanced(task, Worked(page), task.updated_at)
        await self.background_tasks.advance(task, after)
        return after


@dataclass
class Host:
    """The part of the embedded host that drives durable functions, on the service of a walk."""

    walk: Walk
    durable: Durable

    async def starts(self, task: BackgroundTask) -> None:
        """Hand the queue message of a task to the trigger."""
        await hand_over(task, self.durable.registered)

    async def tidies_up(self) -> None:
        """Call the timer that purges histories."""
        (function,) = [one for one in self.durable.registered.timers if one.name == "histories"]
        await function.call(**{function.parameter: TimerRequest(past_due=False)})

    async def is_known(self, task: BackgroundTask) -> bool:
        """Whether anything is kept of its orchestration."""
        return await self.walk.service.store.histories().orchestrations.get(task.id) is not None

    async def now(self, task: BackgroundTask) -> BackgroundTask:
        """How a task is doing."""
        return await self.walk.service.background_tasks.get(task.org_id, task.id)

    async def instance(self, task: BackgroundTask) -> Instance:
        """How its orchestration is doing."""
        found = await self.walk.service.store.histories().orchestrations.get(task.id)
        assert found is not None
        return found

    async def rests(self, task: BackgroundTask, times: int) -> None:
        """Wait until its orchestration has set so many timers."""
        while sum('"EventType":10' in row for row in await self.history(task)) < times:
            await self.walk.service.store.check()

    async def history(self, task: BackgroundTask) -> Sequence[str]:
        """The rows of its orchestration's history."""
        return await self.walk.service.store.histories().orchestrations.history(task.id)

    async def ends(self, task: BackgroundTask) -> None:
        """Wait for the end of an orchestration."""
        while not (await self.instance(task)).status.is_final:
            await self.walk.service.store.check()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    walk = Walk.on(tmp_path)
    wiring.install(walk.service)
    parts = walk.service
    around = Surroundings(parts.store.histories().orchestrations, walk.clock, parts.dice, walk.journal)
    durable = Durable.on(registrations.read(function_app.app, {}), parts.store.consumer, around)
    running = [asyncio.create_task(driver.run()) for driver in durable.drivers]
    yield Host(walk, durable)
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await asyncio.gather(*(driver.release() for driver in durable.drivers))
    await close_client()
    wiring.install(None)
    await parts.close()


async def hand_over(task: BackgroundTask, registered: registrations.Registrations) -> None:
    """Hand the queue message of a task to the trigger."""
    (function,) = [one for one in registered.queues if one.queue == TASKS_QUEUE]
    message = ServiceBusMessage(
        body=to_body(TaskStep(task.org_id, task.id, task.step)),
        message_id="1",
        application_properties={},
        user_properties={},
    )
    await function.call(message=message)


class Platform:
    """Azure's host, as its durable client sees it: one orchestration, and what is asked about it."""

    def __init__(self, status: str, updated_at: datetime) -> None:
        self._shown = {
            "name": "background_task",
            "createdTime": updated_at.isoformat(),
            "lastUpdatedTime": updated_at.isoformat(),
            "runtimeStatus": status,
        }
        self.asked: list[str] = []
        app = web.Application()
        app.router.add_get("/instances/{id}", self._show)
        app.router.add_post("/instances/{id}/terminate", self._note)
        app.router.add_post("/orchestrators/{name}/{id}", self._note)
        self.server = TestServer(app)

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response({**self._shown, "instanceId": request.match_info["id"]}, status=202)

    async def _note(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.json_response({"id": request.match_info["id"]}, status=202)


async def stepping(host: Host, *, until: int, failures: int = 0) -> tuple[BackgroundTask, Steps]:
    """A task that is worked by `Steps`."""
    task = a_task()
    steps = Steps(host.walk.service.background_tasks, until, failures)
    await steps.background_tasks.begin(task)
    wiring.install(replace(host.walk.service, carry_on=steps))  # type: ignore[arg-type]
    return task, steps


async def test_a_task_is_worked_to_its_end_by_the_orchestration_of_its_name(host: Host) -> None:
    application = await host.walk.has_application(uid="acme")
    message = await host.walk.accepts(application)
    task = await host.walk.service.begin_task.purge(application)
    host.walk.clock.move(timedelta(seconds=1))

    await host.starts(task)
    await host.ends(task)

    assert (await host.now(task)).status is TaskStatus.FINISHED
    assert (await host.walk.service.messages.get(application.id, message.id)).payload is None
    instance = await host.instance(task)
    assert instance.custom_status == instance.output
    assert json.loads(instance.output or "") == {"status": "finished", "step": 2, "done": 1, "failed": 0}


async def test_histories_stay_short_however_many_steps_a_task_has(host: Host) -> None:
    task, steps = await stepping(host, until=2 * STEPS_OF_ONE_HISTORY + 5)
    await host.starts(task)
    await host.ends(task)
    assert steps.taken == 2 * STEPS_OF_ONE_HISTORY + 5
    assert sum('"EventType":4' in row for row in await host.history(task)) == 5


async def test_starting_a_task_again_works_nothing_again(host: Host) -> None:
    """Its queue message was handed over again, while it ran and after it had ended."""
    task, steps = await stepping(host, until=3, failures=1)
    await host.starts(task)
    await host.starts(task)
    await host.rests(task, 1)
    host.walk.clock.move(PAUSES[0])
    await host.ends(task)
    ended = await host.now(task)
    wiring.install(host.walk.service)
    await host.starts(task)
    await host.ends(task)
    assert (steps.taken, await host.now(task)) == (3, ended)


async def test_nobody_fails_who_starts_a_task_at_the_same_time_as_another(host: Host) -> None:
    """As when several messages bring an endpoint on probation at once."""
    task, _ = await stepping(host, until=3)
    await asyncio.gather(*(host.starts(task) for _ in range(5)))
    await host.ends(task)
    assert (await host.now(task)).status is TaskStatus.FINISHED


async def test_a_probation_rests_between_its_pings_by_timers(host: Host) -> None:
    """And once more, when one has arrived, until everybody knows that the endpoint is enabled."""
    walk = host.walk
    said = OrganizationSettingsEdit(retry_schedule=(), disable_after=SECOND, endpoint_probation=True)
    await walk.service.catalogue.edit_settings(ORG, said)
    application = await walk.has_application()
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    for _ in range(2):
        await walk.accepts(application)
        for delivery in await walk.takes(DISPATCH_QUEUE):
            await walk.does(delivery)
        walk.clock.move(2 * SECOND)
    only = BackgroundTaskFilter(names=frozenset({TaskName.PROBATION}))
    (task,) = await walk.service.background_tasks.scan(ORG, EVERYTHING, only)
    await host.starts(task)
    await host.rests(task, 1)
    walk.clock.move(2 * FIRST_REST)
    await host.rests(task, 2)
    walk.receiver.comes_back()
    walk.clock.move(4 * FIRST_REST)
    await host.rests(task, 4)  # the third is over at once
    walk.clock.move(SETTLING)
    await host.ends(task)

    assert (await host.now(task)).status is TaskStatus.FINISHED
    assert not (await walk.service.endpoints.get(application.id, endpoint.id)).disabled


async def test_a_failure_of_ours_is_waited_out(host: Host) -> None:
    task, steps = await stepping(host, until=2, failures=len(PAUSES))
    await host.starts(task)
    for number, pause in enumerate(PAUSES, start=1):
        await host.rests(task, number)
        assert steps.taken == 0
        host.walk.clock.move(pause)
    await host.ends(task)
    assert (steps.taken, (await host.now(task)).status) == (2, TaskStatus.FINISHED)


async def test_a_task_whose_orchestration_has_failed_is_begun_again_by_the_sweep(host: Host) -> None:
    task, _ = await stepping(host, until=2, failures=len(PAUSES) + 1)
    await host.starts(task)
    for number, pause in enumerate(PAUSES, start=1):
        await host.rests(task, number)
        host.walk.clock.move(pause)
    await host.ends(task)
    host.walk.clock.move(timedelta(hours=1))
    assert (await host.now(task)).status is TaskStatus.RUNNING
    assert await host.walk.service.sweep() == 1
    await host.starts(task)
    await host.ends(task)
    assert (await host.now(task)).status is TaskStatus.FINISHED


@pytest.mark.parametrize(
    ("status", "silent", "rests", "comes_of_it"),
    [
        pytest.param("Running", STANDS_STILL_AFTER, timedelta(), "terminate", id="stands still"),
        pytest.param("Running", STANDS_STILL_AFTER, SECOND, None, id="rests"),
        pytest.param("Running", STANDS_STILL_AFTER - SECOND, timedelta(), None, id="is slow"),
        pytest.param("Pending", STANDS_STILL_AFTER, timedelta(), None, id="waits for its beginning"),
        pytest.param("Suspended", STANDS_STILL_AFTER, timedelta(), None, id="was suspended by a person"),
        pytest.param(
            "Terminated",
            STANDS_STILL_AFTER,
            timedelta(),
            "background_task",
            id="was ended",
        ),
    ],
)
async def test_an_orchestration_that_stands_still_is_ended_and_the_task_begun_again(
    tmp_path: Path, status: str, silent: timedelta, rests: timedelta, comes_of_it: str | None
) -> None:
    """Azure may lose what it waits for; the sweep has its task queued every quarter of an hour."""
    walk = Walk.on(tmp_path)
    wiring.install(walk.service)
    now = walk.clock.now()
    task = a_task(due_at=now + rests)
    await walk.service.background_tasks.begin(task)
    platform = Platform(status, now - silent)
    async with platform.server:
        registered = registrations.read(function_app.app, {})
        await hand_over(task, registered.with_client(binding(str(platform.server.make_url("/")))))
        await close_client()

    wanted = {"terminate": f"/instances/{task.id}/terminate"}
    wanted["background_task"] = f"/orchestrators/background_task/{task.id}"
    assert platform.asked == ([] if comes_of_it is None else [wanted[comes_of_it]])
    wiring.install(None)
    await walk.service.close()


async def test_a_history_is_purged_a_week_after_its_beginning_if_it_has_ended(host: Host) -> None:
    """The timer runs twice, and late: it does no harm. The task itself stays."""
    ended, _ = await stepping(host, until=1)
    await host.starts(ended)
    await host.ends(ended)
    running, _ = await stepping(host, until=1, failures=2)
    await host.starts(running)
    await host.rests(running, 1)
    await host.tidies_up()
    assert await host.is_known(ended)

    host.walk.clock.move(HISTORY_KEPT)
    await host.rests(running, 2)
    for _ in range(2):
        await host.tidies_up()
        assert not await host.is_known(ended)
        assert await host.is_known(running)
    assert host.walk.journal.of("histories.purged") == [{"orchestrations": 1}]
    assert (await host.now(ended)).status is TaskStatus.FINISHED

    host.walk.clock.move(PAUSES[1])
    await host.ends(running)
    await host.tidies_up()
    assert not await host.is_known(running)


async def test_a_task_that_has_ended_is_not_worked_again_once_its_history_is_purged(host: Host) -> None:
    """Its queue message turns up after all."""
    task, steps = await stepping(host, until=1)
    await host.starts(task)
    await host.ends(task)
    ended = await host.now(task)
    host.walk.clock.move(HISTORY_KEPT)
    await host.tidies_up()
    wiring.install(host.walk.service)

    await host.starts(task)
    await host.ends(task)

    assert (steps.taken, await host.now(task)) == (1, ended)
