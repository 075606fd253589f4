"""What becomes of queued work while a part of ours is out of reach."""

from dataclasses import dataclass
from datetime import timedelta

from shared.domain.errors import TooLargeToQueue, Unavailable
from shared.ports.clock import Clock
from shared.ports.journal import Journal
from shared.ports.queue import Queue

FIRST_REST = timedelta(milliseconds=500)
LONGEST_REST = timedelta(seconds=60)
"""Each rest is twice the one before. The nine before the tenth delivery, the last one, add up to three
minutes."""

DOUBLINGS = 7
"""After so many deliveries each rest is the longest."""

DELIVERIES_HERE = 5
"""So often work is tried, over 15 s, before it is queued anew: most outages are shorter."""

LATER = timedelta(seconds=30)
"""When work that is queued anew is due."""


def rest_after(delivery_count: int) -> timedelta:
    """How long to rest after a delivery that has failed, counted from 1."""
    if delivery_count > DOUBLINGS:
        return LONGEST_REST
    return FIRST_REST * (1 << (delivery_count - 1))


@dataclass(frozen=True)
class SitOut:
    """Keep work from being given up because a part of ours is out of reach.

    Azure's host hands a message over again at once when its function raises, and gives it up the tenth time:
    without a rest an outage of a second would do.

    1. Rest, longer each time. Who rests keeps its place among the host's calls, so that less is taken on.
    2. What still fails after `DELIVERIES_HERE` is queued anew, for later, and counts from 1 again: an outage
       may last as long as it likes. Should the queue be out of reach, the work rests on.
    """

    queue: Queue
    clock: Clock
    journal: Journal

    async def __call__(self, queue: str, body: bytes, outage: Unavailable, *, delivery_count: int) -> None:
        """Rest, or queue the work anew; if this returns, it is queued.

        Args:
            queue: The queue that it came from.
            body: The work as it is queued anew: whoever takes it looks at what is done already.
            outage: What has failed.
            delivery_count: How often the work has been handed over.

        Raises:
            Unavailable: The outage; the host is to hand the work over again.
        """
        if delivery_count > DELIVERIES_HERE and await self._is_queued(queue, body):
            return
        asked = min(outage.wait or FIRST_REST, LONGEST_REST)
        await self.clock.sleep(max(rest_after(delivery_count), asked))
        raise outage

    async def _is_queued(self, queue: str, body: bytes) -> bool:
        due_at = self.clock.now() + LATER
        try:
            await self.queue.send(queue, body, due_at=due_at)
        except (Unavailable, TooLargeToQueue):
            return False
        self.journal.note("work.postponed", queue=queue, due_at=due_at.isoformat())
        return True
