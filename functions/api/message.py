"""Messages: creating one, which is the hot path of the service, and reading them.

Creating one has its own order of checks (the application is looked for after the body, since the body may
describe one to be made) and its own way with idempotency keys (the claim is kept by the write that keeps
the message). So `create` is a request's way from beginning to end, written out; its checks are those of
all operations.
"""

from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b

import msgspec
from msgspec import structs

from functions.api import atoms
from functions.api.answers import JSON_HEADERS, NO_CONTENT, Answer, json_answer
from functions.api.application import found_or_made
from functions.api.echo import as_object, compact
from functions.api.errors import Refused
from functions.api.idempotency import KEEP, claim_key
from functions.api.operations import (
    APP_ID,
    Access,
    Call,
    NoBody,
    Operation,
    authenticated,
    operation,
    summary_of,
)
from functions.api.posting import EventIn, JsonObject, MessageIn, read_event, read_message
from functions.api.queries import (
    Channel,
    EventTypeNames,
    Flag,
    MessageIterator,
    NoQuery,
    QueryReader,
    Tag,
    TimedQuery,
)
from functions.api.requests import Request
from functions.api.shapes import ListResponse, list_answer
from shared.domain import ids
from shared.domain.application import Application
from shared.domain.errors import HeliographError, Unknown
from shared.domain.message import Message, NewMessage
from shared.domain.paging import page_of, scan_by_time
from shared.domain.timestamps import to_wire
from shared.ports.messages import MessageFilter
from shared.ports.outbox import Claim
from shared.wiring import Service

PAYLOAD_HIDDEN = msgspec.Raw(b"{}")
PAYLOAD_GONE = msgspec.Raw(b'{"expired":true}')


class MessageOut(msgspec.Struct, kw_only=True, rename="camel"):
    """A message.

    Attributes:
        payload: `{}` if content was not asked for, `{"expired":true}` once it is erased. A raw one that is no
            JSON object is shown as `{"rawPayload":"…"}`.
        tags: Absent if it has none.
        deliver_at: When it is to be delivered; absent if that was at once.
    """

    event_id: str | None
    event_type: str
    payload: JsonObject
    channels: list[str] | None
    id: str
    timestamp: atoms.Instant
    tags: list[str] | msgspec.UnsetType = msgspec.UNSET
    deliver_at: atoms.Instant | msgspec.UnsetType = msgspec.UNSET


class ListResponseMessageOut(ListResponse[MessageOut]):
    """One page of messages."""


class ContentQuery(msgspec.Struct, frozen=True):
    """Whether to show the payload."""

    with_content: Flag = True


class ListQuery(TimedQuery, frozen=True):
    """Which messages to list, the newest first."""

    iterator: MessageIterator | None = None
    channel: Channel | None = None
    tag: Tag | None = None
    event_types: EventTypeNames | None = None
    with_content: Flag = True


# A producer sends the same query string with every message.
_read_query = lru_cache(maxsize=64)(QueryReader(ContentQuery).read)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(MessageOut).decode


async def create(service: Service, request: Request) -> Answer:
    """Create a message and have it delivered to every endpoint that wants it.

    Raises:
        HeliographError: It was not accepted.
        Refused: The request is not one that could be accepted.
    """
    show = _read_query(request.query_string).with_content
    token = authenticated(service, request, Access.ORGANIZATION)
    key = claim_key(request)
    try:
        app_key = atoms.limited(request.path[APP_ID], "path", "app_id_or_uid")
        new, new_application = read_message(await request.body(), service.clock, request.trace)
        application = await found_or_made(service, token.org_id, app_key, new_application)
        return await post(service, application, new, key, show=show)
    except (HeliographError, Refused):
        # A key that has been answered is answered again, whatever the repeat looks like.
        if key is None:
            raise
        present = await service.directory.find_application(token.org_id, request.path[APP_ID])
        earlier = await service.accept.answered(None if present is None else present.id, key)
        if earlier is None:
            raise
        return await _again(service, present, earlier) if show else earlier


async def _again(service: Service, application: Application | None, earlier: Answer) -> Answer:
    """The answer of an earlier request, with the payload that its message has now.

    It is kept without one, or a payload that was erased would come back for as long as its key is known.
    """
    shown = _decode(earlier.body)
    shown.payload = PAYLOAD_GONE
    if application is not None:
        with suppress(Unknown):  # it was removed with its application
            shown = message_out(await service.messages.get(application.id, shown.id))
    return Answer(earlier.status, earlier.headers, _encode(shown))


async def post(
    service: Service, application: Application, new: NewMessage, key: bytes | None, *, show: bool
) -> Answer:
    """Have a message accepted.

    Args:
        service: Ours.
        application: Whose message it is.
        new: The message.
        key: What is used up by it; None can be repeated.
        show: Whether the answer shows the payload.

    Returns:
        The answer to the producer: this message, or the one that the key was used up by as it is now.

    Raises:
        EventIdTaken: The application has a message with this eventId.
        Unavailable: Nothing was accepted.
    """
    message = service.accept.prepare(application, new, key)
    claim = None
    if key is not None:
        kept = Answer(202, JSON_HEADERS, _encode(hidden(message)))
        claim = Claim(key, kept, message.created_at + KEEP)
    earlier = await service.accept(message, claim)
    if earlier is not None:
        return await _again(service, application, earlier) if show else earlier
    return Answer(202, JSON_HEADERS, _encode(message_out(message) if show else hidden(message)))


