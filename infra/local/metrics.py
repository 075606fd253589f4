"""`GET /metrics`: how the service stands, for Prometheus. On Azure, Application Insights has the metrics.

Nothing in it names an organization, an application or an endpoint. The text is made here: Prometheus's own
client would count once more, under a lock, what the tally has counted from the journal.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import accumulate
from typing import Any

from functions.api.answers import Answer, send_answer
from infra.local.server import Asgi
from shared.domain.counts import DURATION_BOUNDS_MS, Counts
from shared.domain.errors import Unavailable
from shared.domain.health import Circuit
from shared.flows.gauges import Gauges
from shared.wiring import Service

PATH = "/metrics"
PREFIX = "heliograph"
CONTENT_TYPE = (("content-type", "text/plain; version=0.0.4; charset=utf-8"),)

_SECOND = timedelta(seconds=1)
_COUNTERS = {
    "messages_accepted": "Messages that were stored and queued.",
    "attempts_delivered": "Attempts that a receiver answered with a 2xx.",
    "attempts_failed": "All other attempts.",
    "deliveries_given_up": "Messages that no retry to an endpoint follows any more.",
    "endpoints_disabled": "Endpoints that were disabled because they failed or asked for it.",
}


class Metrics:
    """An ASGI app that answers for metrics itself and has another answer everything else."""

    def __init__(self, app: Asgi, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own
        """Answer one request."""
        if scope.get("path") == PATH and scope.get("method") in ("GET", "HEAD"):
            await send_answer(await self._answer(), send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self) -> Answer:
        try:
            gauges = await self._service.measure.now()
        except Unavailable:
            gauges = None  # the counts are worth having all the more
        return Answer(200, CONTENT_TYPE, exposition(self._service.tally.counts(), gauges).encode())


def exposition(counts: Counts, gauges: Gauges | None) -> str:
    """The metrics as text; gauges are left out when nobody knows them, and `heliograph_up` is 0."""
    lines = [*_counted(counts), *_one("up", "gauge", "Whether the store answers.", int(gauges is not None))]
    if gauges is not None:
        lines += _measured(gauges)
    return "\n".join(lines) + "\n"


def _counted(counts: Counts) -> Iterator[str]:
    for name, total in counts.totals().items():
        yield from _one(f"{name}_total", "counter", _COUNTERS[name], total)
    name = "attempt_duration_seconds"
    yield from _head(name, "histogram", "From the start of an attempt to its answer, or to its failure.")
    ends = [*(f"{bound / 1000:g}" for bound in DURATION_BOUNDS_MS), "+Inf"]
    for end, within in zip(ends, accumulate(counts.attempts_within), strict=True):
        yield f'{PREFIX}_{name}_bucket{{le="{end}"}} {within}'
    yield f"{PREFIX}_{name}_sum {counts.attempts_duration_ms / 1000:.6f}"
    yield f"{PREFIX}_{name}_count {counts.attempts}"


def _measured(gauges: Gauges) -> Iterator[str]:
    queues = gauges.queues.items()
    yield from _of_queues(
        "queue_due", "Work that is due and not done.", {name: float(backlog.due) for name, backlog in queues}
    )
    yield from _of_queues(
        "queue_scheduled",
        "Work that is not due yet.",
        {name: float(backlog.scheduled) for name, backlog in queues},
    )
    yield from _of_queues(
        "queue_dead_letters",
        "Work that was given up; nobody does it until it is redriven.",
        {name: float(backlog.dead) for name, backlog in queues},
    )
    yield from _of_queues(
        "queue_oldest_due_age_seconds",
        "How long the oldest work that is due has been so.",
        {name: gauges.age(name) / _SECOND for name in gauges.queues},
    )
    yield from _one("endpoints_disabled", "gauge", "Endpoints that are disabled.", gauges.endpoints.disabled)
    yield from _one(
        "endpoints_failing",
        "gauge",
        "Enabled endpoints whose messages are given up.",
        gauges.endpoints.failing,
    )
    yield from _head(
        "endpoint_circuits", "gauge", "Endpoints that new messages wait for, as this process sees it."
    )
    for circuit in (Circuit.OPEN, Circuit.HALF_OPEN):
        yield f'{PREFIX}_endpoint_circuits{{circuit="{circuit}"}} {gauges.circuits(circuit)}'
    seconds = gauges.store_latency / _SECOND
    yield from _one("store_latency_seconds", "gauge", "A small write and a small read, just now.", seconds)


def _of_queues(name: str, what: str, values: Mapping[str, float]) -> Iterator[str]:
    yield from _head(name, "gauge", what)
    for queue, value in values.items():
        yield f'{PREFIX}_{name}{{queue="{queue}"}} {value:g}'


def _one(name: str, kind: str, what: str, value: float) -> Iterator[str]:
    yield from _head(name, kind, what)
    yield f"{PREFIX}_{name} {value:.15g}"


def _head(name: str, kind: str, what: str) -> Iterator[str]:
    yield f"# HELP {PREFIX}_{name} {what}"
    yield f"# TYPE {PREFIX}_{name} {kind}"
