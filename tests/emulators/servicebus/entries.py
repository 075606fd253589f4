"""What is in a queue, and who deals with it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol
from uuid import UUID

from tests.emulators.servicebus.message import Parts


class State(IntEnum):
    """As the annotation `x-opt-message-state` says it."""

    ACTIVE = 0
    DEFERRED = 1
    SCHEDULED = 2


class Outcome(IntEnum):
    """What a receiver does with a message that it has."""

    COMPLETE = 0
    ABANDON = 1
    DEFER = 2
    DEAD_LETTER = 3
    RELEASE = 4


@dataclass(slots=True)
class Message:
    """A message in a queue.

    Attributes:
        enqueued_at: Microseconds since 1970; as all instants here.
        due_at: When one that is scheduled is enqueued.
        deliveries: How many handings over have failed.
    """

    sequence: int
    parts: Parts
    enqueued_at: int
    state: State = State.ACTIVE
    due_at: int = 0
    deliveries: int = 0
    token: UUID | None = None
    locked_until: int = 0

    @property
    def session_id(self) -> str | None:
        return self.parts.session_id


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a message is a dead letter."""

    reason: str | None = None
    description: str | None = None


class Taker(Protocol):
    """A receiver that has asked for messages."""

    is_settled_at_once: bool

    def wants(self) -> bool: ...

    def take(self, message: Message) -> None: ...


@dataclass(slots=True)
class Line:
    """Messages that come one after the other: those of one session, or all of a queue without sessions.

    Attributes:
        owner: Who has it.
        ready: Sequence numbers of what may be taken.
    """

    owner: Taker | None = None
    locked_until: int = 0
    state: bytes | None = None
    ready: list[int] = field(default_factory=list)


class Store(Protocol):
    """Where queues survive the process."""

    def put(self, queue: str, message: Message) -> None: ...

    def drop(self, queue: str, sequence: int) -> None: ...

    def set_session(self, queue: str, session_id: str, state: bytes | None) -> None: ...

    def remember(self, queue: str, message_id: str, until: int) -> None: ...

    def used(self, queue: str, sequence: int) -> None: ...


class SessionTaker(ABC):
    """A receiver that has a session, or waits for one."""

    @abstractmethod
    def accepted(self, session_id: str) -> None: ...

    @abstractmethod
    def lost(self) -> None: ...
