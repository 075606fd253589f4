"""Writes that belong together with queued work.

On one database they are one transaction; on separate services the record is written first and the work queued
after it, and nothing is acknowledged before both are done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.attempt import Attempt
from shared.domain.message import Message
from shared.domain.work import Dispatch, Retry
from shared.ports.answers import StoredAnswer


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

        Returns:
            None if all were kept; the answer that the claim's key has had already, and then nothing was kept.

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

    async def unfinished(self, *, before: datetime, limit: int) -> Sequence[Dispatch | Retry]:
        """Work that should have been under way before an instant and may not have been queued, oldest first.

        A message without attempt is a dispatch, as it was queued but with `repeat` set; a failed attempt
        whose retry is overdue is a retry. A message that was told when to be delivered is looked at by its
        `deliver_at`, any other by its `created_at`: one that waits for its time is not unfinished, nor is one
        whose attempts were removed.
        An adapter that writes both halves in one transaction has none.
        """
        ...
