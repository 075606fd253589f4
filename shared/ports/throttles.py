"""The turns of deliveries under a rate."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.throttle import Limit, Turn


class Throttles(Protocol):
    """The lines in which turns are taken. `tests/contracts/test_throttles.py` holds every adapter to it.

    A turn that was given is never given again, by whichever process and whatever dies. An adapter may take
    turns ahead, for a second at most, and give them out of memory; those that it does not give are lost. One
    that is out of reach raises `Unavailable`; then turns are lost, too. A line whose next turn has come may
    be forgotten.
    """

    async def take(self, app_id: str, under: Sequence[Limit], *, now: datetime) -> Turn | None:
        """Take the next turn in each line, as `shared.domain.throttle.take` decides.

        Args:
            app_id: Whose deliveries they are; its lines and those of its endpoints lie together.
            under: The limits, in order.
            now: The present, in UTC.

        Returns:
            The turn that has to be waited for; None if the delivery may leave.
        """
        ...

    async def next_turns(self, app_id: str, under: Sequence[Limit], *, now: datetime) -> Sequence[datetime]:
        """When the next turn of each line is, in UTC; `now` if nobody waits there.

        It may lie behind the turns that were taken ahead.
        """
        ...
