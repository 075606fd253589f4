"""How things stand for an organization: what whoever is on call looks at first."""

import msgspec

from functions.api import atoms
from functions.api.answers import Answer, json_answer
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from shared.domain.timestamps import to_wire
from shared.flows.diagnose import Ailing, Diagnosis, Throttled, Top
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
        since: Since when it has given up messages without a success, or when it was disabled.
    """

    app_id: str
    app_uid: str | None
    endpoint_id: str
    uid: str | None
    url: str
    since: atoms.Instant


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


class OrganizationDiagnosticsOut(msgspec.Struct):
    """How the endpoints of the organization stand.

    Attributes:
        failing: They are enabled, and have given up messages without a success since; the longest first.
        disabled: They were disabled because they failed for too long or their receivers asked for it, and
            not by a person; the latest first.
        throttled: Messages wait there for their turn; those with the most first.
    """

    failing: AilingEndpointsOut
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
            failing=_ailing(found.failing),
            disabled=_ailing(found.switched_off),
            throttled=_throttled(found.throttled),
        ),
    )


def _queue(name: str, backlog: Backlog) -> QueueDiagnosticsOut:
    return QueueDiagnosticsOut(
        name=name,
        due=backlog.due,
        scheduled=backlog.scheduled,
        due_since=None if backlog.due_since is None else to_wire(backlog.due_since),
        dead_letters=backlog.dead,
    )


def _ailing(top: Top[Ailing]) -> AilingEndpointsOut:
    return AilingEndpointsOut(
        [
            AilingEndpointOut(
                app_id=row.endpoint.app_id,
                app_uid=row.app_uid,
                endpoint_id=row.endpoint.id,
                uid=row.endpoint.uid,
                url=row.endpoint.url,
                since=to_wire(row.since),
            )
            for row in top.rows
        ],
        top.complete,
    )


def _throttled(top: Top[Throttled]) -> ThrottledEndpointsOut:
    return ThrottledEndpointsOut(
        [
            ThrottledEndpointOut(
                app_id=row.endpoint.app_id,
                app_uid=row.app_uid,
                endpoint_id=row.endpoint.id,
                uid=row.endpoint.uid,
                url=row.endpoint.url,
                throttle_rate=row.endpoint.throttle_rate,
                waiting=row.waiting,
                until=to_wire(row.until),
            )
            for row in top.rows
        ],
        top.complete,
    )


OPERATIONS = (
    operation("v1.diagnostics.get", "GET /diagnostics", Access.ORGANIZATION, get, {200: DiagnosticsOut}),
)
