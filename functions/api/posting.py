"""What a producer posts: the body of a message over HTTP, and of an event that comes as a queue message."""

import re
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from functions.api import atoms
from functions.api.application import ApplicationIn
from functions.api.bodies import ROOT, BodyReader
from functions.api.echo import is_object
from functions.api.errors import JSON_DECODE
from shared.domain import ids
from shared.domain.application import NewApplication
from shared.domain.errors import Invalid
from shared.domain.message import (
    DEFAULT_PAYLOAD_RETENTION,
    DELIVER_AHEAD_MAX,
    DELIVER_AHEAD_MIN,
    JSON,
    LONGEST_PAYLOAD_RETENTION,
    NewMessage,
)
from shared.domain.timestamps import from_wire
from shared.ports.clock import Clock

RETENTION_DAYS = range(5, LONGEST_PAYLOAD_RETENTION.days + 1)
RETENTIONS = {days: timedelta(days=days) for days in RETENTION_DAYS}
RETENTION_HOURS = range(1, LONGEST_PAYLOAD_RETENTION // timedelta(hours=1) + 1)
"""For how long a payload can be kept: the shortest in hours, and as long as in days."""

CONTENT_TYPE = "content-type"
CONTENT_TYPE_MAX_BYTES = 256
"""Real ones with every parameter stay well below, and receivers bound the head of a request."""

JsonObject = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]
Days = Annotated[
    int, msgspec.Meta(extra_json_schema={"minimum": RETENTION_DAYS.start, "maximum": RETENTION_DAYS.stop - 1})
]
Hours = Annotated[
    int,
    msgspec.Meta(extra_json_schema={"minimum": RETENTION_HOURS.start, "maximum": RETENTION_HOURS.stop - 1}),
]

_HEADER_VALUE = re.compile(rf"[!-~](?:[\t -~]{{0,{CONTENT_TYPE_MAX_BYTES - 2}}}[!-~])?").fullmatch


class TransformationsParams(msgspec.Struct, frozen=True, rename="camel"):
    """How the delivery differs from the payload.

    Attributes:
        raw_payload: Any text, delivered byte for byte instead of the payload.
        headers: `content-type` is what it is delivered as; others are ignored.
    """

    raw_payload: str | None = None
    headers: dict[str, str] | None = None


class MessageIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message to be accepted.

    Attributes:
        event_id: The producer's own id, unique within the application.
        payload: A JSON object, delivered byte for byte as written.
        data: The old name of `payload`; only one of the two may be given.
        channels: Endpoints may filter by these.
        tags: Lists may be filtered by these; endpoints are not.
        payload_retention_period: Days after which the payload is erased.
        payload_retention_hours: The same in hours; only one of the two may be given.
        deliver_at: When it is to be delivered, 1 minute to 24 hours from now. Until then the payload can be
            erased, or the endpoint disabled, and it is not.
        application: Made if the path names none; then its uid must be the path's.
    """

    event_type: atoms.EventTypeName
    event_id: atoms.Limited | None = None
    payload: (
        Annotated[JsonObject, msgspec.Meta(extra_json_schema={atoms.REQUIRED: True})] | msgspec.UnsetType
    ) = msgspec.UNSET
    data: (
        Annotated[JsonObject, msgspec.Meta(extra_json_schema={atoms.OLD_NAME: True})] | msgspec.UnsetType
    ) = msgspec.UNSET
    channels: atoms.MessageChannels | None = None
    tags: atoms.TagNames | None = None
    payload_retention_period: Days | None = None
    payload_retention_hours: Hours | None = None
    deliver_at: atoms.Instant | None = None
    transformations_params: TransformationsParams | None = None
    application: ApplicationIn | None = None


class EventIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An event as a queue message.

    Attributes:
        org_id: The organization's id.
        app_id: The application's id or uid.
        message: What would be the body of `POST /api/v1/app/{app_id}/msg`.
        known_by: What it is accepted once by, where it is not the queue message's id.
        trace: The sender's trace context, where the queue message does not say it.
    """

    org_id: str
    app_id: str
    message: msgspec.Raw
    known_by: str | None = None
    trace: str | None = None


_bodies = BodyReader(MessageIn)
_events = BodyReader(EventIn)


