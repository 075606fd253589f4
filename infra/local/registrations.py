"""Which functions there are to drive: read from the function app, the list that Azure's host reads.

Nothing is left out in silence. A function that this host cannot drive stops the start with its name, because
on Azure it would run and here it would not.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from azure.functions import FunctionRegister
from azure.functions.decorators.core import Cardinality
from azure.functions.decorators.function_app import Function
from azure.functions.decorators.http import HttpTrigger
from azure.functions.decorators.servicebus import ServiceBusQueueTrigger
from azure.functions.decorators.timer import TimerTrigger

Call: TypeAlias = Callable[..., Awaitable[object]]

CATCH_ALL_ROUTE = "/{*route}"
"""The route of an ASGI app's function: everything."""

_SETTING = re.compile("%([^%]+)%")


@dataclass(eq=False)
class Undrivable(Exception):
    """A registered function cannot be driven by this host.

    Attributes:
        function: Its name.
        why: What is in the way, and what to do about it.
    """

    function: str
    why: str

    def __str__(self) -> str:
        return f"the function {self.function!r} cannot be run here: {self.why}"


@dataclass(frozen=True, slots=True)
class HttpFunction:
    """The function behind which the ASGI app stands."""

    name: str


@dataclass(frozen=True, slots=True)
class QueueFunction:
    """A function that is called once for each message of a queue.

    Attributes:
        parameter: The keyword under which it takes the message.
    """

    name: str
    queue: str
    parameter: str
    call: Call


@dataclass(frozen=True, slots=True)
class TimerFunction:
    """A function that is called by the clock.

    Attributes:
        schedule: NCRONTAB, six fields, the seconds first.
        parameter: The keyword under which it takes the timer.
        is_run_at_start: Whether every start of the host calls it, too.
    """

    name: str
    schedule: str
    parameter: str
    call: Call
    is_run_at_start: bool


@dataclass(frozen=True, slots=True)
class Registrations:
    """Every function of an app, by what triggers it."""

    http: Sequence[HttpFunction]
    queues: Sequence[QueueFunction]
    timers: Sequence[TimerFunction]


def read(app: FunctionRegister, env: Mapping[str, str]) -> Registrations:
    """Read what a function app registers.

    Args:
        app: The app; it may be read any number of times.
        env: Where `%SETTING%` in a queue's name or a schedule is looked up.

    Raises:
        Undrivable: This host has no way to drive one of the functions.
    """
    http: list[HttpFunction] = []
    queues: list[QueueFunction] = []
    timers: list[TimerFunction] = []
    for function in _functions(app):
        name = str(function.get_function_name())
        trigger = function.get_trigger()
        if isinstance(trigger, HttpTrigger):
            _check_http(name, function, trigger)
            http.append(HttpFunction(name))
        elif isinstance(trigger, ServiceBusQueueTrigger):
            call = _call(name, function)
            _check_queue(name, trigger)
            queue = _resolved(name, trigger.queue_name, env)
            queues.append(QueueFunction(name, queue, trigger.name, call))
        elif isinstance(trigger, TimerTrigger):
            call = _call(name, function)
            schedule = _resolved(name, trigger.schedule, env)
            timers.append(TimerFunction(name, schedule, trigger.name, call, bool(trigger.run_on_startup)))
        else:
            kind = trigger.type if trigger else "no trigger"
            raise Undrivable(name, f"it has {kind}; known are HTTP, Service Bus queue and timer triggers")
    return Registrations(http, queues, timers)


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


def _call(name: str, function: Function) -> Call:
    """The coroutine function to call, whose parameters fit the bindings as Azure's worker demands.

    Raises:
        Undrivable: There is no such thing, or there are more bindings than the trigger.
    """
    bindings = function.get_bindings()
    if len(bindings) != 1:
        raise Undrivable(name, f"it has {len(bindings)} bindings; only the trigger itself is known here")
    user_function = function.get_user_function()
    if not inspect.iscoroutinefunction(user_function):
        raise Undrivable(name, "it is not a coroutine function; write it with async def")
    takes = set(inspect.signature(user_function).parameters)
    gives = {bindings[0].name}
    if takes != gives:
        # Azure's worker refuses the whole app for it, and says so in one line of a log.
        raise Undrivable(name, f"its bindings are named {sorted(gives)} and its parameters {sorted(takes)}")
    call: Call = user_function
    return call


def _resolved(name: str, text: str, env: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        setting = match[1]
        if not env.get(setting):
            raise Undrivable(name, f"it is registered with %{setting}%, but the setting {setting} is not set")
        return env[setting]

    return _SETTING.sub(value, text)
