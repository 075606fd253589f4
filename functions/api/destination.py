"""Destinations: which messages an endpoint was sent, and which endpoints a message was sent to."""

from dataclasses import replace

import msgspec

from functions.api import atoms
from functions.api.answers import Answer
from functions.api.attempt import MessageStatus, MessageStatusText, RawStatus
from functions.api.endpoint import endpoint_out
from functions.api.message import MessageOut, hidden, message_out
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import (
    Channel,
    EndpointIterator,
    EventTypeNames,
    Flag,
    Limit,
    MessageIterator,
    Tag,
    TimedQuery,
)
from functions.api.shapes import ListResponse, list_answer
from shared.domain import ids
from shared.domain.attempt import Status
from shared.domain.destination import AttemptedMessage, Destination
from shared.domain.paging import DEFAULT_LIMIT, page_of, scan_by_key, scan_by_time
from shared.domain.timestamps import to_wire
from shared.ports.destinations import AttemptedMessageFilter


class EndpointMessageOut(MessageOut, kw_only=True, rename="camel"):
    """A message, and how it stands at the endpoint.

    Attributes:
        next_attempt: When it is attempted again; absent if it is not.
    """

    status: MessageStatus
    status_text: MessageStatusText
    next_attempt: atoms.Instant | msgspec.UnsetType = msgspec.UNSET


class ListResponseEndpointMessageOut(ListResponse[EndpointMessageOut]):
    """One page of the messages of an endpoint."""


class MessageEndpointOut(msgspec.Struct, kw_only=True, rename="camel"):
    """An endpoint, and how the message stands there.

    Attributes:
        rate_limit: The old name of `throttleRate`.
        filter_types: The old name of `eventTypes`.
        next_attempt: When the message is attempted again; null if it is not.
    """

    id: str
    description: str
    url: str
    version: int
    disabled: bool
    uid: str | None
    rate_limit: int | None
    throttle_rate: int | None
    event_types: list[str] | None
    filter_types: list[str] | None
    channels: list[str] | None
    created_at: atoms.Instant
    updated_at: atoms.Instant
    status: MessageStatus
    status_text: MessageStatusText
    next_attempt: atoms.Instant | None


class ListResponseMessageEndpointOut(ListResponse[MessageEndpointOut]):
    """One page of the endpoints of a message."""


class MessagesQuery(TimedQuery, frozen=True):
    """Which messages to list, the newest first.

    Attributes:
        status: Success 0: an attempt succeeded. Sending 3: none did, and one follows. Fail 2: none did, and
            none follows. Nothing is pending.
        expanded_statuses: Changes nothing: every status there is here is known to all clients.
    """

    iterator: MessageIterator | None = None
    channel: Channel | None = None
    tag: Tag | None = None
    status: RawStatus | None = None
    event_types: EventTypeNames | None = None
    with_content: Flag = True
    expanded_statuses: Flag = False


class EndpointsQuery(msgspec.Struct, frozen=True):
    """Which endpoints to list."""

    limit: Limit = DEFAULT_LIMIT
    iterator: EndpointIterator | None = None


async def list_messages(call: Call[MessagesQuery, NoBody]) -> Answer:
    """List the messages that were attempted at an endpoint, and how each stands there."""
    service, query = call.service, call.query
    endpoint = await service.endpoints.get(call.application.id, call.path["endpoint_id"])
    scan = scan_by_time(query.window(query.iterator), ids.MESSAGE, service.clock.now())
    only = AttemptedMessageFilter(
        status=None if query.status is None else Status(query.status),
        channel=query.channel,
        event_types=query.event_types,
        tag=query.tag,
        payloads=query.with_content,
    )
    rows = await service.destinations.messages_at(call.application.id, endpoint.id, scan, only)
    page = page_of(rows, scan, lambda row: row.message.id)
    return list_answer(
        ListResponseEndpointMessageOut, page, _message_out if query.with_content else _hidden_out
    )


async def list_endpoints(call: Call[EndpointsQuery, NoBody]) -> Answer:
    """List the endpoints that a message was attempted at, deleted ones too, and how it stands there."""
    service, query, app_id = call.service, call.query, call.application.id
    message = await service.messages.get(app_id, call.path["msg_id"])
    scan = scan_by_key(query.limit, query.iterator, descending=False)
    rows = await service.destinations.of_message(app_id, message.id, scan)
    page = page_of(rows, scan, lambda row: row.endpoint.id)
    # The contract says so of this list, whatever follows; clients go on by the iterator.
    return list_answer(ListResponseMessageEndpointOut, replace(page, done=True), _endpoint_out)


def _message_out(row: AttemptedMessage) -> EndpointMessageOut:
    return _standing_out(row, message_out(row.message))


def _hidden_out(row: AttemptedMessage) -> EndpointMessageOut:
    return _standing_out(row, hidden(row.message))


def _standing_out(row: AttemptedMessage, shown: MessageOut) -> EndpointMessageOut:
    next_at = row.next_attempt_at
    return EndpointMessageOut(
        **msgspec.structs.asdict(shown),
        status=MessageStatus(row.status),
        status_text=MessageStatusText[row.status.name],
        # This one instant is written with an offset in the contract.
        next_attempt=msgspec.UNSET if next_at is None else to_wire(next_at).removesuffix("Z") + "+00:00",
    )


def _endpoint_out(row: Destination) -> MessageEndpointOut:
    shown = msgspec.structs.asdict(endpoint_out(row.endpoint))
    del shown["metadata"]
    return MessageEndpointOut(
        **shown,
        status=MessageStatus(row.status),
        status_text=MessageStatusText[row.status.name],
        next_attempt=None if row.next_attempt_at is None else to_wire(row.next_attempt_at),
    )


OPERATIONS = (
    operation(
        "v1.message-attempt.list-attempted-messages",
        "GET /app/{app_id}/endpoint/{endpoint_id}/msg",
        Access.APPLICATION,
        list_messages,
        {200: ListResponseEndpointMessageOut},
    ),
    operation(
        "v1.message-attempt.list-attempted-destinations",
        "GET /app/{app_id}/msg/{msg_id}/endpoint",
        Access.APPLICATION,
        list_endpoints,
        {200: ListResponseMessageEndpointOut},
    ),
)
