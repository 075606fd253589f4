"""The rows of a history, in the form in which the Durable Functions package reads them."""

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

import msgspec


class Kind(IntEnum):
    """What happened; the numbers are the package's."""

    EXECUTION_STARTED = 0
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    CHILD_CREATED = 7
    CHILD_COMPLETED = 8
    CHILD_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_RAISED = 15
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20


FAILURES = frozenset((Kind.TASK_FAILED, Kind.CHILD_FAILED))
BEGINNINGS = frozenset((Kind.TASK_SCHEDULED, Kind.CHILD_CREATED, Kind.TIMER_CREATED))
"""Each begins a task, and its `event_id` is the task's id: they are numbered from 0 without a gap."""

NO_TASK = -1
"""The `event_id` of a row that begins none."""


class Retry(msgspec.Struct, frozen=True, rename="pascal"):
    """The place of a task within a call with a retry policy. The package does not read it.

    Attributes:
        first_id: The task of the first attempt.
        number: Of the attempt that this task is, or rests after; counted from 1.
        most: How many attempts there are at most.
        pause_ms: The rest after each of them, the last one too.
    """

    first_id: int
    number: int
    most: int
    pause_ms: int


class Event(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """One row.

    Attributes:
        timestamp: UTC, as is `fire_at`.
        input: JSON text, as is `result`.
        task_scheduled_id: The task that this is the outcome of; of a timer it is `timer_id`.
    """

    event_type: Kind
    event_id: int
    is_played: bool
    timestamp: datetime
    name: str | None = None
    input: str | None = None
    version: str | None = None
    instance_id: str | None = None
    task_scheduled_id: int | None = None
    timer_id: int | None = None
    fire_at: datetime | None = None
    result: str | None = None
    reason: str | None = None
    details: str | None = None
    retry: Retry | None = None

    @property
    def outcome_of(self) -> int | None:
        """The id of the task that this is the outcome of."""
        return self.timer_id if self.event_type is Kind.TIMER_FIRED else self.task_scheduled_id


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def to_text(event: Event) -> str:
    """The row as JSON text."""
    return _encoder.encode(event).decode()


def from_text(text: str) -> Event:
    """Read a row.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    return _decoder.decode(text)


def context_text(instance_id: str, parent_id: str | None, given: str | None, history: Sequence[str]) -> str:
    """What an orchestrator function is called with: `history` is all of it, with the rows of this episode."""
    context = {
        "history": [msgspec.Raw(row.encode()) for row in history],
        "instanceId": instance_id,
        "isReplaying": False,
        "parentInstanceId": parent_id,
        "input": given,
        "upperSchemaVersion": 0,
        "upperSchemaVersionNew": 2,
    }
    return _encoder.encode(context).decode()


def orchestrator_started(at: datetime) -> Event:
    """An episode begins; `at` is the present as its orchestrator sees it."""
    return Event(Kind.ORCHESTRATOR_STARTED, NO_TASK, is_played=False, timestamp=at)


def orchestrator_completed(at: datetime) -> Event:
    """An episode ends."""
    return Event(Kind.ORCHESTRATOR_COMPLETED, NO_TASK, is_played=False, timestamp=at)


def execution_started(at: datetime, name: str, version: str, given: str | None) -> Event:
    """The first episode of an execution begins."""
    return Event(
        Kind.EXECUTION_STARTED,
        NO_TASK,
        is_played=False,
        timestamp=at,
        name=name,
        version=version,
        input=given,
    )


def controlled(kind: Kind, at: datetime, reason: str) -> Event:
    """Somebody terminates, suspends or resumes."""
    return Event(kind, NO_TASK, is_played=False, timestamp=at, input=reason)


def raised(at: datetime, name: str, text: str) -> Event:
    """An event has come from outside; `text` is JSON."""
    return Event(Kind.EVENT_RAISED, NO_TASK, is_played=False, timestamp=at, name=name, input=text)


def fired(timer_id: int, at: datetime) -> Event:
    """A timer's time has come."""
    return Event(Kind.TIMER_FIRED, NO_TASK, is_played=False, timestamp=at, timer_id=timer_id, fire_at=at)


def completed(kind: Kind, at: datetime, task_id: int, result: str) -> Event:
    """An activity or a sub-orchestration has come to its end; `result` is JSON text."""
    return Event(kind, NO_TASK, is_played=False, timestamp=at, task_scheduled_id=task_id, result=result)


def failed(kind: Kind, at: datetime, task_id: int, reason: str, details: str = "") -> Event:
    """An activity or a sub-orchestration has failed."""
    return Event(
        kind,
        NO_TASK,
        is_played=False,
        timestamp=at,
        task_scheduled_id=task_id,
        reason=reason,
        details=details,
    )
