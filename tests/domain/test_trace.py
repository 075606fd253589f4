"""Trace context by the W3C."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.trace import STATE_MAX_CHARACTERS, Span, context_of, trace_of

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MESSAGE = "msg_2srOrx2ZWZBpBUvZwXKQmoEYga2"
ATTEMPT = "atmpt_2srOrx2ZWZBpBUvZwXKQmoEYga2"


def test_a_producers_trace_goes_on() -> None:
    trace = trace_of(MESSAGE, context_of([PARENT], ["congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"]))

    assert (trace.id, trace.parent_id) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert Span(trace, "00000000000000ff").headers() == [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ff-01"),
        ("tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
    ]


@pytest.mark.parametrize(
    ("flags", "kept"), [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("08", "00")]
)
def test_whether_the_producer_records_goes_along_and_flags_without_a_meaning_do_not(
    flags: str, kept: str
) -> None:
    trace = trace_of(MESSAGE, context_of([PARENT[:-2] + flags]))

    assert Span(trace, "00000000000000ff").headers()[0][1].endswith(f"-{kept}")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT + "-",
        PARENT + "-00",
        PARENT + "\n",
        PARENT[:-1],
        PARENT.replace("-", "_"),
        "ff" + PARENT[2:],
        "0" + PARENT[2:],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        "01" + PARENT[2:] + "x",
        PARENT.replace("4b", "4\N{ARABIC-INDIC DIGIT ONE}"),
    ],
)
def test_a_traceparent_that_breaks_the_rules_is_ignored(bad: str) -> None:
    assert context_of([bad], ["a=b"]) is None


def test_of_two_traceparents_neither_counts() -> None:
    assert context_of([PARENT, PARENT]) is None
    assert context_of([]) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert context_of([f"cc{PARENT[2:]}"]) == PARENT
    assert context_of([f"cc{PARENT[2:]}-what-the-future-will-be-like"]) == PARENT


def test_several_tracestates_are_one_list() -> None:
    assert context_of([PARENT], ["a=1 , b=2", "", " c=3,"]) == f"{PARENT} a=1,b=2,c=3"


@pytest.mark.parametrize(
    "bad",
    [
        "a",
        "A=1",
        "a=1,a=2",
        "a=",
        "a=b=c",
        "a=\N{SNOWMAN}",
        "a=1\r\nx-evil: 1",
        f"{'a' * 257}=1",
        f"a={'b' * 257}",
        "a@B=1",
        ",".join(f"k{number}=1" for number in range(33)),
    ],
)
def test_a_tracestate_that_breaks_the_rules_is_left_behind_and_the_trace_goes_on(bad: str) -> None:
    assert context_of([PARENT], [bad]) == PARENT


def test_of_a_long_tracestate_the_long_members_are_left_out_first_and_then_the_last() -> None:
    long = f"long={'x' * 200}"
    short = [f"k{number}={'x' * 36}" for number in range(12)]

    kept = context_of([PARENT], [",".join([long, *short])])

    assert kept == f"{PARENT} {','.join(short)}"
    medium = [f"m{number:02}={'x' * 100}" for number in range(6)]
    assert context_of([PARENT], [",".join(medium)]) == f"{PARENT} {','.join(medium[:4])}"


def test_without_a_producers_trace_one_follows_from_the_message() -> None:
    """A retry after days is in the trace of the first attempt, and nothing had to be kept for it."""
    first, again = trace_of(MESSAGE, None), trace_of(MESSAGE, None)

    assert first == again != trace_of(MESSAGE[:-1] + "3", None)
    assert re.fullmatch("[0-9a-f]{32}", first.id)
    assert re.fullmatch("[0-9a-f]{16}", first.parent_id)
    assert context_of([first.span(ATTEMPT).headers()[0][1]]) is not None


def test_each_attempt_is_a_span_of_its_own() -> None:
    trace = trace_of(MESSAGE, None)

    assert re.fullmatch("[0-9a-f]{16}", trace.span(ATTEMPT).id)
    assert trace.span(ATTEMPT) == trace.span(ATTEMPT) != trace.span(ATTEMPT[:-1] + "3")


@given(parents=st.lists(st.text(), max_size=2), states=st.lists(st.text()))
def test_whatever_comes_in_nothing_else_goes_out(parents: list[str], states: list[str]) -> None:
    context = context_of(parents or [PARENT], states)

    if context is not None:
        for _, value in trace_of(MESSAGE, context).span(ATTEMPT).headers():
            assert value.isascii()
            assert value.isprintable()
            assert len(value) <= STATE_MAX_CHARACTERS
