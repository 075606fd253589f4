"""Durable orchestrations: what is to be done with many messages, from beginning to end.

    API ──▶ [background task] ──▶ queue `tasks` ──▶ tasks ──starts──▶ background_task ──┐ one step after
                   ▲                                                       ▲            │ the other
                   └──────── one page is worked ────── task_step ◀─────────┴────────────┘

The task in the store is the truth. The orchestration, which has the task's id, only sees to it that one step
follows the other, also after a crash: starting it twice, or calling a step twice, does nothing twice.
An orchestrator is run again from its beginning whenever something has come for it, so it does nothing but
yield: no clock, no dice, no store.
"""

from collections.abc import Generator, Mapping
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import msgspec
from azure.durable_functions.models.DurableOrchestrationStatus import DurableOrchestrationStatus

from functions.deliver import CONNECTION, deliveries
from shared.domain.background_task import TaskStatus
from shared.domain.errors import Unavailable, Unknown
from shared.domain.timestamps import from_wire, to_wire
from shared.domain.work import TASKS_QUEUE, TaskStep, step_from
from shared.wiring import service

BACKGROUND_TASK = "background_task"
TASK_STEP = "task_step"

STEPS_OF_ONE_HISTORY = 20
"""After so many an orchestration begins anew: what has happened in it is read again for each step."""

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120, 300))
"""After failures of our own on one step, one after the other. After the last one the orchestration fails, and
the sweep starts the task's next one."""

STANDS_STILL_AFTER = timedelta(hours=1)
"""So long after the last thing that came for it a running orchestration is ended whose task should go on: the
platform has lost what it waits for. The sweep, which comes again, starts the task's next one."""

Orchestration = Generator[Any, Any, Any]

blueprint = df.Blueprint()


@blueprint.function_name("tasks")
@blueprint.service_bus_queue_trigger("message", connection=CONNECTION, queue_name=TASKS_QUEUE)
@blueprint.durable_client_input(client_name="client")
async def tasks(message: func.ServiceBusMessage, client: df.DurableOrchestrationClient) -> None:
    """Start the orchestration of a background task, unless it is under way."""
    body = message.get_body()
    step = step_from(body)
    try:
        await _start(client, step)
    except Exception as wrong:  # noqa: BLE001  the package raises no other
        outage = Unavailable("orchestrations", str(wrong) or type(wrong).__name__)
        await service().sit_out(TASKS_QUEUE, body, outage, delivery_count=deliveries(message))


async def _start(client: df.DurableOrchestrationClient, step: TaskStep) -> None:
    found = await client.get_status(step.task_id)
    if found.runtime_status in _UNDER_WAY:
        if await _stands_still(found, step):
            await client.terminate(step.task_id, "it stood still")
            service().journal.note("orchestration.ended", task_id=step.task_id, why="it stood still")
        return
    try:
        await client.start_new(BACKGROUND_TASK, step.task_id, msgspec.to_builtins(step))
    except Exception:
        # The task may have been queued twice, and somebody else has started it a moment ago.
        if (await client.get_status(step.task_id)).runtime_status not in _UNDER_WAY:
            raise


async def _stands_still(found: DurableOrchestrationStatus, step: TaskStep) -> bool:
    """Whether an orchestration runs in name only: nothing comes for it, and its task does not rest."""
    now = service().clock.now()
    is_running = found.runtime_status is df.OrchestrationRuntimeStatus.Running
    if not is_running or now - found.last_updated_time < STANDS_STILL_AFTER:
        return False
    try:
        task = await service().background_tasks.get(step.org_id, step.task_id)
    except Unknown:
        return True
    return task.due_at is None or task.due_at <= now


_UNDER_WAY = frozenset(
    (
        df.OrchestrationRuntimeStatus.Pending,
        df.OrchestrationRuntimeStatus.Running,
        df.OrchestrationRuntimeStatus.Suspended,
        df.OrchestrationRuntimeStatus.ContinuedAsNew,
    )
)


@blueprint.function_name(BACKGROUND_TASK)
@blueprint.orchestration_trigger(context_name="context")
def background_task(context: df.DurableOrchestrationContext) -> Orchestration:
    """Take one step of a task after the other until it has ended; its custom status says how far it is."""
    step = context.get_input()
    for _ in range(STEPS_OF_ONE_HISTORY):
        progress = yield from _stepped(context, step)
        context.set_custom_status(progress)
        if progress["status"] != TaskStatus.RUNNING:
            return progress
        step = {**step, "step": progress["step"]}
        if "dueAt" in progress:
            yield context.create_timer(from_wire(progress["dueAt"]))
    context.continue_as_new(step)
    return None


def _stepped(context: df.DurableOrchestrationContext, step: Mapping[str, object]) -> Orchestration:
    for pause in PAUSES:
        try:
            return (yield context.call_activity(TASK_STEP, step))
        except Exception:  # noqa: BLE001  the package raises no other
            yield context.create_timer(context.current_utc_datetime + pause)
    return (yield context.call_activity(TASK_STEP, step))


@blueprint.function_name(TASK_STEP)
@blueprint.activity_trigger(input_name="step")
async def task_step(step: object) -> dict[str, object]:
    """Work one page of a task, a `TaskStep`, and say how far it is."""
    # Azure's worker refuses `dict[str, object]` for an annotation, and with it the whole app.
    task = await service().carry_on(msgspec.convert(step, TaskStep))
    if task is None:
        return {"status": TaskStatus.FAILED, "why": "there is no such task"}
    progress = {
        "status": task.status,
        "step": task.step,
        "done": task.done,
        "failed": task.failed,
        "total": task.total,
        "dueAt": None if task.due_at is None else to_wire(task.due_at),
    }
    return {name: fact for name, fact in progress.items() if fact is not None}
