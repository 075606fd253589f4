"""The ends over which a client receives."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from tests.emulators.servicebus import codec, frames, requests
from tests.emulators.servicebus.codec import Described, symbol
from tests.emulators.servicebus.entries import Message, Outcome, Reason, SessionTaker
from tests.emulators.servicebus.errors import NOT_ALLOWED, SESSION_LOCK_LOST, TIMED_OUT, Refused
from tests.emulators.servicebus.faults import Operation
from tests.emulators.servicebus.frames import Attached, Fields
from tests.emulators.servicebus.links import Link
from tests.emulators.servicebus.queue import Queue

if TYPE_CHECKING:
    from tests.emulators.servicebus.connection import Channel

SESSION_FILTER = "com.microsoft:session-filter"
SESSION_TIMEOUT_MS = 65_000
TICKS_TO_1970 = 621_355_968_000_000_000


@dataclass(frozen=True, slots=True)
class _Handed:
    """A message that a receiver has."""

    link: "Receives"
    token: UUID

    def settle(self, delivery_id: int, state: object, *, is_answered: bool) -> None:
        self.link.settle(self.token, delivery_id, state, is_answered=is_answered)


class Receives(Link):
    """The client receives from a queue."""

    def __init__(self, channel: "Channel", fields: Fields, queue: Queue) -> None:
        super().__init__(channel, fields, queue.path)
        self.queue = queue
        self.is_settled_at_once = fields.at(3) == 1
        self._credit = 0
        self._count = 0

    def flow(self, fields: Fields) -> None:
        self._credit = fields.number(5) + fields.number(6) - self._count
        if self._credit > 0:
            self.channel.connection.carry_out(
                Operation.ASK,
                self.path,
                partial(self.queue.join, self),
                partial(self.channel.drop_link, self.handle),
            )
        else:
            self.queue.leave(self)
        if fields.at(8):
            self._count += max(0, self._credit)
            self._credit = 0
            self.queue.leave(self)
            self.channel.grant(self.handle, count=self._count, credit=0, drain=True)

    def close(self) -> None:
        self._credit = 0
        self.queue.leave(self)

    def wants(self) -> bool:
        return self._credit > 0

    def take(self, message: Message) -> None:
        """Hand over a message, which is this receiver's now."""
        self._credit -= 1
        self._count += 1
        faults = self.channel.server.faults
        faults.count(Operation.RECEIVE, self.path)
        payload = requests.as_received(message)
        if message.token is None:
            self.channel.deliver(self.handle, uuid4().bytes, payload)
        else:
            handed = _Handed(self, message.token)
            self.channel.deliver(self.handle, message.token.bytes_le, payload, handed)

    def settle(self, token: UUID, delivery_id: int, state: object, *, is_answered: bool) -> None:
        outcome, reason, echo = _read_outcome(state)

        def answer(with_state: bytes) -> None:
            if is_answered:
                self.channel.say(
                    frames.disposed(
                        self.channel.number, is_receiver=False, delivery_id=delivery_id, state=with_state
                    )
                )

        def do() -> None:
            self.queue.settle(token, outcome, reason)
            answer(echo)

        def refuse(refused: Refused) -> None:
            answer(frames.rejected(refused.condition, refused.description))

        self.channel.connection.carry_out(OPERATIONS[outcome], self.path, do, refuse)


OPERATIONS = {
    Outcome.COMPLETE: Operation.COMPLETE,
    Outcome.ABANDON: Operation.ABANDON,
    Outcome.DEFER: Operation.DEFER,
    Outcome.DEAD_LETTER: Operation.DEAD_LETTER,
    Outcome.RELEASE: Operation.RELEASE,
}


