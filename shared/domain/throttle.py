"""Deliveries per second: who may be sent something now, and when the others may.

A rate is held by turns that follow each other one interval apart, in a line. Whoever comes takes the next
turn of the line, and waits for it. Nothing is counted, so nothing leaves in bursts as a second begins.

A delivery may leave `EARLY` before its turn, and its turn is good until `LATE` after it; in ten seconds the
two add at most 3.5 % to a rate. A turn that was missed is lost: else everything that waited through an outage
would leave at once at its end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import msgspec

from shared.domain.application import Application
from shared.domain.endpoint import Endpoint

EARLY = timedelta(milliseconds=100)
"""So long before its turn a delivery may leave: who sends no more than the rate hardly ever waits."""

LATE = timedelta(milliseconds=250)
"""So long after its turn a delivery may still leave in it."""

LOOK = timedelta(minutes=5)
"""Who waits longer looks this often whether the rate is still the same and the endpoint still there."""

LINES_KEPT = 4096
"""Lines remembered at least, some 200 bytes each. With more, those that say nothing now are forgotten."""

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate that deliveries are held to.

    Attributes:
        line: Names the line of turns. Each change of the rate begins another one, in which no turn of the
            old one counts.
        interval: From one turn to the next.
    """

    line: str
    interval: timedelta


class Turn(msgspec.Struct, frozen=True):
    """A turn that queued work waits for.

    Attributes:
        at: Its instant, in UTC.
        line: As of its `Limit`.
    """

    at: datetime
    line: str


class Horizon(dict[str, datetime]):
    """An instant for each line, which says nothing any more when it is past, and is forgotten then."""

    def __init__(self, lines: Mapping[str, datetime] | None = None) -> None:
        super().__init__(lines or {})
        self._room = LINES_KEPT

    def move(self, line: str, at: datetime, now: datetime) -> None:
        """Set the instant of a line, in UTC, at an instant."""
        self[line] = at
        if len(self) > self._room:
            for past in [name for name, its in self.items() if its <= now]:
                del self[past]
            self._room = max(LINES_KEPT, 2 * len(self))


def limit_of(owner: Endpoint | Application) -> Limit | None:
    """What deliveries are held to by an endpoint or application; None if by nothing."""
    if owner.throttle_rate is None:
        return None
    since = "" if owner.throttled_since is None else f"@{owner.throttled_since:%Y%m%dT%H%M%S.%f}"
    return Limit(owner.id + since, SECOND / owner.throttle_rate)


def take(
    free_at: Mapping[str, datetime], under: Sequence[Limit], now: datetime
) -> tuple[Turn | None, Mapping[str, datetime]]:
    """Take the next turn in each line, one after the other, until one has to be waited for.

    A turn in a line further down is only taken when those before it have come: who waits for a slow endpoint
    uses up none of its application's rate meanwhile.

    Args:
        free_at: By line, its next turn; none if nobody waits there.
        under: The limits, in order.
        now: The present, in UTC.

    Returns:
        The turn that has to be waited for, or None; and the next turn of each line in which one was taken.
    """
    taken = {}
    for limit in under:
        at = max(free_at.get(limit.line, now), now)
        taken[limit.line] = at + limit.interval
        if at > now + EARLY:
            return Turn(at, limit.line), taken
    return None, taken


def waiting(limit: Limit, next_turn: datetime, now: datetime) -> int:
    """How many deliveries wait for a turn in a line, about: turns that were lost count, too.

    Args:
        limit: The line's.
        next_turn: When whoever comes next has its turn, in UTC.
        now: The present, in UTC.
    """
    return max(ceil((next_turn - now - EARLY) / limit.interval) - 1, 0)


def look_at(turn: Turn, now: datetime) -> datetime:
    """When work that waits is looked at: at its turn, or a whole number of `LOOK` before it.

    Counted back from the turn, so that the looks of all that wait are as evenly spread as their turns are.
    """
    return turn.at - (max(turn.at - now, LOOK) - timedelta.resolution) // LOOK * LOOK
