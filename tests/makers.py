"""Values for tests: sensible defaults, and by keyword whatever a test is about.

    an_endpoint(channels=frozenset({"eu"}))
    an_attempt(message, endpoint, status=Status.FAIL)

Every call makes another id, at the instant that the thing says it was made.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec

from shared.domain import ids
from shared.domain.application import Application
from shared.domain.attempt import Attempt, Status, Trigger
from shared.domain.background_task import BackgroundTask, Recovery
from shared.domain.endpoint import Endpoint, SealedKey
from shared.domain.event_type import EventType
from shared.domain.message import DEFAULT_PAYLOAD_RETENTION, Message
from shared.domain.work import Dispatch, Retry
from shared.ports.answers import StoredAnswer
from tests.clock import NOON

ORG = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"
OTHER_ORG = "org_2CGoQNtRbCBHdGbwoWBIEyKfVg1"

_numbers = count(1)


def an_id(prefix: str, at: datetime = NOON) -> str:
    """An id that no other call gives; later calls give greater ones of one instant."""
    return ids.new_id(prefix, at, _dice())


def _dice() -> bytes:
    """Greater ones with each call, whatever the shard; the shards take turns."""
    number = next(_numbers)
    return (number * ids.SHARDS + number % ids.SHARDS).to_bytes(ids.DICE_BYTES)


def an_application(**changes: Any) -> Application:  # noqa: ANN401 - checked by the dataclass
    """An application of `ORG` without a uid."""
    at = changes.get("created_at", NOON)
    default = Application(
        id=an_id(ids.APPLICATION, at),
        org_id=ORG,
        name="Acme",
        uid=None,
        throttle_rate=None,
        metadata={},
        created_at=at,
        updated_at=at,
    )
    return replace(default, **changes)


def an_event_type(**changes: Any) -> EventType:  # noqa: ANN401 - checked by the dataclass
    """The live event type `invoice.paid` of `ORG`."""
    default = EventType(
        org_id=ORG,
        name="invoice.paid",
        description="An invoice was paid.",
        archived=False,
        deprecated=False,
        schemas=None,
        group_name=None,
        feature_flags=None,
        created_at=NOON,
        updated_at=NOON,
    )
    return replace(default, **changes)


def an_endpoint(application: Application | None = None, **changes: Any) -> Endpoint:  # noqa: ANN401 - as above
    """An endpoint that wants every message, of a given application or of one of its own."""
    application = application or an_application()
    at = changes.get("created_at", NOON)
    default = Endpoint(
        id=an_id(ids.ENDPOINT, at),
        app_id=application.id,
        org_id=application.org_id,
        url="https://receiver.example/hooks",
        description="",
        version=1,
        disabled=False,
        uid=None,
        throttle_rate=None,
        event_types=None,
        channels=None,
        metadata={},
        headers={},
        keys=[SealedKey(b"sealed", None)],
        failing_since=None,
        created_at=at,
        updated_at=at,
    )
    return replace(default, **changes)


def a_message(application: Application | None = None, **changes: Any) -> Message:  # noqa: ANN401 - as above
    """A message `invoice.paid` without channels, of a given application or of one of its own.

    With `key` it is one that is kept with a claim of that key.
    """
    application = application or an_application()
    at, event_id = changes.get("created_at", NOON), changes.get("event_id")
    key = changes.pop("key", None)
    default = Message(
        id=ids.new_message_id(at, _dice(), key if event_id is None else event_id.encode()),
        app_id=application.id,
        org_id=application.org_id,
        event_type="invoice.paid",
        event_id=None,
        channels=None,
        payload='{"amount": 1200}',
        payload_expires_at=at + DEFAULT_PAYLOAD_RETENTION,
        created_at=at,
    )
    return msgspec.structs.replace(default, **changes)


def an_attempt(
    message: Message | None = None,
    endpoint: Endpoint | None = None,
    **changes: Any,  # noqa: ANN401 - as above
) -> Attempt:
    """A first attempt that succeeded."""
    message = message or a_message()
    endpoint = endpoint or an_endpoint(app_id=message.app_id)
    at = changes.get("timestamp", NOON)
    default = Attempt(
        id=an_id(ids.ATTEMPT, at),
        message_id=message.id,
        endpoint_id=endpoint.id,
        app_id=message.app_id,
        org_id=message.org_id,
        event_type=message.event_type,
        channels=message.channels,
        tags=message.tags,
        number=1,
        url=endpoint.url,
        status=Status.SUCCESS,
        response_status_code=200,
        response="",
        duration=timedelta(milliseconds=12),
        trigger=Trigger.SCHEDULED,
        timestamp=at,
        next_attempt_at=None,
    )
    return msgspec.structs.replace(default, **changes)


def a_failed_attempt(
    message: Message | None = None,
    endpoint: Endpoint | None = None,
    **changes: Any,  # noqa: ANN401 - as above
) -> Attempt:
    """A first attempt that failed with 500 and that a retry follows in 5 s."""
    at = changes.get("timestamp", NOON)
    failed = {
        "status": Status.FAIL,
        "response_status_code": 500,
        "response": "no",
        "next_attempt_at": at + timedelta(seconds=5),
    }
    return an_attempt(message, endpoint, **{**failed, **changes})


def a_dispatch(message: Message, **changes: Any) -> Dispatch:  # noqa: ANN401 - as above
    """The dispatch of a message, with its payload."""
    default = Dispatch(
        org_id=message.org_id,
        app_id=message.app_id,
        message_id=message.id,
        event_type=message.event_type,
        channels=message.channels,
        payload=message.payload,
        tags=message.tags,
        content_type=message.content_type,
    )
    return msgspec.structs.replace(default, **changes)


def a_retry(attempt: Attempt, **changes: Any) -> Retry:  # noqa: ANN401 - as above
    """The retry that follows an attempt."""
    default = Retry(
        org_id=attempt.org_id,
        app_id=attempt.app_id,
        message_id=attempt.message_id,
        endpoint_id=attempt.endpoint_id,
        number=attempt.number + 1,
    )
    return msgspec.structs.replace(default, **changes)


def a_task(**changes: Any) -> BackgroundTask:  # noqa: ANN401 - as above
    """A recovery that was just begun."""
    at = changes.get("asked_at", NOON)
    default = BackgroundTask(
        id=an_id(ids.BACKGROUND_TASK, at),
        org_id=ORG,
        app_id="app_1",
        arguments=Recovery("ep_1", at - timedelta(days=1), at),
        asked_at=at,
        updated_at=at,
    )
    return msgspec.structs.replace(default, **changes)


def an_answer(**changes: Any) -> StoredAnswer:  # noqa: ANN401 - as above
    """A `202` with a small body."""
    return replace(StoredAnswer(202, (("content-type", "application/json"),), b'{"id": "msg_1"}'), **changes)
