"""The queue and timer triggers, called through their registrations as a host calls them."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import azure.functions as func
import pytest
from azure.functions.servicebus import ServiceBusMessage
from azure.functions.timer import TimerRequest

import function_app
from functions.api.message import to_queue_anew
from infra.local import registrations
from infra.local.durable.management import binding
from shared import wiring
from shared.domain.application import Application
from shared.domain.work import EVENTS_QUEUE
from shared.ports.queue import DELIVERIES_BEFORE, DeadLetter
from tests.flows.walk import Walk, answer
from tests.makers import ORG

NOWHERE = binding("http://127.0.0.1:1/")
REGISTERED = registrations.read(function_app.app, {}).with_client(NOWHERE)
QUEUES = {function.name: function for function in REGISTERED.queues}
TIMERS = {function.name: function for function in REGISTERED.timers}


@pytest.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    """A service that is the process's own."""
    walk = Walk.on(tmp_path)
    wiring.install(walk.service)
    yield walk
    wiring.install(None)
    await walk.service.close()


@pytest.fixture
async def application(walk: Walk) -> Application:
    application = await walk.has_application(uid="acme")
    await walk.has_endpoint(application)
    return application


async def trigger(
    name: str,
    body: bytes,
    *,
    message_id: str = "1",
    delivery_count: int = 1,
    properties: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Call a queue function with a message."""
    message = ServiceBusMessage(
        body=body,
        message_id=message_id,
        application_properties=dict(properties),
        user_properties={},
        delivery_count=delivery_count,
    )
    await QUEUES[name].call(**{QUEUES[name].parameter: message})


def an_event(**message: object) -> bytes:
    said = {"eventType": "order.paid", "payload": {"n": 1}, **message}
    return json.dumps({"orgId": ORG, "appId": "acme", "message": said}).encode()


async def dead_letters(walk: Walk) -> list[DeadLetter]:
    return list(await walk.service.store.dead_letters.page(EVENTS_QUEUE, limit=10))


async def test_an_event_from_the_queue_is_delivered_as_one_over_http_is(
    walk: Walk, application: Application
) -> None:
    await trigger("events", an_event(eventId="order-1"))
    await walk.works()
    message = await walk.service.messages.get(application.id, "order-1")
    assert walk.receiver.got == [message.id]


async def test_an_event_handed_over_twice_is_accepted_once(walk: Walk, application: Application) -> None:
    """We died between accepting it and settling it."""
    await trigger("events", an_event())
    await trigger("events", an_event(), delivery_count=2)
    await walk.works()
    assert len(walk.receiver.got) == 1


async def test_an_event_that_was_accepted_and_is_queued_anew_is_accepted_once(
    walk: Walk, application: Application
) -> None:
    """It was kept, and the answer lost; anew it has another id, and may have to be queued once more."""
    event, trace = an_event(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await trigger("events", event)
    anew = to_queue_anew(event, "1", trace)

    await trigger("events", anew, message_id="2")
    await trigger("events", to_queue_anew(anew, "2", None), message_id="3")

    await walk.works()
    assert len(walk.receiver.got) == 1


async def test_an_event_that_is_queued_anew_keeps_its_trace(walk: Walk, application: Application) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await trigger("events", to_queue_anew(an_event(eventId="order-1"), "1", trace))
    assert (await walk.service.messages.get(application.id, "order-1")).trace == trace


async def test_an_event_id_that_was_accepted_before_is_let_go(walk: Walk, application: Application) -> None:
    await trigger("events", an_event(eventId="order-1"), message_id="1")
    await trigger("events", an_event(eventId="order-1"), message_id="2")
    await walk.works()
    assert len(walk.receiver.got) == 1
    assert await dead_letters(walk) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"{", "body", id="no JSON"),
        pytest.param(an_event(eventType="order paid"), "String must match", id="a space in the event type"),
        pytest.param(an_event(payload=[1]), "payload must be a JSON object", id="a payload that is a list"),
        pytest.param(an_event().replace(b"acme", b"nobody"), "no application 'nobody'", id="no application"),
        pytest.param(an_event().replace(b"org_", b"xxx_"), "begins with org_", id="no organization"),
    ],
)
async def test_a_bad_event_is_put_aside_with_the_reason(
    walk: Walk, application: Application, body: bytes, reason: str
) -> None:
    """Repeating does not mend it, and a person has to know what to mend."""
    await trigger("events", body)
    (dead,) = await dead_letters(walk)
    assert dead.body == body
    assert reason in dead.reason
    assert reason in str(walk.journal.of("event.rejected"))


async def test_dispatches_and_retries_lead_to_attempts(walk: Walk, application: Application) -> None:
    walk.receiver.first.append(answer(500))
    message = await walk.accepts(application)
    (dispatch,) = await walk.takes("dispatch")
    await trigger("dispatch", dispatch.body)
    walk.clock.move(timedelta(seconds=7))
    (retry,) = await walk.takes("retry")
    await trigger("retry", retry.body)
    assert walk.receiver.got == [message.id, message.id]


async def test_a_redriven_dispatch_is_one_that_was_handed_over_before(
    walk: Walk, application: Application
) -> None:
    """Service Bus counts from the beginning when a dead letter is sent anew."""
    await walk.accepts(application)
    (dispatch,) = await walk.takes("dispatch")
    await trigger("dispatch", dispatch.body)

    await trigger("dispatch", dispatch.body, properties={DELIVERIES_BEFORE: 1})

    assert len(walk.receiver.got) == 1


@pytest.mark.parametrize("queue", ["dispatch", "retry", "tasks"])
async def test_work_that_nobody_understands_is_handed_back(walk: Walk, queue: str) -> None:
    """The host puts it aside after the tenth time, with this error as the reason."""
    with pytest.raises(ValueError, match="not queued work of ours"):
        await trigger(queue, b"{}")


@pytest.mark.parametrize("name", ["sweep", "retention", "gauges"])
async def test_timers_run_on_an_empty_service(walk: Walk, name: str) -> None:
    timer = TIMERS[name]
    await timer.call(**{timer.parameter: TimerRequest(past_due=True)})


async def test_retention_runs_by_its_timer(walk: Walk, application: Application) -> None:
    message = await walk.posts(application, payload_retention=timedelta(days=5))
    walk.clock.move(timedelta(days=6))
    timer = TIMERS["retention"]
    await timer.call(**{timer.parameter: TimerRequest(past_due=False)})
    assert (await walk.service.messages.get(application.id, message.id)).payload is None


def test_the_platform_sees_the_same_bindings() -> None:
    """Names that the platform's configuration and the emulators' rely on."""
    bindings = {name: function.queue for name, function in QUEUES.items()} | {
        name: function.schedule for name, function in TIMERS.items()
    }
    assert bindings == {
        "events": "events",
        "dispatch": "dispatch",
        "retry": "retry",
        "tasks": "tasks",
        "sweep": "0 * * * * *",
        "retention": "0 */5 * * * *",
        "histories": "30 7 * * * *",
        "gauges": "15 * * * * *",
    }
    assert isinstance(function_app.app, func.AsgiFunctionApp)
