"""How things stand for an organization: what whoever is on call looks at first."""

from datetime import datetime
from typing import Any

import msgspec

from functions.api import atoms
from functions.api.answers import Answer, json_answer
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from shared.domain.health import Circuit, Health
from shared.domain.timestamps import to_wire
from shared.flows.diagnose import Ailing, Diagnosis, Paused, Throttled, Top
from shared.ports.queue import Backlog


class QueueDiagnosticsOut(msgspec.Struct, kw_only=True, rename="camel"):
    """What stands in a queue. It is counted up to 10,000, which stands for as many or more.

    Attributes:
        due: What is to be done now, or is being done.
        scheduled: What waits for its time: retries, and messages for later.
        due_since: Since when the oldest of what is due has been so; null if nothing is.
        dead_letters: What was given up because a part of ours was out of reach for too long, or nobody
            could read it.
    """

    name: str
    due: int
    scheduled: int
    due_since: atoms.Instant | None
    dead_letters: int


class AilingEndpointOut(msgspec.Struct, kw_only=True, rename="camel"):
    """An endpoint that needs a look.

    Attributes:
        since: Since when it has failed, or given up messages, without a success; or when it was disabled.
    """

    app_id: str
    app_uid: str | None
    endpoint_id: str
    uid: str | None
    url: str
    since: atoms.Instant


class FailingEndpointOut(AilingEndpointOut, kw_only=True, rename="camel"):
    """An endpoint that fails, and how it has answered lately.

    Several processes see different attempts; this is as the one that answers has seen it.

    Attributes:
        failure_share: Of about the latest hundred attempts, from 0 to 1; null if none is known.
        last_success: When an attempt succeeded; null if none is known.
        circuit: Whether new messages go there at once (`closed`), wait (`open`), or wait while one is let
            through (`half_open`).
    """

    failure_share: float | None
    last_success: atoms.Instant | None
    circuit: Circuit


class FailingEndpointsOut(msgspec.Struct):
    """The first 25 such endpoints.

    Attributes:
        complete: There are no more.
    """

    data: list[FailingEndpointOut]
    complete: bool


class OpenCircuitOut(FailingEndpointOut, kw_only=True, rename="camel"):
    """An endpoint that fails every time: new messages wait, and now and then one is let through.

    Attributes:
        since: When the first of its failures in a row was.
        failures: How many there were in a row.
        until: When the next message is let through, or the one that was counts as lost; null is at once.
    """

    failures: int
    until: atoms.Instant | None


class OpenCircuitsOut(msgspec.Struct):
    """The first 25 such endpoints.

    Attributes:
        complete: There are no more.
    """

    data: list[OpenCircuitOut]
    complete: bool


class AilingEndpointsOut(msgspec.Struct):
    """The first 25 such endpoints.

    Attributes:
        complete: There are no more.
    """

    data: list[AilingEndpointOut]
    complete: bool


class ThrottledEndpointOut(msgspec.Struct, kw_only=True, rename="camel"):
    """An endpoint at which messages wait for their turn under its rate.

    Attributes:
        throttle_rate: Deliveries per second.
        waiting: How many messages, about.
        until: When the last of them has its turn.
    """

    app_id: str
    app_uid: str | None
    endpoint_id: str
    uid: str | None
    url: str
    throttle_rate: int | None
    waiting: int
    until: atoms.Instant


class ThrottledEndpointsOut(msgspec.Struct):
    """The first 25 such endpoints.

    Attributes:
        complete: There are no more. Of many endpoints with a rate, 250 are looked at.
    """

    data: list[ThrottledEndpointOut]
    complete: bool


class DeploymentDiagnosticsOut(msgspec.Struct):
    """How the deployment stands, with the work of all its organizations.

    Attributes:
        queues: `dispatch`: messages to be delivered. `retry`: attempts that are repeated or have to wait.
            `events`: messages that were posted by queue. `tasks`: steps of background tasks.
    """

    queues: list[QueueDiagnosticsOut]


