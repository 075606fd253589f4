"""Which functions there are to drive: read from the function app, the list that Azure's host reads.

Nothing is left out in silence. A function that this host cannot drive stops the start with its name, because
on Azure it would run and here it would not.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Self, TypeAlias, TypeVar

from azure.functions import FunctionRegister
from azure.functions.decorators.core import Cardinality, Trigger
from azure.functions.decorators.function_app import Function
from azure.functions.decorators.http import HttpTrigger
from azure.functions.decorators.servicebus import ServiceBusQueueTrigger
from azure.functions.decorators.timer import TimerTrigger

from infra.local.errors import Undrivable

Call: TypeAlias = Callable[..., Awaitable[object]]

ORCHESTRATION_TRIGGER = "orchestrationTrigger"
ACTIVITY_TRIGGER = "activityTrigger"
DURABLE_CLIENT = "durableClient"

CATCH_ALL_ROUTE = "/{*route}"
"""The route of an ASGI app's function: everything."""

_SETTING = re.compile("%([^%]+)%")


@dataclass(frozen=True, slots=True)
class HttpFunction:
    """The function behind which the ASGI app stands."""

    name: str


@dataclass(frozen=True, slots=True)
class QueueFunction:
    """A function that is called once for each message of a queue.

    Attributes:
        parameter: The keyword under which it takes the message.
        client: The keyword under which it takes the durable client; None if it takes none.
    """

    name: str
    queue: str
    parameter: str
    call: Call
    client: str | None = None


@dataclass(frozen=True, slots=True)
class TimerFunction:
    """A function that is called by the clock.

    Attributes:
        schedule: NCRONTAB, six fields, the seconds first.
        parameter: The keyword under which it takes the timer.
        is_run_at_start: Whether every start of the host calls it, too.
        client: The keyword under which it takes the durable client; None if it takes none.
    """

    name: str
    schedule: str
    parameter: str
    call: Call
    is_run_at_start: bool
    client: str | None = None


@dataclass(frozen=True, slots=True)
class OrchestratorFunction:
    """A function that durable instances run.

    Attributes:
        name: What it is started by: its trigger's name for it, or else the function's.
        replay: Takes the context as JSON text and returns the package's answer as JSON text.
    """

    name: str
    replay: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class ActivityFunction:
    """A function that orchestrators have called.

    Attributes:
        name: What it is called by: its trigger's name for it, or else the function's.
        parameter: The keyword under which it takes its input.
        client: The keyword under which it takes the durable client; None if it takes none.
    """

    name: str
    parameter: str
    call: Call
    client: str | None = None


Taker = TypeVar("Taker", QueueFunction, TimerFunction, ActivityFunction)


@dataclass(frozen=True, slots=True)
class Registrations:
    """Every function of an app, by what triggers it."""

    http: Sequence[HttpFunction]
    queues: Sequence[QueueFunction]
    timers: Sequence[TimerFunction]
    orchestrators: Sequence[OrchestratorFunction] = ()
    activities: Sequence[ActivityFunction] = ()

    @property
    def is_durable(self) -> bool:
        """Whether Durable Functions are among them."""
        clients = [*(queue.client for queue in self.queues), *(timer.client for timer in self.timers)]
        return bool(self.orchestrators or self.activities or any(clients))

    def with_client(self, binding: str) -> Self:
        """The same, where those that take the durable client are given what it is made from."""
        return replace(
            self,
            queues=[_with_client(function, binding) for function in self.queues],
            timers=[_with_client(function, binding) for function in self.timers],
            activities=[_with_client(function, binding) for function in self.activities],
        )


def _with_client(function: Taker, binding: str) -> Taker:
    if function.client is None:
        return function
    return replace(function, call=partial(function.call, **{function.client: binding}))


def read(app: FunctionRegister, env: Mapping[str, str]) -> Registrations:
    """Read what a function app registers.

    Args:
        app: The app; it may be read any number of times.
        env: Where `%SETTING%` in a queue's name or a schedule is looked up.

    Raises:
        Undrivable: This host has no way to drive one of the functions.
    """
    found = _Found(env)
    for function in _functions(app):
        found.add(str(function.get_function_name()), function)
    return Registrations(found.http, found.queues, found.timers, found.orchestrators, found.activities)


