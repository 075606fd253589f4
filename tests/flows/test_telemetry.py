"""What is told of a message's way: all of it, and in one trace."""

import json
from datetime import timedelta

from shared.adapters.telemetry.tally import Tally
from shared.domain.application import Application
from shared.domain.counts import NOTHING
from shared.domain.trace import trace_of
from shared.ports.queue import Backlog
from tests.flows.walk import Walk, answer, header

HOUR = timedelta(hours=1)
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
CONTEXT = f"{PARENT} vendor=1"
EMBEDDED = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_every_attempt_is_a_span_of_its_own_in_the_producers_trace(
    walk: Walk, application: Application
) -> None:
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application, trace=CONTEXT)
    await walk.restarts()
    await walk.passes(HOUR)
    await walk.service.send_again(application, message.id, (await walk.attempts(message))[0].endpoint_id)
    await walk.works()

    parents = [header(outgoing, "traceparent").split("-") for outgoing in walk.receiver.sent]
    spans = [span for _, _, span, _ in parents]
    assert len(set(spans)) == len(spans) >= 3
    assert {(version, trace, flags) for version, trace, _, flags in parents} == {("00", EMBEDDED, "00")}
    assert {header(outgoing, "tracestate") for outgoing in walk.receiver.sent} == {"vendor=1"}
    told = walk.journal.of("delivery.attempted")
    assert [facts["span_id"] for facts in told] == spans
    assert {(facts["trace_id"], facts["parent_span_id"]) for facts in told} == {
        (EMBEDDED, "00f067aa0ba902b7")
    }


async def test_a_large_payload_and_a_restart_change_nothing_about_the_trace(
    walk: Walk, application: Application
) -> None:
    await walk.has_endpoint(application)
    await walk.accepts(application, payload=json.dumps({"n": "x" * 60_000}), trace=CONTEXT)
    await walk.restarts()
    await walk.works()

    assert header(walk.receiver.sent[0], "traceparent").split("-")[1] == EMBEDDED


async def test_without_a_producers_trace_a_message_has_one_of_its_own(
    walk: Walk, application: Application
) -> None:
    await walk.has_endpoint(application)
    await walk.has_endpoint(application)
    first, second = await walk.posts(application), await walk.posts(application)

    traces = [header(outgoing, "traceparent").split("-")[1] for outgoing in walk.receiver.sent]
    assert traces == [trace_of(message.id, None).id for message in (first, first, second, second)]
    assert not any(name == "tracestate" for outgoing in walk.receiver.sent for name, _ in outgoing.headers)


async def test_each_station_of_a_message_is_told(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application)
    walk.receiver.first.append(answer(503))
    message = await walk.posts(application)
    await walk.passes(HOUR)

    of_it = [(event, facts) for event, facts in walk.journal.lines if facts.get("message_id") == message.id]
    assert [event for event, _ in of_it] == [
        "message.accepted",
        "message.dispatched",
        "delivery.attempted",
        "retry.planned",
        "delivery.attempted",
    ]
    assert {facts["trace_id"] for _, facts in of_it} == {trace_of(message.id, None).id}
    dispatched, failed, planned, delivered = (facts for _, facts in of_it[1:])
    assert dispatched["endpoints"] == 1
    assert (
        failed.items()
        >= {
            "org_id": application.org_id,
            "app_id": application.id,
            "event_type": "order.paid",
            "endpoint_id": endpoint.id,
            "number": 1,
            "manual": False,
            "receiver": "https://receiver.example",
            "payload_bytes": 8,
            "status_code": 503,
            "failure": None,
            "duration_ms": 12.0,
            "delivered": False,
            "verdict": "retry",
        }.items()
    )
    assert planned["number"] == 2
    assert 4000 <= float(planned["wait_ms"] or 0) <= 6000
    assert (delivered["number"], delivered["delivered"], delivered["next_attempt_at"]) == (2, True, None)


async def test_an_endpoint_that_fails_and_is_well_again_is_told(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)
    for _ in range(3):
        await walk.passes(HOUR)
    walk.receiver.comes_back()
    await walk.posts(application)

    (given_up,) = walk.journal.of("delivery.given_up")
    assert (given_up["message_id"], given_up["attempts"]) == (message.id, 4)
    assert len(walk.journal.of("endpoint.failing")) == len(walk.journal.of("endpoint.recovered")) == 1


async def test_what_is_told_is_counted(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await walk.posts(application)
    walk.receiver.comes_back()
    await walk.passes(HOUR)
    walk.receiver.always = answer(410)
    await walk.posts(application)
    tally = Tally()
    for event, facts in walk.journal.lines:
        tally.take(event, facts)

    counts = tally.counts()

    assert counts.totals() == {
        "messages_accepted": 2,
        "attempts_delivered": 1,
        "attempts_failed": 2,
        "deliveries_given_up": 1,
        "endpoints_disabled": 1,
    }
    assert counts.attempts_duration_ms == 36
    assert counts.attempts_within == (0, 0, 3, *NOTHING.attempts_within[3:])


async def test_how_the_service_stands_is_looked_at_and_told(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application, disabled=True)
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await walk.posts(application)
    await walk.accepts(application)
    walk.clock.move(timedelta(seconds=2))

    gauges = await walk.service.measure()

    assert gauges.queues["dispatch"] == Backlog(1, 0, gauges.at - timedelta(seconds=2))
    assert (gauges.queues["retry"].due, gauges.queues["retry"].scheduled) == (0, 1)
    assert gauges.age("dispatch") == timedelta(seconds=2)
    assert gauges.age("retry") == timedelta(0)
    assert (gauges.endpoints.disabled, gauges.endpoints.failing) == (1, 0)
    told = {facts["queue"]: facts for facts in walk.journal.of("queue.measured")}
    assert told["dispatch"] == {
        "queue": "dispatch",
        "due": 1,
        "scheduled": 0,
        "dead_letters": 0,
        "oldest_due_age_ms": 2000,
    }
    assert walk.journal.of("endpoints.measured") == [
        {"disabled": 1, "failing": 0, "circuits_open": 0, "circuits_half_open": 0}
    ]
    assert walk.journal.of("store.measured") == [{"latency_ms": 0}]
