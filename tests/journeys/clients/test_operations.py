"""Every operation of the API is called by an SDK; by a plain HTTP client where none has a method."""

import re
from collections.abc import Iterator

from functions.api.operations import PREFIX
from functions.api.table import OPERATIONS
from tests.journeys.clients.conftest import Evidence

HIDDEN = {(one.method, PREFIX + one.path) for one in OPERATIONS if one.hidden}


def test_every_operation_is_called_by_a_client_and_answers(evidence: Evidence) -> None:
    described = {
        (method.upper(), path) for path, methods in evidence.openapi["paths"].items() for method in methods
    }
    answered = set(operations(evidence, described | HIDDEN))

    assert answered >= described
    assert answered >= HIDDEN


def test_no_client_ever_saw_a_failure_of_ours(evidence: Evidence) -> None:
    assert [one for one in evidence.exchanges if one.status >= 500] == []


def operations(evidence: Evidence, known: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The operations that were carried out."""
    # What names no part of its path goes before what does.
    templates = [
        (method, path, re.compile(re.sub(r"{\w+}", "[^/]+", path)))
        for method, path in sorted(known, key=lambda one: one[1].count("{"))
    ]
    for exchange in evidence.exchanges:
        if exchange.status < 300:
            yield next(
                (method, path)
                for method, path, pattern in templates
                if method == exchange.request.method and pattern.fullmatch(exchange.path.rstrip("/"))
            )
