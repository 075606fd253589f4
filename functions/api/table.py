"""Every operation of the API. A new one is a function and a row, both in the module of its resource."""

from functions.api import application, attempt, endpoint, event_type, health, message
from functions.api.operations import Operation

OPERATIONS: tuple[Operation, ...] = (
    *application.OPERATIONS,
    *event_type.OPERATIONS,
    *endpoint.OPERATIONS,
    *message.OPERATIONS,
    *attempt.OPERATIONS,
    *health.OPERATIONS,
)
