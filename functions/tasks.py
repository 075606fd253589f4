"""The queue trigger of background tasks. Returning and raising mean what they do in `functions.deliver`."""

import azure.functions as func

from functions.deliver import CONNECTION
from shared.domain.work import TASKS_QUEUE, step_from
from shared.wiring import service

blueprint = func.Blueprint()


@blueprint.function_name("tasks")
@blueprint.service_bus_queue_trigger("message", connection=CONNECTION, queue_name=TASKS_QUEUE)
async def tasks(message: func.ServiceBusMessage) -> None:
    """Work one step of a background task; the next one is queued by it."""
    await service().carry_on(step_from(message.get_body()))