def read_message(
    body: bytes, clock: Clock, trace: str | None, *, soonest: timedelta = DELIVER_AHEAD_MIN
) -> tuple[NewMessage, NewApplication | None]:
    """Read what a producer posted: the message, and the application to be made for it if need be.

    Args:
        body: As it came in.
        clock: What times to be delivered at are measured by.
        trace: The producer's trace context.
        soonest: How far ahead such a time must be.

    Raises:
        Invalid: It breaks a rule.
    """
    read = _bodies.decode(body)
    payload = _payload_of(read)
    _bodies.refuse_repeats(body, apart=payload)
    text, content_type = _object_text(payload), None
    if read.transformations_params is not None:
        text, content_type = _delivered(text, read.transformations_params)
    retention = _retention(read.payload_retention_period, read.payload_retention_hours)
    deliver_at = None
    if read.deliver_at is not None:
        deliver_at = _deliver_at(read.deliver_at, clock.now(), soonest, retention)
    new = NewMessage(
        event_type=atoms.limited(read.event_type, "body", "event_type"),
        payload=text,
        event_id=atoms.uid(read.event_id, ids.MESSAGE, "body", "uid"),
        channels=atoms.channels(read.channels, atoms.MESSAGE_CHANNELS_MAX),
        payload_retention=retention,
        tags=atoms.tags(read.tags),
        content_type=content_type,
        deliver_at=deliver_at,
        trace=trace,
    )
    return new, None if read.application is None else read.application.checked("body", "application")


def read_event(body: bytes) -> EventIn:
    """Read an event that came as a queue message; its message is not looked into yet.

    Raises:
        Invalid: It is no event, or names no organization or application.
    """
    event = _events.read(body)
    atoms.limited(event.app_id, "body", "appId")
    if not event.org_id.startswith(ids.ORGANIZATION):
        raise Invalid(("body", "orgId"), f"an organization's id begins with {ids.ORGANIZATION}")
    return event


def _payload_of(read: MessageIn) -> msgspec.Raw:
    """The payload by either name.

    Raises:
        Invalid: Neither name is given, or both.
    """
    payload, old_name = read.payload, read.data
    if old_name is msgspec.UNSET:
        if payload is msgspec.UNSET:
            raise Invalid(ROOT, "missing field `payload`", JSON_DECODE)
        return payload
    if payload is not msgspec.UNSET:
        raise Invalid(ROOT, "duplicate field `payload`", JSON_DECODE)
    return old_name


def _object_text(payload: msgspec.Raw) -> str:
    """The payload as text.

    Raises:
        Invalid: It is no object, or not UTF-8.
    """
    try:
        text = str(payload, "utf-8")
    except UnicodeDecodeError as wrong:
        raise Invalid(("body", "payload"), "the payload is not UTF-8", JSON_DECODE) from wrong
    if not text.startswith("{"):
        raise Invalid(("body", "payload"), "the payload must be a JSON object", JSON_DECODE)
    return text


def _delivered(payload: str, params: TransformationsParams) -> tuple[str, str | None]:
    """The text that is delivered, and what as; None is the JSON object that it is.

    Raises:
        Invalid: The content type is no value of a header.
    """
    content_type = None
    for name, value in (params.headers or {}).items():
        if name.lower() == CONTENT_TYPE:
            content_type = _header_value(value)
    text = payload if params.raw_payload is None else params.raw_payload
    if content_type in {None, JSON}:
        content_type = None if is_object(text) else JSON
    return text, content_type


def _header_value(text: str) -> str:
    """Check a content type.

    Raises:
        Invalid: It is no value of a header, or too long.
    """
    if not _HEADER_VALUE(text):
        why = f"write 1 to {CONTENT_TYPE_MAX_BYTES} visible ASCII characters, such as text/plain"
        raise Invalid(("body", "transformations_params", "headers", CONTENT_TYPE), why)
    return text


def _deliver_at(text: str, now: datetime, soonest: timedelta, retention: timedelta) -> datetime:
    """When the message is to be delivered.

    Raises:
        Invalid: That is no instant, too soon, too late, or the payload is gone by then.
    """
    where = ("body", "deliver_at")
    try:
        at = from_wire(text)
    except ValueError as wrong:
        raise Invalid(where, str(wrong)) from wrong
    if not soonest <= at - now <= DELIVER_AHEAD_MAX:
        raise Invalid(where, "write an instant at least 1 minute and at most 24 hours from now")
    if at >= now + retention:
        raise Invalid(where, "the payload is gone by then: have it kept for longer")
    return at


def _retention(days: int | None, hours: int | None) -> timedelta:
    """How long the payload is kept.

    Raises:
        Invalid: That is shorter or longer than we keep one, or said twice.
    """
    if hours is not None:
        if days is not None:
            raise Invalid(
                ("body", "payload_retention_hours"),
                "give either payloadRetentionHours or payloadRetentionPeriod",
            )
        if hours not in RETENTION_HOURS:
            raise Invalid(("body", "payload_retention_hours"), atoms.OUT_OF_RANGE)
        return timedelta(hours=hours)
    if days is None:
        return DEFAULT_PAYLOAD_RETENTION
    if days not in RETENTIONS:
        raise Invalid(("body", "payload_retention_period"), atoms.OUT_OF_RANGE)
    return RETENTIONS[days]
