"""Queued work: what travels in the queues `dispatch` and `retry`.

The JSON form is versioned by `schema`, so that two releases can run side by side.
"""

from typing import TypeVar

import msgspec

DISPATCH_QUEUE = "dispatch"
RETRY_QUEUE = "retry"
EVENTS_QUEUE = "events"
QUEUES = (DISPATCH_QUEUE, RETRY_QUEUE, EVENTS_QUEUE)

SCHEMA = 1
INLINE_PAYLOAD_LIMIT_BYTES = 48 * 1024
"""A payload up to this size travels with its dispatch; a larger one is read from the store."""


class Dispatch(msgspec.Struct, frozen=True):
    """Deliver one message to every endpoint that wants it.

    Attributes:
        payload: The message's payload when it is small enough to travel along, else None.
        repeat: It may have been queued before, so look first at what is recorded.
    """

    org_id: str
    app_id: str
    message_id: str
    event_type: str
    channels: frozenset[str] | None = None
    payload: str | None = None
    repeat: bool = False
    schema: int = SCHEMA


class Retry(msgspec.Struct, frozen=True):
    """Attempt one message at one endpoint again.

    Attributes:
        number: Which automatic attempt this will be, counted from 1; so a retry has at least 2.
    """

    org_id: str
    app_id: str
    message_id: str
    endpoint_id: str
    number: int
    schema: int = SCHEMA


Work = TypeVar("Work", Dispatch, Retry)

_encoder = msgspec.json.Encoder()
_dispatch_decoder = msgspec.json.Decoder(Dispatch)
_retry_decoder = msgspec.json.Decoder(Retry)


def to_body(work: Dispatch | Retry) -> bytes:
    """The work as the body of a queue message."""
    return _encoder.encode(work)


def dispatch_from(body: bytes) -> Dispatch:
    """Read a dispatch.

    Raises:
        ValueError: The body is not a dispatch of a schema that this release knows.
    """
    return _read(_dispatch_decoder, body)


def retry_from(body: bytes) -> Retry:
    """Read a retry.

    Raises:
        ValueError: The body is not a retry of a schema that this release knows.
    """
    return _read(_retry_decoder, body)


def _read(decoder: msgspec.json.Decoder[Work], body: bytes) -> Work:
    try:
        work = decoder.decode(body)
    except msgspec.MsgspecError as wrong:
        raise ValueError(f"this is not queued work of ours: {wrong}") from wrong
    if work.schema > SCHEMA:
        raise ValueError(f"queued by a newer release: schema {work.schema}; this release knows {SCHEMA}")
    return work