class OrganizationDiagnosticsOut(msgspec.Struct, rename="camel"):
    """How the endpoints of the organization stand.

    Attributes:
        failing: They are enabled, and have given up messages without a success since, or have failed for five
            minutes without one as far as the process that answers has seen; the longest first.
        open_circuits: They fail every time, so that new messages wait; those with the most failures in a row
            first.
        disabled: They were disabled because they failed for too long or their receivers asked for it, and
            not by a person; the latest first.
        throttled: Messages wait there for their turn; those with the most first.
    """

    failing: FailingEndpointsOut
    open_circuits: OpenCircuitsOut
    disabled: AilingEndpointsOut
    throttled: ThrottledEndpointsOut


class DiagnosticsOut(msgspec.Struct):
    """How things stand.

    Attributes:
        at: When it was looked at.
    """

    at: atoms.Instant
    deployment: DeploymentDiagnosticsOut
    organization: OrganizationDiagnosticsOut


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Tell how things stand: queues, and endpoints that fail, were disabled for it, or make messages wait."""
    return json_answer(200, _out(await call.service.diagnose(call.token.org_id)))


def _out(found: Diagnosis) -> DiagnosticsOut:
    return DiagnosticsOut(
        at=to_wire(found.at),
        deployment=DeploymentDiagnosticsOut([_queue(name, its) for name, its in found.queues.items()]),
        organization=OrganizationDiagnosticsOut(
            failing=_failing(found.failing, found.at),
            open_circuits=_paused(found.paused, found.at),
            disabled=_ailing(found.switched_off),
            throttled=_throttled(found.throttled),
        ),
    )


def _queue(name: str, backlog: Backlog) -> QueueDiagnosticsOut:
    return QueueDiagnosticsOut(
        name=name,
        due=backlog.due,
        scheduled=backlog.scheduled,
        due_since=_wire_or_none(backlog.due_since),
        dead_letters=backlog.dead,
    )


def _ailing(top: Top[Ailing]) -> AilingEndpointsOut:
    rows = [AilingEndpointOut(**_endpoint(row), since=to_wire(row.since)) for row in top.rows]
    return AilingEndpointsOut(rows, top.complete)


def _failing(top: Top[Ailing], at: datetime) -> FailingEndpointsOut:
    rows = [
        FailingEndpointOut(**_endpoint(row), **_health(row.health, at), since=to_wire(row.since))
        for row in top.rows
    ]
    return FailingEndpointsOut(rows, top.complete)


def _paused(top: Top[Paused], at: datetime) -> OpenCircuitsOut:
    rows = [
        OpenCircuitOut(
            **_endpoint(row),
            **_health(row.health, at),
            since=to_wire(row.health.failing_since or at),
            failures=row.health.in_a_row,
            until=_wire_or_none(row.health.waits_until(at)),
        )
        for row in top.rows
    ]
    return OpenCircuitsOut(rows, top.complete)


def _throttled(top: Top[Throttled]) -> ThrottledEndpointsOut:
    rows = [
        ThrottledEndpointOut(
            **_endpoint(row),
            throttle_rate=row.endpoint.throttle_rate,
            waiting=row.waiting,
            until=to_wire(row.until),
        )
        for row in top.rows
    ]
    return ThrottledEndpointsOut(rows, top.complete)


def _endpoint(row: Ailing | Paused | Throttled) -> dict[str, Any]:
    endpoint = row.endpoint
    return {
        "app_id": endpoint.app_id,
        "app_uid": row.app_uid,
        "endpoint_id": endpoint.id,
        "uid": endpoint.uid,
        "url": endpoint.url,
    }


def _health(health: Health, at: datetime) -> dict[str, Any]:
    return {
        "failure_share": health.failure_share,
        "last_success": _wire_or_none(health.delivered_at),
        "circuit": health.circuit(at),
    }


def _wire_or_none(at: datetime | None) -> str | None:
    return None if at is None else to_wire(at)


OPERATIONS = (
    operation("v1.diagnostics.get", "GET /diagnostics", Access.ORGANIZATION, get, {200: DiagnosticsOut}),
)
