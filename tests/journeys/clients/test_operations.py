"""Every operation of the API is called by an SDK; by a plain HTTP client where none has a method."""

import re

from functions.api.operations import PREFIX
from functions.api.table import OPERATIONS
from tests.journeys.clients.conftest import Evidence
from tests.journeys.clients.recorder import Exchange

KEPT = ["sqlite"]
"""Elsewhere `test_document` does every operation once; to go all rounds again takes long."""

HIDDEN = {(one.method, PREFIX + one.path) for one in OPERATIONS if one.hidden}


def test_every_operation_is_called_by_a_client_and_carried_out(evidence: Evidence) -> None:
    described = set(statuses(evidence))

    carried_out = {operation_of(one, described) for one in evidence.exchanges if one.status < 300}

    assert carried_out == described | HIDDEN


def test_every_answer_that_a_client_got_is_described(evidence: Evidence) -> None:
    described = statuses(evidence)
    got = {
        (operation, one.status)
        for one in evidence.exchanges
        if (operation := operation_of(one, set(described))) not in HIDDEN
    }

    assert {one for one in got if one[1] not in described[one[0]]} == set()


def statuses(evidence: Evidence) -> dict[tuple[str, str], set[int]]:
    """The operations of the served description, and what each may answer."""
    return {
        (method.upper(), path): {int(status) for status in operation["responses"]}
        for path, operations in evidence.openapi["paths"].items()
        for method, operation in operations.items()
    }


def operation_of(exchange: Exchange, described: set[tuple[str, str]]) -> tuple[str, str]:
    """Method and path, with names for what stands in the path."""
    # A path without names goes before one that it also fits.
    known = sorted(described | HIDDEN, key=lambda operation: operation[1].count("{"))
    return next(
        (method, path)
        for method, path in known
        if method == exchange.request.method
        and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), exchange.path.rstrip("/"))
    )