def _read_outcome(state: object) -> tuple[Outcome, Reason | None, bytes]:
    """What the client wants done, why, and how we say that we did it."""
    assert isinstance(state, Described)
    fields = state.value if isinstance(state.value, list) else []
    if state.descriptor == frames.ACCEPTED:
        return Outcome.COMPLETE, None, frames.ACCEPT
    if state.descriptor == frames.REJECTED:
        return Outcome.DEAD_LETTER, _reason(fields), frames.REJECT
    if state.descriptor == frames.MODIFIED:
        is_deferred = len(fields) > 1 and bool(fields[1])
        outcome = Outcome.DEFER if is_deferred else Outcome.ABANDON
        return outcome, None, frames.modified(is_deferred=is_deferred)
    return Outcome.RELEASE, None, codec.described(frames.RELEASED, codec.compound([]))


def _reason(fields: list[object]) -> Reason:
    error = fields[0] if fields else None
    parts = error.value if isinstance(error, Described) and isinstance(error.value, list) else []
    told = parts[2] if len(parts) > 2 and isinstance(parts[2], dict) else {}
    texts = {str(key): str(value) for key, value in told.items() if value is not None}
    return Reason(texts.get("DeadLetterReason"), texts.get("DeadLetterErrorDescription"))


class ReceivesSession(Receives, SessionTaker):
    """The client receives the messages of one session: the one that it names, or the next that is free."""

    def __init__(self, channel: "Channel", fields: Fields, queue: Queue) -> None:
        super().__init__(channel, fields, queue)
        self._session_id: str | None = None
        self._is_waiting = False

    def attach(self) -> None:
        wanted = self._filter()
        if not wanted:
            raise Refused(NOT_ALLOWED, "this queue has sessions; ask for one")
        (session_id,) = wanted
        if session_id is not None:
            self.queue.accept_session(self, session_id)
            self.accepted(session_id)
            return
        self._is_waiting = True
        alarms = self.channel.server.alarms
        alarms.at(alarms.now() + 1000 * self._timeout_ms(), self._give_up)
        self.queue.wait_for_session(self)

    def accepted(self, session_id: str) -> None:
        self._is_waiting = False
        self._session_id = session_id
        locked_until = self.queue.owned_session(session_id).locked_until
        ticks = codec.long(locked_until * 10 + TICKS_TO_1970)
        self.say_attached(
            self._source_with(session_id), codec.mapping({symbol("com.microsoft:locked-until-utc"): ticks})
        )

    def lost(self) -> None:
        self._session_id = None
        lost = Refused(SESSION_LOCK_LOST, "the lock of the session has ended")
        self.channel.drop_link(self.handle, lost)

    def close(self) -> None:
        super().close()
        self.queue.stop_waiting(self)
        self._is_waiting = False
        if self._session_id is not None:
            self.queue.free_session(self._session_id, self)

    def _give_up(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self.queue.stop_waiting(self)
            modes = (self.fields.slice(3), self.fields.slice(4))
            attached = Attached(self.fields.slice(0), self.handle, is_receiver=False, settle_modes=modes)
            self.channel.refuse_link(attached, Refused(TIMED_OUT, "no session became free in time"))

    def _filter(self) -> list[str | None]:
        """The session that is asked for; None is any; empty if none is asked for at all."""
        source = self.fields.at(5)
        parts = source.value if isinstance(source, Described) and isinstance(source.value, list) else []
        wanted = parts[7] if len(parts) > 7 and isinstance(parts[7], dict) else {}
        return [
            None if value is None else str(value) for key, value in wanted.items() if key == SESSION_FILTER
        ]

    def _timeout_ms(self) -> int:
        properties = self.fields.at(13)
        told = properties.get("com.microsoft:timeout") if isinstance(properties, dict) else None
        return told if isinstance(told, int) else SESSION_TIMEOUT_MS

    def _source_with(self, session_id: str) -> bytes:
        body = self.fields.slice(5)
        parts = codec.slices(body, codec.end_of(body, 1))
        parts[7] = codec.mapping({symbol(SESSION_FILTER): codec.string(session_id)})
        return codec.described(frames.SOURCE, codec.compound(parts))
