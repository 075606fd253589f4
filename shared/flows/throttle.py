"""Turns of deliveries under a rate."""

from collections.abc import Sequence
from datetime import datetime

from shared.domain.throttle import EARLY, LATE, Horizon, Limit, Turn
from shared.ports.clock import Clock
from shared.ports.throttles import Throttles


class Throttle:
    """Says whether a delivery may leave now, or which turn it has to wait for.

    1. A turn that has come is used; whoever comes without one takes one.
    2. Who has missed a turn, or has had it and waited for one in another line since, leaves if there is a gap
       among those that this process has let go; else it takes another. If it always took another, nothing
       would leave while everything comes a little late.

    The turns are those of all processes, the gaps those of one. So where several processes come back from an
    outage, each may let out as much as the rate, until what missed its turn has a new one.
    """

    def __init__(self, throttles: Throttles, clock: Clock) -> None:
        self._throttles = throttles
        self._clock = clock
        self._gap_at = Horizon()

    async def turn(self, app_id: str, under: Sequence[Limit], held: Turn | None) -> Turn | None:
        """Decide about one delivery.

        Args:
            app_id: Whose it is.
            under: The limits it is under.
            held: The turn that it has waited for.

        Returns:
            None if it may leave; else the turn that it has to wait for.

        Raises:
            Unavailable: The store is out of reach.
        """
        now = self._clock.now()
        held_in = _line_of(held, under)
        if held is not None and held_in is not None and held.at > now + EARLY:
            return held
        usable = self._usable(under, held, held_in, now)
        missing = [limit for limit in under if limit not in usable]
        if missing:
            turn = await self._throttles.take(app_id, missing, now=now)
            if turn is not None:
                return turn
        self._leaves(under, now)
        return None

    def _usable(
        self, under: Sequence[Limit], held: Turn | None, held_in: int | None, now: datetime
    ) -> Sequence[Limit]:
        """The limits under which it needs no other turn to leave."""
        if held is None or held_in is None:
            return []
        has_come = [under[held_in]] if held.at >= now - LATE else []
        return [limit for limit in under[: held_in + 1] if limit in has_come or self._has_gap(limit, now)]

    def _has_gap(self, limit: Limit, now: datetime) -> bool:
        return self._gap_at.get(limit.line, now) <= now

    def _leaves(self, under: Sequence[Limit], now: datetime) -> None:
        for limit in under:
            gap_at = max(self._gap_at.get(limit.line, now), now) + limit.interval
            self._gap_at.move(limit.line, gap_at, now)


def _line_of(held: Turn | None, under: Sequence[Limit]) -> int | None:
    """In which of the lines a turn is; None if it is in none, as after a change of the rate."""
    lines = [limit.line for limit in under]
    return lines.index(held.line) if held is not None and held.line in lines else None
