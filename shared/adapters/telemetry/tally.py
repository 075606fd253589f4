"""Counts what the journal is told. So whatever is counted has been noted, and nothing is noted twice."""

from collections.abc import Mapping

from shared.domain.counts import NOTHING, Counts, range_of
from shared.ports.journal import ATTEMPTED, Fact

_COUNTED = {
    "message.accepted": "messages_accepted",
    "delivery.given_up": "deliveries_given_up",
    "endpoint.disabled": "endpoints_disabled",
}


class Tally:
    """Hears what is noted, as `shared.adapters.telemetry.several.Listener`."""

    def __init__(self) -> None:
        self._times = dict.fromkeys(NOTHING.totals(), 0)
        self._within = list(NOTHING.attempts_within)
        self._duration_ms = 0.0

    def take(self, event: str, facts: Mapping[str, Fact]) -> None:
        if event == ATTEMPTED:
            duration_ms = facts.get("duration_ms")
            if isinstance(duration_ms, float):
                self._times["attempts_delivered" if facts.get("delivered") else "attempts_failed"] += 1
                self._within[range_of(duration_ms)] += 1
                self._duration_ms += duration_ms
        elif event in _COUNTED:
            self._times[_COUNTED[event]] += 1

    def close(self) -> None:
        """There is nothing to write down."""

    def counts(self) -> Counts:
        """What has been counted so far."""
        return Counts(
            **self._times, attempts_within=tuple(self._within), attempts_duration_ms=self._duration_ms
        )
