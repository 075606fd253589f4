"""Queues, from the side that sends and from the side that drives the functions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

COUNTED_MAX = 100_000
"""How far a backlog is counted: to count millions of retries every minute would cost more than it tells."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What stands in a queue.

    Attributes:
        due: Bodies that are due and not settled, those that a consumer has right now among them;
            `COUNTED_MAX` is so many or more.
        scheduled: Bodies that are not due yet; as `due`.
        due_since: When the first of those that are due became so, in UTC; None if none is.
        dead: Dead letters; as `due`.
    """

    due: int
    scheduled: int
    due_since: datetime | None
    dead: int = 0


class Queue(Protocol):
    """The sending side. `tests/contracts/test_queue.py` holds every adapter to it.

    An adapter that is out of reach raises `Unavailable` and has queued nothing.
    """

    async def send(self, queue: str, body: bytes, *, due_at: datetime | None = None) -> None:
        """Queue a body, durable when this returns; handed over at least once, not before `due_at` (UTC)."""
        ...

    async def reject(self, queue: str, body: bytes, *, reason: str) -> None:
        """Put a body among the queue's dead letters, with a reason that a person can act on."""
        ...

    async def redrive(self, queue: str) -> None:
        """Have all dead letters of a queue handed over again, as what was handed over before."""
        ...

    async def backlog(self, queue: str, *, at_most: int = COUNTED_MAX) -> Backlog:
        """What stands in a queue, at a bounded cost: it may be asked once a minute, whatever waits.

        Args:
            queue: Its name.
            at_most: How far to count, if that is less than `COUNTED_MAX`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """One body handed to a consumer, who has it until it is settled or the lease ends.

    Attributes:
        sequence: Identifies it within its queue.
        delivery_count: How often it has been handed over, this time included.
        enqueued_at: UTC.
    """

    queue: str
    sequence: int
    body: bytes = field(repr=False)
    delivery_count: int
    enqueued_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A body that nobody will be handed again."""

    queue: str
    sequence: int
    body: bytes = field(repr=False)
    reason: str
    died_at: datetime


class Consumer(Protocol):
    """The receiving side, for a host that drives the functions itself.

    What was handed over and neither completed nor abandoned is handed over again, with a higher
    `delivery_count`, when its lease ends or after the process has died.
    `tests/contracts/test_queue.py` holds every adapter to these sentences.
    """

    async def receive(
        self, queue: str, *, limit: int, lease: timedelta, patience: timedelta
    ) -> Sequence[Delivery]:
        """Take up to `limit` bodies that are due, earliest due first.

        Waits for the first one up to `patience`; with zero patience it answers at once. May be empty.
        """
        ...

    async def complete(self, delivery: Delivery) -> None:
        """Done: it is never handed over again."""
        ...

    async def abandon(self, delivery: Delivery) -> None:
        """Not done: it is due again at once."""
        ...

    async def bury(self, delivery: Delivery, *, reason: str) -> None:
        """Never to be done: it moves to the dead letters."""
        ...

    async def renew(self, delivery: Delivery, *, lease: timedelta) -> None:
        """Hold it for `lease` from now."""
        ...

    async def dead_letters(self, queue: str, *, limit: int) -> Sequence[DeadLetter]:
        """The latest dead letters of a queue, newest first."""
        ...
