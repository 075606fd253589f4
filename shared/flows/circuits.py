"""How endpoints have answered lately, as this process has seen it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.endpoint import Endpoint
from shared.domain.health import Health, failed, health_of, let_through, look_at, succeeded
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.journal import Fact, Journal

ENDPOINTS_KEPT = 10_000
"""Endpoints remembered at least, some 300 bytes each. With more, those whose circuit is closed are not."""

QUIET = timedelta(hours=1)
"""A circuit that nobody has come to for so long after its pause is told of no more: nothing waits there."""


@dataclass(frozen=True, slots=True)
class Ill:
    """An endpoint that fails."""

    endpoint: Endpoint
    health: Health


class Circuits:
    """Remembers how endpoints have answered, and says whether a new message may go to one.

    It is the memory of one process. Several find out by themselves that an endpoint fails or is well, so each
    may let one through. After a start, and about an endpoint that only others have seen failing, it goes by
    what is kept: since when that has given up messages. Nothing is read or written because of a circuit.
    """

    def __init__(self, clock: Clock, dice: Dice, journal: Journal) -> None:
        self._clock = clock
        self._dice = dice
        self._journal = journal
        self._known: dict[str, Health] = {}
        self._failing: dict[str, Endpoint] = {}
        self._room = ENDPOINTS_KEPT

    def health(self, endpoint: Endpoint) -> Health:
        """What is known of an endpoint."""
        known = self._known.get(endpoint.id)
        if known is None or known.edited_at < endpoint.updated_at:
            return health_of(endpoint, self._clock.now())
        return known

    def wait_at(self, endpoint: Endpoint) -> datetime | None:
        """When a new message for an endpoint is to be looked at again, in UTC; None if it may go now."""
        health = self.health(endpoint)
        if health.pause is None:
            return None
        until = health.waits_until(self._clock.now())
        return None if until is None else look_at(health, until, self._dice.share())

    def enter(self, endpoint: Endpoint) -> datetime | None:
        """As `wait_at`, for a message that goes if it may: where one is let through, it is this one."""
        health = self.health(endpoint)
        if health.pause is None:
            return None
        wait_at = self.wait_at(endpoint)
        if wait_at is None:
            self._keep(endpoint, let_through(health, self._clock.now()))
        return wait_at

    def answered(self, endpoint: Endpoint, *, is_success: bool) -> None:
        """An attempt at an endpoint has come to something."""
        now, before = self._clock.now(), self.health(endpoint)
        after = succeeded(before, now) if is_success else failed(before, now)
        self._keep(endpoint, after)
        if after.pause is None:
            if before.pause is not None:
                self._note("circuit.closed", endpoint)
        elif after.until != before.until:
            pause_ms = after.pause / timedelta(milliseconds=1)
            self._note("circuit.opened", endpoint, failures=after.in_a_row, pause_ms=pause_ms)

    def forget(self, endpoint: Endpoint) -> None:
        """Nothing is sent to an endpoint any more."""
        self._known.pop(endpoint.id, None)
        self._failing.pop(endpoint.id, None)

    def failing(self) -> Sequence[Ill]:
        """Every endpoint that `is_failing`, as it was when something came for it last."""
        now = self._clock.now()
        return [one for one in self._last_failed() if one.health.is_failing(now)]

    def ill(self) -> Sequence[Ill]:
        """Every endpoint whose circuit is not closed, as it was when something came for it last."""
        quiet_since = self._clock.now() - QUIET
        failed = self._last_failed()
        return [one for one in failed if one.health.until is not None and one.health.until >= quiet_since]

    def _last_failed(self) -> Iterator[Ill]:
        return (Ill(endpoint, self._known[endpoint.id]) for endpoint in self._failing.values())

    def _keep(self, endpoint: Endpoint, health: Health) -> None:
        self._known[endpoint.id] = health
        if health.in_a_row:
            self._failing[endpoint.id] = endpoint
        else:
            self._failing.pop(endpoint.id, None)
        if len(self._known) > self._room:
            ill = self.ill()
            self._known = {one.endpoint.id: one.health for one in ill}
            self._failing = {one.endpoint.id: one.endpoint for one in ill}
            self._room = max(ENDPOINTS_KEPT, 2 * len(self._known))

    def _note(self, event: str, endpoint: Endpoint, **facts: Fact) -> None:
        self._journal.note(event, app_id=endpoint.app_id, endpoint_id=endpoint.id, **facts)
