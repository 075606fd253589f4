"""What this process has in hand of one queue, in memory: ready to be handed over, or leased."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.ports.queue import Delivery

ROOM_WORKS = 2_000
ROOM_BYTES = 8 * 2**20
"""What may be ready in memory for one queue; the rest waits in the file."""

Place = tuple[int, int]
"""Where work stands in its queue: when it is due, in microseconds since 1970, and its sequence."""

NEVER = 2**63
"""Later than every instant in microseconds."""

NOWHERE: Place = (NEVER, 0)
"""Behind everything."""


@dataclass(slots=True)
class Held:
    """Work in the hand of this process.

    Attributes:
        due: In microseconds since 1970.
        until: When its lease ends, in microseconds since 1970; None while it is not leased.
        is_ready: It may be handed over.
    """

    delivery: Delivery
    due: int
    until: int | None = None
    is_ready: bool = False


class Hand:
    """The work of one queue that this process has in hand."""

    def __init__(self) -> None:
        self.next_lapse = NEVER
        """No lease ends before this, in microseconds since 1970."""
        self._held: dict[int, Held] = {}
        self._ready: list[Place] = []  # a heap
        self._works = 0  # ready, or about to be
        self._bytes = 0

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._held

    def has_room_for(self, body: bytes) -> bool:
        """Whether one more may be ready."""
        return self._works < ROOM_WORKS and self._bytes + len(body) <= ROOM_BYTES

    def keep_room(self, held: Held) -> None:
        """Count work that is about to be ready."""
        self._works += 1
        self._bytes += len(held.delivery.body)

    def give_room_back(self, held: Held) -> None:
        """Count it no more."""
        self._works -= 1
        self._bytes -= len(held.delivery.body)

    def make_ready(self, held: Held) -> None:
        """Let work be handed over for which room is kept."""
        self._held[held.delivery.sequence] = held
        held.is_ready = True
        heapq.heappush(self._ready, (held.due, held.delivery.sequence))

    def is_short_of(self, limit: int, before: Place) -> bool:
        """Whether fewer than `limit` are ready, or one that stands at `before` would come first."""
        return len(self._ready) < limit or before < self._ready[0]

    def take(self, limit: int, until: int, before: Place) -> Sequence[Delivery]:
        """Lease what is ready.

        Args:
            limit: At most so many.
            until: When the leases end, in microseconds since 1970.
            before: Only what stands before this place.
        """
        taken = list[Delivery]()
        while self._ready and len(taken) < limit and self._ready[0] < before:
            _, sequence = heapq.heappop(self._ready)
            held = self._held.get(sequence)
            if held is None:
                continue  # completed, by whoever had it before its lease ended
            self.give_room_back(held)
            held.is_ready = False
            held.until = until
            taken.append(held.delivery)
        if taken:
            self.next_lapse = min(self.next_lapse, until)
        return taken

    def leased(self, delivery: Delivery) -> Held | None:
        """The work, if it is still leased to whoever got this delivery."""
        held = self._held.get(delivery.sequence)
        if held is None or held.until is None or held.delivery.delivery_count != delivery.delivery_count:
            return None
        return held

    def renew(self, held: Held, until: int) -> None:
        """Have a lease end at another instant, in microseconds since 1970."""
        held.until = until
        self.next_lapse = min(self.next_lapse, until)

    def lapsed(self, now: int) -> Sequence[Held]:
        """The work whose lease has ended by an instant, in microseconds since 1970."""
        leases = [(held.until, held) for held in self._held.values() if held.until is not None]
        self.next_lapse = min((until for until, _ in leases if until > now), default=NEVER)
        return [held for until, held in leases if until <= now]

    def make_ready_again(self, held: Held) -> None:
        """Let work be handed over once more, unless it has been completed meanwhile."""
        if held.delivery.sequence in self._held:
            held.delivery = replace(held.delivery, delivery_count=held.delivery.delivery_count + 1)
            self.keep_room(held)
            self.make_ready(held)

    def drop(self, sequence: int) -> None:
        """Forget work that is done."""
        held = self._held.pop(sequence, None)
        if held is not None and held.is_ready:
            self.give_room_back(held)
