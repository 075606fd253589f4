"""Attempts: what came of every exchange with a receiver."""

from dataclasses import replace
from enum import IntEnum, StrEnum
from typing import Annotated, TypeVar

import msgspec

from functions.api import atoms
from functions.api.answers import NO_CONTENT, Answer, json_answer
from functions.api.message import MessageOut, hidden, message_out
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import (
    AttemptIterator,
    Channel,
    EventTypeNames,
    Flag,
    NoQuery,
    Tag,
    TimedQuery,
    one_of,
)
from functions.api.shapes import ListResponse, list_answer
from shared.domain import ids
from shared.domain.attempt import Attempt, Status
from shared.domain.message import Message
from shared.domain.paging import Page, page_of, scan_by_time
from shared.domain.timestamps import to_wire
from shared.ports.attempts import AttemptFilter

HIDDEN_RESPONSE = "{}"
"""Shown as the response in a list that was not asked for content."""


class MessageStatus(IntEnum):
    """What came of it: success 0, pending 1, fail 2, sending 3."""

    SUCCESS = 0
    PENDING = 1
    FAIL = 2
    SENDING = 3


class MessageStatusText(StrEnum):
    """The same in words."""

    SUCCESS = "success"
    PENDING = "pending"
    FAIL = "fail"
    SENDING = "sending"


class MessageAttemptTriggerType(IntEnum):
    """Why it was made: scheduled 0, manual 1."""

    SCHEDULED = 0
    MANUAL = 1


class MessageAttemptOut(msgspec.Struct, kw_only=True, rename="camel"):
    """One exchange with a receiver.

    Attributes:
        response: The body's first 20,000 bytes, or the error's text.
        response_status_code: 0 means that no HTTP response came.
        status: What came of it.
        trigger_type: Whether its time had come, or a person asked for it.
        msg: The message, if it was asked for.
    """

    id: str
    msg_id: str
    endpoint_id: str
    url: str
    response: str
    response_status_code: int
    response_duration_ms: int
    status: MessageStatus
    status_text: MessageStatusText
    trigger_type: MessageAttemptTriggerType
    timestamp: atoms.Instant
    msg: MessageOut | msgspec.UnsetType = msgspec.UNSET


class ListResponseMessageAttemptOut(ListResponse[MessageAttemptOut]):
    """One page of attempts."""


RawStatus = Annotated[int, msgspec.Meta(extra_json_schema={"enum": [0, 1, 2, 3]}), one_of(0, 1, 2, 3)]
StatusCodeClass = Annotated[
    int,
    msgspec.Meta(extra_json_schema={"enum": [0, 100, 200, 300, 400, 500]}),
    one_of(0, 100, 200, 300, 400, 500),
]


class ByEndpointQuery(TimedQuery, frozen=True):
    """Which attempts to list, the newest first.

    Attributes:
        with_msg: Show the message of each, too.
        expanded_statuses: Changes nothing: every status there is here is known to all clients.
    """

    iterator: AttemptIterator | None = None
    status: RawStatus | None = None
    status_code_class: StatusCodeClass | None = None
    channel: Channel | None = None
    tag: Tag | None = None
    event_types: EventTypeNames | None = None
    with_content: Flag = True
    with_msg: Flag = False
    expanded_statuses: Flag = False

    def only(self, endpoint_id: str | None = None) -> AttemptFilter:
        """The part that says which attempts of the window are wanted."""
        return AttemptFilter(
            status=None if self.status is None else Status(self.status),
            status_code_class=self.status_code_class,
            channel=self.channel,
            event_types=self.event_types,
            tag=self.tag,
            endpoint_id=endpoint_id,
        )


AttemptsQuery = TypeVar("AttemptsQuery", bound=ByEndpointQuery)


class ByMessageQuery(ByEndpointQuery, frozen=True):
    """Which attempts to list, the newest first."""

    endpoint_id: str | None = None


async def list_by_endpoint(call: Call[ByEndpointQuery, NoBody]) -> Answer:
    """List the attempts at one endpoint."""
    service, query = call.service, call.query
    endpoint = await service.endpoints.get(call.application.id, call.path["endpoint_id"])
    scan = scan_by_time(query.window(query.iterator), ids.ATTEMPT, service.clock.now())
    rows = await service.attempts.of_endpoint(endpoint.app_id, endpoint.id, scan, query.only())
    return await _listed(call, page_of(rows, scan, lambda row: row.id))


