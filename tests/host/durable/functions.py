"""A function app of orchestrators, written as they are for Azure."""

import asyncio
from collections import Counter
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func

Orchestration = Generator[Any, Any, Any]


class Effects:
    """What the activities have done to the world, and what is the matter with them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []
        self.failures: Counter[str] = Counter()
        """How often the activity of a name still fails."""
        self.held: dict[str, asyncio.Event] = {}
        """The activities of these names go on when the event is set."""
        self._new = asyncio.Event()

    async def behave(self, name: str, given: object) -> object:
        """Take effect, and fail as often as told.

        Raises:
            ValueError: It is to fail.
        """
        self.calls.append((name, given))
        self._new.set()
        if name in self.held:
            await self.held[name].wait()
        if self.failures[name]:
            self.failures[name] -= 1
            raise ValueError(f"{name} is out of order")
        return given

    def of(self, name: str) -> list[object]:
        """The inputs that an activity was called with."""
        return [given for called, given in self.calls if called == name]

    async def have(self, calls: int) -> None:
        """Wait until activities have been called so often."""
        while len(self.calls) < calls:
            self._new.clear()
            await self._new.wait()


class Clients:
    """Catches the durable client that the host gives to a function."""

    def __init__(self) -> None:
        self.client: df.DurableOrchestrationClient | None = None
        self.came = asyncio.Event()


def app(effects: Effects, clients: Clients, *, mood: str = "steady") -> func.FunctionApp:
    """The app. What its activities do is up to `effects`; each `mood` is a release of its own."""
    made = func.FunctionApp()
    blueprints = [ORCHESTRATORS, _moody(mood), _clients(clients), _activities(effects)]
    if mood != "lazy":
        blueprints.append(_dismissed(effects))
    for blueprint in blueprints:
        made.register_functions(blueprint)
    return made


def _activities(effects: Effects) -> df.Blueprint:
    blueprint = df.Blueprint()

    @blueprint.activity_trigger(input_name="given")
    async def echo(given: object) -> object:
        return await effects.behave("echo", given)

    @blueprint.activity_trigger(input_name="given")
    async def flaky(given: object) -> object:
        return await effects.behave("flaky", given)

    @blueprint.activity_trigger(input_name="given")
    async def slow(given: object) -> object:
        return await effects.behave("slow", given)

    @blueprint.activity_trigger(input_name="given")
    async def unspeakable(given: object) -> object:
        return object()

    return blueprint


def _dismissed(effects: Effects) -> df.Blueprint:
    """What the release `lazy` does not have any more."""
    blueprint = df.Blueprint()

    @blueprint.activity_trigger(input_name="given")
    async def toil(given: object) -> object:
        return await effects.behave("toil", given)

    @blueprint.orchestration_trigger(context_name="context")
    def toils(context: df.DurableOrchestrationContext) -> Orchestration:
        yield context.call_activity("echo", 1)

    return blueprint


def _moody(mood: str) -> df.Blueprint:
    blueprint = df.Blueprint()

    @blueprint.orchestration_trigger(context_name="context")
    def moody(context: df.DurableOrchestrationContext) -> Orchestration:
        if mood == "hasty":
            return "nothing to do"
        if mood != "skipping":
            yield context.call_activity("echo" if mood == "steady" else "slow", 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        return mood

    return blueprint


def _clients(clients: Clients) -> df.Blueprint:
    blueprint = df.Blueprint()

    @blueprint.service_bus_queue_trigger("message", connection="ServiceBus", queue_name="asks")
    @blueprint.durable_client_input(client_name="client")
    async def ask(message: func.ServiceBusMessage, client: df.DurableOrchestrationClient) -> None:
        clients.client = client
        clients.came.set()

    return blueprint


ORCHESTRATORS = df.Blueprint()


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def sequence(context: df.DurableOrchestrationContext) -> Orchestration:
    said = []
    for name in context.get_input():
        said.append((yield context.call_activity("echo", {"name": name})))
        context.set_custom_status({"done": len(said)})
    return said


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Orchestration:
    calls = [context.call_activity("echo", number) for number in range(context.get_input())]
    return sum((yield context.task_all(calls)))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def race(context: df.DurableOrchestrationContext) -> Orchestration:
    slow, fast = context.call_activity("slow", "tortoise"), context.call_activity("echo", "hare")
    winner = yield context.task_any([slow, fast])
    first = winner.result
    return [first, (yield slow)]


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def retrying(context: df.DurableOrchestrationContext) -> Orchestration:
    policy = df.RetryOptions(first_retry_interval_in_milliseconds=5000, max_number_of_attempts=3)
    return (yield context.call_activity_with_retry("flaky", policy, context.get_input()))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def retrying_many(context: df.DurableOrchestrationContext) -> Orchestration:
    policy = df.RetryOptions(first_retry_interval_in_milliseconds=5000, max_number_of_attempts=4)
    calls = []
    for number in range(5):
        calls.append(context.call_activity_with_retry("flaky", policy, number))
        calls.append(context.call_activity("echo", number))
    waiting = list(calls)
    while waiting:
        done = yield context.task_any(waiting)
        waiting.remove(done)
        yield context.call_activity("echo", f"after {done.result}")
    return [call.result for call in calls]


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def careful(context: df.DurableOrchestrationContext) -> Orchestration:
    try:
        yield context.call_activity("flaky", 1)
    except Exception as failed:  # noqa: BLE001  the package raises nothing narrower
        return f"caught: {str(failed).partition(' at ')[0].strip()}"


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def careless(context: df.DurableOrchestrationContext) -> Orchestration:
    context.set_custom_status("about to fail")
    return (yield context.call_activity("flaky", 1))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def calls_nobody(context: df.DurableOrchestrationContext) -> Orchestration:
    yield context.call_activity("nobody", 1)


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def begets_nobody(context: df.DurableOrchestrationContext) -> Orchestration:
    yield context.call_sub_orchestrator("nobody", 1)


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def signals(context: df.DurableOrchestrationContext) -> Orchestration:
    yield context.call_entity(df.EntityId("counter", "1"), "add", 1)


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def gets_nothing_said(context: df.DurableOrchestrationContext) -> Orchestration:
    return (yield context.call_activity("unspeakable", 1))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def plain(context: df.DurableOrchestrationContext) -> object:
    return context.get_input()


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def three_days(context: df.DurableOrchestrationContext) -> Orchestration:
    began = context.current_utc_datetime
    yield context.create_timer(began + timedelta(days=3))
    return (context.current_utc_datetime - began).total_seconds()


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def approval(context: df.DurableOrchestrationContext) -> Orchestration:
    patience = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    approved = context.wait_for_external_event("approved")
    winner = yield context.task_any([approved, patience])
    if winner == patience:
        return "too late"
    patience.cancel()
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=2))
    return f"approved by {approved.result}"


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def late_listener(context: df.DurableOrchestrationContext) -> Orchestration:
    yield context.call_activity("echo", "busy")
    return (yield context.wait_for_external_event("news"))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def parent(context: df.DurableOrchestrationContext) -> Orchestration:
    calls = [context.call_sub_orchestrator("child", number) for number in context.get_input()]
    return (yield context.task_all(calls))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def child(context: df.DurableOrchestrationContext) -> Orchestration:
    doubled = yield context.call_activity("echo", context.get_input() * 2)
    return {"doubled": doubled, "parent": context.parent_instance_id}


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def parent_of_one(context: df.DurableOrchestrationContext) -> Orchestration:
    given = context.get_input()
    try:
        return (yield context.call_sub_orchestrator(given["name"], given["input"], given.get("id")))
    except Exception as failed:  # noqa: BLE001  the package raises nothing narrower
        return f"caught: {failed}"


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def retrying_parent(context: df.DurableOrchestrationContext) -> Orchestration:
    policy = df.RetryOptions(first_retry_interval_in_milliseconds=1000, max_number_of_attempts=2)
    return (yield context.call_sub_orchestrator_with_retry("careless", policy, None, "the-child"))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def countdown(context: df.DurableOrchestrationContext) -> Orchestration:
    left = context.get_input()
    yield context.call_activity("echo", left)
    if left == 0:
        return "lift-off"
    yield context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
    context.continue_as_new(left - 1)


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def everything(context: df.DurableOrchestrationContext) -> Orchestration:
    policy = df.RetryOptions(first_retry_interval_in_milliseconds=1000, max_number_of_attempts=3)
    first = yield context.call_activity("echo", "first")
    fan = yield context.task_all([context.call_activity("echo", number) for number in range(4)])
    yield context.create_timer(context.current_utc_datetime + timedelta(days=1))
    child = yield context.call_sub_orchestrator("child", 21)
    flaky = yield context.call_activity_with_retry("flaky", policy, "flaky")
    rounds = yield context.call_sub_orchestrator("countdown", 2)
    return [first, fan, child["doubled"], flaky, rounds]


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def waits_then_toils(context: df.DurableOrchestrationContext) -> Orchestration:
    yield context.call_activity("slow", 1)
    return (yield context.call_activity("toil", 1))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def leaves_behind(context: df.DurableOrchestrationContext) -> Orchestration:
    left = context.get_input()
    slow = context.call_activity("slow", f"slow {left}")
    fast = context.call_activity("echo", f"fast {left}")
    if left:
        yield context.task_any([slow, fast])
        context.continue_as_new(left - 1)
    else:
        return (yield context.task_all([slow, fast]))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def then_fails(context: df.DurableOrchestrationContext) -> Orchestration:
    first = yield context.call_activity("echo", "first")
    return [first, (yield context.call_activity("flaky", "second"))]


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def passes_on(context: df.DurableOrchestrationContext) -> Orchestration:
    return (yield context.call_sub_orchestrator("careless"))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def tells_version(context: df.DurableOrchestrationContext) -> object:
    return context.version


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def listens(context: df.DurableOrchestrationContext) -> Orchestration:
    return (yield context.wait_for_external_event("news"))


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def no_number(context: df.DurableOrchestrationContext) -> object:
    return float("nan")


@ORCHESTRATORS.orchestration_trigger(context_name="context")
def no_generator(context: df.DurableOrchestrationContext) -> object:
    raise ValueError("out of sorts")
