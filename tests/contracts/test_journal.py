"""What `shared.ports.journal` promises, and what its adapters do when their stream does not keep up."""

import io
import json
from datetime import timedelta
from threading import Event
from typing import TextIO

import pytest

from shared.adapters.telemetry.lines import LINES_KEPT, JsonLines
from shared.ports.journal import Fact
from tests.clock import MovedClock
from tests.contracts.adapters import JOURNALS, Told


@pytest.fixture(params=JOURNALS)
def told(request: pytest.FixtureRequest) -> Told:
    told: Told = request.param()
    return told


def test_each_thing_that_happened_is_one_line_with_its_facts(told: Told) -> None:
    facts = dict[str, Fact](message_id="msg_1", status=200, wait_ms=1.5, repeat=False, why=None)
    told.journal.note("delivery.attempted", **facts)
    told.journal.note("message.accepted", text='line\nbreak "quoted" \N{SNOWMAN}')

    first, second = told.read()

    assert first.items() >= {"event": "delivery.attempted", **facts}.items()
    assert (second["event"], second["text"]) == ("message.accepted", 'line\nbreak "quoted" \N{SNOWMAN}')


def test_a_line_says_when(told: Told) -> None:
    told.journal.note("message.accepted")

    (line,) = told.read()

    assert line["at"] == "2026-11-24T12:00:00Z"


@pytest.mark.parametrize("odd", ["\ud800", float("nan"), float("inf"), 2**200, b"\xff", object()])
def test_an_odd_fact_costs_neither_the_line_nor_the_caller(told: Told, odd: object) -> None:
    told.journal.note("delivery.attempted", message_id="msg_1", odd=odd)  # type: ignore[arg-type] # a mistake of ours

    (line,) = told.read()

    assert "msg_1" in str(line["message_id"])


def test_closing_writes_down_what_is_waiting_and_later_lines_are_lost(told: Told) -> None:
    for number in range(100):
        told.journal.note("message.accepted", number=number)

    assert [line["number"] for line in told.read()] == list(range(100))
    told.journal.note("message.accepted", number=100)
    told.journal.close()


class Stuck(io.StringIO):
    """A stream that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = Event()
        self.go_on = Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.go_on.wait()
        return super().write(text)


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_stream_that_is_stuck_holds_nobody_up_and_what_was_lost_is_told() -> None:
    """A log collector that hangs is no reason to deliver no webhooks."""
    stream = Stuck()
    journal = JsonLines(stream, MovedClock())
    journal.note("first")
    stream.reached.wait()

    for _ in range(LINES_KEPT + 7):
        journal.note("next")
    stream.go_on.set()
    journal.close()

    lines = lines_of(stream)
    assert len(lines) == 1 + LINES_KEPT + 1
    assert (lines[-1]["event"], lines[-1]["lines"]) == ("journal.lines_dropped", 7)
    assert journal.dropped == 7


def test_a_stream_that_is_stuck_does_not_keep_the_process_from_ending() -> None:
    """Nor does a log collector that hangs keep a deployment from being replaced."""
    stream = Stuck()
    journal = JsonLines(stream, MovedClock(), last_words=timedelta(milliseconds=1))
    journal.note("first")
    stream.reached.wait()

    journal.close()

    assert stream.getvalue() == ""
    stream.go_on.set()


class Broken(io.StringIO):
    """A stream whose other end has gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("closed", [True, False])
def test_a_stream_that_is_gone_loses_lines_and_nothing_else(closed: bool) -> None:  # noqa: FBT001 - a parameter
    stream: TextIO = io.StringIO() if closed else Broken()
    if closed:
        stream.close()
    journal = JsonLines(stream, MovedClock())

    journal.note("message.accepted")
    journal.close()

    assert journal.dropped == 1
