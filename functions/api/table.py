"""Every operation of the API. A new one is a function and a row, both in the module of its resource."""

from functions.api import (
    application,
    attempt,
    authentication,
    background_task,
    by_hand,
    destination,
    endpoint,
    endpoint_headers,
    endpoint_secret,
    endpoint_stats,
    event_type,
    event_type_openapi,
    event_type_schedule,
    health,
    many,
    message,
    operational_webhook,
    organization,
)
from functions.api.operations import Operation

OPERATIONS: tuple[Operation, ...] = (
    *organization.OPERATIONS,
    *application.OPERATIONS,
    *event_type.OPERATIONS,
    *event_type_openapi.OPERATIONS,
    *event_type_schedule.OPERATIONS,
    *endpoint.OPERATIONS,
    *endpoint_headers.OPERATIONS,
    *endpoint_secret.OPERATIONS,
    *endpoint_stats.OPERATIONS,
    *message.OPERATIONS,
    *attempt.OPERATIONS,
    *authentication.OPERATIONS,
    *by_hand.OPERATIONS,
    *destination.OPERATIONS,
    *operational_webhook.OPERATIONS,
    *many.OPERATIONS,
    *background_task.OPERATIONS,
    *health.OPERATIONS,
)
