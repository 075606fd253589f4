"""Health: whether every part answers."""

from dataclasses import replace

import msgspec

from functions.api.answers import NO_CONTENT, Answer, json_answer
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery


class HealthStatus(msgspec.Struct):
    """`ok` or `error`."""

    status: str


OK = HealthStatus("ok")
ERROR = HealthStatus("error")


class HealthReport(msgspec.Struct):
    """The parts, one by one."""

    database: HealthStatus
    queue: HealthStatus
    cache: HealthStatus


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Say whether every part answers; 500 if one does not."""
    parts = await call.service.check()
    report = HealthReport(*(OK if parts.get(part) else ERROR for part in HealthReport.__struct_fields__))
    return json_answer(500 if ERROR in (report.database, report.queue, report.cache) else 200, report)


async def ping(call: Call[NoQuery, NoBody]) -> Answer:
    """Say that the process answers."""
    del call
    return NO_CONTENT


OPERATIONS = (
    replace(
        operation("v1.health.get", "GET /health", Access.NONE, get, {200: HealthReport}),
        failures={500: HealthReport},
    ),
    replace(operation("v1.health.head", "HEAD /health", Access.NONE, get, {200: None}), failures={500: None}),
    operation("v1.health.ping", "GET /health/ping", Access.NONE, ping, {204: None}),
    operation("v1.health.ping-head", "HEAD /health/ping", Access.NONE, ping, {204: None}),
)
