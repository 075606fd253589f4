"""Attempts on Cosmos DB.

An attempt is written once, beside its message and nowhere else: a second copy in order of endpoints would
cost every delivery a second write. So a list of an endpoint's attempts asks every shard of its application.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.adapters.cosmos.container import ETAG, Container, Document, Operation, Refused
from shared.adapters.cosmos.documents import Kept, attempt_of, ended_document, partition_of, ttl_set
from shared.adapters.cosmos.lists import Query, rows, rows_of
from shared.adapters.cosmos.records import BATCH_MOST, TRIES, Overtaken
from shared.domain.attempt import ERASED_RESPONSE, Attempt, Ended, Status, Trigger
from shared.domain.errors import Unknown
from shared.domain.paging import Scan
from shared.ports.attempts import AttemptFilter
from shared.ports.clock import Clock
from shared.ports.removal import Removed

CODES_OF_A_CLASS = 100
LAST_CLASS = 900
"""Codes of this class and beyond are one class."""


class CosmosAttempts:
    """See `shared.ports.attempts.Attempts`. Attempts end by themselves."""

    def __init__(self, container: Container, clock: Clock, kept: Kept) -> None:
        self._container = container
        self._clock = clock
        self._kept = kept

    async def get(self, app_id: str, message_id: str, attempt_id: str) -> Attempt:
        return attempt_of(await self._one(app_id, message_id, attempt_id))

    async def of_message(
        self, app_id: str, message_id: str, scan: Scan, only: AttemptFilter
    ) -> Sequence[Attempt]:
        query = _filtered(Query(), only).ask("c.message_id = @message_id", message_id=message_id)
        if only.endpoint_id is not None:
            query.ask("c.endpoint_id = @endpoint_id", endpoint_id=only.endpoint_id)
        query.within("c.key", scan).first(scan.limit + 1, scan, "c.message_id", "c.key")
        found = await rows(self._container, partition_of(app_id, message_id), query)
        return [attempt_of(row) for row in found]

    async def of_endpoint(
        self, app_id: str, endpoint_id: str, scan: Scan, only: AttemptFilter
    ) -> Sequence[Attempt]:
        if only.endpoint_id not in {None, endpoint_id}:
            return []
        query = _filtered(Query(), only).ask("c.endpoint_id = @endpoint_id", endpoint_id=endpoint_id)
        query.within("c.key", scan).first(scan.limit + 1, scan, "c.endpoint_id", "c.key")
        found = {row["key"]: row for row in await rows_of(self._container, app_id, query)}
        return [attempt_of(found[key]) for key in scan.of(found)]

    async def latest(self, app_id: str, message_id: str) -> Mapping[str, Attempt]:
        query = Query().ask("c.message_id = @message_id", message_id=message_id)
        found = await self._attempts(app_id, message_id, query)
        return {one.endpoint_id: one for one in found if one.trigger is Trigger.SCHEDULED}

    async def at_endpoint(self, app_id: str, message_id: str, endpoint_id: str) -> Sequence[Attempt]:
        return await self._attempts(app_id, message_id, _together(message_id, endpoint_id))

    async def count(self, app_id: str, endpoint_id: str, *, first: str, last: str) -> Mapping[Status, int]:
        counts = Counter[Status]()
        for status in (Status.SUCCESS, Status.FAIL):
            query = Query("VALUE COUNT(1)").ask("c.endpoint_id = @endpoint_id", endpoint_id=endpoint_id)
            query.ask("c.status = @status", status=status.value)
            query.ask("c.key >= @first AND c.key <= @last", first=first, last=last)
            counts[status] = sum(await rows_of(self._container, app_id, query))
        return +counts

    async def erase_response(self, app_id: str, message_id: str, attempt_id: str) -> None:
        found = await self._one(app_id, message_id, attempt_id)
        erased = [_set("/response", ERASED_RESPONSE), self._end(found)]
        try:
            await self._container.patch(found["id"], found["pk"], erased)
        except Refused as gone:
            raise Unknown("attempt", attempt_id) from gone

    async def end_chain(self, app_id: str, message_id: str, endpoint_id: str, ended: Ended) -> None:
        pk = partition_of(app_id, message_id)
        for _ in range(TRIES):
            found = await rows(self._container, pk, _together(message_id, endpoint_id))
            changes = self._ending(found, ended)
            try:
                for begin in range(0, len(changes), BATCH_MOST):
                    await self._container.batch(pk, changes[begin : begin + BATCH_MOST])
            except Refused:
                continue  # one was recorded, or this was done and the answer lost
            return
        raise Overtaken

    async def forget(self, *, before: datetime, after: str, limit: int) -> Removed:
        del before, after, limit
        return Removed(0)  # they go by themselves

    async def _one(self, app_id: str, message_id: str, attempt_id: str) -> Document:
        """The document of an attempt.

        Raises:
            Unknown: There is none.
        """
        query = Query().ask(
            "c.message_id = @message_id AND c.key = @key", message_id=message_id, key=attempt_id
        )
        found: list[Document] = await rows(self._container, partition_of(app_id, message_id), query)
        if not found:
            raise Unknown("attempt", attempt_id)
        return found[0]

    async def _attempts(self, app_id: str, message_id: str, query: Query) -> Sequence[Attempt]:
        """Attempts on a message, in order of id."""
        found = await rows(self._container, partition_of(app_id, message_id), query)
        return sorted(map(attempt_of, found), key=lambda one: one.id)

    def _ending(self, found: Sequence[Document], ended: Ended) -> Sequence[Operation]:
        """What is to be done so that no retry follows one of these attempts on a message at an endpoint."""
        pending = [row for row in found if row.get("next_at") is not None]
        automatic = [row["key"] for row in pending if row["trigger"] == Trigger.SCHEDULED]
        changes = list[Operation]()
        for row in found:
            operations = list(_clearing(row))
            if automatic and row["key"] == max(automatic):
                operations.append(_set("/ended", ended_document(ended)))
            if operations:
                operations.append(self._end(row))
                changes.append(("patch", (row["id"], operations), {"if_match_etag": row[ETAG]}))
        return changes

    def _end(self, row: Document) -> Document:
        """What a change says of the end of an attempt."""
        return ttl_set(self._kept.renewed(row, self._clock.now()))


def _together(message_id: str, endpoint_id: str) -> Query:
    return Query().ask(
        "c.message_id = @message_id AND c.endpoint_id = @endpoint_id",
        message_id=message_id,
        endpoint_id=endpoint_id,
    )


def _filtered(query: Query, only: AttemptFilter) -> Query:
    if only.status is not None:
        query.ask("c.status = @status", status=only.status.value)
    if only.status_code_class is not None:
        query.ask("c.code >= @code", code=only.status_code_class)
        if only.status_code_class < LAST_CLASS:
            query.ask("c.code < @end", end=only.status_code_class + CODES_OF_A_CLASS)
    return query.labelled(only.channel, only.tag, only.event_types)


def _clearing(row: Document) -> Iterable[dict[str, Any]]:
    if row.get("next_at") is not None:
        yield _set("/next_at", None)
    if row.get("standing") == Status.SENDING:
        yield _set("/standing", Status.FAIL.value)
    if "newest" in row and row["newest"]["next_at"] is not None:
        yield _set("/newest/next_at", None)
    if row.get("due") is not None:
        yield _set("/due", None)
        yield _set("/retry", None)


def _set(path: str, value: object) -> dict[str, Any]:
    return {"op": "set", "path": path, "value": value}
