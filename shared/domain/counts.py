"""What is counted of a process, from its start on."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

DURATION_BOUNDS_MS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 30_000.0)
"""The upper ends of the ranges that attempts are counted in; the last is the longest that one may take."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How often things have happened, from the start of the process on.

    Attributes:
        messages_accepted: Messages that a `202` was promised for.
        attempts_delivered: Attempts with a 2xx.
        attempts_failed: All the others.
        deliveries_given_up: Messages that no endpoint's retry follows any more, one for each endpoint.
        endpoints_disabled: By us, or because the receiver asked for it.
        attempts_within: How many attempts ended in each range of `DURATION_BOUNDS_MS`, and in the one above.
        attempts_duration_ms: How long all of them took together.
    """

    messages_accepted: int
    attempts_delivered: int
    attempts_failed: int
    deliveries_given_up: int
    endpoints_disabled: int
    attempts_within: tuple[int, ...]
    attempts_duration_ms: float

    @property
    def attempts(self) -> int:
        """All attempts."""
        return self.attempts_delivered + self.attempts_failed

    def totals(self) -> Mapping[str, int]:
        """What is a plain number of times, by name."""
        return {
            "messages_accepted": self.messages_accepted,
            "attempts_delivered": self.attempts_delivered,
            "attempts_failed": self.attempts_failed,
            "deliveries_given_up": self.deliveries_given_up,
            "endpoints_disabled": self.endpoints_disabled,
        }


NOTHING = Counts(0, 0, 0, 0, 0, (0,) * (len(DURATION_BOUNDS_MS) + 1), 0.0)


def range_of(duration_ms: float) -> int:
    """Which range of `attempts_within` a duration falls into; each has its upper end in it."""
    return bisect_left(DURATION_BOUNDS_MS, duration_ms)
