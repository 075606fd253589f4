"""What the emulator counts, and what a test has it do wrong."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum, auto
from typing import TypeAlias


class Operation(StrEnum):
    """What a client asks for, or is handed.

    `SEND` is one transfer, however many messages are in it. `RECEIVE` is one message handed over, and is only
    counted: what is to go wrong there is planned for `ASK`, which is when a receiver asks for messages.
    """

    CONNECT = auto()
    AUTHORIZE = auto()
    ATTACH = auto()
    SEND = auto()
    ASK = auto()
    RECEIVE = auto()
    COMPLETE = auto()
    ABANDON = auto()
    DEFER = auto()
    DEAD_LETTER = auto()
    RELEASE = auto()
    SCHEDULE = auto()
    CANCEL = auto()
    PEEK = auto()
    RENEW = auto()
    RECEIVE_DEFERRED = auto()
    SESSION = auto()
    COUNT = auto()


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse with a condition, and do nothing; server-busy is how the service throttles."""

    condition: str
    description: str = "the emulator was told to"


@dataclass(frozen=True, slots=True)
class Cut:
    """End the connection without a word: before anything is done, or when it is done and not answered."""

    is_done_first: bool


@dataclass(frozen=True, slots=True)
class Delay:
    """Do and answer it later, by the emulator's clock."""

    by: timedelta


Fault: TypeAlias = Refuse | Cut | Delay


@dataclass(slots=True)
class _Plan:
    fault: Fault
    operation: Operation
    queue: str | None
    after: int
    times: int


@dataclass(slots=True)
class Faults:
    """What goes wrong, and how often each operation was asked for.

    Attributes:
        counts: By operation and queue; of management requests, too.
        messages: Messages sent or scheduled, by queue.
    """

    counts: Counter[tuple[Operation, str]] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    _plans: list[_Plan] = field(default_factory=list)

    def plan(
        self, operation: Operation, fault: Fault, *, queue: str | None = None, after: int = 0, times: int = 1
    ) -> None:
        """Have an operation, on any queue or one, go wrong `times` times after it went well `after` times."""
        self._plans.append(_Plan(fault, operation, queue, after, times))

    def mend(self, queue: str | None = None) -> None:
        """Let everything go well from now on, on one queue or on all."""
        self._plans = [plan for plan in self._plans if queue is not None and plan.queue != queue]

    def count(self, operation: Operation, queue: str) -> Fault | None:
        """Count an operation, and say what is to go wrong with it."""
        self.counts[operation, queue] += 1
        for plan in self._plans:
            if plan.operation is operation and plan.queue in {None, queue}:
                if plan.after > 0:
                    plan.after -= 1
                    continue
                plan.times -= 1
                if plan.times <= 0:
                    self._plans.remove(plan)
                return plan.fault
        return None

    def of(self, operation: Operation) -> int:
        """How often it was asked for, on all queues."""
        return sum(count for (counted, _), count in self.counts.items() if counted is operation)
