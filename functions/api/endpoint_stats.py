"""How an endpoint has been doing: its attempts of the last weeks, counted by what came of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import msgspec

from functions.api.answers import Answer, json_answer
from functions.api.errors import Refused
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import At
from shared.domain import ids
from shared.domain.attempt import Status

SPAN = timedelta(days=28)
TOLERANCE = timedelta(minutes=5)
"""Clients reckon with their own clocks."""


class EndpointStats(msgspec.Struct):
    """How many attempts at an endpoint came to what."""

    success: int
    pending: int
    sending: int
    fail: int
    canceled: int


class StatsQuery(msgspec.Struct, frozen=True):
    """From when until when to count, at most 28 days; without `until` until now."""

    since: At | None = None
    until: At | None = None

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """From when until when.

        Raises:
            InvalidRange: It ends in the future, or is too long.
        """
        until = now if self.until is None else self.until
        if until > now:
            raise InvalidRange("'until' cannot be in the future")
        # The calendar does not reach far enough back from its own beginning, when there were no attempts.
        since = max(until, ids.EPOCH) - SPAN if self.since is None else self.since
        if until - since > SPAN + TOLERANCE:
            raise InvalidRange(f"'since' cannot be more than {SPAN.days} days before 'until'")
        return since, until


@dataclass(eq=False)
class InvalidRange(Refused):
    """The time asked about is none that can be answered for."""

    status = HTTPStatus.BAD_REQUEST
    code: str = "invalid_range"


async def get(call: Call[StatsQuery, NoBody]) -> Answer:
    """Count the attempts at an endpoint by what came of them."""
    service = call.service
    endpoint = await service.endpoints.get(call.application.id, call.path["endpoint_id"])
    first, last = (ids.start_id(ids.ATTEMPT, ids.clamp(at)) for at in call.query.span(service.clock.now()))
    counts = await service.attempts.count(endpoint.app_id, endpoint.id, first=first, last=last)
    return json_answer(
        200,
        EndpointStats(
            success=counts.get(Status.SUCCESS, 0),
            pending=counts.get(Status.PENDING, 0),
            sending=counts.get(Status.SENDING, 0),
            fail=counts.get(Status.FAIL, 0),
            canceled=0,
        ),
    )


OPERATIONS = (
    operation(
        "v1.endpoint.get-stats",
        "GET /app/{app_id}/endpoint/{endpoint_id}/stats",
        Access.APPLICATION,
        get,
        {200: EndpointStats},
    ),
)
