"""What `DurableOrchestrationClient` asks for over HTTP, answered as the Durable Task extension answers.

    POST   orchestrators/{name}[/{id}]              start
    GET    instances/[?…]                           list: createdTimeFrom, createdTimeTo, runtimeStatus,
                                                    instanceIdPrefix, top
    GET    instances/{id}[?…]                       status: showInput, showHistory, showHistoryOutput
    DELETE instances/[?…], instances/{id}           purge what is finished
    POST   instances/{id}/raiseEvent/{event}        an event from outside
    POST   instances/{id}/terminate|suspend|resume  with ?reason=
    POST   instances/{id}/rewind|restart            go on after a failure; the same input once more

Everything lies under a path that begins with a key, which only the functions of this process are told, and is
served on the loopback interface. Every answer has a JSON body, because the client reads one always.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from infra.local.durable import decisions, events
from infra.local.durable.decisions import Names
from infra.local.durable.events import BEGINNINGS, Event, Kind
from infra.local.durable.surroundings import Surroundings
from shared.domain.errors import Unavailable
from shared.ports.orchestrations import Instance, Letter, RuntimeStatus, Wanted

TASK_HUB = "heliograph"

BODY_LIMIT_BYTES = 2 * 1024 * 1024
"""Inputs and events name what they are about; whatever is larger belongs into the store."""

ID_LIMIT = 100
"""Characters of an instance id, as on Azure."""
_ID = re.compile(r"[^@/\\#?\x00-\x1f\x7f-\x9f][^/\\#?\x00-\x1f\x7f-\x9f]*")

PAGE = 250
"""Instances read at once, and the most that can be asked for (`top`). Who does not ask gets all there are."""

CONTINUATION = "x-ms-continuation-token"

ID_BYTES = 16
EXECUTION_BYTES = 4

_PLACEHOLDER = "INSTANCEID"
_VERBS = {
    "terminate": Kind.EXECUTION_TERMINATED,
    "suspend": Kind.EXECUTION_SUSPENDED,
    "resume": Kind.EXECUTION_RESUMED,
}
_NAMES = {
    Kind.EXECUTION_STARTED: "ExecutionStarted",
    Kind.EXECUTION_TERMINATED: "ExecutionTerminated",
    Kind.TASK_SCHEDULED: "TaskScheduled",
    Kind.TASK_COMPLETED: "TaskCompleted",
    Kind.TASK_FAILED: "TaskFailed",
    Kind.CHILD_CREATED: "SubOrchestrationInstanceCreated",
    Kind.CHILD_COMPLETED: "SubOrchestrationInstanceCompleted",
    Kind.CHILD_FAILED: "SubOrchestrationInstanceFailed",
    Kind.TIMER_CREATED: "TimerCreated",
    Kind.TIMER_FIRED: "TimerFired",
    Kind.EVENT_RAISED: "EventRaised",
    Kind.EXECUTION_SUSPENDED: "ExecutionSuspended",
    Kind.EXECUTION_RESUMED: "ExecutionResumed",
}
"""How a status shows the rows of a history; those without a name are not shown."""


@dataclass(eq=False)
class Refused(Exception):
    """A request that cannot be read.

    Attributes:
        status: The HTTP status by which the client knows why.
        body: What is answered.
    """

    status: int
    body: object


def binding(base: str) -> str:
    """What a function with a durable client is given: where the client finds all this.

    Args:
        base: The URL under which it is served, with a slash at the end.
    """
    instance = f"{base}instances/{_PLACEHOLDER}"
    urls = {
        "id": _PLACEHOLDER,
        "statusQueryGetUri": instance,
        "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}",
        "terminatePostUri": f"{instance}/terminate?reason={{text}}",
        "rewindPostUri": f"{instance}/rewind?reason={{text}}",
        "purgeHistoryDeleteUri": instance,
        "restartPostUri": f"{instance}/restart",
        "suspendPostUri": f"{instance}/suspend?reason={{text}}",
        "resumePostUri": f"{instance}/resume?reason={{text}}",
    }
    creation = f"{base}orchestrators/{{functionName}}[/{{instanceId}}]"
    given = {
        "taskHubName": TASK_HUB,
        "creationUrls": {"createNewInstancePostUri": creation},
        "managementUrls": urls,
        "rpcBaseUrl": base,
    }
    return msgspec.json.encode(given).decode()


@dataclass(frozen=True)
class Management:
    """The operations; `routes` is where they are."""

    names: Names
    around: Surroundings

    def router(self, prefix: str) -> Router:
        """The ASGI app; `prefix` begins with a slash and ends with none."""
        one = f"{prefix}/instances/{{id}}"
        routes = [
            ("POST", f"{prefix}/orchestrators/{{name}}", self.start),
            ("POST", f"{prefix}/orchestrators/{{name}}/{{id}}", self.start),
            ("GET", f"{prefix}/instances/", self.statuses),
            ("DELETE", f"{prefix}/instances/", self.purge_several),
            ("GET", one, self.status),
            ("DELETE", one, self.purge),
            ("POST", f"{one}/raiseEvent/{{event}}", self.raise_event),
            ("POST", f"{one}/rewind", self.rewind),
            ("POST", f"{one}/restart", self.restart),
            ("POST", f"{one}/{{verb}}", self.control),
        ]
        return Router(
            [Route(path, _answering(carry_out), methods=[method]) for method, path, carry_out in routes],
            redirect_slashes=False,
            default=_json(404, "There is no such operation here."),
        )

    async def start(self, request: Request) -> Response:
        """Start an orchestration."""
        name = request.path_params["name"]
        if name not in self.names.orchestrators:
            return _refused(decisions.unknown("an orchestrator", name))
        instance_id = request.path_params.get("id") or self.around.dice.octets(ID_BYTES).hex()
        if not _ID.fullmatch(instance_id) or len(instance_id) > ID_LIMIT:
            return _refused(
                f"An instance id has 1 to {ID_LIMIT} characters, none of them / \\ # ? or a control"
                f" character, and does not begin with @; this is {instance_id!r}."
            )
        given = await _text_of(request)
        if not await self._start(instance_id, name, request.query_params.get("version", ""), given):
            return _in_use(instance_id)
        return _json(202, {"id": instance_id})

    async def status(self, request: Request) -> Response:
        """How an instance stands."""
        instance = await self.around.store.get(request.path_params["id"])
        if instance is None:
            return _nowhere(request)
        shown = _shown(instance)
        if _is_set(request, "showInput"):
            shown["input"] = _value(instance.input)
        if _is_set(request, "showHistory"):
            rows = [events.from_text(row) for row in await self.around.store.history(instance.id)]
            shown["historyEvents"] = _history(rows, with_output=_is_set(request, "showHistoryOutput"))
        return _json(200 if instance.status.is_final else 202, shown)

    async def statuses(self, request: Request) -> Response:
        """How several stand: all of them, or a page; their inputs are not shown."""
        wanted = _wanted(request)
        top = request.query_params.get("top")
        if top is None:
            return _json(200, [_shown(instance) async for instance in self._all(wanted)])
        limit = _number(top)
        page = await self.around.store.page(replace(wanted, limit=limit))
        answer = _json(200, [_shown(instance) for instance in page])
        if len(page) == limit:
            answer.headers[CONTINUATION] = _token(page[-1])
        return answer

    async def purge(self, request: Request) -> Response:
        """Remove a finished instance."""
        status = await self.around.store.purge(request.path_params["id"])
        if status is None:
            return _nowhere(request)
        return _json(200, {"instancesDeleted": int(status.is_final)})

    async def purge_several(self, request: Request) -> Response:
        """Remove the finished instances of a span of time."""
        wanted = _wanted(request)
        if wanted.created_from is None:
            return _refused("Say from when on: createdTimeFrom=2026-11-24T00:00:00Z")
        purged = 0
        async for instance in self._all(wanted):
            if instance.status.is_final:
                status = await self.around.store.purge(instance.id)
                purged += status is not None and status.is_final
        return _json(200 if purged else 404, {"instancesDeleted": purged})

    async def raise_event(self, request: Request) -> Response:
        """Have an event arrive; as on Azure its data is what was posted, so text that the client wrapped."""
        text = (await _body(request)).decode() or "null"
        event = events.raised(self.around.clock.now(), request.path_params["event"], text)
        return await self._send(request, event, is_urgent=False)

    async def control(self, request: Request) -> Response:
        """Terminate, suspend or resume."""
        kind = _VERBS.get(request.path_params["verb"])
        if kind is None:
            return _json(404, f"There is no operation {request.path_params['verb']!r}.")
        event = events.controlled(kind, self.around.clock.now(), request.query_params.get("reason", ""))
        return await self._send(request, event, is_urgent=True)

    async def restart(self, request: Request) -> Response:
        """Start once more with the same input, under a new id or the same."""
        before = await self.around.store.get(request.path_params["id"])
        if before is None:
            return _nowhere(request)
        has_new_id = request.query_params.get("restartWithNewInstanceId", "true").lower() != "false"
        instance_id = self.around.dice.octets(ID_BYTES).hex() if has_new_id else before.id
        if not await self._start(instance_id, before.name, before.version, before.input):
            return _in_use(instance_id)
        return _json(202, instance_id)

    async def rewind(self, request: Request) -> Response:
        """Let a failed instance try again what failed."""
        state = await self.around.store.load(request.path_params["id"])
        if state is None:
            return _nowhere(request)
        if state.instance.status is not RuntimeStatus.FAILED:
            return _json(410, f"The instance is {state.instance.status}, and not Failed.")
        step = decisions.rewound(state, self.around.clock.now())
        if step is None or not await self.around.store.commit(step):
            return _json(409, "It did not fail by an activity or a sub-orchestration; restart it instead.")
        return _json(202, None)

    async def _send(self, request: Request, event: Event, *, is_urgent: bool) -> Response:
        letter = Letter(request.path_params["id"], events.to_text(event), is_urgent=is_urgent)
        status = await self.around.store.tell(letter)
        if status is None:
            return _nowhere(request)
        return _json(410, f"The instance is {status} already.") if status.is_final else _json(202, None)

    async def _start(self, instance_id: str, name: str, version: str, given: str | None) -> bool:
        now = self.around.clock.now()
        return await self.around.store.start(
            Instance(
                id=instance_id,
                execution=self.around.dice.octets(EXECUTION_BYTES).hex(),
                name=name,
                status=RuntimeStatus.PENDING,
                created_at=now,
                updated_at=now,
                version=version,
                input=given,
            )
        )

    async def _all(self, wanted: Wanted) -> AsyncIterator[Instance]:
        while page := await self.around.store.page(wanted):
            for instance in page:
                yield instance
            wanted = replace(wanted, after=(page[-1].created_at, page[-1].id))


def _answering(
    carry_out: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """The operation as a route calls it: what went wrong becomes an answer."""

    async def answer(request: Request) -> Response:
        try:
            return await carry_out(request)
        except Refused as refused:
            return _json(refused.status, refused.body)
        except Unavailable as error:
            return _json(503, str(error))

    return answer


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _refused(why: str) -> Response:
    """What the client raises with `why` as its text."""
    return _json(400, _exception(why))


def _exception(why: str) -> dict[str, str]:
    return {"ExceptionMessage": why}


def _nowhere(request: Request) -> Response:
    return _json(404, f"No instance with ID '{request.path_params['id']}' found.")


def _in_use(instance_id: str) -> Response:
    return _json(409, f"An Orchestration instance with the id '{instance_id}' is not finished yet.")


async def _body(request: Request) -> bytes:
    """The body, which is JSON or empty.

    Raises:
        Refused: It is neither, or too long.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_LIMIT_BYTES:
            raise Refused(413, _exception(f"More than {BODY_LIMIT_BYTES} bytes; send an id instead."))
    try:
        msgspec.json.decode(body or b"null")
    except msgspec.MsgspecError as wrong:
        raise Refused(400, _exception(f"The body is not JSON: {wrong}")) from wrong
    return body


