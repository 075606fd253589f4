"""What a person has sent by hand: a message once more, an example, or work that was given up."""

from dataclasses import replace

import msgspec

from functions.api import atoms
from functions.api.answers import NO_CONTENT, Answer, json_answer
from functions.api.message import MessageOut, hidden
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, TASKS_QUEUE


class EmptyResponse(msgspec.Struct):
    """Nothing: it was understood and will be done."""


class EventExampleIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An example to be sent.

    Attributes:
        event_type: `svix.ping`, which every organization has, or the name of an event type whose schema of
            version 1 has an example.
        example_index: Which of its examples, counted from 0; the first if absent.
    """

    event_type: atoms.Limited
    example_index: atoms.Index | None = None


async def resend(call: Call[NoQuery, NoBody]) -> Answer:
    """Attempt a message once more at an endpoint, whatever the endpoint filters by."""
    path = call.path
    await call.service.send_again(call.application, path["msg_id"], path["endpoint_id"])
    return json_answer(202, EmptyResponse())


async def send_example(call: Call[NoQuery, EventExampleIn]) -> Answer:
    """Send the example of an event type to one endpoint, whatever the endpoint filters by."""
    event_type = atoms.limited(call.body.event_type, "body", "event_type")
    message = await call.service.send_example(
        call.application, call.path["endpoint_id"], event_type, call.body.example_index or 0
    )
    return json_answer(200, hidden(message))


async def redrive(call: Call[NoQuery, NoBody]) -> Answer:
    """Have the work done that was given up because a part of ours was out of reach for too long."""
    await call.service.redrive((DISPATCH_QUEUE, RETRY_QUEUE, TASKS_QUEUE))
    return NO_CONTENT


OPERATIONS = (
    operation(
        "v1.message-attempt.resend",
        "POST /app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend",
        Access.ATTEMPT,
        resend,
        {202: EmptyResponse},
    ),
    operation(
        "v1.endpoint.send-example",
        "POST /app/{app_id}/endpoint/{endpoint_id}/send-example",
        Access.ORGANIZATION,
        send_example,
        {200: MessageOut},
    ),
    replace(
        operation(
            "v1.admin.redrive-dlq", "POST /admin/redrive-dlq", Access.ORGANIZATION, redrive, {204: None}
        ),
        hidden=True,
    ),
)
