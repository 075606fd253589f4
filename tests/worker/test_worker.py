"""Azure's own worker library loads the app, and every function does its work when called as by the host."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from functions.api.tokens import mint_organization_token
from shared.adapters.system import SystemClock
from shared.config import Settings
from shared.domain.work import TaskStep, to_body
from tests.makers import ORG, a_dispatch, a_message, a_retry, an_application, an_attempt, an_endpoint
from tests.receivers import Receiver
from tests.worker.host import Worker, a_queue_message, a_timer, an_http_request

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13),
    reason="Azure's worker library is for Python 3.13: make test PYTHON=python3.13 VENV=.venv-3.13",
)

TIMERS = ("sweep", "retention", "gauges")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What the function app's settings are."""
    ours = {
        "HELIOGRAPH_DATABASE": str(tmp_path_factory.mktemp("worker") / "heliograph.db"),
        "HELIOGRAPH_JWT_SECRET": "a secret that is long enough for HS256, and known to nobody",
        "HELIOGRAPH_ENCRYPTION_KEY": base64.b64encode(bytes(32)).decode(),
        "HELIOGRAPH_ALLOW_SUBNETS": "127.0.0.1/32",
    }
    return {**{name: value for name, value in os.environ.items() if "HELIOGRAPH" not in name}, **ours}


