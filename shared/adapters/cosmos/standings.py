"""Recording attempts: each is one write, and the first at an endpoint says how its message stands there.

    no other yet     create it with an id that says message and endpoint: of two at once one is refused
    others before    create it, and change what the first one says, in one batch; if it is later than what the
                     first one knows of, and the message has not arrived yet

What is refused is looked into: it was recorded already, or the first one is read, and changed as it was read.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.adapters.cosmos.container import ETAG, Container, Document, Operation, Refused
from shared.adapters.cosmos.documents import (
    attempt_document,
    first_attempt_document,
    first_attempt_id,
    newest_document,
    partition_of,
    retry_document,
    ttl_set,
)
from shared.adapters.cosmos.records import TRIES, Overtaken
from shared.adapters.cosmos.together import CHARACTER_BYTES, Together
from shared.domain.attempt import Attempt, Status, Trigger
from shared.domain.chain import message_status
from shared.ports.outbox import DueRetry

REST_BYTES = 4_000
"""What the rest of an attempt takes on its way, about: the longest URL and the longest names."""


@dataclass(frozen=True)
class Recorded:
    """An attempt to be recorded.

    Attributes:
        retry: What follows it, if it is automatic.
        ttl: In how many seconds it goes by itself; and the first one, which is not to go before it.
    """

    attempt: Attempt
    retry: DueRetry | None
    ttl: int

    @property
    def pk(self) -> str:
        """Its partition."""
        return partition_of(self.attempt.app_id, self.attempt.message_id)

    @property
    def first_id(self) -> str:
        """The id of the first one on the same message at the same endpoint."""
        return first_attempt_id(self.attempt.message_id, self.attempt.endpoint_id)

    @property
    def size_bytes(self) -> int:
        """How much it may be on its way."""
        return REST_BYTES + CHARACTER_BYTES * len(self.attempt.response)

    def as_first(self) -> Sequence[Operation]:
        """What is done if there is no other."""
        return [("create", (first_attempt_document(self.attempt, self.retry, self.ttl),))]

    def as_later(self) -> Sequence[Operation]:
        """What is done if there are others, all of them earlier, and none has delivered the message."""
        later = f"c.newest.id < {json.dumps(self.attempt.id)} AND c.standing <> {Status.SUCCESS:d}"
        changes = [_set("/newest", newest_document(self.attempt)), *self._standing(), ttl_set(self.ttl)]
        return [
            self._create,
            ("patch", (self.first_id, changes), {"filter_predicate": f"FROM c WHERE {later}"}),
        ]

    def after(self, first: Document) -> Sequence[Operation]:
        """What is done if the first one, as it was read, is this."""
        attempt, changes = self.attempt, list[dict[str, Any]]()
        if first["newest"]["id"] < attempt.id:
            changes.append(_set("/newest", newest_document(attempt)))
        arrived_before = first["standing"] == Status.SUCCESS
        is_newest = first["newest_automatic"] < attempt.id
        if not arrived_before and (is_newest or attempt.status is Status.SUCCESS):
            changes += self._standing()
        if not changes:
            return [self._create]
        changes.append(ttl_set(self.ttl))
        return [self._create, ("patch", (self.first_id, changes), {"if_match_etag": first[ETAG]})]

    @property
    def _create(self) -> Operation:
        return ("create", (attempt_document(self.attempt, self.ttl),))

    def _standing(self) -> list[dict[str, Any]]:
        """What changes about how the message stands, if it has not arrived before."""
        attempt = self.attempt
        if attempt.trigger is Trigger.MANUAL:
            # In vain, it leaves the automatic ones as they are.
            return [_set("/standing", attempt.status.value)] if attempt.status is Status.SUCCESS else []
        return [
            _set("/standing", message_status([attempt]).value),
            _set("/newest_automatic", attempt.id),
            *(_set(f"/{name}", value) for name, value in retry_document(self.retry).items()),
        ]


class Standings:
    """Records attempts."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._together = Together(container)

    async def record(self, recorded: Recorded, *, is_first: bool) -> None:
        """Record an attempt, unless it was recorded already.

        Args:
            recorded: It.
            is_first: It is likely that there are no others on the message at the endpoint.

        Raises:
            Unavailable: The store is out of reach.
        """
        operations = recorded.as_first() if is_first else recorded.as_later()
        try:
            await self._together.write(recorded.pk, operations, recorded.size_bytes)
        except Refused:
            await self._as_it_is(recorded)

    async def _as_it_is(self, recorded: Recorded) -> None:
        for _ in range(TRIES):
            first = await self._container.read(recorded.first_id, recorded.pk)
            if first is not None and first["key"] == recorded.attempt.id:
                return
            operations = recorded.as_first() if first is None else recorded.after(first)
            try:
                await self._container.batch(recorded.pk, operations)
            except Refused as refused:
                if first is not None and refused.is_conflict:
                    return
                continue  # another one was recorded in between
            return
        raise Overtaken


def _set(path: str, value: object) -> dict[str, Any]:
    return {"op": "set", "path": path, "value": value}
