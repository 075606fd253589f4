"""What Application Insights is told, over real HTTP, and how little anybody notices when it is not well."""

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from shared.adapters.telemetry.application_insights import (
    CLOSING_SECONDS,
    TRIES,
    WAITING_MAX,
    ApplicationInsights,
    Pace,
)
from shared.adapters.telemetry.ingestion import Ingestion as Way
from shared.domain.counts import NOTHING, Counts
from shared.domain.sampling import ALWAYS
from shared.domain.trace import trace_of
from shared.ports.journal import Fact
from tests.clock import MovedClock
from tests.host.fakes import KeptLines
from tests.ingestion import KEY, Envelope, Ingestion

BRISK = Pace(sending=0.01, metrics=3600, first_rest=0.01, longest_rest=0.02)
MESSAGE, ATTEMPT = "msg_2srOrx2ZWZBpBUvZwXKQmoEYga2", "atmpt_2srOrx2ZWZBpBUvZwXKQmoEYga2"
TRACE = trace_of(MESSAGE, None)
SPAN = TRACE.span(ATTEMPT)

ATTEMPTED: dict[str, Fact] = {
    "app_id": "app_1",
    "message_id": MESSAGE,
    "receiver": "https://hooks.example:8443",
    "number": 2,
    "status_code": 503,
    "duration_ms": 61_012.5,
    "delivered": False,
    "next_attempt_at": None,
    "trace_id": TRACE.id,
    "span_id": SPAN.id,
    "parent_span_id": TRACE.parent_id,
}


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    with Ingestion() as ingestion:
        yield ingestion


@dataclass
class Teller:
    """The adapter, and what is beside it."""

    journal: ApplicationInsights
    aside: KeptLines
    counts: list[Counts]


Tell = Callable[..., Teller]


@pytest.fixture
def tell(ingestion: Ingestion) -> Iterator[Tell]:
    opened: list[ApplicationInsights] = []

    def tell(pace: Pace = BRISK, credential: object | None = None, share: float = ALWAYS) -> Teller:
        aside, counts = KeptLines(), [NOTHING]
        journal = ApplicationInsights(
            lambda: Way(instrumentation_key=KEY, endpoint=ingestion.endpoint, credential=credential),
            MovedClock(),
            lambda: counts[-1],
            aside=aside,
            pace=pace,
            share=share,
        )
        opened.append(journal)
        return Teller(journal, aside, counts)

    yield tell
    ingestion.goes_on.set()
    for journal in opened:
        journal.close()


def test_an_attempt_is_a_dependency_in_the_messages_trace_with_a_span_of_its_own(
    ingestion: Ingestion, tell: Tell
) -> None:
    tell().journal.note("delivery.attempted", **ATTEMPTED)

    envelope = ingestion.envelope("RemoteDependency")

    assert envelope["iKey"] == KEY
    assert envelope["time"] == "2026-11-24T11:58:58.987500Z", "when it began"
    assert envelope["tags"]["ai.cloud.role"] == "heliograph"
    assert envelope["tags"]["ai.operation.id"] == TRACE.id
    assert envelope["tags"]["ai.operation.parentId"] == TRACE.parent_id
    assert envelope["data"]["baseType"] == "RemoteDependencyData"
    data = envelope["data"]["baseData"]
    assert data["id"] == SPAN.id
    assert (data["name"], data["target"]) == ("POST https://hooks.example:8443", "hooks.example:8443")
    assert (data["type"], data["resultCode"], data["success"]) == ("HTTP", "503", False)
    assert data["duration"] == "0.00:01:01.012500"
    assert data["properties"]["message_id"] == MESSAGE
    assert data["measurements"]["number"] == 2
    assert "next_attempt_at" not in data["properties"]
    assert ingestion.requests[0][0] == "/v2.1/track"


def test_what_happens_is_an_event_with_texts_and_numbers_apart(ingestion: Ingestion, tell: Tell) -> None:
    tell().journal.note("endpoint.disabled", endpoint_id="ep_1", why="x" * 10_000, times=3, forced=True)

    envelope = ingestion.envelope("Event")

    assert envelope["data"]["baseType"] == "EventData"
    data = envelope["data"]["baseData"]
    assert data["name"] == "endpoint.disabled"
    assert data["properties"] == {"endpoint_id": "ep_1", "why": "x" * 8192, "forced": "true"}
    assert data["measurements"] == {"times": 3}
    assert envelope["sampleRate"] == 100


def test_an_error_is_an_exception_and_a_log_line_a_trace(ingestion: Ingestion, tell: Tell) -> None:
    journal = tell().journal
    journal.note("function.failed", function="dispatch", error="Unavailable", why="disk", where="a.py:1 f")
    journal.note("library.logged", library="aiodns", level="warning", text="slow")

    exception = ingestion.envelope("Exception")["data"]
    message = ingestion.envelope("Message")["data"]

    assert exception["baseType"] == "ExceptionData"
    (told,) = exception["baseData"]["exceptions"]
    assert (told["typeName"], told["message"]) == ("Unavailable", "disk")
    assert exception["baseData"]["properties"]["function"] == "dispatch"
    assert exception["baseData"]["properties"]["event"] == "function.failed"
    assert (message["baseType"], message["baseData"]["message"]) == ("MessageData", "slow")
    assert message["baseData"]["severityLevel"] == 2


