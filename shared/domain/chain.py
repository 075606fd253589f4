"""The chain of attempts on one message at one endpoint, and whether its next retry is still to be made."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from shared.domain.attempt import Attempt, Status, Trigger


class Standing(Enum):
    """What becomes of a retry whose time has come."""

    DUE = "due"
    """It is to be made."""
    DONE = "done"
    """It was made already: the work was handed over twice."""
    OVER = "over"
    """The message arrived by another attempt, or somebody ended the chain."""


def standing(attempts: Sequence[Attempt], number: int) -> Standing:
    """Decide about a retry.

    Args:
        attempts: Every attempt on the message at the endpoint, manual ones too, in order of id.
        number: Which automatic attempt the retry would be.
    """
    automatic = [attempt for attempt in attempts if attempt.trigger is Trigger.SCHEDULED]
    if any(attempt.number >= number for attempt in automatic):
        return Standing.DONE
    if any(attempt.status is Status.SUCCESS for attempt in attempts):
        return Standing.OVER
    # The attempt before is recorded before, or together with, the work of the retry.
    is_announced = not automatic or automatic[-1].next_attempt_at is not None
    return Standing.DUE if is_announced else Standing.OVER


def message_status(attempts: Sequence[Attempt]) -> Status:
    """How a message stands at an endpoint: it arrived, a retry follows, or it was given up.

    Args:
        attempts: As for `standing`.
    """
    if any(attempt.status is Status.SUCCESS for attempt in attempts):
        return Status.SUCCESS
    return Status.FAIL if pending_at(attempts) is None else Status.SENDING


def pending_at(attempts: Sequence[Attempt]) -> datetime | None:
    """When the next retry of a chain is due; None if none follows.

    Args:
        attempts: As for `standing`.
    """
    automatic = [attempt for attempt in attempts if attempt.trigger is Trigger.SCHEDULED]
    if not automatic or any(attempt.status is Status.SUCCESS for attempt in attempts):
        return None
    return automatic[-1].next_attempt_at
