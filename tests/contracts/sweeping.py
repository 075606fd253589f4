"""What an outbox queues again."""

from datetime import datetime

from shared.domain.work import Dispatch, Retry
from shared.ports.outbox import Outbox


async def requeued(outbox: Outbox, *, before: datetime, limit: int) -> list[Dispatch | Retry]:
    """Have an outbox queue again what was due before an instant, up to a limit; what it told of.

    Raises:
        Unavailable: The store or the queue is out of reach.
    """
    told: list[Dispatch | Retry] = []
    await outbox.requeue(before=before, limit=limit, told=told.append)
    return told
