"""Timer triggers. Schedules are NCRONTAB: six fields, the seconds first."""

from datetime import UTC, datetime, timedelta

import azure.durable_functions as df
import azure.functions as func

from shared.wiring import service

HISTORY_KEPT = timedelta(days=7)
"""How long after its beginning the history of an orchestration is kept if it has ended. What became of a
background task is told by the task."""

EVER = datetime(2020, 1, 1, tzinfo=UTC)
"""Before the first orchestration there was."""

ENDED = [
    df.OrchestrationRuntimeStatus.Completed,
    df.OrchestrationRuntimeStatus.Failed,
    df.OrchestrationRuntimeStatus.Terminated,
]

blueprint = df.Blueprint()


@blueprint.function_name("sweep")
@blueprint.timer_trigger("timer", schedule="0 * * * * *")
async def sweep(timer: func.TimerRequest) -> None:
    """Every minute: queue what was recorded and, after a crash, never queued."""
    del timer  # a late run does what the missed one would have done
    await service().sweep()


@blueprint.function_name("retention")
@blueprint.timer_trigger("timer", schedule="0 */5 * * * *")
async def retention(timer: func.TimerRequest) -> None:
    """Every five minutes: erase expired payloads, forget old answers, attempts, messages and tasks."""
    del timer  # a late run does what the missed one would have done
    await service().retention()


@blueprint.function_name("gauges")
@blueprint.timer_trigger("timer", schedule="15 * * * * *")
async def gauges(timer: func.TimerRequest) -> None:
    """Every minute: note how much is queued and how long, and how store and endpoints stand."""
    del timer  # a late run does what the missed one would have done
    await service().measure()


@blueprint.function_name("histories")
@blueprint.timer_trigger("timer", schedule="30 7 * * * *")
@blueprint.durable_client_input(client_name="client")
async def histories(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Every hour: purge the histories of orchestrations that have ended."""
    del timer  # a late run does what the missed one would have done
    before = service().clock.now() - HISTORY_KEPT
    purged = await client.purge_instance_history_by(EVER, before, ENDED)
    if purged.instances_deleted:
        service().journal.note("histories.purged", orchestrations=purged.instances_deleted)
