"""Queues: from the side that sends, from the side that drives the functions, and what was given up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

COUNTED_MAX = 100_000
"""How far a backlog is counted: to count millions of retries every minute would cost more than it tells."""

DELIVERIES_BEFORE = "deliveries-before"
"""The property of a message that was redriven: how often it was handed over before, where the service has
forgotten it. It is to be added to the delivery count."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What stands in a queue.

    Attributes:
        due: Bodies that are due and not settled, those that a consumer has right now among them;
            `COUNTED_MAX` is so many or more.
        scheduled: Bodies that are not due yet; as `due`.
        due_since: When the first of those that are due became so, in UTC; None if none is, or if it stands
            behind so many that are not due yet that to find it would cost too much.
        dead: Dead letters; as `due`.
    """

    due: int
    scheduled: int
    due_since: datetime | None
    dead: int = 0


class Queue(Protocol):
    """The sending side. `tests/contracts/test_queue.py` holds every adapter to it.

    An adapter that is out of reach raises `Unavailable`. The body may be queued all the same then, if it was
    the service's answer that was lost; whoever sends it again must not mind two.

    What is scheduled cannot be cancelled: whoever is handed it looks first whether it is still to be done and
    says why not, which a crash between cancelling and saying so would leave untold.
    """

    async def send(self, queue: str, body: bytes, *, due_at: datetime | None = None) -> None:
        """Queue a body, durable when this returns; handed over at least once, not before `due_at` (UTC).

        Raises:
            TooLargeToQueue: The queue does not take so large a body; each takes 200 KB.
            Unavailable: The queue is out of reach.
        """
        ...

    async def reject(self, queue: str, body: bytes, *, reason: str) -> None:
        """Put a body among the queue's dead letters, with a reason that a person can act on."""
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
        enqueued_at: When it was sent, or became due, in UTC.
        message_id: What its sender calls it, if that is anything.
        properties: What its sender wrote on it.
    """

    queue: str
    sequence: int
    body: bytes = field(repr=False)
    delivery_count: int
    enqueued_at: datetime
    message_id: str | None = None
    properties: Mapping[str, object] = field(default_factory=dict, repr=False)


class Consumer(Protocol):
    """The receiving side, for a host that drives the functions itself.

    What was handed over and neither completed nor abandoned is handed over again, with a higher
    `delivery_count`, when its lease ends: at the latest then if the process has died.
    To settle what one has no longer does nothing, or settles it all the same.
    `tests/contracts/test_queue.py` holds every adapter to these sentences.
    """

    async def receive(
        self, queue: str, *, limit: int, lease: timedelta, patience: timedelta
    ) -> Sequence[Delivery]:
        """Take up to `limit` bodies that are due, in the order in which they became so.

        Waits for the first one up to `patience`. May be empty.

        Args:
            queue: Its name.
            limit: How many at most.
            lease: For how long, unless the queue has a lease of its own.
            patience: How long to wait for the first.
        """
        ...

    async def complete(self, delivery: Delivery) -> None:
        """Done: it is never handed over again."""
        ...

    async def abandon(self, delivery: Delivery) -> None:
        """Not done: it is due again at once. Whether it has kept its place is the adapter's."""
        ...

    async def bury(self, delivery: Delivery, *, reason: str) -> None:
        """Never to be done: it moves to the dead letters."""
        ...

    async def renew(self, delivery: Delivery, *, lease: timedelta) -> None:
        """Hold it from now, for as long as `receive` says."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A body that nobody will be handed again.

    Attributes:
        id: Identifies it among those of its queue.
        died_at: UTC; None if the queue does not know.
    """

    queue: str
    id: str
    body: bytes = field(repr=False)
    reason: str
    died_at: datetime | None


class DeadLetters(Protocol):
    """What was given up. `tests/contracts/test_queue.py` holds every adapter to it.

    An adapter that is out of reach raises `Unavailable`.
    """

    async def page(self, queue: str, *, after: str | None = None, limit: int) -> Sequence[DeadLetter]:
        """Those of a queue in an order that stays, from the first or from behind the one whose id is `after`.

        Raises:
            ValueError: `after` was never the id of one.
        """
        ...

    async def redrive(self, queue: str) -> int:
        """Have all of a queue handed over again, as what was handed over before.

        What ends in the middle loses none, but may have one handed over twice.

        Returns:
            How many they were.
        """
        ...
