"""A queue: what is in it, who has it, and what becomes of it. It knows no sockets.

A message keeps its place by its sequence number, so one that was let go comes again before those that were
sent after it. Every change goes to the store at once; whoever answers a client has the store commit first.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

from tests.emulators.servicebus.alarms import MICROSECOND, Alarms
from tests.emulators.servicebus.entries import (
    Line,
    Message,
    Outcome,
    Reason,
    SessionTaker,
    State,
    Store,
    Taker,
)
from tests.emulators.servicebus.errors import (
    LOCK_LOST,
    MESSAGE_NOT_FOUND,
    NOT_ALLOWED,
    SESSION_LOCK_LOST,
    SESSION_LOCKED,
    Refused,
)
from tests.emulators.servicebus.message import Parts
from tests.emulators.servicebus.settings import QueueSettings

MAX_DELIVERIES_REASON = "MaxDeliveryCountExceeded"
EXPIRED_REASON = "TTLExpiredException"


class Queue:
    """One queue, or the dead letters of one."""

    def __init__(
        self, path: str, settings: QueueSettings, alarms: Alarms, store: Store, dead: "Queue | None" = None
    ) -> None:
        self.path = path
        self.settings = settings
        self.dead = dead
        self._alarms = alarms
        self._store = store
        self.messages: dict[int, Message] = {}
        self.sessions: dict[str, Line] = {}
        self._plain = Line()
        self._tokens: dict[UUID, int] = {}
        self._last = 0
        self._seen: dict[str, int] = {}
        self._takers: list[Taker] = []
        self._waiting: list[Taker] = []

    # What comes in

    def send(self, parts: Parts) -> None:
        """Enqueue a message, now or at the time that it carries."""
        if self.settings.has_sessions and parts.session_id is None:
            raise Refused(NOT_ALLOWED, "this queue has sessions; give the message a session id")
        if not self._is_repeat(parts):
            due_at = (parts.scheduled_for_ms or 0) * 1000
            self._add(parts, due_at if due_at > self._alarms.now() else 0)

    def schedule(self, parts: Parts) -> int:
        """Enqueue a message at its time.

        Returns:
            Its sequence number until then.
        """
        due_at = (parts.scheduled_for_ms or 0) * 1000
        return self._add(parts, due_at).sequence

    def _add(self, parts: Parts, due_at: int) -> Message:
        message = Message(self._next(), parts, self._alarms.now())
        self.messages[message.sequence] = message
        if due_at:
            message.state, message.due_at = State.SCHEDULED, due_at
            self._alarms.at(due_at, partial(self._enqueue, message))
            self._store.put(self.path, message)
        else:
            self._arrive(message)
        return message

    def _is_repeat(self, parts: Parts) -> bool:
        window, message_id, now = self.settings.duplicates, parts.message_id, self._alarms.now()
        if window is None or message_id is None:
            return False
        if self._seen.get(message_id, 0) > now:
            return True
        self._seen[message_id] = now + window // MICROSECOND
        self._store.remember(self.path, message_id, self._seen[message_id])
        return False

    def _next(self) -> int:
        self._last += 1
        self._store.used(self.path, self._last)
        return self._last

    def _enqueue(self, message: Message) -> None:
        """The time of a scheduled message has come: it gets a place behind all that are there."""
        if self.messages.get(message.sequence) is not message or message.state is not State.SCHEDULED:
            return
        self._forget(message)
        message.sequence, message.state = self._next(), State.ACTIVE
        message.enqueued_at = self._alarms.now()
        self.messages[message.sequence] = message
        self._arrive(message)

    def _arrive(self, message: Message) -> None:
        self._store.put(self.path, message)
        ttl = self._ttl(message)
        if ttl is not None:
            self._alarms.at(message.enqueued_at + ttl, partial(self._expire, message))
        self._make_ready(message)

    def _ttl(self, message: Message) -> int | None:
        if self.dead is None:
            return None
        own = None if message.parts.ttl_ms is None else message.parts.ttl_ms * 1000
        queue = self.settings.time_to_live
        whole = None if queue is None else queue // MICROSECOND
        limits = [limit for limit in (own, whole) if limit is not None]
        return min(limits, default=None)

    def _expire(self, message: Message) -> None:
        ttl = self._ttl(message)
        is_here = self.messages.get(message.sequence) is message and message.token is None
        if is_here and ttl is not None and message.enqueued_at + ttl <= self._alarms.now():
            self._end(message, Reason(EXPIRED_REASON) if self.settings.dead_letters_expired else None)

    def _end(self, message: Message, reason: Reason | None) -> None:
        """It leaves this queue, to the dead letters if there is a reason."""
        self._forget(message)
        if reason is not None and self.dead is not None:
            dead = replace(message, parts=message.parts.dead(reason.reason, reason.description), token=None)
            dead.state = State.ACTIVE
            self.dead.adopt(dead)

    def adopt(self, message: Message) -> None:
        """Take in a message that has its sequence number already."""
        self.messages[message.sequence] = message
        self._last = max(self._last, message.sequence)
        if message.state is State.SCHEDULED:
            self._alarms.at(message.due_at, partial(self._enqueue, message))
        elif message.state is State.ACTIVE:
            self._arrive(message)

    def restore(self, last: int, seen: dict[str, int], sessions: dict[str, bytes]) -> None:
        """Take over what a store remembers besides the messages."""
        self._last = max(self._last, last)
        self._seen.update(seen)
        for session_id, state in sessions.items():
            self._session(session_id).state = state

    def clear(self) -> None:
        """Empty it; receivers keep asking."""
        for message in list(self.messages.values()):
            self._forget(message)
        self.sessions.clear()
        self._plain.ready.clear()
        self._seen.clear()

    # What goes out

    def _line_of(self, message: Message) -> Line:
        if self.settings.has_sessions and message.session_id is not None:
            return self._session(message.session_id)
        return self._plain

    def _session(self, session_id: str) -> Line:
        return self.sessions.setdefault(session_id, Line())

    def _make_ready(self, message: Message) -> None:
        heapq.heappush(self._line_of(message).ready, message.sequence)
        self.offer()

    def offer(self) -> None:
        """Hand over what is ready to whoever wants it, the receiver that asked last first."""
        self._match_waiting()
        for taker in reversed(self._takers):
            line = self._owned_by(taker)
            while line is not None and taker.wants() and (message := self._pop(line)):
                self._hand_over(message, taker)

    def _pop(self, line: Line) -> Message | None:
        while line.ready:
            message = self.messages.get(heapq.heappop(line.ready))
            if message and message.state is State.ACTIVE and message.token is None:
                return message
        return None

    def _hand_over(self, message: Message, taker: Taker) -> None:
        if taker.is_settled_at_once:
            self._forget(message)
        else:
            self._lock(message)
        taker.take(message)

    def _lock(self, message: Message) -> None:
        message.token = uuid4()
        self._tokens[message.token] = message.sequence
        session = self._line_of(message)
        if session is not self._plain:
            message.locked_until = session.locked_until
        else:
            self._lock_until(message)

    def _lock_until(self, message: Message) -> None:
        message.locked_until = self._alarms.now() + self.settings.lock // MICROSECOND
        self._alarms.at(message.locked_until, partial(self._unlock_in_time, message, message.token))

    def _unlock_in_time(self, message: Message, token: UUID | None) -> None:
        if token is not None and message.token == token and message.locked_until <= self._alarms.now():
            self._let_go(message, has_failed=True)

    def _let_go(self, message: Message, *, has_failed: bool) -> None:
        """Nobody has it any more; it is handed over again unless that has been tried too often."""
        self._free(message)
        if has_failed:
            message.deliveries += 1
        if self.dead is not None and message.deliveries >= self.settings.max_deliveries:
            self._end(message, Reason(MAX_DELIVERIES_REASON, "it was handed over too often"))
            return
        self._store.put(self.path, message)
        if message.state is State.ACTIVE:
            self._make_ready(message)
            self._expire(message)

    def _free(self, message: Message) -> None:
        if message.token is not None:
            self._tokens.pop(message.token, None)
            message.token = None

    def _forget(self, message: Message) -> None:
        self._free(message)
        self.messages.pop(message.sequence, None)
        self._store.drop(self.path, message.sequence)

    def join(self, taker: Taker) -> None:
        """A receiver asks for messages: it is served before all that have asked before."""
        self.leave(taker)
        self._takers.append(taker)
        self.offer()

    def leave(self, taker: Taker) -> None:
        if taker in self._takers:
            self._takers.remove(taker)

    # What becomes of it

    def settle(self, token: UUID, outcome: Outcome, reason: Reason | None = None) -> None:
        """Do with a message what the receiver that has it says.

        Raises:
            Refused: Its lock has ended.
        """
        message = self.locked(token)
        if outcome is Outcome.COMPLETE:
            self._forget(message)
        elif outcome is Outcome.DEAD_LETTER:
            self._end(message, reason or Reason())
        elif outcome is Outcome.DEFER:
            message.state = State.DEFERRED
            self._let_go(message, has_failed=True)
        else:
            self._let_go(message, has_failed=outcome is Outcome.ABANDON)

    def locked(self, token: UUID) -> Message:
        message = self.messages.get(self._tokens.get(token, -1))
        if message is None:
            raise Refused(LOCK_LOST, "the lock has ended, or the message was settled")
        return message

    def renew(self, token: UUID) -> int:
        """Hold a message for a lock's time from now.

        Returns:
            When the lock ends now.

        Raises:
            Refused: Its lock has ended.
        """
        message = self.locked(token)
        self._lock_until(message)
        return message.locked_until

    def cancel(self, sequence: int) -> None:
        message = self.messages.get(sequence)
        if message is None or message.state is not State.SCHEDULED:
            raise Refused(MESSAGE_NOT_FOUND, f"no message {sequence} is scheduled")
        self._forget(message)

    def peek(self, start: int, limit: int, session_id: str | None) -> Sequence[Message]:
        found = [self.messages[sequence] for sequence in sorted(self.messages) if sequence >= start]
        return [one for one in found if session_id is None or one.session_id == session_id][:limit]

    def take_deferred(self, sequences: Sequence[int], *, is_settled_at_once: bool) -> Sequence[Message]:
        taken = [self.messages.get(sequence) for sequence in sequences]
        found = [one for one in taken if one and one.state is State.DEFERRED and one.token is None]
        if len(found) < len(taken):
            raise Refused(MESSAGE_NOT_FOUND, "one of them is not deferred")
        for message in found:
            if is_settled_at_once:
                self._forget(message)
            else:
                self._lock(message)
        return found

    # Sessions

    def accept_session(self, taker: Taker, session_id: str) -> None:
        session = self._session(session_id)
        if session.owner is not None:
            raise Refused(SESSION_LOCKED, f"another receiver has the session {session_id!r}")
        session.owner = taker
        self.renew_session(session_id)

    def next_session(self) -> str | None:
        """A session that nobody has and that has something to take."""
        free = (key for key, one in self.sessions.items() if one.owner is None and self._has_ready(one))
        return next(free, None)

    def _has_ready(self, session: Line) -> bool:
        return any(
            (one := self.messages.get(sequence)) and one.state is State.ACTIVE and one.token is None
            for sequence in session.ready
        )

    def wait_for_session(self, taker: Taker) -> None:
        self._waiting.append(taker)
        self._match_waiting()

    def stop_waiting(self, taker: Taker) -> None:
        if taker in self._waiting:
            self._waiting.remove(taker)

    def _match_waiting(self) -> None:
        while self._waiting and (session_id := self.next_session()) is not None:
            taker = self._waiting.pop(0)
            self.accept_session(taker, session_id)
            assert isinstance(taker, SessionTaker)
            taker.accepted(session_id)

    def renew_session(self, session_id: str) -> int:
        session = self._session(session_id)
        session.locked_until = self._alarms.now() + self.settings.lock // MICROSECOND
        for message in self._held(session_id):
            message.locked_until = session.locked_until
        self._alarms.at(session.locked_until, partial(self._lose_session, session_id))
        return session.locked_until

    def owned_session(self, session_id: str) -> Line:
        session = self._session(session_id)
        if session.owner is None:
            raise Refused(SESSION_LOCK_LOST, f"nobody has the session {session_id!r}")
        return session

    def set_state(self, session_id: str, state: bytes | None) -> None:
        self.owned_session(session_id).state = state
        self._store.set_session(self.path, session_id, state)

    def _lose_session(self, session_id: str) -> None:
        session = self._session(session_id)
        if session.owner is not None and session.locked_until <= self._alarms.now():
            owner = session.owner
            self.free_session(session_id, owner, has_failed=True)
            assert isinstance(owner, SessionTaker)
            owner.lost()

    def free_session(self, session_id: str, taker: Taker, *, has_failed: bool = False) -> None:
        session = self._session(session_id)
        if session.owner is taker:
            session.owner = None
            for message in list(self._held(session_id)):
                self._let_go(message, has_failed=has_failed)
            self.offer()

    def _held(self, session_id: str) -> Iterator[Message]:
        return (one for one in self.messages.values() if one.token and one.session_id == session_id)

    def _owned_by(self, taker: Taker) -> Line | None:
        if not self.settings.has_sessions:
            return self._plain
        return next((one for one in self.sessions.values() if one.owner is taker), None)
