"""From the error tree to HTTP."""

from typing import Any

import msgspec
import pytest

from functions.api import errors
from functions.api.errors import answer_for
from shared.domain.errors import (
    EventIdTaken,
    EventTypeTaken,
    Invalid,
    PayloadGone,
    TooManyKeys,
    UidTaken,
    Unavailable,
    Unknown,
)


def a_code(code: str, detail: str) -> dict[str, object]:
    return {"code": code, "detail": detail}


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (
            Invalid(("body", "url"), "no", "value_error"),
            422,
            {"detail": [{"loc": ["body", "url"], "msg": "no", "type": "value_error"}]},
        ),
        (Unknown("application", "x"), 404, a_code("not_found", "Application not found")),
        (Unknown("message", "x"), 404, a_code("not_found", "Message not found")),
        (Unknown("attempt", "x"), 404, a_code("not_found", "Message attempt not found")),
        (Unknown("endpoint", "x"), 404, a_code("not_found", "Entity not found")),
        (Unknown("event type", "x"), 404, a_code("not_found", "Entity not found")),
        (
            PayloadGone("msg_1"),
            400,
            a_code("missing_payload", "the payload of msg_1 was erased or has expired"),
        ),
        (
            TooManyKeys(10),
            400,
            a_code("limit_reached", "an endpoint keeps at most 10 old signing keys that have not expired"),
        ),
        (
            UidTaken("application", "x"),
            409,
            a_code("conflict", "An application with that id or uid already exists"),
        ),
        (UidTaken("endpoint", "x"), 409, a_code("conflict", "A conflict has occurred")),
        (EventIdTaken("x"), 409, a_code("conflict", "A conflict has occurred")),
        (
            EventTypeTaken("x"),
            409,
            a_code("event_type_exists", "An event_type with this name already exists"),
        ),
        (errors.UnreadableQuery("no"), 400, a_code("generic_error", "no")),
        (errors.NamesNobody("no", "bad_token"), 400, a_code("bad_token", "no")),
        (errors.NotAuthenticated(), 401, a_code("authentication_failed", "Invalid token")),
        (
            errors.NotAllowed(),
            403,
            a_code("insufficient access", "Insufficient access for the given operation."),
        ),
        (errors.TooLarge(), 413, a_code("payload_too_large", "Request payload is too large.")),
    ],
)
def test_every_error_has_the_answer_of_the_contract(error: Exception, status: int, body: Any) -> None:  # noqa: ANN401
    answer = answer_for(error)
    assert answer is not None
    assert (answer.status, msgspec.json.decode(answer.body)) == (status, body)


@pytest.mark.parametrize("error", [Unavailable("store", "gone"), ZeroDivisionError(), KeyError("x")])
def test_what_is_our_own_fault_has_no_answer_of_its_own(error: Exception) -> None:
    assert answer_for(error) is None
