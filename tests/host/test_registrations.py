"""Registrations: what the host reads from a function app, and what it refuses to leave out in silence."""

from collections.abc import Callable, Mapping

import azure.durable_functions as df
import azure.functions as func
import pytest

import function_app
from infra.local.durable.management import binding
from infra.local.errors import Undrivable
from infra.local.registrations import (
    ActivityFunction,
    HttpFunction,
    OrchestratorFunction,
    QueueFunction,
    Registrations,
    TimerFunction,
    read,
)

KNOWN = "HTTP, Service Bus queue, timer, orchestration and activity triggers"


async def _asgi(scope: object, receive: object, send: object) -> None:
    """An ASGI app that nobody calls."""


def _app() -> func.AsgiFunctionApp:
    return func.AsgiFunctionApp(app=_asgi, http_auth_level=func.AuthLevel.ANONYMOUS, function_name="http")


def _with(register: Callable[[func.Blueprint], object]) -> func.AsgiFunctionApp:
    blueprint = func.Blueprint()
    register(blueprint)
    app = _app()
    app.register_functions(blueprint)
    return app


def test_every_kind_of_function_is_read() -> None:
    blueprint = func.Blueprint()

    @blueprint.function_name("dispatch")
    @blueprint.service_bus_queue_trigger("message", connection="ServiceBus", queue_name="queue-1")
    async def deliver(message: func.ServiceBusMessage) -> None: ...

    @blueprint.timer_trigger("timer", schedule="0 * * * * *", run_on_startup=True)
    async def sweep(timer: func.TimerRequest) -> None: ...

    app = _app()
    app.register_functions(blueprint)

    registered = read(app, {})

    assert registered.http == [HttpFunction("http")]
    (queue,) = registered.queues
    assert (queue.name, queue.queue, queue.parameter) == ("dispatch", "queue-1", "message")
    (timer,) = registered.timers
    assert (timer.name, timer.schedule, timer.parameter) == ("sweep", "0 * * * * *", "timer")
    assert timer.is_run_at_start


