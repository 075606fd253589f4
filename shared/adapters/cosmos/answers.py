"""Answers to requests with an idempotency key, on Cosmos DB. They end by themselves.

Every lock has a name, so that whoever took one and has lost the reply knows it as his own.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import blake2b
from typing import Any

from shared.adapters.cosmos.container import ETAG, Container, Document, Refused
from shared.adapters.cosmos.documents import LARGE_BYTES, seconds_until
from shared.adapters.cosmos.records import TRIES, Overtaken, a_name, instant, micros
from shared.ports.answers import Begun, StoredAnswer
from shared.ports.bodies import Bodies
from shared.ports.clock import Clock
from shared.ports.removal import Removed

_KEY_BYTES = 16
"""Keys are kept as digests of this length: still no two are the same."""


class CosmosAnswers:
    """See `shared.ports.answers.Answers`."""

    def __init__(self, container: Container, bodies: Bodies, clock: Clock) -> None:
        self._container = container
        self._bodies = bodies
        self._clock = clock

    async def begin(self, key: bytes, *, now: datetime, lock_until: datetime) -> StoredAnswer | Begun:
        lock = self._lasting(key, lock_until) | {"lock": a_name()}
        for _ in range(TRIES):
            with suppress(Refused):
                await self._container.create(lock)
                return Begun.MINE
            found = await self._read(key)
            if found is None:
                continue  # it has ended in between
            if found.get("lock") == lock["lock"]:
                return Begun.MINE
            if instant(found["ends_at"]) > now:
                return Begun.SOMEONE_ELSES if "lock" in found else await answer_of(found, self._bodies)
            with suppress(Refused):
                await self._container.replace(lock, found[ETAG])
                return Begun.MINE
        raise Overtaken

    async def finish(self, key: bytes, answer: StoredAnswer, *, expires_at: datetime) -> None:
        said = await answer_document(answer, key_digest(key), expires_at, self._bodies)
        await self._container.upsert(self._lasting(key, expires_at) | said)

    async def give_up(self, key: bytes, *, lock_until: datetime) -> None:
        found = await self._read(key)
        if found is not None and "lock" in found and found["ends_at"] == micros(lock_until):
            with suppress(Refused):
                await self._container.delete(found["id"], found["id"], found[ETAG])

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        del before, limit
        return Removed(0)  # they go by themselves

    async def _read(self, key: bytes) -> Document | None:
        return await self._container.read(key_digest(key), key_digest(key))

    def _lasting(self, key: bytes, ends_at: datetime) -> Document:
        """What is there until an instant."""
        ttl = seconds_until(ends_at, self._clock.now())
        return {"id": key_digest(key), "ends_at": micros(ends_at), "ttl": ttl}


def key_digest(key: bytes) -> str:
    """What stands for a key."""
    return blake2b(key, digest_size=_KEY_BYTES).hexdigest()


async def answer_document(answer: StoredAnswer, owner: str, expires_at: datetime, bodies: Bodies) -> Document:
    """What a document says of an answer; a large body is kept elsewhere, in the name of `owner`."""
    said: Document = {"status": answer.status, "headers": [list(one) for one in answer.headers]}
    if len(answer.body) > LARGE_BYTES:
        return said | {"place": await bodies.keep(owner, answer.body, expires_at=expires_at)}
    try:
        return said | {"text": answer.body.decode()}
    except UnicodeDecodeError:
        return said | {"bytes": b64encode(answer.body).decode()}


async def answer_of(document: Mapping[str, Any], bodies: Bodies) -> StoredAnswer:
    """The answer that a document says."""
    if "text" in document:
        body = document["text"].encode()
    elif "bytes" in document:
        body = b64decode(document["bytes"])
    else:
        body = await bodies.read(document["place"]) or b""
    headers = tuple((name, value) for name, value in document["headers"])
    return StoredAnswer(document["status"], headers, body)
