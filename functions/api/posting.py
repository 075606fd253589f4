"""What a producer posts: the body of a message over HTTP, and of an event that comes as a queue message."""

from datetime import timedelta
from typing import Annotated

import msgspec

from functions.api import atoms
from functions.api.application import ApplicationIn
from functions.api.bodies import ROOT, BodyReader
from functions.api.errors import JSON_DECODE
from shared.domain import ids
from shared.domain.application import NewApplication
from shared.domain.errors import Invalid
from shared.domain.message import DEFAULT_PAYLOAD_RETENTION, NewMessage

RETENTION_DAYS = range(5, 91)
RETENTIONS = {days: timedelta(days=days) for days in RETENTION_DAYS}

JsonObject = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]
Days = Annotated[
    int, msgspec.Meta(extra_json_schema={"minimum": RETENTION_DAYS.start, "maximum": RETENTION_DAYS.stop - 1})
]


class MessageIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message to be accepted.

    Attributes:
        event_id: The producer's own id, unique within the application.
        payload: A JSON object, delivered byte for byte as written.
        data: The old name of `payload`; only one of the two may be given.
        channels: Endpoints may filter by these.
        payload_retention_period: Days after which the payload is erased.
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
    channels: atoms.Names | None = None
    payload_retention_period: Days | None = None
    application: ApplicationIn | None = None


class EventIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An event as a queue message.

    Attributes:
        org_id: The organization's id.
        app_id: The application's id or uid.
        message: What would be the body of `POST /api/v1/app/{app_id}/msg`.
    """

    org_id: str
    app_id: str
    message: msgspec.Raw


_bodies = BodyReader(MessageIn)
_events = BodyReader(EventIn)


def read_message(body: bytes) -> tuple[NewMessage, NewApplication | None]:
    """Read what a producer posted: the message, and the application to be made for it if need be.

    Raises:
        Invalid: It breaks a rule.
    """
    read = _bodies.decode(body)
    payload = _payload_of(read)
    _bodies.refuse_repeats(body, apart=payload)
    new = NewMessage(
        event_type=atoms.limited(read.event_type, "body", "event_type"),
        payload=_object_text(payload),
        event_id=atoms.uid(read.event_id, ids.MESSAGE, "body", "uid"),
        channels=atoms.channels(read.channels, atoms.MESSAGE_CHANNELS_MAX),
        payload_retention=_retention(read.payload_retention_period),
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


def _retention(days: int | None) -> timedelta:
    """How long the payload is kept.

    Raises:
        Invalid: That is shorter or longer than we keep one.
    """
    if days is None:
        return DEFAULT_PAYLOAD_RETENTION
    if days not in RETENTIONS:
        raise Invalid(("body", "payload_retention_period"), atoms.OUT_OF_RANGE)
    return RETENTIONS[days]
