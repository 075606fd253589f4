"""The timeline of a message: everything that happened to it, and what is to come."""

import msgspec

from functions.api import atoms
from functions.api.answers import Answer, json_answer
from functions.api.attempt import MessageAttemptTriggerType, MessageStatus, MessageStatusText
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from shared.domain.attempt import Attempt
from shared.domain.timeline import AtEndpoint, MessageStanding, StandingReason, Station, StationKind
from shared.domain.timestamps import to_wire
from shared.domain.trace import trace_of


class TimelineAttemptOut(msgspec.Struct, kw_only=True, rename="camel"):
    """One exchange with a receiver, without what was answered.

    Attributes:
        number: Which automatic attempt at the endpoint it was, counted from 1; 0 for one by hand.
        response_status_code: 0 means that no HTTP response came.
        failure: Why none came; null if one did, or if the answer was erased.
        status: What came of it.
        trigger_type: Whether its time had come, or a person asked for it.
        next_attempt: When it said that the next one is due; null if it said that none follows, or if the
            retries were ended since.
    """

    id: str
    number: int
    trigger_type: MessageAttemptTriggerType
    status: MessageStatus
    status_text: MessageStatusText
    response_status_code: int
    failure: str | None
    response_duration_ms: int
    next_attempt: atoms.Instant | None


class TimelineStationOut(msgspec.Struct, kw_only=True, rename="camel"):
    """One station of a message.

    Attributes:
        at: When; null if that is not kept.
        kind: `message.accepted`: stored and queued. `delivery.due`: the producer wants it delivered then.
            `delivery.attempted`: an exchange with an endpoint began, or was asked for by hand.
            `retries.ended`: no retry follows at an endpoint. `retry.due`: it is attempted again at an
            endpoint. `payload.expires`: its payload is gone from then on. `payload.erased`: its payload was
            erased before.
        planned: It is still to come.
        endpoint_id: Where; absent if it is about no endpoint.
        attempt: The exchange; only of `delivery.attempted`.
        why: Only of `retries.ended`, as of an endpoint.
    """

    at: atoms.Instant | None
    kind: StationKind
    planned: bool
    endpoint_id: str | msgspec.UnsetType = msgspec.UNSET
    attempt: TimelineAttemptOut | msgspec.UnsetType = msgspec.UNSET
    why: StandingReason | msgspec.UnsetType = msgspec.UNSET


class TimelineEndpointOut(msgspec.Struct, kw_only=True, rename="camel"):
    """An endpoint of the application, and how the message stands there.

    Attributes:
        url: The endpoint's; if it was removed, where the newest attempt went.
        standing: `delivered`: an attempt succeeded. `retrying`: none did, and a retry follows. `given_up`:
            none did, and none follows. `waiting`: there was none, and the endpoint as it is now wants the
            message. `left_out`: there was none, and as things are now there will be none. `forgotten`: the
            message is so old that attempts on it are not kept any more.
        why: Judged by endpoint and message as they are now. What keeps the message away: `disabled`,
            `event_type`, `channels`, `created_later`, `payload_gone`, `removed`. Why it may wait: `not_due`,
            `rate`, `circuit`: the endpoint fails every time, and now and then one message is let through, or
            `changed_later`: the endpoint may not have wanted it when it was due. How it was given up:
            `exhausted`, `refused`, `unwanted`, `removed`, `payload_gone`, `canceled`, or `by_hand`: only
            attempts by hand were made.
        next_attempt: When the message is attempted again; null if it is not.
        attempts: How many there were.
    """

    endpoint_id: str
    uid: str | None
    url: str
    standing: MessageStanding
    why: list[StandingReason]
    next_attempt: atoms.Instant | None
    attempts: int


class MessageTimelineOut(msgspec.Struct, kw_only=True, rename="camel"):
    """What became of a message, and what is to come, as far as it is kept.

    Attributes:
        trace_id: Of its W3C trace, which the producer began or we did; receivers and telemetry have the same.
        at: When it was looked at.
        stations: In order of time; those whose time is not kept come last.
        endpoints: Those with an attempt come first. A message that was made for one endpoint alone, such as
            an example, is shown as waiting at the others.
        complete: False if there are so many attempts or endpoints that the last were left out.
    """

    msg_id: str
    event_id: str | None
    event_type: str
    trace_id: str
    at: atoms.Instant
    stations: list[TimelineStationOut]
    endpoints: list[TimelineEndpointOut]
    complete: bool


async def timeline(call: Call[NoQuery, NoBody]) -> Answer:
    """Tell everything that happened to a message in order of time, and how it stands at each endpoint."""
    found = await call.service.look_back(call.application, call.path["msg_id"])
    return json_answer(
        200,
        MessageTimelineOut(
            msg_id=found.message.id,
            event_id=found.message.event_id,
            event_type=found.message.event_type,
            trace_id=trace_of(found.message.id, found.message.trace).id,
            at=to_wire(found.at),
            stations=[_station(station) for station in found.stations],
            endpoints=[_endpoint(standing) for standing in found.endpoints],
            complete=found.complete,
        ),
    )


def _station(station: Station) -> TimelineStationOut:
    return TimelineStationOut(
        at=None if station.at is None else to_wire(station.at),
        kind=station.kind,
        planned=station.planned,
        endpoint_id=msgspec.UNSET if station.endpoint_id is None else station.endpoint_id,
        attempt=msgspec.UNSET if station.attempt is None else _attempt(station.attempt),
        why=msgspec.UNSET if station.why is None else station.why,
    )


def _attempt(attempt: Attempt) -> TimelineAttemptOut:
    next_at = attempt.next_attempt_at
    return TimelineAttemptOut(
        id=attempt.id,
        number=attempt.number,
        trigger_type=MessageAttemptTriggerType(attempt.trigger),
        status=MessageStatus(attempt.status),
        status_text=MessageStatusText[attempt.status.name],
        response_status_code=attempt.response_status_code,
        failure=None if attempt.response_status_code else attempt.response or None,
        response_duration_ms=round(attempt.duration.total_seconds() * 1000),
        next_attempt=None if next_at is None else to_wire(next_at),
    )


def _endpoint(found: AtEndpoint) -> TimelineEndpointOut:
    next_at = found.next_attempt_at
    return TimelineEndpointOut(
        endpoint_id=found.endpoint_id,
        uid=found.uid,
        url=found.url,
        standing=found.standing,
        why=list(found.why),
        next_attempt=None if next_at is None else to_wire(next_at),
        attempts=found.attempts,
    )


OPERATIONS = (
    operation(
        "v1.message.timeline",
        "GET /app/{app_id}/msg/{msg_id}/timeline",
        Access.APPLICATION,
        timeline,
        {200: MessageTimelineOut},
    ),
)