def metrics(ingestion: Ingestion) -> dict[str, tuple[float, int]]:
    points = [one["data"]["baseData"]["metrics"][0] for one in ingestion.of("Metric")]
    return {point["name"]: (point["value"], point["count"]) for point in points}


def test_what_was_measured_is_a_metric(ingestion: Ingestion, tell: Tell) -> None:
    tell().journal.note("queue.measured", queue="retry", due=7, oldest_due_age_ms=1500.5)

    ingestion.got(lambda got: len(got.of("Metric")) == 2)

    assert metrics(ingestion) == {
        "heliograph.queue_due": (7, 1),
        "heliograph.queue_oldest_due_age_ms": (1500.5, 1),
    }
    assert ingestion.of("Metric")[0]["data"]["baseData"]["properties"] == {"queue": "retry"}


def test_what_was_counted_since_the_last_time_is_a_metric(ingestion: Ingestion, tell: Tell) -> None:
    """Parts add up over processes and restarts; sums since the start do not."""
    teller = tell(replace(BRISK, metrics=0.01))
    teller.counts.append(
        replace(
            NOTHING, messages_accepted=5, attempts_delivered=3, attempts_failed=1, attempts_duration_ms=80
        )
    )

    ingestion.got(lambda got: metrics(got).get("heliograph.messages_accepted", (0, 0))[0] == 5)
    first = metrics(ingestion)
    teller.counts.append(replace(teller.counts[-1], messages_accepted=6))
    ingestion.got(lambda got: metrics(got)["heliograph.messages_accepted"] == (1, 1))

    expected = {"heliograph.attempts_duration_ms": (80, 4), "heliograph.attempts_delivered": (3, 1)}
    assert first.items() >= expected.items()


def test_closing_sends_what_is_waiting_and_what_was_counted(ingestion: Ingestion, tell: Tell) -> None:
    teller = tell(Pace(sending=3600))
    teller.counts.append(replace(NOTHING, messages_accepted=1))
    teller.journal.note("host.stopped")

    teller.journal.close()

    assert ingestion.events() == ["host.stopped"]
    assert metrics(ingestion)["heliograph.messages_accepted"] == (1, 1)
    assert not teller.aside.lines


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 401, 403])
def test_what_is_refused_for_now_is_sent_again(ingestion: Ingestion, tell: Tell, status: int) -> None:
    ingestion.answers.extend([status, status])
    journal = tell().journal
    journal.note("message.erased")

    ingestion.envelope("Event")

    assert len(ingestion.requests) == 3
    assert journal.dropped == 0


@pytest.mark.parametrize("status", [400, 402, 404, 439])
def test_what_is_refused_for_good_is_lost_counted_and_told(
    ingestion: Ingestion, tell: Tell, status: int
) -> None:
    ingestion.answers.append(status)
    teller = tell()
    teller.journal.note("message.erased")
    ingestion.got(lambda got: len(got.requests) == 1)

    teller.journal.note("host.stopped")
    ingestion.got(lambda got: "host.stopped" in got.events() and "telemetry.dropped" in got.events())

    assert teller.journal.dropped == 1
    assert teller.aside.of("telemetry.dropped") == [{"items": 1}]
    dropped = ingestion.of("Event")[ingestion.events().index("telemetry.dropped")]
    assert dropped["data"]["baseData"]["measurements"] == {"items": 1}


def test_of_a_batch_that_was_taken_in_part_the_rest_is_sent_again(ingestion: Ingestion, tell: Tell) -> None:
    ingestion.hangs = True
    ingestion.answers.extend([200, '{"errors":[{"index":1,"statusCode":503,"message":"busy"}]}'])
    journal = tell().journal
    journal.note("before")
    ingestion.got(lambda got: len(got.requests) == 1)
    journal.note("first")
    journal.note("second")
    ingestion.goes_on.set()

    ingestion.got(lambda got: got.events() == ["before", "second"])

    assert len(ingestion.requests) == 3
    assert journal.dropped == 0


def test_a_batch_that_nobody_ever_takes_is_given_up(ingestion: Ingestion, tell: Tell) -> None:
    """One that is poison to the other side must not hold up everything that comes after it."""
    ingestion.answers.extend([500] * TRIES)
    journal = tell().journal
    journal.note("poison")
    ingestion.got(lambda got: len(got.requests) == TRIES)

    journal.note("next")
    ingestion.got(lambda got: "next" in got.events())

    assert "poison" not in ingestion.events()
    assert journal.dropped == 1


def test_one_that_hangs_costs_the_caller_nothing_and_what_does_not_fit_is_counted(
    ingestion: Ingestion, tell: Tell
) -> None:
    ingestion.hangs = True
    teller = tell()
    teller.journal.note("first")
    ingestion.got(lambda got: len(got.requests) == 1)

    for _ in range(WAITING_MAX + 7):
        teller.journal.note("next")

    assert teller.journal.dropped == 7
    ingestion.hangs = False
    ingestion.goes_on.set()
    ingestion.got(lambda got: got.events().count("next") == WAITING_MAX)
    assert teller.aside.of("telemetry.dropped") == [{"items": 7}]


