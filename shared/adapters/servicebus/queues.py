"""What the queues are, once and for all: the adapters, the tests and the deployment read it here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.work import EVENTS_QUEUE, QUEUES

LOCK = timedelta(minutes=1)
"""How long a message is its consumer's. Longer than a request to a receiver and all that comes with it."""

MAX_DELIVERIES = 10
"""What has been handed over so often is a dead letter."""

REJECTING = (EVENTS_QUEUE,)
"""The queues that bodies are rejected from; each has a queue of those beside it, which nobody consumes."""


def rejected(queue: str) -> str:
    """The name of the queue of what was rejected."""
    return f"{queue}-rejected"


@dataclass(frozen=True, slots=True)
class Shape:
    """One queue: a plain one, without sessions or duplicate detection, whose messages do not expire."""

    name: str
    lock: timedelta = LOCK
    max_deliveries: int = MAX_DELIVERIES


SHAPES: Sequence[Shape] = [Shape(name) for name in (*QUEUES, *map(rejected, REJECTING))]
"""Every queue of a namespace."""
