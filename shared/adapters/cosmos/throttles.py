"""The turns of deliveries under a rate, on Cosmos DB, where many processes take turns in one line.

A line is a document, beside the application's endpoints, that says up to when turns were taken. A process
takes a stretch of the line by moving that instant on, and gives its turns out of memory: as many as are
waited for at that moment, and more only while it uses them up as fast as the rate goes. So who sends little
takes no turns from others, and who sends much writes once a second. All who come meanwhile share the next
stretch.
"""

from asyncio import Lock, gather
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

from shared.adapters.cosmos.records import TRIES, Overtaken, Record, Records, instant, micros
from shared.domain.throttle import LINES_KEPT, SECOND, Limit, Turn, take

KIND = "line"

AHEAD = SECOND
"""How much of a line a process takes at most for turns that nobody waits for yet."""

FORGOTTEN_AFTER = timedelta(minutes=1)
"""So long after its last turn a line goes by itself: longer than clocks of several hosts differ."""

_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass
class _Line:
    """A line as this process sees it.

    Attributes:
        next: Its next turn, if that is before `until`.
        until: The end of its stretch.
        taken_at: When it took that.
        turns: How many turns it had.
        known: What is there of the line, as it was written or read last.
        waiting: How many wait for a turn.
    """

    app_id: str
    name: str
    next: datetime = _LONG_AGO
    until: datetime = _LONG_AGO
    taken_at: datetime = _LONG_AGO
    turns: int = 1
    known: Record | None = None
    waiting: int = 0
    lock: Lock = field(default_factory=Lock)

    def is_needed(self, now: datetime) -> bool:
        """Whether it says more than that nobody waits."""
        return self.waiting > 0 or self.until > now

    async def turn(self, records: Records, interval: timedelta, now: datetime) -> datetime:
        """Take the next turn."""
        self.waiting += 1
        try:
            async with self.lock:
                if max(self.next, now) + interval > self.until:
                    await self._take_stretch(records, interval, now)
                at = max(self.next, now)
                self.next = at + interval
                return at
        finally:
            self.waiting -= 1

    async def _take_stretch(self, records: Records, interval: timedelta, now: datetime) -> None:
        turns = max(self.waiting, self._ahead(interval, now))
        for _ in range(TRIES):
            begins = now if self.known is None else max(instant(self.known.thing["free_at"]), now)
            ends = begins + turns * interval
            record = _record(self.app_id, self.name, ends, now)
            written = await records.put(record, over=self.known)
            if written is not None:
                self.known, self.next, self.until = written, begins, ends
                self.taken_at, self.turns = now, turns
                return
            self.known = await records.read(record.pk, record.id)
        raise Overtaken

    def _ahead(self, interval: timedelta, now: datetime) -> int:
        """How many turns to take for whoever comes: twice as many as last time, if those are used up."""
        are_used_up = self.next + interval > self.until and now - self.taken_at <= self.turns * interval
        return min(2 * self.turns, AHEAD // interval) if are_used_up else 1


class CosmosThrottles:
    """See `shared.ports.throttles.Throttles`."""

    def __init__(self, records: Records, *, lines_kept: int = LINES_KEPT) -> None:
        """Remember so many lines at least."""
        self._records = records
        self._lines: dict[str, _Line] = {}
        self._lines_kept = self._room = lines_kept

    async def take(self, app_id: str, under: Sequence[Limit], *, now: datetime) -> Turn | None:
        for limit in under:
            at = await self._line(app_id, limit.line, now).turn(self._records, limit.interval, now)
            turn, _ = take({limit.line: at}, [limit], now)
            if turn is not None:
                return turn
        return None

    async def next_turns(self, app_id: str, under: Sequence[Limit], *, now: datetime) -> Sequence[datetime]:
        found = await gather(*(self._records.read(app_id, _id(limit.line)) for limit in under))
        free_at = [now if line is None else instant(line.thing["free_at"]) for line in found]
        return [max(self._next(limit.line, at), now) for limit, at in zip(under, free_at, strict=True)]

    def _next(self, name: str, free_at: datetime) -> datetime:
        """The next turn of a line that is free from an instant on: before that, if the end is ours."""
        line = self._lines.get(name)
        return line.next if line is not None and line.until == free_at else free_at

    def _line(self, app_id: str, name: str, now: datetime) -> _Line:
        line = self._lines.setdefault(name, _Line(app_id, name))
        if len(self._lines) > self._room:
            kept = {key: one for key, one in self._lines.items() if one is line or one.is_needed(now)}
            self._lines, self._room = kept, max(self._lines_kept, 2 * len(kept))
        return line


def _id(line: str) -> str:
    """A line may be called as the endpoint that it is of, which lies beside it."""
    return f"line:{line}"


def _record(app_id: str, line: str, free_at: datetime, now: datetime) -> Record:
    return Record(
        id=_id(line),
        pk=app_id,
        kind=KIND,
        thing={"free_at": micros(free_at)},
        ttl=ceil((free_at - now + FORGOTTEN_AFTER) / SECOND),
    )
