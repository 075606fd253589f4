"""Writes that belong together with queued work.

On one database they are one transaction; on separate services the record is written first and the work queued
after it, and nothing is acknowledged before both are done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from shared.domain.attempt import Attempt
from shared.domain.message import Message
from shared.domain.work import Dispatch, Retry
from shared.ports.answers import StoredAnswer

Told: TypeAlias = Callable[[Dispatch | Retry], None]
"""Hears of work."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An idempotency key that is used up by this message, and what its repeats are answered.

    Attributes:
        key: Identifies caller, key and request.
        expires_at: When the key is forgotten, in UTC.
    """

    key: bytes
    answer: StoredAnswer
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DueRetry:
    """A retry and when it is due, in UTC."""

    retry: Retry
    due_at: datetime


class Outbox(Protocol):
    """Both halves are durable when a call returns.

    An adapter that is out of reach raises `Unavailable`; then the caller was promised nothing.
    `tests/contracts/test_outbox.py` holds every adapter to these sentences.
    """

    async def accept(self, message: Message, dispatch: Dispatch, claim: Claim | None) -> StoredAnswer | None:
        """Keep a new message, its claim and its dispatch, which is due at the message's `deliver_at`.

        The message's id was made of its eventId, else of the claim's key (`ids.new_message_id`), if there is
        one. A key that comes again is known by it if it comes with the same eventId, or without one again;
        an adapter that keeps all in one place knows it in any case.

        Returns:
            None if all were kept; the answer that the claim's key has had already, and then nothing was kept.
            Whoever gets one, or `EventIdTaken`, may take it that the first message is queued.

        Raises:
            EventIdTaken: The application has a message with this eventId. Nothing was kept, nor the claim.
            Unavailable: The store or the queue is out of reach or full.
        """
        ...

    async def record(self, attempt: Attempt, retry: DueRetry | None, *, beside_others: bool = False) -> None:
        """Keep an attempt and queue the retry that follows it.

        Recording the same attempt id twice keeps the first.

        Args:
            attempt: It.
            retry: What follows it.
            beside_others: Though it may be the first automatic one, or the first by hand, there are others
                before it. One by hand that is recorded while the first automatic one is under way need not
                be told of.

        Raises:
            Unavailable: The store or the queue is out of reach or full.
        """
        ...

    async def postpone(self, retry: Retry, *, due_at: datetime) -> None:
        """Note that a retry has to wait and is due later, so that `requeue` takes it for lost no earlier.

        Whoever calls has queued it. An adapter that is out of reach says nothing: the retry may be queued
        once more then, which costs a look, or under a rate a turn.
        """
        ...

    async def answered(self, app_id: str | None, key: bytes) -> StoredAnswer | None:
        """The answer that a claim's key has had, if it has not expired.

        Args:
            app_id: Whose message has used it up, if that is known; else to look takes longer.
            key: The claim's.
        """
        ...

    async def requeue(self, *, before: datetime, limit: int, told: Told) -> None:
        """Queue again what was recorded and, after a failure or a crash, perhaps not queued.

        Up to `limit` pieces of work that should have been under way before an instant: messages without
        attempt, with `repeat` set, and failed attempts whose retry is overdue. A message that waits for its
        time is not meant, nor is one whose attempts were removed. What has been queued again is left alone
        until there is reason to think that it was lost once more. An adapter that writes both halves in one
        transaction has none.

        Args:
            before: The instant, in UTC.
            limit: Of pieces of work.
            told: Called with each piece as soon as it is queued, whatever becomes of the others.

        Raises:
            Unavailable: The store or the queue is out of reach; whatever else could be queued is.
        """
        ...
