"""From the error tree to HTTP: the only place that maps errors to status codes and bodies."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

import msgspec

from functions.api.answers import JSON_HEADERS, Answer, json_answer
from shared.domain.errors import (
    Conflict,
    EndpointDisabled,
    EventTypeTaken,
    HeliographError,
    Invalid,
    NoExample,
    NotToBeCancelled,
    PayloadGone,
    TooLargeToQueue,
    TooManyKeys,
    UidTaken,
    Unknown,
)

JSON_DECODE = "value_error.jsondecode"
"""The kind of an `Invalid` that is about the form of the JSON, not about what it says."""

INTERNAL_ERROR = Answer(500, JSON_HEADERS, b"{}")
NO_ANSWER = Answer(500, (), b"")
"""The idempotency layer could not do its work."""


class HttpErrorOut(msgspec.Struct):
    """What went wrong: a word for programs, a sentence for people."""

    code: str
    detail: str


class ValidationError(msgspec.Struct):
    """One value that breaks a rule.

    Attributes:
        loc: `body`, `query` or `path`, and the way from there to the value.
        msg: The rule, or what to write instead.
        type: The machine's word for it.
    """

    loc: list[str]
    msg: str
    type: str


class HTTPValidationError(msgspec.Struct):
    """Every value that was found to break a rule."""

    detail: list[ValidationError]


@dataclass(eq=False)
class Refused(Exception):
    """The request fails for a reason that only HTTP knows of."""

    status: ClassVar[HTTPStatus]
    detail: str
    code: str

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail}"


@dataclass(eq=False)
class UnreadableQuery(Refused):
    """A query parameter has not the form that it must have."""

    status = HTTPStatus.BAD_REQUEST
    code: str = "generic_error"


@dataclass(eq=False)
class NamesNobody(Refused):
    """The token is good, and names no organization or application."""

    status = HTTPStatus.BAD_REQUEST


@dataclass(eq=False)
class NotAuthenticated(Refused):
    """The token is missing, wrong or out of date."""

    status = HTTPStatus.UNAUTHORIZED
    detail: str = "Invalid token"
    code: str = "authentication_failed"


@dataclass(eq=False)
class NotAllowed(Refused):
    """The token is good, but not for this."""

    status = HTTPStatus.FORBIDDEN
    detail: str = "Insufficient access for the given operation."
    code: str = "insufficient access"


@dataclass(eq=False)
class TooLarge(Refused):
    """The body is over the limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    detail: str = "Request payload is too large."
    code: str = "payload_too_large"


NOT_FOUND = {
    "application": "Application not found",
    "message": "Message not found",
    "attempt": "Message attempt not found",
}

BAD_REQUESTS: Mapping[type[HeliographError], str] = {
    PayloadGone: "missing_payload",
    EndpointDisabled: "endpoint_disabled",
    NoExample: "invalid_scheme",
    TooManyKeys: "limit_reached",
    NotToBeCancelled: "not_to_be_cancelled",
    TooLargeToQueue: "payload_too_large",
}


def unknown_route(path: str) -> Answer:
    """No operation has this path."""
    return _plain(404, "not_found", f"There is nothing at {path}; /docs lists what there is.")


def answer_for(wrong: Exception) -> Answer | None:
    """The answer that an error stands for; None for an error of our own making."""
    if isinstance(wrong, Invalid):
        broken = ValidationError(list(wrong.where), wrong.why, wrong.kind)
        return json_answer(422, HTTPValidationError([broken]))
    plain = _status_and_words(wrong)
    return None if plain is None else _plain(*plain)


def _status_and_words(wrong: Exception) -> tuple[int, str, str] | None:
    match wrong:
        case Refused(code=code, detail=detail):
            return wrong.status, code, detail
        case Unknown(what=what):
            return 404, "not_found", NOT_FOUND.get(what, "Entity not found")
        case HeliographError() if type(wrong) in BAD_REQUESTS:
            return 400, BAD_REQUESTS[type(wrong)], str(wrong)
        case Conflict():
            return 409, *_conflict(wrong)
        case _:
            return None


def _conflict(wrong: Conflict) -> tuple[str, str]:
    match wrong:
        case EventTypeTaken():
            return "event_type_exists", "An event_type with this name already exists"
        case UidTaken(what="application"):
            return "conflict", "An application with that id or uid already exists"
        case _:
            return "conflict", "A conflict has occurred"


def _plain(status: int, code: str, detail: str) -> Answer:
    return json_answer(status, HttpErrorOut(code, detail))
