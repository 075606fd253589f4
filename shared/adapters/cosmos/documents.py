"""Between the domain's values and the documents of the container `messages`.

    message    {"id": "msg_…", "pk": "app_…|3", "kind": "message", "listed": "msg_…", …}
    payload    {"id": "payload|msg_…", "kind": "payload", "listed": "msg_…", …}
    claim      {"id": "key|…" or "event|…", "of": "msg_…", …}
    attempt    {"id": "msg_…|ep_…" or "atmpt_…", "kind": "attempt", "key": "atmpt_…", "message_id": "…", …}

A payload is a document of its own, so that it ends by itself while the message stays in view; lists find it
as they find its message. One of more than `LARGE_BYTES` lies among the large bodies; the message says where.

Of the attempts on a message at an endpoint the one that was recorded first has an id that says of which two
it is, so that there is one such document, whoever records at the same time. It says besides how the message
stands at the endpoint now, and is changed by the write that records a later one. `due` is when something
should have happened that may not have been queued.

All of a message ends by itself (`Kept`). The service counts a `ttl` from the last write, so that whoever
changes a document says it anew: else a message could outlive the claim on its eventId, or an attempt its
message.

Sets are sorted lists. Instants and durations are whole microseconds, which JSON holds exactly.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from math import ceil
from typing import Any

from shared.adapters.cosmos.container import Document
from shared.adapters.cosmos.records import instant, micros
from shared.domain import ids
from shared.domain.attempt import Attempt, Ended, Ending, Status, Trigger
from shared.domain.chain import message_status
from shared.domain.message import Message
from shared.domain.work import Dispatch, Retry
from shared.ports.outbox import DueRetry

LARGE_BYTES = 100 * 1024
"""A longer body is no document: one has room for 2 MB, a character can take six bytes of it, and what is read
and written by the kilobyte is dear."""

MESSAGE, PAYLOAD, CLAIM, ATTEMPT = "message", "payload", "claim", "attempt"

_MICROSECOND = timedelta(microseconds=1)
_DIGEST_BYTES = 16


def partition(app_id: str, shard: int) -> str:
    """The partition of a shard of an application."""
    return f"{app_id}|{shard}"


def partition_of(app_id: str, message_id: str) -> str:
    """The partition that a message, and all that lies beside it, is in."""
    return partition(app_id, ids.shard_of(message_id))


def partitions(app_id: str) -> Iterable[str]:
    """Every partition of an application."""
    return [partition(app_id, shard) for shard in range(ids.SHARDS)]


def seconds_until(ends: datetime, now: datetime) -> int:
    """The `ttl` of a document that is to be there until an instant: as `containers` says, rounded up."""
    return max(0, ceil((ends - now).total_seconds())) + 1


@dataclass(frozen=True, slots=True)
class Kept:
    """How long a message, and what happened to it, is kept; and so when its documents end by themselves.

    Attributes:
        messages: After they were accepted, with the claims on their eventIds.
        attempts: After they were made, or after the retry that follows; but no longer than their message.
    """

    messages: timedelta
    attempts: timedelta

    def of_message(self, created_at: datetime, now: datetime) -> int:
        """The `ttl` of a message that was accepted at an instant."""
        return seconds_until(created_at + self.messages, now)

    def of_attempt(self, message_id: str, over_at: datetime, now: datetime) -> int:
        """The `ttl` of an attempt with which all is over at an instant."""
        by_itself = seconds_until(over_at + self.attempts, now)
        return min(by_itself, self.of_message(ids.instant_of(message_id), now))

    def renewed(self, document: Mapping[str, Any], now: datetime) -> int:
        """The `ttl` of a message or an attempt that is changed: as long again, but no longer than it may."""
        message_id = document.get("message_id", document["id"])
        ttl: int = document["ttl"]
        return min(ttl, self.of_message(ids.instant_of(message_id), now))


def ttl_set(ttl: int) -> Document:
    """What a change of a document says of its end."""
    return {"op": "set", "path": "/ttl", "value": ttl}


def payload_id(message_id: str) -> str:
    """The id of the document of a payload."""
    return f"payload|{message_id}"


def event_claim_id(event_id: str) -> str:
    """The id of the claim on an eventId."""
    return f"event|{_digest(event_id.encode())}"


def key_claim_id(key: bytes) -> str:
    """The id of the claim on an idempotency key."""
    return f"key|{_digest(key)}"


def first_attempt_id(message_id: str, endpoint_id: str) -> str:
    """The id of the attempt on a message at an endpoint that was recorded before all others."""
    return f"{message_id}|{endpoint_id}"


def _digest(name: bytes) -> str:
    return blake2b(name, digest_size=_DIGEST_BYTES).hexdigest()


def message_document(
    message: Message, *, only_at: str | None, place: str | None, by: str, ttl: int
) -> Document:
    """The document of a message without its payload.

    Args:
        message: It.
        only_at: The endpoint that it is for, if it is for one alone.
        place: Where its payload lies, if that is a large one.
        by: The process that accepts it.
        ttl: In how many seconds it goes by itself.
    """
    document: Document = {
        **_common(message, MESSAGE, message.id),
        "org_id": message.org_id,
        "expires_at": micros(message.payload_expires_at),
        "created_at": micros(message.created_at),
        "event_id": message.event_id,
        "content_type": message.content_type,
        "trace": message.trace,
        "only_at": only_at,
        "place": place,
        "accepted_by": by,
        "ttl": ttl,
    }
    if message.deliver_at is not None:
        document["deliver_at"] = document["due"] = micros(message.deliver_at)
    return _without_nothing(document)


def payload_document(message: Message, now: datetime) -> Document:
    """The document of a message's payload."""
    return {
        **_common(message, PAYLOAD, payload_id(message.id)),
        "payload": message.payload,
        "ttl": seconds_until(message.payload_expires_at, now),
    }


