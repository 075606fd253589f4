"""Durable orchestrations as the embedded host keeps them: instances, their histories, what arrives for them.

On Azure the platform keeps all this, so there is an adapter for the embedded store alone, and writes
that belong together are one transaction.

    queue `orchestrator`   an instance has something to take its next step for
    queue `activity`       an activity is to be called

A queue message only names what it is about. What there is to do is read from the store, so a message that is
handed over twice does nothing the second time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

ORCHESTRATOR_QUEUE = "orchestrator"
ACTIVITY_QUEUE = "activity"

ARRIVALS_AT_ONCE = 256
"""The most events of one step; the others are left for the next."""


class RuntimeStatus(StrEnum):
    """How an instance stands, in the words of Durable Functions' client."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"

    @property
    def is_final(self) -> bool:
        """Whether the instance takes no further step."""
        return self in _FINAL


_FINAL = frozenset((RuntimeStatus.COMPLETED, RuntimeStatus.FAILED, RuntimeStatus.TERMINATED))


@dataclass(frozen=True, slots=True)
class Parent:
    """The call of a sub-orchestration whose answer an instance is.

    Attributes:
        execution: Of the instance that called.
        task_id: Of the call within it.
    """

    instance_id: str
    execution: str
    task_id: int


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of an orchestrator.

    Attributes:
        execution: Differs for every history that the id has had; what was meant for another is dropped.
        input: JSON text, as are `output` and `custom_status`.
        created_at: UTC, as is `updated_at`.
        step: How many steps have been kept.
    """

    id: str
    execution: str
    name: str
    status: RuntimeStatus
    created_at: datetime
    updated_at: datetime
    version: str = ""
    input: str | None = field(default=None, repr=False)
    output: str | None = field(default=None, repr=False)
    custom_status: str | None = field(default=None, repr=False)
    parent: Parent | None = None
    step: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that waits for its instance.

    Attributes:
        place: Identifies it, and is higher the later it came.
        event: JSON text, a row of a history.
    """

    place: int
    event: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the next step of an instance depends on.

    Attributes:
        history: JSON texts, oldest first.
        arrivals: Those that are due, no more than `ARRIVALS_AT_ONCE`: urgent ones first, then earliest due.
    """

    instance: Instance
    history: Sequence[str]
    arrivals: Sequence[Arrival]


@dataclass(frozen=True, slots=True)
class ActivityCall:
    """An activity to be called.

    Attributes:
        task_id: Of the call within the execution.
        input: JSON text.
    """

    instance_id: str
    execution: str
    task_id: int
    name: str
    input: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """An event on its way to an instance.

    Attributes:
        event: JSON text, a row of a history.
        execution: Only this execution of the instance gets it; None is whichever there is.
        task_id: What it is the outcome of; None for what comes from outside.
        due_at: When it arrives, in UTC; None is at once.
        is_urgent: It comes before everything that waits, however much that is.
    """

    instance_id: str
    event: str = field(repr=False)
    execution: str | None = None
    task_id: int | None = None
    due_at: datetime | None = None
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """A sub-orchestration to be started.

    Attributes:
        refusal: What its parent gets instead if an unfinished instance has its id.
    """

    instance: Instance
    refusal: Letter


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of an instance changes, all of it or nothing.

    Attributes:
        instance: As it is after the step; its `step` is one more than before.
        execution: As it was before the step.
        taken: The places of the arrivals that were used up.
        history: JSON texts to be added to its history.
        begins_anew: Its history so far, and what belongs to it among the arrivals, is removed first.
        cancelled: Ids of tasks whose letters are not to arrive any more.
    """

    instance: Instance
    execution: str
    taken: Sequence[int]
    history: Sequence[str] = ()
    begins_anew: bool = False
    calls: Sequence[ActivityCall] = ()
    letters: Sequence[Letter] = ()
    starts: Sequence[Start] = ()
    cancelled: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which instances a list is of, and from where on.

    Attributes:
        after: Of the last instance of the page before: when it was created, and its id.
        created_from: UTC, that instant included, as with `created_to`.
        statuses: Of `RuntimeStatus`; other texts are no instance's. Empty is any.
    """

    limit: int
    after: tuple[datetime, str] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    statuses: frozenset[str] = frozenset()
    id_prefix: str = ""


class Orchestrations(Protocol):
    """Every write is one transaction together with the queue messages that follow from it.

    An adapter that is out of reach raises `Unavailable` and has changed nothing.
    `tests/contracts/test_orchestrations.py` holds the adapter to these sentences.
    """

    async def start(self, instance: Instance) -> bool:
        """Keep a new instance and queue its first step, in place of a finished one with its id.

        Returns:
            False if an unfinished instance has its id, and then nothing was kept.
        """
        ...

    async def load(self, instance_id: str) -> State | None:
        """What the next step of an instance depends on; None if there is no such instance."""
        ...

    async def commit(self, step: Step) -> bool:
        """Keep a step, and queue what follows from it.

        A finished instance gets no letters any more; the activities that it has called are called all the
        same, except by one that was terminated.

        Returns:
            False if another step of the instance was kept since it was loaded, or it was replaced or purged;
            then nothing was kept.
        """
        ...

    async def call(self, instance_id: str, execution: str, task_id: int) -> ActivityCall | None:
        """An activity that is still to be called; None if its outcome is kept or nobody wants it any more."""
        ...

    async def finish(self, call: ActivityCall, event: str) -> None:
        """Keep the outcome of an activity and queue its instance's next step; only the first one counts."""
        ...

    async def tell(self, letter: Letter) -> RuntimeStatus | None:
        """Have an event arrive, and queue the step that takes it.

        Returns:
            How the instance stood; a finished one did not get it. None if there is no such instance.
        """
        ...

    async def get(self, instance_id: str) -> Instance | None:
        """One instance."""
        ...

    async def history(self, instance_id: str) -> Sequence[str]:
        """The history of an instance as JSON texts, oldest first; empty if there is no such instance."""
        ...

    async def page(self, wanted: Wanted) -> Sequence[Instance]:
        """Instances in the order in which they were created, without their inputs."""
        ...

    async def purge(self, instance_id: str) -> RuntimeStatus | None:
        """Remove all traces of a finished instance.

        Returns:
            How it stood; an unfinished one is left alone. None if there is no such instance.
        """
        ...
