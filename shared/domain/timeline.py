"""The timeline of a message: its stations in order of time, and how it stands at each endpoint.

It is put together of what is kept: the message, its attempts, and the endpoints as they are now. What is kept
nowhere is not told: that a turn under a rate or a failing endpoint is waited for, that a resend was asked for
and not made yet, and what an endpoint was like before it was changed. So the reasons for which there was no
attempt are those of the present, and `StandingReason.CHANGED_LATER` says that they may have been others then.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from shared.domain.application import Application
from shared.domain.attempt import Attempt, Ended, Ending, Trigger
from shared.domain.attempt import Status as AttemptStatus
from shared.domain.chain import message_status, pending_at
from shared.domain.endpoint import Endpoint
from shared.domain.matching import wants_channels, wants_type
from shared.domain.message import Message

ATTEMPTS_MAX = 1_000
"""Attempts that are told of: the earliest."""

ENDPOINTS_MAX = 250
"""Endpoints that are told of: those with an attempt before the others."""


class StationKind(StrEnum):
    """What a station is. Those of one instant are told in this order."""

    ACCEPTED = "message.accepted"
    """The message was stored and queued, in one write."""
    DUE = "delivery.due"
    """The producer wants it delivered then."""
    ATTEMPTED = "delivery.attempted"
    """An exchange with an endpoint began; one by hand was asked for."""
    ENDED = "retries.ended"
    """No retry follows at an endpoint."""
    RETRY_DUE = "retry.due"
    """The message is to be attempted again at an endpoint."""
    PAYLOAD_EXPIRES = "payload.expires"
    """The payload is gone from then on."""
    PAYLOAD_ERASED = "payload.erased"
    """The payload was erased before it expired; when is not kept."""


class MessageStanding(StrEnum):
    """How a message stands at an endpoint."""

    DELIVERED = "delivered"
    """An attempt succeeded."""
    RETRYING = "retrying"
    """None did, and a retry follows."""
    GIVEN_UP = "given_up"
    """None did, and none follows."""
    WAITING = "waiting"
    """There was none, and the endpoint as it is now wants the message."""
    LEFT_OUT = "left_out"
    """There was none, and as things are now there will be none."""
    FORGOTTEN = "forgotten"
    """If there was one, it is not kept any more."""


class StandingReason(StrEnum):
    """Why a message stands at an endpoint as it does, or what is in its way."""

    DISABLED = "disabled"
    """The endpoint is."""
    EVENT_TYPE = "event_type"
    """The endpoint wants others."""
    CHANNELS = "channels"
    """The endpoint wants others."""
    CREATED_LATER = "created_later"
    """The endpoint was, than the message was due."""
    CHANGED_LATER = "changed_later"
    """The endpoint was, than the message was due: it may not have wanted the message then."""
    RATE = "rate"
    """The endpoint or the application has one: the message may wait for its turn."""
    CIRCUIT = "circuit"
    """The endpoint fails every time: new messages wait until one that is let through has arrived."""
    NOT_DUE = "not_due"
    """The producer wants it delivered later."""
    PAYLOAD_GONE = "payload_gone"
    """It was erased or has expired."""
    REMOVED = "removed"
    """The endpoint was."""
    DELIVERED = "delivered"
    """An attempt by hand has brought it there."""
    REFUSED = "refused"
    """The receiver wants no more of it."""
    UNWANTED = "unwanted"
    """When a retry was due, the endpoint was disabled or wanted other messages."""
    CANCELED = "canceled"
    """A person called off what the endpoint was still to get."""
    EXHAUSTED = "exhausted"
    """The schedule of retries is used up."""
    BY_HAND = "by_hand"
    """No retries follow attempts by hand."""


_ENDINGS = {
    Ending.DELIVERED: StandingReason.DELIVERED,
    Ending.REFUSED: StandingReason.REFUSED,
    Ending.REMOVED: StandingReason.REMOVED,
    Ending.UNWANTED: StandingReason.UNWANTED,
    Ending.PAYLOAD_GONE: StandingReason.PAYLOAD_GONE,
    Ending.CANCELED: StandingReason.CANCELED,
}
_ORDER = {kind: place for place, kind in enumerate(StationKind)}
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Station:
    """One station.

    Attributes:
        at: UTC; None if it is not kept.
        planned: It is still to come, though its time may have.
        endpoint_id: Where, if it is about an endpoint.
        attempt: The exchange, of an `ATTEMPTED`.
        why: Of an `ENDED`.
    """

    kind: StationKind
    at: datetime | None
    planned: bool = False
    endpoint_id: str | None = None
    attempt: Attempt | None = None
    why: StandingReason | None = None

    @property
    def place(self) -> tuple[datetime, int, str, str]:
        """By this they are in order of time, and those of one instant always in the same."""
        attempt_id = "" if self.attempt is None else self.attempt.id
        return self.at or _NEVER, _ORDER[self.kind], self.endpoint_id or "", attempt_id


@dataclass(frozen=True, slots=True)
class AtEndpoint:
    """How a message stands at an endpoint.

    Attributes:
        url: Of the endpoint; if it was removed, that of the newest attempt.
        uid: Of the endpoint, if it has one.
        next_attempt_at: When the retry is due that follows, in UTC.
        attempts: How many there were.
    """

    endpoint_id: str
    url: str
    uid: str | None
    standing: MessageStanding
    why: Sequence[StandingReason]
    next_attempt_at: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """What became of a message, and what is to become of it.

    Attributes:
        at: When it was looked at, in UTC.
        stations: In order of time; those whose time is not kept come last.
        endpoints: Those with an attempt come first, and either part is in order of id.
        complete: Nothing was left out for `ATTEMPTS_MAX` or `ENDPOINTS_MAX`.
    """

    message: Message
    at: datetime
    stations: Sequence[Station]
    endpoints: Sequence[AtEndpoint]
    complete: bool


def timeline(
    application: Application,
    message: Message,
    attempts: Sequence[Attempt],
    endpoints: Sequence[Endpoint],
    now: datetime,
    *,
    paused: Collection[str] = (),
) -> Timeline:
    """Put the timeline of a message together.

    Args:
        application: The message's.
        message: It, with its payload.
        attempts: On it, in order of id.
        endpoints: Every live one of the application, in order of id.
        now: UTC.
        paused: Ids of the endpoints whose circuit is not closed.
    """
    chains: defaultdict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts[:ATTEMPTS_MAX]:
        chains[attempt.endpoint_id].append(attempt)
    live = {endpoint.id: endpoint for endpoint in endpoints}
    standings = [
        *(_attempted(message, chains[key], live.get(key)) for key in sorted(chains)),
        *(
            _unattempted(application, message, one, now, is_paused=one.id in paused)
            for one in endpoints
            if one.id not in chains
        ),
    ]
    stations = [*_of_message(message, now), *(one for chain in chains.values() for one in _of_chain(chain))]
    return Timeline(
        message=message,
        at=now,
        stations=sorted(stations, key=lambda station: station.place),
        endpoints=standings[:ENDPOINTS_MAX],
        complete=len(attempts) <= ATTEMPTS_MAX and len(standings) <= ENDPOINTS_MAX,
    )


def as_far_as_kept(found: Timeline, attempts_kept: timedelta) -> Timeline:
    """The timeline as it is told of a message whose attempts may be forgotten: nobody knows how it stands.

    Args:
        found: As it looks by what is there.
        attempts_kept: How long attempts are kept at least. Those on one message are forgotten together.
    """
    are_known = any(one.attempts for one in found.endpoints)
    if are_known or found.message.created_at >= found.at - attempts_kept:
        return found
    forgotten = [replace(one, standing=MessageStanding.FORGOTTEN, why=()) for one in found.endpoints]
    return replace(found, endpoints=forgotten)


def _of_message(message: Message, now: datetime) -> Iterator[Station]:
    yield Station(StationKind.ACCEPTED, message.created_at)
    if message.deliver_at is not None:
        yield Station(StationKind.DUE, message.deliver_at, planned=message.deliver_at > now)
    if message.payload is None and message.payload_expires_at > now:
        yield Station(StationKind.PAYLOAD_ERASED, None)
    else:
        yield Station(
            StationKind.PAYLOAD_EXPIRES, message.payload_expires_at, planned=message.payload_expires_at > now
        )


def _of_chain(chain: Sequence[Attempt]) -> Iterator[Station]:
    """The stations of a message at an endpoint, by the attempts there."""
    endpoint_id, next_at = chain[0].endpoint_id, pending_at(chain)
    for attempt in chain:
        yield Station(StationKind.ATTEMPTED, attempt.timestamp, endpoint_id=endpoint_id, attempt=attempt)
    if next_at is not None:
        yield Station(StationKind.RETRY_DUE, next_at, planned=True, endpoint_id=endpoint_id)
    last = _last_automatic(chain)
    if last is None or next_at is not None or last.status is AttemptStatus.SUCCESS:
        return
    ended_at, why = _end(chain, last)
    yield Station(StationKind.ENDED, ended_at, endpoint_id=endpoint_id, why=why)


def _end(chain: Sequence[Attempt], last: Attempt) -> tuple[datetime, StandingReason]:
    """When and why no retry followed the last automatic attempt."""
    if last.ended is not None:
        return last.ended.at, _how_it_ended(last.ended)
    arrived = next((attempt for attempt in chain if attempt.status is AttemptStatus.SUCCESS), None)
    if arrived is None or last.next_attempt_at is None:
        return last.timestamp + last.duration, StandingReason.EXHAUSTED
    # The end of the retries is a write of its own, after that of the attempt that has brought it there.
    return arrived.timestamp + arrived.duration, StandingReason.DELIVERED


def _attempted(message: Message, chain: Sequence[Attempt], endpoint: Endpoint | None) -> AtEndpoint:
    match message_status(chain):
        case AttemptStatus.SUCCESS:
            standing, why = MessageStanding.DELIVERED, []
        case AttemptStatus.SENDING:
            standing, why = MessageStanding.RETRYING, _in_the_way(message, endpoint)
        case _:
            last = _last_automatic(chain)
            standing = MessageStanding.GIVEN_UP
            why = [StandingReason.BY_HAND if last is None else _how_it_ended(last.ended)]
    newest = chain[-1]
    return AtEndpoint(
        endpoint_id=newest.endpoint_id,
        url=newest.url if endpoint is None else endpoint.url,
        uid=None if endpoint is None else endpoint.uid,
        standing=standing,
        why=why,
        next_attempt_at=pending_at(chain),
        attempts=len(chain),
    )


def _unattempted(
    application: Application, message: Message, endpoint: Endpoint, now: datetime, *, is_paused: bool
) -> AtEndpoint:
    due_at = message.deliver_at or message.created_at
    against = _in_the_way(message, endpoint)
    if endpoint.created_at > due_at:
        against.append(StandingReason.CREATED_LATER)
    doubts = {
        StandingReason.CHANGED_LATER: endpoint.updated_at > due_at,
        StandingReason.RATE: (endpoint.throttle_rate or application.throttle_rate) is not None,
        StandingReason.CIRCUIT: is_paused,
        StandingReason.NOT_DUE: due_at > now,
    }
    return AtEndpoint(
        endpoint_id=endpoint.id,
        url=endpoint.url,
        uid=endpoint.uid,
        standing=MessageStanding.LEFT_OUT if against else MessageStanding.WAITING,
        why=against or [reason for reason, holds in doubts.items() if holds],
        next_attempt_at=None,
        attempts=0,
    )


def _in_the_way(message: Message, endpoint: Endpoint | None) -> list[StandingReason]:
    """What keeps a message from an endpoint as both are now; None was removed."""
    if endpoint is None:
        return [StandingReason.REMOVED]
    against = {
        StandingReason.DISABLED: endpoint.disabled,
        StandingReason.EVENT_TYPE: not wants_type(endpoint, message.event_type),
        StandingReason.CHANNELS: not wants_channels(endpoint, message.channels),
        StandingReason.PAYLOAD_GONE: message.payload is None,
    }
    return [reason for reason, holds in against.items() if holds]


def _last_automatic(chain: Sequence[Attempt]) -> Attempt | None:
    automatic = [attempt for attempt in chain if attempt.trigger is Trigger.SCHEDULED]
    return automatic[-1] if automatic else None


def _how_it_ended(ended: Ended | None) -> StandingReason:
    return StandingReason.EXHAUSTED if ended is None else _ENDINGS[ended.why]