@pytest.fixture(scope="module")
def worker(environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker(tmp_path_factory.mktemp("log") / "log", environment) as running:
        yield running


@pytest.fixture(scope="module")
def api(worker: Worker, environment: Mapping[str, str]) -> "Api":
    return Api(worker, mint_organization_token(Settings.read(environment), ORG, SystemClock().now()))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


class Api:
    """The HTTP API, as reached through the host."""

    def __init__(self, worker: Worker, token: str) -> None:
        self._worker = worker
        self._token = token

    def asked(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask; return the status and the answer."""
        called = self._worker.call("http", an_http_request(method, path, self._token, body))
        assert called["ok"], called["why"]
        answer = called["value"]["http"]
        content = base64.b64decode(answer["body"]["bytes"])
        return int(answer["status"]), json.loads(content) if content else None

    def has(self, path: str, body: object) -> Mapping[str, str]:
        """Make something."""
        status, answer = self.asked("POST", path, body)
        assert status in (201, 202), answer
        made: Mapping[str, str] = answer
        return made


def triggers(worker: Worker) -> Mapping[str, Any]:
    """What starts each function."""
    found = {}
    for name, function in worker.functions.items():
        (found[name],) = [one for one in function["bindings"] if one["type"].endswith("Trigger")]
    return found


def test_the_worker_indexes_every_function(worker: Worker) -> None:
    kinds = {name: binding["type"] for name, binding in triggers(worker).items()}
    assert kinds == {
        "http": "httpTrigger",
        "events": "serviceBusTrigger",
        "dispatch": "serviceBusTrigger",
        "retry": "serviceBusTrigger",
        "tasks": "serviceBusTrigger",
        "background_task": "orchestrationTrigger",
        "task_step": "activityTrigger",
        **dict.fromkeys((*TIMERS, "histories"), "timerTrigger"),
    }


def test_what_the_host_reads_of_triggers_fits_its_settings(worker: Worker) -> None:
    queues = {name: one for name, one in triggers(worker).items() if one["type"] == "serviceBusTrigger"}
    assert {name: one["queueName"] for name, one in queues.items()} == {name: name for name in queues}
    assert {one["connection"] for one in queues.values()} == {"ServiceBus"}
    assert triggers(worker)["http"]["route"] == "/{*route}"
    assert triggers(worker)["http"]["authLevel"] == "ANONYMOUS"


def test_a_request_is_answered_through_the_http_trigger(api: Api) -> None:
    assert api.asked("GET", "/api/v1/health")[0] == 200
    made = api.has("/api/v1/app", {"name": "Acme", "uid": "acme"})
    assert api.asked("GET", "/api/v1/app/acme") == (200, made)
    assert api.asked("GET", "/api/v1/app/nobody")[0] == 404


async def test_a_dispatch_is_delivered_signed_and_its_repeat_is_not(
    worker: Worker, api: Api, receiver: Receiver
) -> None:
    application = api.has("/api/v1/app", {"name": "Dispatch"})
    path = f"/api/v1/app/{application['id']}"
    endpoint = api.has(f"{path}/endpoint", {"url": receiver.url})
    said = api.has(f"{path}/msg", {"eventType": "invoice.paid", "payload": {"amount": 1200}})
    message = a_message(an_application(id=application["id"]), id=said["id"], payload='{"amount":1200}')
    body = to_body(a_dispatch(message))

    first = await asyncio.to_thread(worker.call, "dispatch", **a_queue_message(body))
    again = await asyncio.to_thread(worker.call, "dispatch", **a_queue_message(body, delivery_count=2))

    assert (first["ok"], again["ok"]) == (True, True), first["why"] + again["why"]
    (request,) = receiver.requests
    secret = api.asked("GET", f"{path}/endpoint/{endpoint['id']}/secret")[1]["key"]
    headers = {name.lower(): value for name, value in request.headers}
    assert Webhook(secret).verify(request.body, headers) == {"amount": 1200}


async def test_a_retry_makes_the_attempt_that_it_names(worker: Worker, api: Api, receiver: Receiver) -> None:
    application = an_application(id=api.has("/api/v1/app", {"name": "Retry"})["id"])
    path = f"/api/v1/app/{application.id}"
    endpoint = an_endpoint(application, id=api.has(f"{path}/endpoint", {"url": receiver.url})["id"])
    said = api.has(f"{path}/msg", {"eventType": "invoice.paid", "payload": {}})
    retry = a_retry(an_attempt(a_message(application, id=said["id"]), endpoint))

    called = await asyncio.to_thread(worker.call, "retry", **a_queue_message(to_body(retry)))

    assert called["ok"], called["why"]
    attempts = api.asked("GET", f"{path}/attempt/msg/{said['id']}")[1]["data"]
    assert [one["status"] for one in attempts] == [0]


def test_an_event_from_the_queue_is_accepted_in_its_senders_trace(worker: Worker, api: Api) -> None:
    application = api.has("/api/v1/app", {"name": "Events"})
    message = {"eventType": "invoice.paid", "payload": {"n": 1}, "eventId": "evt_1"}
    body = json.dumps({"orgId": ORG, "appId": application["id"], "message": message}).encode()
    trace = "0af7651916cd43dd8448eb211c80319c"

    called = worker.call("events", **a_queue_message(body, traceparent=f"00-{trace}-b7ad6b7169203331-01"))

    assert called["ok"], called["why"]
    path = f"/api/v1/app/{application['id']}/msg/evt_1"
    assert api.asked("GET", path)[0] == 200
    assert api.asked("GET", f"{path}/timeline")[1]["traceId"] == trace


def test_work_that_nobody_can_read_fails_the_call_so_that_it_becomes_a_dead_letter(worker: Worker) -> None:
    called = worker.call("dispatch", **a_queue_message(b"{}"))
    assert not called["ok"]
    assert "not queued work of ours" in called["why"]


@pytest.mark.parametrize("name", TIMERS)
def test_a_timer_that_comes_late_does_its_work(worker: Worker, name: str) -> None:
    called = worker.call(name, a_timer())
    assert called["ok"], called["why"]


async def called_beside_an_extension(
    worker: Worker, name: str, call: dict[str, Any]
) -> Sequence[tuple[str, str, str]]:
    """Call a function that takes a durable client, and say what that asks the extension for."""
    asked = []
    answers = {
        "GET": (404, {"ExceptionMessage": "no such instance"}),
        "POST": (202, {"id": "qtask_1"}),
        "DELETE": (200, {"instancesDeleted": 3}),
    }

    async def extension(request: web.Request) -> web.Response:
        asked.append((request.method, request.path_qs, await request.text()))
        status, said = answers[request.method]
        return web.json_response(said, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", extension)
    runner = web.AppRunner(app)
    await runner.setup()
    await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
    client = bound(f"http://127.0.0.1:{runner.addresses[0][1]}/durabletask")
    inputs = {**call["inputs"], "client": {"string": client}}

    called = await asyncio.to_thread(worker.call, name, **{**call, "inputs": inputs})

    await site.stop()
    await runner.cleanup()
    assert called["ok"], called["why"]
    return asked


async def test_a_task_is_started_through_the_client_that_the_host_binds(worker: Worker) -> None:
    """The client is told by the host where the extension listens, and finds it there."""
    message = a_queue_message(to_body(TaskStep(ORG, "qtask_1", 0)))

    asked = await called_beside_an_extension(worker, "tasks", message)

    assert [(method, path) for method, path, _ in asked] == [
        ("GET", "/durabletask/instances/qtask_1"),
        ("POST", "/durabletask/orchestrators/background_task/qtask_1"),
    ]
    assert json.loads(json.loads(asked[1][2])) == {
        "org_id": ORG,
        "task_id": "qtask_1",
        "step": 0,
        "schema": 1,
    }


async def test_histories_are_purged_through_the_client_that_the_host_binds(worker: Worker) -> None:
    (asked,) = await called_beside_an_extension(worker, "histories", {"inputs": a_timer()})

    assert asked[0] == "DELETE"
    assert asked[1].startswith("/durabletask/instances/?createdTimeFrom=2020-01-01T00:00:00")
    assert asked[1].endswith("&runtimeStatus=Completed,Failed,Terminated")


def test_the_orchestrator_asks_for_its_first_step(worker: Worker) -> None:
    context = {
        "instanceId": "qtask_1",
        "isReplaying": False,
        "parentInstanceId": None,
        "input": json.dumps(json.dumps({"org_id": ORG, "task_id": "qtask_1", "step": 0, "schema": 1})),
        "upperSchemaVersion": 0,
        "upperSchemaVersionNew": 2,
        "history": [
            an_event(12),
            an_event(0, Name="background_task", Input='{"org_id": "x"}', Version=""),
        ],
    }

    called = worker.call("background_task", {"context": {"string": json.dumps(context)}})

    assert called["ok"], called["why"]
    state = json.loads(called["value"]["json"])
    assert state["isDone"] is False
    ((action,),) = state["actions"]
    assert (action["actionType"], action["functionName"]) == (0, "task_step")


def test_an_activity_says_how_far_its_task_is(worker: Worker) -> None:
    step = {"org_id": ORG, "task_id": "qtask_gone", "step": 0, "schema": 1}

    called = worker.call("task_step", {"step": {"string": json.dumps(step)}})

    assert called["ok"], called["why"]
    assert json.loads(called["value"]["json"]) == {"status": "failed", "why": "there is no such task"}


def an_event(kind: int, **fields: object) -> Mapping[str, object]:
    """A row of an instance's history."""
    at = "2026-11-24T09:00:00.0000000Z"
    return {"EventType": kind, "EventId": -1, "IsPlayed": False, "Timestamp": at, **fields}


def bound(base: str) -> str:
    """What the extension hands over for a durable client."""
    instance = f"{base}/instances/INSTANCEID?taskHub=heliograph&connection=Storage&code=key"
    urls = {
        "id": "INSTANCEID",
        "statusQueryGetUri": instance,
        "sendEventPostUri": instance,
        "terminatePostUri": instance,
        "rewindPostUri": instance,
        "purgeHistoryDeleteUri": instance,
        "restartPostUri": instance,
        "suspendPostUri": instance,
        "resumePostUri": instance,
    }
    creation = {
        "createNewInstancePostUri": f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]?code=key"
    }
    return json.dumps(
        {
            "taskHubName": "heliograph",
            "creationUrls": creation,
            "managementUrls": urls,
            "rpcBaseUrl": f"{base}/",
        }
    )
