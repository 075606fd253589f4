"""Messages and the endpoints that they were attempted at, on Cosmos DB.

The first attempt on a message at an endpoint says how the message stands there, so lists read those alone: a
query a shard for a page. A page that shows the messages themselves asks each shard that it has some of once
more. To keep what it shows beside each first attempt would spare it that, and make every delivery dearer: it
would write a message's payload twice, for lists that few look at.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from shared.adapters.cosmos.container import Container
from shared.adapters.cosmos.documents import partition_of
from shared.adapters.cosmos.lists import Query, rows, rows_of
from shared.adapters.cosmos.messages import CosmosMessages
from shared.adapters.cosmos.records import instant
from shared.domain.attempt import Status
from shared.domain.destination import AttemptedMessage, Destination
from shared.domain.endpoint import Endpoint
from shared.domain.message import Message
from shared.domain.paging import Scan
from shared.ports.destinations import AttemptedMessageFilter

ReadEndpoints = Callable[[str, Collection[str]], Awaitable[Sequence[Endpoint]]]
"""Reads some endpoints of an application by id, removed ones too, in the order of their ids."""


class CosmosDestinations:
    """See `shared.ports.destinations.Destinations`."""

    def __init__(self, container: Container, messages: CosmosMessages, read_endpoints: ReadEndpoints) -> None:
        self._container = container
        self._messages = messages
        self._read_endpoints = read_endpoints

    async def messages_at(
        self, app_id: str, endpoint_id: str, scan: Scan, only: AttemptedMessageFilter
    ) -> Sequence[AttemptedMessage]:
        query = _at(endpoint_id, "c.message_id, c.standing, c.newest")
        query.labelled(only.channel, only.tag, only.event_types)
        if only.status is not None:
            query.standing([only.status])
        found = await self._listed(app_id, query, scan)
        messages = await self._messages.several(app_id, found, payloads=only.payloads)
        return [
            _attempted(messages[message_id], row, only.status)
            for message_id, row in found.items()
            if message_id in messages
        ]

    async def standing_at(
        self, app_id: str, endpoint_id: str, scan: Scan, among: Collection[Status]
    ) -> Sequence[str]:
        return [*await self._listed(app_id, _at(endpoint_id, "c.message_id").standing(among), scan)]

    async def count_standing_at(
        self, app_id: str, endpoint_id: str, scan: Scan, among: Collection[Status]
    ) -> int:
        query = _at(endpoint_id, "VALUE COUNT(1)").standing(among).within("c.message_id", scan)
        counts: Sequence[int] = await rows_of(self._container, app_id, query)
        return sum(counts)

    async def count(self, app_id: str, scan: Scan) -> int:
        query = Query("VALUE COUNT(1)").ask("c.stands_at > ''").within("c.message_id", scan)
        counts: Sequence[int] = await rows_of(self._container, app_id, query)
        return sum(counts)

    async def of_message(self, app_id: str, message_id: str, scan: Scan) -> Sequence[Destination]:
        query = Query("c.stands_at, c.newest").ask("c.message_id = @message_id", message_id=message_id)
        query.ask("IS_DEFINED(c.stands_at)")
        found = await rows(self._container, partition_of(app_id, message_id), query)
        newest = {row["stands_at"]: row["newest"] for row in found}
        wanted = scan.of(newest)
        endpoints = {one.id: one for one in await self._read_endpoints(app_id, wanted)}
        return [
            Destination(
                endpoints[one], Status(newest[one]["status"]), _instant_or_none(newest[one]["next_at"])
            )
            for one in wanted
            if one in endpoints
        ]

    async def _listed(self, app_id: str, query: Query, scan: Scan) -> dict[str, Any]:
        """What a page has, by message id in its order."""
        query.within("c.message_id", scan).first(scan.limit + 1, scan, "c.stands_at", "c.message_id")
        found = {row["message_id"]: row for row in await rows_of(self._container, app_id, query)}
        return {message_id: found[message_id] for message_id in scan.of(found)}


def _at(endpoint_id: str, what: str) -> Query:
    return Query(what).ask("c.stands_at = @stands_at", stands_at=endpoint_id)


def _attempted(message: Message, row: dict[str, Any], asked: Status | None) -> AttemptedMessage:
    standing, newest = Status(row["standing"]), row["newest"]
    shown = asked
    if shown is None:
        shown = standing if standing is Status.SENDING else Status(newest["status"])
    next_at = _instant_or_none(newest["next_at"]) if shown is Status.SENDING else None
    return AttemptedMessage(message, shown, next_at)


def _instant_or_none(at: int | None) -> datetime | None:
    return None if at is None else instant(at)
