"""Timer triggers. Schedules are NCRONTAB: six fields, the seconds first."""

import azure.functions as func

from shared.wiring import service

blueprint = func.Blueprint()


@blueprint.function_name("sweep")
@blueprint.timer_trigger("timer", schedule="0 * * * * *")
async def sweep(timer: func.TimerRequest) -> None:
    """Every minute: queue what was recorded and, after a crash, never queued."""
    del timer  # a late run does what the missed one would have done
    await service().sweep()


@blueprint.function_name("retention")
@blueprint.timer_trigger("timer", schedule="0 */5 * * * *")
async def retention(timer: func.TimerRequest) -> None:
    """Every five minutes: erase payloads whose time is over, forget old idempotent answers."""
    del timer  # a late run does what the missed one would have done
    await service().retention()


@blueprint.function_name("gauges")
@blueprint.timer_trigger("timer", schedule="15 * * * * *")
async def gauges(timer: func.TimerRequest) -> None:
    """Every minute: note how much is queued and how long, and how store and endpoints stand."""
    del timer  # a late run does what the missed one would have done
    await service().measure()
