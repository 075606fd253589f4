"""Queued work: what travels in the queues `dispatch`, `retry` and `tasks`.

The JSON form is versioned by `schema`, so that two releases can run side by side. Two kinds of work travel in
the queue `retry`, and `kind` says which it is.
"""

from datetime import datetime
from typing import TypeAlias, TypeVar

import msgspec

from shared.domain.throttle import Turn

DISPATCH_QUEUE = "dispatch"
RETRY_QUEUE = "retry"
EVENTS_QUEUE = "events"
TASKS_QUEUE = "tasks"
QUEUES = (DISPATCH_QUEUE, RETRY_QUEUE, EVENTS_QUEUE, TASKS_QUEUE)

SCHEMA = 1
INLINE_PAYLOAD_LIMIT_BYTES = 48 * 1024
"""A payload up to this size travels with its dispatch; a larger one is read from the store."""


class Dispatch(msgspec.Struct, frozen=True):
    """Deliver one message to every endpoint that wants it.

    Attributes:
        payload: The message's payload when it is small enough to travel along, else None.
        repeat: It may have been queued before, or waits for its time, so look first at what is recorded.
        endpoint_id: To this endpoint and no other, whatever it filters by; None is to all that want it.
        content_type: What the payload is delivered as, as in `Message`, also if it does not travel along.
        trace: As in `Message`.
    """

    org_id: str
    app_id: str
    message_id: str
    event_type: str
    channels: frozenset[str] | None = None
    payload: str | None = None
    repeat: bool = False
    endpoint_id: str | None = None
    tags: frozenset[str] | None = None
    content_type: str | None = None
    trace: str | None = None
    schema: int = SCHEMA


class Retry(msgspec.Struct, frozen=True, tag_field="kind", tag="retry"):
    """Attempt one message at one endpoint again, or for the first time if it had to wait.

    Attributes:
        number: Which automatic attempt this will be, counted from 1.
        forced: The endpoint is to get it whatever it filters by.
        turn: Under the rate of the endpoint or application, if it waits for one.
        rests: How often it has found the receiver too busy.
        pauses: How often it has found the endpoint's circuit open; first attempts alone wait for that.
    """

    org_id: str
    app_id: str
    message_id: str
    endpoint_id: str
    number: int
    forced: bool = False
    turn: Turn | None = None
    rests: int = 0
    pauses: int = 0
    schema: int = SCHEMA


class Resend(msgspec.Struct, frozen=True, tag_field="kind", tag="resend"):
    """Attempt one message at one endpoint once, because a person asked for it.

    Attributes:
        attempt_id: Of the attempt that this will be; it comes along so that work which is handed over again
            is not recorded again.
        asked_at: The instant of `attempt_id`, in UTC.
        unless_arrived: Make none if the message has arrived at the endpoint before, also while this waits.
        turn: As of a `Retry`.
        rests: As of a `Retry`.
    """

    org_id: str
    app_id: str
    message_id: str
    endpoint_id: str
    attempt_id: str
    asked_at: datetime
    unless_arrived: bool = False
    turn: Turn | None = None
    rests: int = 0
    schema: int = SCHEMA


Again: TypeAlias = Retry | Resend
"""What travels in the queue `retry`."""


class TaskStep(msgspec.Struct, frozen=True):
    """Go on with a background task: what its orchestration begins with, and what each of its steps is told.

    Attributes:
        step: How many steps of the task must have been worked before; else this one is over.
    """

    org_id: str
    task_id: str
    step: int
    schema: int = SCHEMA


class Subject(msgspec.Struct, frozen=True):
    """What queued work is about, as far as it can be told."""

    org_id: str | None = None
    app_id: str | None = None
    message_id: str | None = None
    endpoint_id: str | None = None
    task_id: str | None = None


class _EventSubject(msgspec.Struct, frozen=True, rename="camel"):
    """The same of an event, which a backend has queued."""

    org_id: str | None = None
    app_id: str | None = None


Work = TypeVar("Work", Dispatch, Again, TaskStep)

_encoder = msgspec.json.Encoder()
_dispatch_decoder = msgspec.json.Decoder(Dispatch)
_again_decoder: msgspec.json.Decoder[Again] = msgspec.json.Decoder(Again)
_step_decoder = msgspec.json.Decoder(TaskStep)


def to_body(work: Dispatch | Again | TaskStep) -> bytes:
    """The work as the body of a queue message."""
    return _encoder.encode(work)


def dispatch_from(body: bytes) -> Dispatch:
    """Read a dispatch.

    Raises:
        ValueError: The body is not a dispatch of a schema that this release knows.
    """
    return _read(_dispatch_decoder, body)


def again_from(body: bytes) -> Again:
    """Read a retry or a resend.

    Raises:
        ValueError: The body is neither, or of a schema that this release does not know.
    """
    return _read(_again_decoder, body)


def step_from(body: bytes) -> TaskStep:
    """Read a step of a background task.

    Raises:
        ValueError: The body is none, or of a schema that this release does not know.
    """
    return _read(_step_decoder, body)


def subject_of(queue: str, body: bytes) -> Subject:
    """What the work in a queue is about; of what nobody can read, nothing."""
    try:
        if queue != EVENTS_QUEUE:
            return msgspec.json.decode(body, type=Subject)
        event = msgspec.json.decode(body, type=_EventSubject)
        return Subject(event.org_id, event.app_id)
    except msgspec.MsgspecError:
        return Subject()


def _read(decoder: msgspec.json.Decoder[Work], body: bytes) -> Work:
    try:
        work = decoder.decode(body)
    except msgspec.MsgspecError as wrong:
        raise ValueError(f"this is not queued work of ours: {wrong}") from wrong
    if work.schema > SCHEMA:
        raise ValueError(f"queued by a newer release: schema {work.schema}; this release knows {SCHEMA}")
    return work