async def post_from_queue(
    service: Service, body: bytes, message_id: str | None, trace: str | None = None
) -> None:
    """Have an event accepted that a backend sent as a queue message.

    Handed over again, or sent again under the same id with the same body, it is accepted once.

    Args:
        service: Ours.
        body: An object with `orgId`, `appId` (id or uid) and `message`, the body of the HTTP request.
        message_id: The sender's id of the queue message.
        trace: The sender's trace context.

    Raises:
        Invalid: The body breaks a rule.
        Unknown: There is no such application, and the message describes none.
        EventIdTaken: The application has a message with this eventId.
        Unavailable: Nothing was accepted.
    """
    event = read_event(body)
    # It may have waited until its time is near or past, or have been accepted already: late is not wrong.
    new, new_application = read_message(
        bytes(event.message), service.clock, event.trace or trace, soonest=timedelta.min
    )
    application = await found_or_made(service, event.org_id, event.app_id, new_application)
    known_by = _known_by(event, body, message_id)
    await post(service, application, new, None if known_by is None else known_by.encode(), show=False)


def to_queue_anew(body: bytes, message_id: str | None, trace: str | None) -> bytes:
    """An event as it is queued anew: as the same one, though the queue message will have another id.

    Args:
        body: As of `post_from_queue`, which has read it; and so are the others.
        message_id: The sender's id of the queue message.
        trace: The sender's trace context.
    """
    event = read_event(body)
    known_by = _known_by(event, body, message_id)
    return _encode(structs.replace(event, known_by=known_by, trace=event.trace or trace))


def _known_by(event: EventIn, body: bytes, message_id: str | None) -> str | None:
    if event.known_by is not None or message_id is None:
        return event.known_by
    # With the body: queues that are made anew count their ids from the beginning.
    return blake2b(message_id.encode() + b":" + body).hexdigest()


async def list_all(call: Call[ListQuery, NoBody]) -> Answer:
    """List the application's messages."""
    service, query = call.service, call.query
    scan = scan_by_time(query.window(query.iterator), ids.MESSAGE, service.clock.now())
    only = MessageFilter(query.channel, query.event_types, query.tag, payloads=query.with_content)
    page = page_of(await service.messages.scan(call.application.id, scan, only), scan, lambda row: row.id)
    return list_answer(ListResponseMessageOut, page, message_out if query.with_content else hidden)


async def get(call: Call[ContentQuery, NoBody]) -> Answer:
    """Get a message by its id or eventId."""
    message = await call.service.messages.get(call.application.id, call.path["msg_id"])
    return json_answer(200, message_out(message) if call.query.with_content else hidden(message))


async def expunge_content(call: Call[NoQuery, NoBody]) -> Answer:
    """Erase the payload of a message for good; the message stays."""
    await call.service.erase.payload(call.application, call.path["msg_id"])
    return NO_CONTENT


def message_out(message: Message) -> MessageOut:
    """A message as it is shown, with its payload if that is still there."""
    text = message.payload
    if text is None:
        return _shown(message, PAYLOAD_GONE)
    return _shown(message, msgspec.Raw(compact(text) if message.content_type is None else as_object(text)))


def hidden(message: Message) -> MessageOut:
    """A message as it is shown where content was not asked for."""
    return _shown(message, PAYLOAD_HIDDEN)


def _shown(message: Message, payload: msgspec.Raw) -> MessageOut:
    shown = MessageOut(
        event_id=message.event_id,
        event_type=message.event_type,
        payload=payload,
        channels=atoms.sorted_names(message.channels),
        id=message.id,
        timestamp=to_wire(message.created_at),
    )
    if message.tags is not None:
        shown.tags = sorted(message.tags)
    if message.deliver_at is not None:
        shown.deliver_at = to_wire(message.deliver_at)
    return shown


CREATE = Operation(
    name="v1.message.create",
    method="POST",
    path="/app/{app_id}/msg",
    access=Access.ORGANIZATION,
    successes={202: MessageOut},
    query=ContentQuery,
    body=MessageIn,
    summary=summary_of(create),
    carry_out=create,
)
OPERATIONS = (
    operation(
        "v1.message.list",
        "GET /app/{app_id}/msg",
        Access.APPLICATION,
        list_all,
        {200: ListResponseMessageOut},
    ),
    CREATE,
    operation("v1.message.get", "GET /app/{app_id}/msg/{msg_id}", Access.APPLICATION, get, {200: MessageOut}),
    operation(
        "v1.message.expunge-content",
        "DELETE /app/{app_id}/msg/{msg_id}/content",
        Access.ORGANIZATION,
        expunge_content,
        {204: None},
    ),
)
