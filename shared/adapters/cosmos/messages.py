"""Messages on Cosmos DB."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from shared.adapters.cosmos.container import Container, Document, Refused
from shared.adapters.cosmos.documents import (
    MESSAGE,
    event_claim_id,
    message_of,
    partition,
    partition_of,
    payload_id,
)
from shared.adapters.cosmos.lists import Query, rows, rows_of
from shared.adapters.cosmos.records import BATCH_MOST, instant
from shared.domain import ids
from shared.domain.errors import Unknown
from shared.domain.message import Message
from shared.domain.paging import Scan
from shared.ports.bodies import Bodies
from shared.ports.clock import Clock
from shared.ports.messages import MessageFilter
from shared.ports.removal import Removed

ASKED_AT_ONCE = 100
"""Ids that one query names at most."""


class CosmosMessages:
    """See `shared.ports.messages.Messages`. Messages, and payloads in documents, end by themselves."""

    def __init__(self, container: Container, bodies: Bodies, clock: Clock) -> None:
        self._container = container
        self._bodies = bodies
        self._clock = clock

    async def get(self, app_id: str, key: str) -> Message:
        message_id = await self._id_of(app_id, key)
        found = None if message_id is None else await self._read(app_id, message_id)
        if found is None:
            raise Unknown("message", key)
        return found

    async def scan(self, app_id: str, scan: Scan, only: MessageFilter) -> Sequence[Message]:
        query = Query().within("c.listed", scan)
        query.labelled(only.channel, only.tag, only.event_types)
        most = scan.limit + 1
        if only.payloads:
            most *= 2  # a message and its payload: whatever is cut off is beyond the page
        else:
            query.ask("c.kind = @kind", kind=MESSAGE)
        found = await rows_of(self._container, app_id, query.first(most, scan, "c.pk", "c.listed"))
        return await self._shown(found, scan, payloads=only.payloads)

    async def several(self, app_id: str, ids: Collection[str], *, payloads: bool) -> Mapping[str, Message]:
        found = await self._documents(app_id, ids, payloads=payloads)
        every = Scan(None, None, descending=False, limit=len(ids))
        return {one.id: one for one in await self._shown(found, every, payloads=payloads)}

    async def erase_payload(self, app_id: str, key: str) -> None:
        if not await self.erase_several(app_id, [key]):
            raise Unknown("message", key)

    async def erase_several(self, app_id: str, keys: Collection[str]) -> Collection[str]:
        named = dict(
            zip(keys, await asyncio.gather(*(self._id_of(app_id, key) for key in keys)), strict=True)
        )
        wanted = {message_id for message_id in named.values() if message_id is not None}
        found = {row["id"]: row for row in await self._documents(app_id, wanted, payloads=False)}
        await asyncio.gather(*map(self._erase, found.values()))
        return [key for key, message_id in named.items() if message_id in found]

    async def remove_several(self, app_id: str, ids: Collection[str]) -> None:
        shards = await self._by_shard(app_id, ids, _all_of)
        await asyncio.gather(*(self._remove(pk, found) for pk, found in shards.items()))

    async def erase_payloads(self, *, expired_at: datetime, limit: int) -> Removed:
        return await self._bodies.forget(before=expired_at, limit=limit)

    async def forget(self, *, before: datetime, after: str, limit: int) -> Removed:
        del before, after, limit
        return Removed(0)  # they go by themselves

    async def _id_of(self, app_id: str, key: str) -> str | None:
        """The id of the message that may have this id, or has this eventId; None if none has."""
        if key.startswith(ids.MESSAGE):
            return key if _is_id(key) else None
        pk = partition(app_id, ids.shard_for(key.encode()))
        claim = await self._container.read(event_claim_id(key), pk)
        return None if claim is None else claim["of"]

    async def _read(self, app_id: str, message_id: str) -> Message | None:
        pk = partition_of(app_id, message_id)
        # At once: for two of them the service takes as long as for one.
        message, payload = await asyncio.gather(
            self._container.read(message_id, pk), self._container.read(payload_id(message_id), pk)
        )
        return None if message is None else message_of(message, await self._payload(message, payload))

    async def _payload(self, message: Document, payload: Document | None) -> str | None:
        """What is shown of a payload; `payload` is its document, if it has one."""
        if instant(message["expires_at"]) <= self._clock.now():
            return None
        if payload is not None:
            text: str = payload["payload"]
            return text
        place = message.get("place")
        body = None if place is None else await self._bodies.read(place)
        return None if body is None else body.decode()

    async def _shown(self, found: Iterable[Document], scan: Scan, *, payloads: bool) -> Sequence[Message]:
        """The messages, out of their documents and those of their payloads, that a scan finds."""
        by_kind: dict[bool, dict[str, Document]] = {True: {}, False: {}}
        for row in found:
            by_kind[row["kind"] == MESSAGE][row["listed"]] = row
        messages, contents = by_kind[True], by_kind[False]
        wanted = scan.of(messages)
        if not payloads:
            return [message_of(messages[one], None) for one in wanted]
        texts = await asyncio.gather(*(self._payload(messages[one], contents.get(one)) for one in wanted))
        return [message_of(messages[one], text) for one, text in zip(wanted, texts, strict=True)]

    async def _documents(self, app_id: str, wanted: Collection[str], *, payloads: bool) -> list[Document]:
        """The documents of some messages, and of their payloads if those are wanted."""

        def asked(some: Sequence[str]) -> Query:
            query = Query().among("c.listed", some)
            return query if payloads else query.ask("c.kind = @kind", kind=MESSAGE)

        shards = await self._by_shard(app_id, wanted, asked)
        return [document for found in shards.values() for document in found]

    async def _by_shard(
        self, app_id: str, wanted: Collection[str], ask: Callable[[Sequence[str]], Query]
    ) -> Mapping[str, Sequence[Document]]:
        """What is found about some messages, by partition, of which each is asked once."""
        found: dict[str, list[Document]] = {}
        by_shard: dict[str, list[str]] = defaultdict(list)
        for message_id in sorted(wanted):
            by_shard[partition_of(app_id, message_id)].append(message_id)

        async def look(pk: str, some: Sequence[str]) -> None:
            found[pk] = []
            for begin in range(0, len(some), ASKED_AT_ONCE):
                found[pk] += await rows(self._container, pk, ask(some[begin : begin + ASKED_AT_ONCE]))

        await asyncio.gather(*(look(pk, some) for pk, some in by_shard.items()))
        return found

    async def _erase(self, message: Document) -> None:
        if "place" in message:
            await self._bodies.remove(message["place"])
        else:
            await self._remove_documents(message["pk"], [payload_id(message["id"])])

    async def _remove(self, pk: str, found: Sequence[Document]) -> None:
        """Remove messages of a shard and what lies beside them; themselves last: lists show what is left."""
        messages = [row for row in found if row["kind"] == MESSAGE]
        await asyncio.gather(*(self._bodies.remove(row["place"]) for row in messages if "place" in row))
        beside = [row["id"] for row in found if row["kind"] != MESSAGE]
        claims = [event_claim_id(row["event_id"]) for row in messages if "event_id" in row]
        await self._remove_documents(pk, [*beside, *claims, *(row["id"] for row in messages)])

    async def _remove_documents(self, pk: str, documents: Sequence[str]) -> None:
        """Remove documents of a partition by id, of which some may be gone."""
        for begin in range(0, len(documents), BATCH_MOST):
            some = documents[begin : begin + BATCH_MOST]
            try:
                await self._container.batch(pk, [("delete", (one,)) for one in some])
            except Refused:
                for one in some:
                    with suppress(Refused):
                        await self._container.delete(one, pk)


def _all_of(some: Sequence[str]) -> Query:
    """Asks for some messages, their payloads, and the attempts on them."""
    query = Query("c.id, c.pk, c.kind, c.event_id, c.place")
    return query.either(Query().among("c.listed", some).among("c.message_id", some))


def _is_id(text: str) -> bool:
    """Whether a text that begins as a message's id could be one: others cannot even be asked for."""
    return text.isascii() and text.replace("_", "").isalnum()