async def _text_of(request: Request) -> str | None:
    """The input of an orchestration, which the client sends as JSON text in a JSON string."""
    body = await _body(request)
    said = msgspec.json.decode(body or b"null")
    if said is None:
        return None
    return said if isinstance(said, str) else body.decode()


def _is_set(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() == "true"


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= PAGE:
        raise Refused(400, _exception(f"top is a number from 1 to {PAGE}, not {text!r}"))
    return int(text)


def _wanted(request: Request) -> Wanted:
    asked = request.query_params
    token = request.headers.get(CONTINUATION)
    return Wanted(
        limit=PAGE,
        after=None if token is None else _place(token),
        created_from=_instant(asked.get("createdTimeFrom")),
        created_to=_instant(asked.get("createdTimeTo")),
        statuses=frozenset(filter(None, asked.get("runtimeStatus", "").split(","))),
        id_prefix=asked.get("instanceIdPrefix", ""),
    )


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as wrong:
        why = f"{text!r} is not an instant such as 2026-11-24T12:00:00Z"
        raise Refused(400, _exception(why)) from wrong
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _token(instance: Instance) -> str:
    return f"{instance.created_at.isoformat()} {instance.id}".encode().hex()


def _place(token: str) -> tuple[datetime, str]:
    try:
        at, _, instance_id = bytes.fromhex(token).decode().partition(" ")
        return datetime.fromisoformat(at), instance_id
    except ValueError as wrong:
        raise Refused(400, _exception(f"{token!r} is not a continuation token of ours")) from wrong


def _value(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())


def _shown(instance: Instance) -> dict[str, object]:
    return {
        "name": instance.name,
        "instanceId": instance.id,
        "createdTime": instance.created_at,
        "lastUpdatedTime": instance.updated_at,
        "runtimeStatus": instance.status,
        "input": None,
        "customStatus": _value(instance.custom_status),
        "output": _value(instance.output),
    }


def _history(rows: Sequence[Event], *, with_output: bool) -> list[dict[str, object]]:
    """The rows as a status shows them: an outcome together with the beginning of its task."""
    begun = {row.event_id: row for row in rows if row.event_type in BEGINNINGS}
    over = {row.outcome_of for row in rows}
    shown = []
    for row in rows:
        if row.event_type not in _NAMES or (row.event_type in BEGINNINGS and row.event_id in over):
            continue
        beginning = begun.get(row.outcome_of) if row.outcome_of is not None else None
        facts: dict[str, object] = {"EventType": _NAMES[row.event_type], "Timestamp": row.timestamp}
        facts["FunctionName"] = beginning.name if beginning else row.name
        facts["ScheduledTime"] = beginning.timestamp if beginning else None
        facts["FireAt"] = row.fire_at
        facts["Reason"] = row.reason
        facts["Result"] = _value(row.result) if with_output else None
        shown.append({name: fact for name, fact in facts.items() if fact is not None})
    return shown
