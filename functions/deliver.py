"""Queue triggers. Returning settles the queue message; an exception has the host hand it over again.

After the tenth time the host moves it to the dead letters. So a trigger raises only when a part of ours has
failed, and only after a rest; and everything that receivers do is recorded as an attempt.
"""

import azure.functions as func
from msgspec import structs

from functions.api.message import post_from_queue, to_queue_anew
from shared.domain.errors import Conflict, EventIdTaken, Rejected, Unavailable
from shared.domain.trace import context_of
from shared.domain.work import (
    DISPATCH_QUEUE,
    EVENTS_QUEUE,
    RETRY_QUEUE,
    Resend,
    again_from,
    dispatch_from,
    to_body,
)
from shared.ports.queue import DELIVERIES_BEFORE
from shared.wiring import service

CONNECTION = "ServiceBus"
"""The prefix of the settings that say where the queues are; the platform reads them."""

blueprint = func.Blueprint()


@blueprint.function_name("events")
@blueprint.service_bus_queue_trigger("message", connection=CONNECTION, queue_name=EVENTS_QUEUE)
async def events(message: func.ServiceBusMessage) -> None:
    """Accept the event that a backend sent as a queue message.

    One whose eventId the application has had already is a repeat and is let go, as a 409 over HTTP would be.
    One that we cannot accept goes to the dead letters with the reason at once: repeating does not mend it.
    """
    body, trace = message.get_body(), _trace(message)
    try:
        await post_from_queue(service(), body, message.message_id, trace)
    except Unavailable as outage:
        again = to_queue_anew(body, message.message_id, trace)
        await service().sit_out(EVENTS_QUEUE, again, outage, delivery_count=deliveries(message))
    except EventIdTaken as repeated:
        service().journal.note("event.repeated", event_id=repeated.event_id)
    except (Rejected, Conflict) as refused:
        await service().queue.reject(EVENTS_QUEUE, body, reason=str(refused))
        service().journal.note("event.rejected", queue_message_id=message.message_id, why=str(refused))


def _trace(message: func.ServiceBusMessage) -> str | None:
    """The sender's trace context, in the properties where Azure's SDKs and others put it."""
    properties = message.application_properties or {}

    def texts(*names: str) -> list[str]:
        found = (properties[name] for name in names if name in properties)
        return [text.decode("latin-1") if isinstance(text, bytes) else str(text) for text in found][:1]

    return context_of(texts("traceparent", "Diagnostic-Id"), texts("tracestate"))


@blueprint.function_name("dispatch")
@blueprint.service_bus_queue_trigger("message", connection=CONNECTION, queue_name=DISPATCH_QUEUE)
async def dispatch(message: func.ServiceBusMessage) -> None:
    """Deliver the message that the dispatch names to every endpoint that wants it."""
    work, count = dispatch_from(message.get_body()), deliveries(message)
    try:
        await service().deliver(work, delivery_count=count, queued_at=message.enqueued_time_utc)
    except Unavailable as outage:
        # Its payload may be erased by then.
        again = to_body(structs.replace(work, payload=None, repeat=True))
        await service().sit_out(DISPATCH_QUEUE, again, outage, delivery_count=count)


@blueprint.function_name("retry")
@blueprint.service_bus_queue_trigger("message", connection=CONNECTION, queue_name=RETRY_QUEUE)
async def retry(message: func.ServiceBusMessage) -> None:
    """Attempt a message at one endpoint again: its time has come, or a person asked for it."""
    body, count = message.get_body(), deliveries(message)
    work = again_from(body)
    try:
        if isinstance(work, Resend):
            await service().attempt_by_hand(work)
        else:
            await service().reattempt(work, delivery_count=count)
    except Unavailable as outage:
        await service().sit_out(RETRY_QUEUE, body, outage, delivery_count=count)


def deliveries(message: func.ServiceBusMessage) -> int:
    """How often the message has been handed over, this time included, and before it was redriven."""
    before = (message.application_properties or {}).get(DELIVERIES_BEFORE)
    return (message.delivery_count or 1) + (before if isinstance(before, int) else 0)
