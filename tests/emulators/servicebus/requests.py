"""Requests with answers: tokens over `$cbs`, and everything that `$management` does for a queue."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self, TypeAlias
from urllib.parse import parse_qs, quote_plus
from uuid import UUID

from tests.emulators.servicebus import codec
from tests.emulators.servicebus.codec import NULL, int32, long, mapping, string, symbol, timestamp
from tests.emulators.servicebus.entries import Message, Outcome, Reason, State
from tests.emulators.servicebus.errors import ARGUMENT, STATUS, Refused
from tests.emulators.servicebus.faults import Faults, Operation
from tests.emulators.servicebus.message import APPLICATION_PROPERTIES, PROPERTIES, VALUE, Parts, sections
from tests.emulators.servicebus.queue import Queue

OK = 200
NO_CONTENT = 204
ACCEPTED = 202
UNAUTHORIZED = 401

DISPOSITIONS = {
    "completed": (Operation.COMPLETE, Outcome.COMPLETE),
    "abandoned": (Operation.ABANDON, Outcome.ABANDON),
    "defered": (Operation.DEFER, Outcome.DEFER),
    "suspended": (Operation.DEAD_LETTER, Outcome.DEAD_LETTER),
}

Ask: TypeAlias = Callable[[], bytes]
Answer: TypeAlias = Callable[["Request", Queue], bytes]


@dataclass(frozen=True, slots=True)
class Request:
    """A message that asks for something.

    Attributes:
        id: Still encoded, because the answer must have it of the same type.
        asks: The application properties.
        body: The value.
    """

    id: bytes
    asks: Mapping[str, object]
    body: object

    @classmethod
    def read(cls, payload: bytes) -> Self:
        found = dict(sections(payload))
        properties = codec.slices(found[PROPERTIES])
        asks = codec.value_of(found[APPLICATION_PROPERTIES])
        assert isinstance(asks, dict)
        return cls(
            properties[0], {str(key): value for key, value in asks.items()}, codec.value_of(found[VALUE])
        )

    def field(self, name: str) -> object:
        """A value of the body; None if it is not there."""
        return self.body.get(name) if isinstance(self.body, dict) else None

    def number(self, name: str, default: int = 0) -> int:
        value = self.field(name)
        return value if isinstance(value, int) else default

    def text(self, name: str) -> str | None:
        value = self.field(name)
        return None if value is None else str(value)

    def numbers(self, name: str) -> Sequence[int]:
        values = self.field(name)
        return [value for value in values if isinstance(value, int)] if isinstance(values, list) else []

    def tokens(self) -> Sequence[UUID]:
        values = self.field("lock-tokens")
        return [value for value in values if isinstance(value, UUID)] if isinstance(values, list) else []


def _message(request: Request, properties: Mapping[bytes, bytes], body: bytes) -> bytes:
    answered = codec.compound([NULL, NULL, NULL, NULL, NULL, request.id])
    return (
        codec.described(PROPERTIES, answered)
        + codec.described(APPLICATION_PROPERTIES, mapping(properties))
        + codec.described(VALUE, body)
    )


# $cbs


def authorize(request: Request, keys: Mapping[str, str]) -> bytes:
    """Check a token that is signed with a key of ours.

    Raises:
        Refused: It is not.
    """
    token = parse_qs(str(request.body).removeprefix("SharedAccessSignature "))
    told = {name: values[0] for name, values in token.items()}
    key = keys.get(told.get("skn", ""), "")
    signed = f"{quote_plus(told.get('sr', ''))}\n{told.get('se', '')}".encode()
    expected = base64.b64encode(hmac.digest(key.encode(), signed, hashlib.sha256)).decode()
    if not key or not hmac.compare_digest(expected, told.get("sig", "")):
        raise Refused("amqp:unauthorized-access", "the token is not signed with a key of this namespace")
    return _token_answer(request, ACCEPTED, "Accepted")


def unauthorized(request: Request, refused: Refused) -> bytes:
    return _token_answer(request, UNAUTHORIZED, refused.description)


def _token_answer(request: Request, status: int, text: str) -> bytes:
    told = {string("status-code"): int32(status), string("status-description"): string(text)}
    return _message(request, told, NULL)


# $management


def failed(request: Request, refused: Refused) -> bytes:
    told = {
        string("statusCode"): int32(STATUS.get(refused.condition, 500)),
        string("statusDescription"): string(refused.description),
        string("errorCondition"): symbol(refused.condition),
    }
    return _message(request, told, mapping({}))


def _done(request: Request, body: Mapping[str, bytes] | None, status: int = OK) -> bytes:
    told = {string("statusCode"): int32(status), string("statusDescription"): string("OK")}
    return _message(request, told, mapping({string(key): value for key, value in (body or {}).items()}))


def operation_of(request: Request, queue: Queue, faults: Faults) -> tuple[Operation, Ask]:
    """Which operation a request is, and what answers it."""
    name = str(request.asks.get("operation")).removeprefix("com.microsoft:")
    if name == "update-disposition":
        operation, outcome = DISPOSITIONS[str(request.field("disposition-status"))]
        return operation, partial(_settle, request, queue, outcome)
    if name == "schedule-message":
        return Operation.SCHEDULE, partial(_schedule, request, queue, faults)
    operation, answer = _ANSWERS.get(name, (Operation.SESSION, _unknown))
    return operation, partial(answer, request, queue)


def _unknown(request: Request, _: Queue) -> bytes:
    raise Refused(ARGUMENT, f"the emulator does not know {request.asks.get('operation')}")


def _settle(request: Request, queue: Queue, outcome: Outcome) -> bytes:
    reason = Reason(request.text("deadletter-reason"), request.text("deadletter-description"))
    for token in request.tokens():
        queue.settle(token, outcome, reason)
    return _done(request, None)


def _schedule(request: Request, queue: Queue, faults: Faults) -> bytes:
    messages = request.field("messages")
    assert isinstance(messages, list)
    parts = [Parts.read(one["message"]) for one in messages]
    faults.messages[queue.path] += len(parts)
    sequences = [long(queue.schedule(one)) for one in parts]
    return _done(request, {"sequence-numbers": codec.array(codec.LONG, sequences)})


def _cancel(request: Request, queue: Queue) -> bytes:
    for sequence in request.numbers("sequence-numbers"):
        queue.cancel(sequence)
    return _done(request, None)


def _peek(request: Request, queue: Queue) -> bytes:
    found = queue.peek(
        request.number("from-sequence-number"), request.number("message-count", 1), request.text("session-id")
    )
    return _messages(request, [{"message": codec.binary(as_received(one))} for one in found])


def _receive_deferred(request: Request, queue: Queue) -> bytes:
    is_settled_at_once = request.number("receiver-settle-mode") == 0
    taken = queue.take_deferred(request.numbers("sequence-numbers"), is_settled_at_once=is_settled_at_once)
    entries: list[dict[str, bytes]] = []
    for one in taken:
        token = codec.uuid(one.token or UUID(int=0))
        entries.append({"lock-token": token, "message": codec.binary(as_received(one))})
    return _messages(request, entries)


def _messages(request: Request, entries: Sequence[Mapping[str, bytes]]) -> bytes:
    encoded = [mapping({string(key): value for key, value in entry.items()}) for entry in entries]
    if not encoded:
        return _done(request, None, NO_CONTENT)
    return _done(request, {"messages": codec.compound(encoded)})


def _renew(request: Request, queue: Queue) -> bytes:
    ends = [timestamp(queue.renew(token) // 1000) for token in request.tokens()]
    return _done(request, {"expirations": codec.array(codec.TIMESTAMP, ends)})


def _renew_session(request: Request, queue: Queue) -> bytes:
    session_id = str(request.field("session-id"))
    queue.owned_session(session_id)
    return _done(request, {"expiration": timestamp(queue.renew_session(session_id) // 1000)})


def _get_state(request: Request, queue: Queue) -> bytes:
    state = queue.owned_session(str(request.field("session-id"))).state
    return _done(request, {"session-state": NULL if state is None else codec.binary(state)})


def _set_state(request: Request, queue: Queue) -> bytes:
    state = request.field("session-state")
    queue.set_state(str(request.field("session-id")), state if isinstance(state, bytes) else None)
    return _done(request, None)


def _list_sessions(request: Request, queue: Queue) -> bytes:
    with_messages = {one.session_id for one in queue.messages.values() if one.session_id is not None}
    skip = request.number("skip")
    found = sorted(with_messages)[skip : skip + request.number("top", 100)]
    if not found:
        return _done(request, None, NO_CONTENT)
    ids = codec.array(codec.STRING, [string(one) for one in found])
    return _done(request, {"skip": int32(skip + len(found)), "sessions-ids": ids})


_ANSWERS: Mapping[str, tuple[Operation, Answer]] = {
    "cancel-scheduled-message": (Operation.CANCEL, _cancel),
    "peek-message": (Operation.PEEK, _peek),
    "receive-by-sequence-number": (Operation.RECEIVE_DEFERRED, _receive_deferred),
    "renew-lock": (Operation.RENEW, _renew),
    "renew-session-lock": (Operation.RENEW, _renew_session),
    "get-session-state": (Operation.SESSION, _get_state),
    "set-session-state": (Operation.SESSION, _set_state),
    "get-message-sessions": (Operation.SESSION, _list_sessions),
}


def as_received(message: Message) -> bytes:
    """A message as a receiver gets it, with what the service writes on it."""
    told = {
        symbol("x-opt-enqueued-time"): timestamp(message.enqueued_at // 1000),
        symbol("x-opt-sequence-number"): long(message.sequence),
    }
    if message.token is not None:
        told[symbol("x-opt-locked-until")] = timestamp(message.locked_until // 1000)
    if message.state is not State.ACTIVE:
        told[symbol("x-opt-message-state")] = int32(message.state)
    token = NULL if message.token is None else codec.uuid(message.token)
    return message.parts.write(told, delivery_count=message.deliveries, token=token)
