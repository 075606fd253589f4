"""What follows from an answer, case by case."""

from base64 import b64decode
from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.verdict import RESPONSE_LIMIT_BYTES, Answer, Failure, Verdict, judge, response_text

DISABLE = {"webhook-delivery": "disable"}
ABORT = {"webhook-delivery": "abort-message"}


def an_answer(
    status_code: int, headers: Mapping[str, str] | None = None, failure: Failure | None = None
) -> Answer:
    return Answer(status_code, "", timedelta(milliseconds=12), headers or {}, failure)


@pytest.mark.parametrize("status_code", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_success(status_code: int) -> None:
    assert judge(an_answer(status_code)) is Verdict.SUCCESS


@pytest.mark.parametrize(
    "status_code", [100, 199, 300, 301, 304, 308, 400, 401, 404, 408, 429, 500, 502, 503, 504, 599]
)
def test_everything_else_is_retried_redirects_and_refusals_included(status_code: int) -> None:
    """A receiver that is broken for an hour may answer anything; no message is lost over it."""
    assert judge(an_answer(status_code)) is Verdict.RETRY


@pytest.mark.parametrize("failure", Failure)
def test_no_response_is_retried_whatever_the_reason(failure: Failure) -> None:
    assert judge(an_answer(0, failure=failure)) is Verdict.RETRY


@pytest.mark.parametrize("failure", Failure)
def test_a_2xx_that_never_came_to_its_end_is_retried(failure: Failure) -> None:
    assert judge(an_answer(200, failure=failure)) is Verdict.RETRY


def test_gone_disables_the_endpoint() -> None:
    """410 is the receiver's word, by the standard, that it wants no more."""
    assert judge(an_answer(410)) is Verdict.DISABLE
    assert judge(an_answer(410, ABORT)) is Verdict.DISABLE


@pytest.mark.parametrize("status_code", [302, 400, 429, 500, 503])
def test_a_failing_receiver_can_disable_its_endpoint_or_abandon_the_message(status_code: int) -> None:
    """Neither side then spends a day on what will never work."""
    assert judge(an_answer(status_code, DISABLE)) is Verdict.DISABLE
    assert judge(an_answer(status_code, ABORT)) is Verdict.ABANDON


def test_a_success_stands_and_the_endpoint_may_still_be_disabled() -> None:
    """A receiver can take its last message and say farewell in one answer."""
    assert judge(an_answer(200, DISABLE)) is Verdict.SUCCESS_AND_DISABLE


def test_there_is_nothing_to_abandon_after_a_success() -> None:
    assert judge(an_answer(200, ABORT)) is Verdict.SUCCESS


@pytest.mark.parametrize("headers", [DISABLE, ABORT])
def test_a_header_without_a_response_means_nothing(headers: Mapping[str, str]) -> None:
    assert judge(an_answer(0, headers, Failure.CONNECTION)) is Verdict.RETRY


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" Disable ", Verdict.DISABLE),
        ("ABORT-MESSAGE", Verdict.ABANDON),
        ("abort-message, disable", Verdict.DISABLE),
        ("abort-message,pause", Verdict.ABANDON),
        ("", Verdict.RETRY),
        ("pause", Verdict.RETRY),
        ("disabled", Verdict.RETRY),
        ("do not disable", Verdict.RETRY),
    ],
)
def test_the_header_is_a_list_of_words_in_any_case(value: str, expected: Verdict) -> None:
    assert judge(an_answer(500, {"webhook-delivery": value})) is expected


def test_other_headers_are_not_looked_at() -> None:
    assert judge(an_answer(500, {"content-type": "disable", "retry-after": "disable"})) is Verdict.RETRY


@pytest.mark.parametrize(
    ("verdict", "is_success", "is_disabling"),
    [
        (Verdict.SUCCESS, True, False),
        (Verdict.SUCCESS_AND_DISABLE, True, True),
        (Verdict.RETRY, False, False),
        (Verdict.ABANDON, False, False),
        (Verdict.DISABLE, False, True),
    ],
)
def test_a_verdict_says_what_it_means(verdict: Verdict, *, is_success: bool, is_disabling: bool) -> None:
    assert verdict.is_success is is_success
    assert verdict.is_disabling is is_disabling


@settings(deadline=None)
@given(st.integers(0, 999), st.text(), st.sampled_from([None, *Failure]))
def test_delivered_means_a_complete_2xx_whatever_a_receiver_writes(
    status_code: int, value: str, failure: Failure | None
) -> None:
    verdict = judge(an_answer(status_code, {"webhook-delivery": value}, failure))

    assert verdict.is_success == (status_code // 100 == 2 and failure is None)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ""),
        (b"thank you", "thank you"),
        ("schön ✓".encode(), "schön ✓"),
        (b"\xff\xfe", "//4="),
        (b"x" * RESPONSE_LIMIT_BYTES, "x" * RESPONSE_LIMIT_BYTES),
        (b"x" * (RESPONSE_LIMIT_BYTES + 1), "x" * RESPONSE_LIMIT_BYTES),
        (b"x" * RESPONSE_LIMIT_BYTES + b"\xff", "x" * RESPONSE_LIMIT_BYTES),
    ],
)
def test_the_first_20000_bytes_of_a_response_are_kept_as_text(body: bytes, expected: str) -> None:
    assert response_text(body) == expected


def test_text_that_the_limit_cuts_within_a_character_is_kept_as_base64() -> None:
    body = b"x" * (RESPONSE_LIMIT_BYTES - 1) + "é".encode()

    assert b64decode(response_text(body), validate=True) == body[:RESPONSE_LIMIT_BYTES]


@settings(deadline=None)
@given(st.binary(max_size=64), st.sampled_from([0, RESPONSE_LIMIT_BYTES - 32]))
def test_what_is_kept_can_be_turned_back_into_the_bytes(tail: bytes, padding: int) -> None:
    body = b" " * padding + tail
    first = body[:RESPONSE_LIMIT_BYTES]

    kept = response_text(body)

    assert kept.encode() == first or b64decode(kept, validate=True) == first