def test_closing_does_not_wait_for_one_that_hangs(ingestion: Ingestion, tell: Tell) -> None:
    ingestion.hangs = True
    teller = tell()
    teller.journal.note("first")
    ingestion.got(lambda got: len(got.requests) == 1)
    teller.journal.note("second")

    teller.journal.close()

    assert CLOSING_SECONDS <= 2
    assert teller.aside.of("telemetry.dropped") == [{"items": 2}]


def test_one_that_is_not_there_costs_what_is_noted_and_nothing_else(ingestion: Ingestion) -> None:
    gone = Way(instrumentation_key=KEY, endpoint="http://127.0.0.1:9")
    aside = KeptLines()
    journal = ApplicationInsights(lambda: gone, MovedClock(), lambda: NOTHING, aside=aside, pace=BRISK)
    journal.note("first")

    journal.close()

    assert journal.dropped == 1
    assert aside.of("telemetry.dropped") == [{"items": 1}]


def test_what_cannot_even_begin_is_told_and_nothing_else() -> None:
    def connect() -> Way:
        raise ImportError("no module named opencensus")

    aside = KeptLines()
    journal = ApplicationInsights(connect, MovedClock(), lambda: NOTHING, aside=aside, pace=BRISK)
    journal.note("first")
    journal.close()

    (failed,) = aside.of("telemetry.failed")
    assert failed == {"error": "ImportError", "why": "no module named opencensus"}
    assert aside.of("telemetry.dropped") == [{"items": 1}]


class Broken(Way):
    """A way with a fault of its own."""

    def send(self, envelopes: Sequence[Envelope]) -> tuple[Sequence[Envelope], int]:
        raise RuntimeError(f"{len(envelopes)} are too many")


def test_a_fault_of_the_library_costs_what_it_was_given_and_nothing_else(ingestion: Ingestion) -> None:
    broken = Broken(instrumentation_key=KEY, endpoint=ingestion.endpoint)
    journal = ApplicationInsights(lambda: broken, MovedClock(), lambda: NOTHING, pace=Pace(sending=3600))
    journal.note("first")

    journal.close()

    assert journal.dropped == 1


@dataclass
class Token:
    token: str


@dataclass
class Credential:
    """An azure-core credential."""

    scopes: list[str]

    def get_token(self, *scopes: str) -> Token:
        self.scopes += scopes
        return Token("a token of Entra's")


def test_it_is_signed_in_at_where_keys_are_switched_off(ingestion: Ingestion, tell: Tell) -> None:
    credential = Credential([])
    tell(credential=credential).journal.note("host.started")

    ingestion.envelope("Event")

    assert ingestion.requests[0][1]["authorization"] == "Bearer a token of Entra's"
    assert credential.scopes == ["https://monitor.azure.com//.default"]


def test_ordinary_messages_are_told_in_samples_which_say_how_many_they_stand_for(
    ingestion: Ingestion, tell: Tell
) -> None:
    journal = tell(Pace(sending=3600), share=0.25).journal
    for number in range(400):
        journal.note("message.accepted", trace_id=f"{number * 2**32 // 400:032x}")
        journal.note("delivery.attempted", **ATTEMPTED | {"delivered": True, "trace_id": "f" * 32})
    journal.note("delivery.attempted", **ATTEMPTED | {"trace_id": "f" * 32})
    journal.note("retry.planned", trace_id="f" * 32)

    journal.close()

    assert ingestion.events().count("message.accepted") == 100
    assert {one["sampleRate"] for one in ingestion.of("Event") if "number" not in one} == {25, 100}
    (failed,) = ingestion.of("RemoteDependency")
    assert (failed["data"]["baseData"]["success"], failed["sampleRate"]) == (False, 100)


def test_what_sending_brings_about_is_not_sent(ingestion: Ingestion) -> None:
    """A log line about a failed sending would be sent, fail, and be a log line again, without end."""
    made, told = threading.Event(), threading.Event()

    def connect() -> Way:
        made.wait()
        journal.note("library.logged", library="opencensus", level="warning", text="retrying")
        told.set()
        return Way(instrumentation_key=KEY, endpoint=ingestion.endpoint)

    journal = ApplicationInsights(connect, MovedClock(), lambda: NOTHING, pace=BRISK)
    made.set()
    told.wait()
    journal.note("host.started")
    journal.close()

    assert ingestion.events() == ["host.started"]
    assert not ingestion.of("Message")


def test_nobody_else_is_called_and_nothing_is_left_on_the_disk(
    ingestion: Ingestion, tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would call home on a thread of its own, and keep what it could not send in files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    ingestion.answers.append(500)
    tell().journal.note("host.started")

    ingestion.envelope("Event")

    assert list(tmp_path.iterdir()) == []
    ours = [thread.name for thread in threading.enumerate() if "opencensus" in type(thread).__module__]
    assert ours == []
