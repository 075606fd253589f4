"""Transactional batches: several operations on one partition in one request, all done or none."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from tests.emulators.cosmos.charges import charge
from tests.emulators.cosmos.documents import Conditions, Outcome, Unit
from tests.emulators.cosmos.patching import Patch
from tests.emulators.cosmos.refusals import BATCH_FAILED, DEPENDED, Refused, bad

MAX_PARTS = 100


class Part(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """One operation of a batch."""

    operation_type: Literal["Create", "Upsert", "Read", "Replace", "Delete", "Patch"]
    id: str = ""
    resource_body: dict[str, Any] = {}
    if_match: str | None = None
    if_none_match: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch answers: a status, all outcomes as JSON, and what it costs."""

    status: int
    body: bytes
    charge: float


_DECODER = msgspec.json.Decoder(list[Part])


def parts_of(body: bytes) -> list[Part]:
    """The operations of a request.

    Raises:
        Refused: They are wrong, or too many.
    """
    try:
        parts = _DECODER.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise bad(f"The batch is not understood: {error}") from error
    if not 0 < len(parts) <= MAX_PARTS:
        raise bad(f"Batch request has {len(parts)} operations; it must have 1 to {MAX_PARTS}")
    return parts


def run(parts: list[Part], unit: Unit) -> Batch:
    """Do all of it, or nothing: then the part that was refused says why, and the others that it was."""
    outcomes: list[Outcome] = []
    for part in parts:
        try:
            outcomes.append(_done(part, unit))
        except Refused as refusal:
            unit.undo()
            return failed(parts, len(outcomes), refusal)
    whole = sum(charge(part.operation_type.lower()) for part in parts)
    rows = [_row(part, outcome) for part, outcome in zip(parts, outcomes, strict=True)]
    return Batch(200, b"[" + b",".join(rows) + b"]", whole)


def _done(part: Part, unit: Unit) -> Outcome:
    conditions = Conditions(part.if_match, part.if_none_match)
    match part.operation_type:
        case "Create":
            conditions.check_unread()
            return unit.create(part.resource_body)
        case "Upsert":
            return unit.upsert(part.resource_body, conditions)
        case "Read":
            return unit.read(part.id, conditions)
        case "Replace":
            return unit.replace(part.id, part.resource_body, conditions)
        case "Delete":
            return unit.delete(part.id, conditions)
        case "Patch":
            return unit.patch(part.id, patch_of(part.resource_body), conditions)


def patch_of(body: object) -> Patch:
    """A patch out of what was sent.

    Raises:
        Refused: It is none.
    """
    try:
        return msgspec.convert(body, Patch)
    except msgspec.ValidationError as error:
        raise bad(f"The patch is not understood: {error}") from error


def _row(part: Part, outcome: Outcome) -> bytes:
    cost = charge(part.operation_type.lower())
    row = f'{{"statusCode":{outcome.status},"requestCharge":{cost}'.encode()
    document = outcome.document
    if document is None:
        return row + b"}"
    etag = document.etag.replace('"', '\\"').encode()
    return b'%b,"eTag":"%b","resourceBody":%b}' % (row, etag, document.body)


def failed(parts: list[Part], culprit: int, refusal: Refused) -> Batch:
    """What a batch answers of which one part was refused."""
    rows = [
        {"statusCode": refusal.status, "subStatusCode": refusal.sub_status, "requestCharge": 1.0}
        if at == culprit
        else {"statusCode": DEPENDED, "requestCharge": 0.0}
        for at in range(len(parts))
    ]
    return Batch(BATCH_FAILED, msgspec.json.encode(rows), 1.0)