async def list_by_message(call: Call[ByMessageQuery, NoBody]) -> Answer:
    """List the attempts on one message."""
    return await _listed_by_message(call, call.query.endpoint_id)


async def list_by_destination(call: Call[ByEndpointQuery, NoBody]) -> Answer:
    """List the attempts on one message at one endpoint."""
    return await _listed_by_message(call, call.path["endpoint_id"])


async def _listed_by_message(call: Call[AttemptsQuery, NoBody], wanted: str | None) -> Answer:
    service, query, app_id = call.service, call.query, call.application.id
    message = await service.messages.get(app_id, call.path["msg_id"])
    endpoint_id = None if wanted is None else (await service.endpoints.get(app_id, wanted)).id
    scan = scan_by_time(query.window(query.iterator), ids.ATTEMPT, service.clock.now())
    rows = await service.attempts.of_message(app_id, message.id, scan, query.only(endpoint_id))
    return await _listed(call, page_of(rows, scan, lambda row: row.id))


async def _listed(call: Call[AttemptsQuery, NoBody], page: Page[Attempt]) -> Answer:
    """Answer with a page of attempts, as its query wants them shown."""
    query, found = call.query, dict[str, Message]()
    if query.with_msg:
        wanted = {attempt.message_id for attempt in page.rows}
        messages = call.service.messages
        found = {**await messages.several(call.application.id, wanted, payloads=query.with_content)}
    shown = message_out if query.with_content else hidden

    def out(attempt: Attempt) -> MessageAttemptOut:
        made = _out(attempt)
        if not query.with_content:
            made.response = HIDDEN_RESPONSE
        if attempt.message_id in found:
            made.msg = shown(found[attempt.message_id])
        return made

    return list_answer(ListResponseMessageAttemptOut, page, out)


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Get one attempt on a message."""
    service = call.service
    app_id = call.application.id
    message = await service.messages.get(app_id, call.path["msg_id"])
    return json_answer(200, _out(await service.attempts.get(app_id, message.id, call.path["attempt_id"])))


async def expunge_content(call: Call[NoQuery, NoBody]) -> Answer:
    """Erase what a receiver answered for good; the attempt stays."""
    path = call.path
    await call.service.erase.response(call.application, path["msg_id"], path["attempt_id"])
    return NO_CONTENT


def _out(attempt: Attempt) -> MessageAttemptOut:
    return MessageAttemptOut(
        id=attempt.id,
        msg_id=attempt.message_id,
        endpoint_id=attempt.endpoint_id,
        url=attempt.url,
        response=attempt.response,
        response_status_code=attempt.response_status_code,
        response_duration_ms=round(attempt.duration.total_seconds() * 1000),
        status=MessageStatus(attempt.status),
        status_text=MessageStatusText[attempt.status.name],
        trigger_type=MessageAttemptTriggerType(attempt.trigger),
        timestamp=to_wire(attempt.timestamp),
    )


OPERATIONS = (
    operation(
        "v1.message-attempt.list-by-endpoint",
        "GET /app/{app_id}/attempt/endpoint/{endpoint_id}",
        Access.APPLICATION,
        list_by_endpoint,
        {200: ListResponseMessageAttemptOut},
    ),
    operation(
        "v1.message-attempt.list-by-msg",
        "GET /app/{app_id}/attempt/msg/{msg_id}",
        Access.APPLICATION,
        list_by_message,
        {200: ListResponseMessageAttemptOut},
    ),
    operation(
        "v1.message-attempt.get",
        "GET /app/{app_id}/msg/{msg_id}/attempt/{attempt_id}",
        Access.APPLICATION,
        get,
        {200: MessageAttemptOut},
    ),
    operation(
        "v1.message-attempt.expunge-content",
        "DELETE /app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content",
        Access.ORGANIZATION,
        expunge_content,
        {204: None},
    ),
    replace(
        operation(
            "v1.message-attempt.list-by-msg-deprecated",
            "GET /app/{app_id}/msg/{msg_id}/attempt",
            Access.APPLICATION,
            list_by_message,
            {200: ListResponseMessageAttemptOut},
        ),
        hidden=True,
    ),
    replace(
        operation(
            "v1.message-attempt.list-by-endpoint-deprecated",
            "GET /app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/attempt",
            Access.APPLICATION,
            list_by_destination,
            {200: ListResponseMessageAttemptOut},
        ),
        hidden=True,
    ),
)