async def test_durable_functions_are_read_and_get_their_client() -> None:
    durable = df.Blueprint()
    given: list[df.DurableOrchestrationClient] = []

    @durable.orchestration_trigger(context_name="context")
    def orchestrator(context: df.DurableOrchestrationContext) -> int:
        return 1

    @durable.activity_trigger(input_name="text")
    @durable.durable_client_input(client_name="client")
    async def activity(text: str, client: df.DurableOrchestrationClient) -> None:
        given.append(client)

    @durable.timer_trigger("timer", schedule="0 * * * * *")
    @durable.durable_client_input(client_name="client")
    async def sweep(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
        given.append(client)

    app = _app()

    @durable.orchestration_trigger(context_name="context", orchestration="other-name")
    def renamed(context: df.DurableOrchestrationContext) -> int:
        return 1

    assert not read(app, {}).is_durable
    app = _app()
    app.register_functions(durable)

    registered = read(app, {}).with_client(binding("http://127.0.0.1:1/"))

    assert registered.is_durable
    assert [function.name for function in registered.orchestrators] == ["orchestrator", "other-name"]
    assert [(function.name, function.parameter) for function in registered.activities] == [
        ("activity", "text")
    ]
    await registered.activities[0].call(text="given")
    await registered.timers[0].call(timer=None)
    assert [type(client) for client in given] == [df.DurableOrchestrationClient] * 2


def test_an_app_can_be_read_again() -> None:
    """The package lets it be read once; the tests of one process read it many times."""
    app = _app()

    assert read(app, {}) == read(app, {})


def test_settings_in_percent_signs_are_looked_up() -> None:
    """On Azure the names of queues come from settings, and the platform looks them up just so."""
    blueprint = func.Blueprint()

    @blueprint.service_bus_queue_trigger("message", connection="ServiceBus", queue_name="%STAGE%-%QUEUE%")
    async def dispatch(message: func.ServiceBusMessage) -> None: ...

    @blueprint.timer_trigger("timer", schedule="%EVERY%")
    async def sweep(timer: func.TimerRequest) -> None: ...

    app = _app()
    app.register_functions(blueprint)

    registered = read(app, {"STAGE": "test", "QUEUE": "dispatch", "EVERY": "0 * * * * *"})

    assert registered.queues[0].queue == "test-dispatch"
    assert registered.timers[0].schedule == "0 * * * * *"


def _unset_setting(blueprint: func.Blueprint) -> None:
    @blueprint.service_bus_queue_trigger("message", connection="ServiceBus", queue_name="%QUEUE%")
    async def broken(message: func.ServiceBusMessage) -> None: ...


def _blob(blueprint: func.Blueprint) -> None:
    @blueprint.blob_trigger("blob", path="uploads", connection="Storage")
    async def broken(blob: func.InputStream) -> None: ...


def _batch(blueprint: func.Blueprint) -> None:
    @blueprint.service_bus_queue_trigger(
        "message", connection="ServiceBus", queue_name="q", cardinality=func.Cardinality.MANY
    )
    async def broken(message: list[func.ServiceBusMessage]) -> None: ...


def _sessions(blueprint: func.Blueprint) -> None:
    @blueprint.service_bus_queue_trigger(
        "message", connection="ServiceBus", queue_name="q", is_sessions_enabled=True
    )
    async def broken(message: func.ServiceBusMessage) -> None: ...


def _other_parameter(blueprint: func.Blueprint) -> None:
    @blueprint.service_bus_queue_trigger("message", connection="ServiceBus", queue_name="q")
    async def broken(msg: func.ServiceBusMessage) -> None: ...


def _blocking(blueprint: func.Blueprint) -> None:
    @blueprint.timer_trigger("timer", schedule="0 * * * * *")
    def broken(timer: func.TimerRequest) -> None: ...


def _output(blueprint: func.Blueprint) -> None:
    @blueprint.service_bus_queue_trigger("message", connection="ServiceBus", queue_name="q")
    @blueprint.service_bus_queue_output("out", connection="ServiceBus", queue_name="r")
    async def broken(message: func.ServiceBusMessage, out: func.Out[str]) -> None: ...


def _entity(blueprint: func.Blueprint) -> None:
    durable = _durable(blueprint)

    @durable.entity_trigger(context_name="context")
    def broken(context: df.DurableEntityContext) -> None: ...


def _orchestrator_parameter(blueprint: func.Blueprint) -> None:
    @_durable(blueprint).orchestration_trigger(context_name="ctx")
    def broken(ctx: df.DurableOrchestrationContext) -> None: ...


def _blocking_activity(blueprint: func.Blueprint) -> None:
    @_durable(blueprint).activity_trigger(input_name="given")
    def broken(given: str) -> str:
        return given


def _two_clients(blueprint: func.Blueprint) -> None:
    durable = _durable(blueprint)

    @durable.timer_trigger("timer", schedule="0 * * * * *")
    @durable.durable_client_input(client_name="client")
    @durable.durable_client_input(client_name="other")
    async def broken(timer: func.TimerRequest, client: str, other: str) -> None: ...


def _durable(blueprint: func.Blueprint) -> df.Blueprint:
    """The same blueprint with the decorators of Durable Functions."""
    durable = df.Blueprint()
    durable._function_builders = blueprint._function_builders
    return durable


def _route(blueprint: func.Blueprint) -> None:
    @blueprint.route("health", auth_level=func.AuthLevel.ANONYMOUS)
    async def broken(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.url)


@pytest.mark.parametrize(
    ("register", "why"),
    [
        (_unset_setting, "it is registered with %QUEUE%, but the setting QUEUE is not set"),
        (_blob, f"it has blobTrigger; known are {KNOWN}"),
        (_batch, "it takes messages in batches; set cardinality to one"),
        (_sessions, "it wants sessions, which the embedded queue does not have"),
        (_other_parameter, "its bindings are named ['message'] and its parameters ['msg']"),
        (_blocking, "it is not a coroutine function; write it with async def"),
        (_output, "it has 2 bindings; only the trigger itself and a durable client are known here"),
        (_entity, f"it has entityTrigger; known are {KNOWN}"),
        (_orchestrator_parameter, "its bindings are named ['ctx'] and its parameters ['context']"),
        (_blocking_activity, "it is not a coroutine function; write it with async def"),
        (_two_clients, "it has 3 bindings; only the trigger itself and a durable client are known here"),
        (_route, "only an ASGI app at /{*route} is served; make it a route of that app"),
    ],
)
def test_what_cannot_be_driven_here_stops_the_start(
    register: Callable[[func.Blueprint], None], why: str
) -> None:
    """On Azure it would run; left out here in silence, nobody would know why nothing happens."""
    with pytest.raises(Undrivable) as refused:
        read(_with(register), {})

    assert str(refused.value) == f"the function 'broken' cannot be run here: {why}"


def test_every_function_of_this_program_is_driven() -> None:
    """One program, two hosts: what is registered for Azure runs here, and nothing else does."""
    registered = read(function_app.app, {})

    assert _by_trigger(registered) == {
        "http": ["http"],
        "dispatch": ["dispatch"],
        "events": ["events"],
        "retry": ["retry"],
        "tasks": ["tasks"],
        "0 * * * * *": ["sweep"],
        "0 */5 * * * *": ["retention"],
        "30 7 * * * *": ["histories"],
        "15 * * * * *": ["gauges"],
        "orchestration": ["background_task"],
        "activity": ["task_step"],
    }


def _by_trigger(registered: Registrations) -> Mapping[str, list[str]]:
    triggers: dict[str, list[str]] = {}
    functions = [
        *registered.http,
        *registered.queues,
        *registered.timers,
        *registered.orchestrators,
        *registered.activities,
    ]
    for function in functions:
        match function:
            case QueueFunction(queue=trigger) | TimerFunction(schedule=trigger):
                triggers.setdefault(trigger, []).append(function.name)
            case HttpFunction():
                triggers.setdefault("http", []).append(function.name)
            case OrchestratorFunction():
                triggers.setdefault("orchestration", []).append(function.name)
            case ActivityFunction():
                triggers.setdefault("activity", []).append(function.name)
    return triggers
