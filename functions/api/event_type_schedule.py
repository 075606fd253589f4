"""The retry schedule of an event type: how long its messages rest between attempts."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from functions.api.answers import Answer, json_answer
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from functions.api.schedules import RetrySchedule, retry_schedule, to_seconds
from shared.domain.event_type import EventTypeEdit


class RetryScheduleInOut(msgspec.Struct, frozen=True, rename="camel"):
    """The retry schedule of an event type.

    Attributes:
        retry_schedule: Seconds of rest after each failed attempt; an empty list means no retry, and null
            follows the organization.
    """

    retry_schedule: RetrySchedule | None = None


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Get the retry schedule of an event type; null follows the organization."""
    name = call.path["event_type_name"]
    return _answer((await call.service.event_types.get(call.token.org_id, name)).retry_schedule)


async def update(call: Call[NoQuery, RetryScheduleInOut]) -> Answer:
    """Set the retry schedule of an event type, for every attempt from now on."""
    said = EventTypeEdit(retry_schedule=retry_schedule(call.body.retry_schedule, "body", "retrySchedule"))
    name = call.path["event_type_name"]
    event_type = await call.service.catalogue.edit_event_type(call.token.org_id, name, said)
    return _answer(event_type.retry_schedule)


def _answer(schedule: Sequence[timedelta] | None) -> Answer:
    shown = None if schedule is None else [to_seconds(rest) for rest in schedule]
    return json_answer(200, RetryScheduleInOut(shown))


_SCHEDULE = "/event-type/{event_type_name}/retry-schedule"

OPERATIONS = (
    operation(
        "v1.event-type.get-retry-schedule",
        f"GET {_SCHEDULE}",
        Access.ORGANIZATION,
        get,
        {200: RetryScheduleInOut},
    ),
    operation(
        "v1.event-type.update-retry-schedule",
        f"PUT {_SCHEDULE}",
        Access.ORGANIZATION,
        update,
        {200: RetryScheduleInOut},
    ),
)
