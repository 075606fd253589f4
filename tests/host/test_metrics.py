"""`GET /metrics`, as Prometheus reads it."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.local.metrics import Metrics, exposition
from shared.domain.counts import NOTHING
from tests.flows.walk import Walk

SAMPLE = re.compile(r'(heliograph_[a-z_]+)(\{[a-z]+="[^"]+"\})? (\S+)').fullmatch


@pytest.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    walk = Walk.on(tmp_path)
    yield walk
    await walk.service.close()


async def nowhere(scope: object, receive: object, send: Any) -> None:  # noqa: ANN401 - ASGI's own
    del scope, receive
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def asked(walk: Walk, path: str = "/metrics", method: str = "GET") -> tuple[int, str]:
    answered: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Mapping[str, Any]) -> None:
        answered.append(message)

    await Metrics(nowhere, walk.service)({"type": "http", "method": method, "path": path}, receive, send)
    return answered[0]["status"], answered[1]["body"].decode()


def samples(text: str) -> dict[str, float]:
    """Every sample; every line is one, or says what the next ones are."""
    lines = [line for line in text.splitlines() if not line.startswith(("# HELP ", "# TYPE "))]
    found = [SAMPLE(line) for line in lines]
    return {f"{match[1]}{match[2] or ''}": float(match[3]) for match in found if match} | (
        {} if all(found) else {"a line that is no sample": 1}
    )


async def test_it_says_how_much_is_queued_and_for_how_long(walk: Walk) -> None:
    application = await walk.has_application()
    await walk.has_endpoint(application)
    await walk.has_endpoint(application, disabled=True)
    walk.receiver.goes_down()
    await walk.posts(application)
    await walk.accepts(application)
    await walk.service.queue.reject("events", b"{", reason="it is no event")
    walk.clock.move(timedelta(milliseconds=1500))

    status, text = await asked(walk)

    assert status == 200
    assert (
        samples(text).items()
        >= {
            "heliograph_up": 1,
            'heliograph_queue_due{queue="dispatch"}': 1,
            'heliograph_queue_oldest_due_age_seconds{queue="dispatch"}': 1.5,
            'heliograph_queue_scheduled{queue="retry"}': 1,
            'heliograph_queue_dead_letters{queue="events"}': 1,
            'heliograph_queue_dead_letters{queue="dispatch"}': 0,
            "heliograph_endpoints_disabled": 1,
            "heliograph_endpoints_failing": 0,
            'heliograph_endpoint_circuits{circuit="open"}': 0,
            'heliograph_endpoint_circuits{circuit="half_open"}': 0,
            "heliograph_store_latency_seconds": 0,
        }.items()
    )
    assert "a line that is no sample" not in samples(text)
    assert application.id not in text


async def test_it_says_how_many_endpoints_new_messages_wait_for(walk: Walk) -> None:
    application = await walk.has_application()
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await walk.is_failed_at_length(application)

    _, text = await asked(walk)

    assert samples(text)['heliograph_endpoint_circuits{circuit="open"}'] == 1


async def test_asking_for_metrics_is_not_noted(walk: Walk) -> None:
    """Prometheus asks every few seconds."""
    await asked(walk)

    assert walk.journal.lines == []


async def test_when_the_store_is_out_of_reach_the_counts_are_there(walk: Walk) -> None:
    await walk.service.store.close()

    status, text = await asked(walk)

    assert status == 200
    assert samples(text)["heliograph_up"] == 0
    assert samples(text)["heliograph_messages_accepted_total"] == 0


@pytest.mark.parametrize(
    ("path", "method"), [("/metrics/", "GET"), ("/api/v1/app", "GET"), ("/metrics", "POST")]
)
async def test_everything_else_is_the_apps(walk: Walk, path: str, method: str) -> None:
    assert (await asked(walk, path, method))[0] == 404


def test_durations_are_a_histogram_whose_ranges_add_up() -> None:
    within = (1, 0, 2, *NOTHING.attempts_within[3:-1], 4)
    counts = type(NOTHING)(9, 5, 2, 1, 0, within, 1234.5)

    found = samples(exposition(counts, None))

    name = "heliograph_attempt_duration_seconds"
    assert found[f'{name}_bucket{{le="0.005"}}'] == 1
    assert found[f'{name}_bucket{{le="0.025"}}'] == 3
    assert found[f'{name}_bucket{{le="30"}}'] == 3
    assert found[f'{name}_bucket{{le="+Inf"}}'] == found[f"{name}_count"] == 7
    assert found[f"{name}_sum"] == 1.2345
    assert found["heliograph_attempts_failed_total"] == 2