def _common(message: Message, kind: str, document_id: str) -> Document:
    return _without_nothing(
        {
            "id": document_id,
            "pk": partition_of(message.app_id, message.id),
            "kind": kind,
            "listed": message.id,
            "event_type": message.event_type,
            "channels": _sorted(message.channels),
            "tags": _sorted(message.tags),
        }
    )


def message_of(document: Mapping[str, Any], payload: str | None) -> Message:
    """The message that a document is of, with its payload, if that is to be shown."""
    deliver_at = document.get("deliver_at")
    return Message(
        id=document["id"],
        app_id=app_of(document),
        org_id=document["org_id"],
        event_type=document["event_type"],
        event_id=document.get("event_id"),
        channels=_set(document, "channels"),
        payload=payload,
        payload_expires_at=instant(document["expires_at"]),
        created_at=instant(document["created_at"]),
        tags=_set(document, "tags"),
        content_type=None if payload is None else document.get("content_type"),
        deliver_at=None if deliver_at is None else instant(deliver_at),
        trace=document.get("trace"),
    )


def dispatch_of(document: Mapping[str, Any]) -> Dispatch:
    """The dispatch of a message that may have been queued before; its payload does not travel along."""
    return Dispatch(
        org_id=document["org_id"],
        app_id=app_of(document),
        message_id=document["id"],
        event_type=document["event_type"],
        channels=_set(document, "channels"),
        repeat=True,
        endpoint_id=document.get("only_at"),
        tags=_set(document, "tags"),
        content_type=document.get("content_type"),
        trace=document.get("trace"),
    )


def app_of(document: Mapping[str, Any]) -> str:
    """The application whose document it is."""
    app_id: str = document["pk"].partition("|")[0]
    return app_id


