"""How an endpoint has answered lately, and whether new messages may go to it at once: its circuit.

           many failures in a row, over a while          the pause is over
    closed ─────────────────────────────────────▶ open ─────────────────────▶ half-open
      ▲                                             ▲                             │ one is let through
      │ any success                                 └───── it fails: twice the ───┤
      └───────────────────────────────────────────────     pause, up to a limit   │
      ▲                                                                           │ it succeeds
      └───────────────────────────────────────────────────────────────────────────┘

Only a message's first attempt waits for a circuit. Retries are made as their schedule says, and attempts by
hand because a person asks for them; what comes of either counts all the same.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec import structs

from shared.domain.endpoint import Endpoint

FAILURES_TO_OPEN = 50
"""Failures in a row that open a circuit. The attempts on half a dozen messages are not so many: they cost
nobody much, and whoever tries out a receiver sees each message come at once."""

FAILING_FOR = timedelta(minutes=5)
"""How long the failures must have gone on. A receiver that is deployed anew or restarted is back before."""

SHORTEST_PAUSE = timedelta(seconds=10)
"""The first pause; each one is twice the one before."""

LONGEST_PAUSE = timedelta(minutes=5)
"""So a receiver that is back is found about so soon, and what waits has left after as long again."""

TRIAL = timedelta(minutes=1)
"""If nothing is known for so long of the one that was let through, another is. No attempt takes longer."""

LATEST = 128
"""When so many attempts are counted, both counts are halved: so the share of failures is that of about the
latest hundred."""


class Circuit(StrEnum):
    """Whether new messages go to an endpoint."""

    CLOSED = "closed"
    """At once, as to any that is well."""
    OPEN = "open"
    """Not now: they wait."""
    HALF_OPEN = "half_open"
    """One does, and shows whether the endpoint is well again."""


class Health(msgspec.Struct, frozen=True):
    """What is known of an endpoint.

    Attributes:
        edited_at: The `updated_at` of the endpoint that this is about; it is about no later one.
        delivered: Of the latest attempts, see `LATEST`.
        failed: Likewise.
        in_a_row: Failures since the last success.
        failing_since: When the first of these was, in UTC; None if there is none.
        delivered_at: The last success that is known, in UTC.
        pause: How long the present pause is; None is a closed circuit.
        until: When the pause ends, or the time of the one that was let through, in UTC.
        on_trial: One was let through, and nothing is known of it yet.
    """

    edited_at: datetime
    delivered: int = 0
    failed: int = 0
    in_a_row: int = 0
    failing_since: datetime | None = None
    delivered_at: datetime | None = None
    pause: timedelta | None = None
    until: datetime | None = None
    on_trial: bool = False

    @property
    def failure_share(self) -> float | None:
        """Of the latest attempts, from 0 to 1; None if none is known."""
        attempts = self.delivered + self.failed
        return self.failed / attempts if attempts else None

    def circuit(self, now: datetime) -> Circuit:
        """The circuit at an instant, in UTC."""
        if self.until is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self.on_trial or self.until <= now else Circuit.OPEN

    def is_failing(self, now: datetime) -> bool:
        """Whether every attempt has failed for `FAILING_FOR` or longer, at an instant in UTC."""
        return self.failing_since is not None and now - self.failing_since >= FAILING_FOR

    def waits_until(self, now: datetime) -> datetime | None:
        """Until when a new message has to wait, in UTC; None if it may go."""
        return self.until if self.until is not None and self.until > now else None


def health_of(endpoint: Endpoint, now: datetime) -> Health:
    """What is known of an endpoint of which nothing is remembered: after a start, or after it was edited.

    One that has given up messages for `FAILING_FOR` without a success is let one through.
    """
    since = endpoint.failing_since
    if since is None or now - since < FAILING_FOR:
        return Health(endpoint.updated_at)
    return Health(
        endpoint.updated_at,
        in_a_row=FAILURES_TO_OPEN,
        failing_since=since,
        pause=SHORTEST_PAUSE,
        until=since + FAILING_FOR,
    )


def succeeded(health: Health, at: datetime) -> Health:
    """After an attempt that succeeded at an instant: the circuit is closed."""
    delivered, failed = health.delivered + 1, health.failed
    if delivered + failed >= LATEST:
        delivered, failed = delivered // 2, failed // 2
    return Health(health.edited_at, delivered, failed, delivered_at=at)


def failed(health: Health, at: datetime) -> Health:
    """After an attempt that failed at an instant, in UTC."""
    delivered, failures = health.delivered, health.failed + 1
    if delivered + failures >= LATEST:
        delivered, failures = delivered // 2, failures // 2
    after = structs.replace(
        health,
        delivered=delivered,
        failed=failures,
        in_a_row=health.in_a_row + 1,
        failing_since=health.failing_since or at,
    )
    pause = _pause_after(after, at)
    return after if pause is None else structs.replace(after, pause=pause, until=at + pause, on_trial=False)


def _pause_after(health: Health, at: datetime) -> timedelta | None:
    """The pause that begins with a failure; None if none does."""
    if health.pause is not None:
        is_trial = health.circuit(at) is Circuit.HALF_OPEN
        return min(2 * health.pause, LONGEST_PAUSE) if is_trial else None
    return SHORTEST_PAUSE if health.in_a_row >= FAILURES_TO_OPEN and health.is_failing(at) else None


def let_through(health: Health, now: datetime) -> Health:
    """After one was let through at an instant, in UTC; the others wait for what comes of it."""
    if health.pause is None:
        return health
    return structs.replace(health, until=now + TRIAL, on_trial=True)


def look_at(health: Health, until: datetime, dice: float) -> datetime:
    """When a message that waits is looked at again.

    Args:
        health: Of its endpoint.
        until: Until when it has to wait, in UTC.
        dice: A number in [0, 1), thrown by the caller. What waits is spread over a pause, so that it is not
            all looked at, or sent if the endpoint is well by then, at once.
    """
    return until + (health.pause or SHORTEST_PAUSE) * dice