class _Found:
    """What was read so far."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.http: list[HttpFunction] = []
        self.queues: list[QueueFunction] = []
        self.timers: list[TimerFunction] = []
        self.orchestrators: list[OrchestratorFunction] = []
        self.activities: list[ActivityFunction] = []
        self._env = env

    def add(self, name: str, function: Function) -> None:
        """Read one function.

        Raises:
            Undrivable: This host has no way to drive it.
        """
        trigger = function.get_trigger()
        kind = trigger.get_binding_name() if trigger else "no trigger"
        if isinstance(trigger, HttpTrigger):
            _check_http(name, function, trigger)
            self.http.append(HttpFunction(name))
        elif isinstance(trigger, ServiceBusQueueTrigger):
            call, client = _call(name, function)
            _check_queue(name, trigger)
            queue = _resolved(name, trigger.queue_name, self._env)
            self.queues.append(QueueFunction(name, queue, trigger.name, call, client))
        elif isinstance(trigger, TimerTrigger):
            call, client = _call(name, function)
            schedule = _resolved(name, trigger.schedule, self._env)
            at_start = bool(trigger.run_on_startup)
            self.timers.append(TimerFunction(name, schedule, trigger.name, call, at_start, client))
        elif kind == ORCHESTRATION_TRIGGER:
            self.orchestrators.append(_orchestrator(name, function))
        elif trigger and kind == ACTIVITY_TRIGGER:
            self.activities.append(_activity(name, function, trigger))
        else:
            known = "HTTP, Service Bus queue, timer, orchestration and activity triggers"
            raise Undrivable(name, f"it has {kind}; known are {known}")


@cache
def _functions(app: FunctionRegister) -> Sequence[Function]:
    """The functions of an app. Cached, because the package lets them be asked for once only."""
    functions: Sequence[Function] = app.get_functions()
    return functions


def _check_http(name: str, function: Function, trigger: HttpTrigger) -> None:
    # The server hands every request to the ASGI app; a route of its own would never be reached.
    if function.http_type != "asgi" or trigger.route != CATCH_ALL_ROUTE:
        raise Undrivable(
            name, f"only an ASGI app at {CATCH_ALL_ROUTE} is served; make it a route of that app"
        )


def _check_queue(name: str, trigger: ServiceBusQueueTrigger) -> None:
    if trigger.cardinality == Cardinality.MANY:
        raise Undrivable(name, "it takes messages in batches; set cardinality to one")
    if trigger.is_sessions_enabled:
        raise Undrivable(name, "it wants sessions, which the embedded queue does not have")


def _call(name: str, function: Function) -> tuple[Call, str | None]:
    """The coroutine function to call, and the keyword under which it takes the durable client, if it does.

    Raises:
        Undrivable: There is no such thing, or there are other bindings than these.
    """
    others = [binding for binding in function.get_bindings() if binding is not function.get_trigger()]
    clients = [binding.name for binding in others if binding.get_binding_name() == DURABLE_CLIENT]
    if len(clients) > 1 or len(clients) != len(others):
        count = len(function.get_bindings())
        raise Undrivable(
            name, f"it has {count} bindings; only the trigger itself and a durable client are known here"
        )
    user_function = function.get_user_function()
    if not inspect.iscoroutinefunction(user_function):
        raise Undrivable(name, "it is not a coroutine function; write it with async def")
    _check_parameters(name, function)
    call: Call = user_function
    return call, clients[0] if clients else None


def _orchestrator(name: str, function: Function) -> OrchestratorFunction:
    """The orchestrator.

    Raises:
        Undrivable: It has other bindings than the trigger.
    """
    if len(function.get_bindings()) != 1:
        raise Undrivable(name, "an orchestrator has no binding besides its trigger")
    _check_parameters(name, function)
    called = getattr(function.get_trigger(), "orchestration", None)
    return OrchestratorFunction(called or name, function.get_user_function())


def _activity(name: str, function: Function, trigger: Trigger) -> ActivityFunction:
    """The activity.

    Raises:
        Undrivable: It is not a coroutine function, or its bindings cannot be had here.
    """
    call, client = _call(name, function)
    return ActivityFunction(getattr(trigger, "activity", None) or name, trigger.name, call, client)


def _check_parameters(name: str, function: Function) -> None:
    takes = set(inspect.signature(function.get_user_function()).parameters)
    gives = {binding.name for binding in function.get_bindings()}
    if takes != gives:
        # Azure's worker refuses the whole app for it, and says so in one line of a log.
        raise Undrivable(name, f"its bindings are named {sorted(gives)} and its parameters {sorted(takes)}")


def _resolved(name: str, text: str, env: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        setting = match[1]
        if not env.get(setting):
            raise Undrivable(name, f"it is registered with %{setting}%, but the setting {setting} is not set")
        return env[setting]

    return _SETTING.sub(value, text)