def attempt_document(attempt: Attempt, ttl: int) -> Document:
    """The document of an attempt that others were recorded before.

    Args:
        attempt: It.
        ttl: In how many seconds it goes by itself.
    """
    return _without_nothing(
        {
            "id": attempt.id,
            "pk": partition_of(attempt.app_id, attempt.message_id),
            "kind": ATTEMPT,
            "key": attempt.id,
            "message_id": attempt.message_id,
            "endpoint_id": attempt.endpoint_id,
            "org_id": attempt.org_id,
            "event_type": attempt.event_type,
            "channels": _sorted(attempt.channels),
            "tags": _sorted(attempt.tags),
            "number": attempt.number,
            "url": attempt.url,
            "status": attempt.status.value,
            "code": attempt.response_status_code,
            "response": attempt.response,
            "duration": attempt.duration // _MICROSECOND,
            "trigger": attempt.trigger.value,
            "made_at": micros(attempt.timestamp),
            "next_at": _micros_or_none(attempt.next_attempt_at),
            "ended": None if attempt.ended is None else ended_document(attempt.ended),
            "ttl": ttl,
        }
    )


def first_attempt_document(attempt: Attempt, retry: DueRetry | None, ttl: int) -> Document:
    """The document of an attempt that no other was recorded before."""
    is_automatic = attempt.trigger is Trigger.SCHEDULED
    return {
        **attempt_document(attempt, ttl),
        "id": first_attempt_id(attempt.message_id, attempt.endpoint_id),
        "stands_at": attempt.endpoint_id,
        "standing": message_status([attempt]).value,
        "newest": newest_document(attempt),
        "newest_automatic": attempt.id if is_automatic else "",
        **retry_document(retry if is_automatic else None),
    }


def attempt_of(document: Mapping[str, Any]) -> Attempt:
    """The attempt that a document is of."""
    next_at, ended = document.get("next_at"), document.get("ended")
    return Attempt(
        id=document["key"],
        message_id=document["message_id"],
        endpoint_id=document["endpoint_id"],
        app_id=app_of(document),
        org_id=document["org_id"],
        event_type=document["event_type"],
        channels=_set(document, "channels"),
        number=document["number"],
        url=document["url"],
        status=Status(document["status"]),
        response_status_code=document["code"],
        response=document["response"],
        duration=document["duration"] * _MICROSECOND,
        trigger=Trigger(document["trigger"]),
        timestamp=instant(document["made_at"]),
        next_attempt_at=None if next_at is None else instant(next_at),
        tags=_set(document, "tags"),
        ended=None if ended is None else Ended(Ending(ended["why"]), instant(ended["at"])),
    )


def ended_document(ended: Ended) -> Document:
    """How a chain of retries ended, in the document of its newest attempt."""
    return {"why": ended.why.value, "at": micros(ended.at)}


def newest_document(attempt: Attempt) -> Document:
    """What the document of the first attempt says of the newest."""
    next_at = _micros_or_none(attempt.next_attempt_at)
    return {"id": attempt.id, "status": attempt.status.value, "next_at": next_at}


def retry_document(due: DueRetry | None) -> Document:
    """What the document of the first attempt says of the retry that follows: when it is due, and which."""
    if due is None:
        return {"due": None, "retry": None}
    return {
        "due": micros(due.due_at),
        "retry": {"number": due.retry.number, "forced": due.retry.forced},
    }


def retry_of(document: Mapping[str, Any]) -> Retry:
    """The retry that the document of a first attempt says to follow."""
    return Retry(
        org_id=document["org_id"],
        app_id=app_of(document),
        message_id=document["message_id"],
        endpoint_id=document["endpoint_id"],
        number=document["retry"]["number"],
        forced=document["retry"]["forced"],
    )


def _micros_or_none(at: datetime | None) -> int | None:
    return None if at is None else micros(at)


def _sorted(texts: frozenset[str] | None) -> list[str] | None:
    return None if texts is None else sorted(texts)


def _set(document: Mapping[str, Any], name: str) -> frozenset[str] | None:
    texts = document.get(name)
    return None if texts is None else frozenset(texts)


def _without_nothing(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}
