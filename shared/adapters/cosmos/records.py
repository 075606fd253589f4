"""Documents of the catalogue, and how they are written so that what is sent twice is done once.

    {"id": "ep_…", "pk": "app_…", "kind": "endpoint", "write": "…", "thing": {…}, "marks": {…}}

`thing` is the thing itself; `marks` is what queries look for, which is indexed, as ids and kinds are, and
nothing else. Azure's client sends a request once more when its answer was lost, and hears then that somebody
else was quicker. So every write has a name, `write`: who is refused reads what is there, and if it bears the
name, the write was done the first time. What is read there must be no older: an account keeps that between
processes whose own consistency is `Strong`, or in one region `BoundedStaleness`; `account` refuses others.

A uid is a document, too: its claim, in one partition with what has the uid, and made and removed in one
transactional batch with it. So no two have one uid.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from shared.adapters.cosmos.container import IN_PARTITION, Container, Operation, Refused
from shared.domain.errors import Invalid, Unavailable
from shared.domain.paging import Scan

TRIES = 50
"""How often a change is begun anew because another came in between. Of all who try at once one gets through
each time, so so many may change one thing at the same moment."""

BATCH_MOST = 100
"""Operations of a transactional batch, as the service takes them."""

RECORD_MAX_BYTES = 1_000_000
"""Of a document as the client sends it, which is ASCII alone. The service takes twice as much; but to send
more holds up everybody else in the process."""

CLAIM = "claim"

_EPOCH = datetime.fromtimestamp(0, UTC)


def micros(at: datetime) -> int:
    """An instant as microseconds since 1970: a number that JSON holds exactly, and that has an order."""
    return (at - _EPOCH) // timedelta.resolution


def instant(at: int) -> datetime:
    """The instant of microseconds since 1970, in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def a_name() -> str:
    """A name that no other write has."""
    return token_hex(8)


class UidHeld(Exception):
    """Another one has the uid."""


class Overtaken(Unavailable):
    """Others came in between each time."""

    def __init__(self) -> None:
        super().__init__("store", f"others have changed the same {TRIES} times meanwhile")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A document of the catalogue.

    Attributes:
        pk: Its partition.
        kind: What it is of. What was removed and is kept has another.
        thing: What it is about.
        marks: What queries look for.
        write: The name of the write that has made it so.
        ttl: In how many seconds after its last write it goes by itself.
        etag: Of this state; empty if it was not read.
    """

    id: str
    pk: str
    kind: str
    thing: dict[str, Any]
    marks: dict[str, Any] = {}
    write: str = msgspec.field(default_factory=a_name)
    ttl: int | UnsetType = UNSET
    etag: str = msgspec.field(default="", name="_etag")

    @property
    def document(self) -> dict[str, Any]:
        """As it is sent."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        del document["_etag"]
        return document


def within(kind: str, scan: Scan, *, prefix: str = "") -> tuple[str, dict[str, object]]:
    """The condition of a scan over the ids of a kind, and what is given for it.

    Args:
        kind: Of which kind.
        scan: Its keys are the ids without `prefix`.
        prefix: What all their ids begin with.
    """
    where, given = "c.kind = @kind", dict[str, object](kind=kind)
    if scan.above is not None:
        where += " AND c.id > @above"
        given["above"] = prefix + scan.above
    if scan.below is not None:
        where += " AND c.id < @below"
        given["below"] = prefix + scan.below
    return where, given


def in_order(scan: Scan) -> str:
    """The order of a scan of one partition."""
    order = "DESC" if scan.descending else "ASC"
    return f" ORDER BY c.pk {order}, c.kind {order}, c.id {order}"


def _claim_id(uid: str) -> str:
    return f"uid:{uid}"


def _sendable(record: Record) -> dict[str, Any]:
    """A document as it is sent.

    Raises:
        Invalid: It is too large.
    """
    document = record.document
    size_bytes = len(json.dumps(document, separators=(",", ":")))
    if size_bytes > RECORD_MAX_BYTES:
        why = f"it has {size_bytes} bytes as ASCII in JSON; write at most {RECORD_MAX_BYTES}"
        raise Invalid(("body",), why)
    return document


class Records:
    """The documents of a container. What is out of reach raises `Unavailable`."""

    def __init__(self, container: Container) -> None:
        self._container = container

    async def read(self, pk: str, record_id: str) -> Record | None:
        """Read one; None if there is none."""
        document = await self._container.read(record_id, pk)
        return None if document is None else msgspec.convert(document, Record)

    async def holder(self, pk: str, uid: str) -> Record | None:
        """Read the one that has a uid; None if none has it."""
        claim = await self.read(pk, _claim_id(uid))
        return None if claim is None else await self.read(pk, claim.thing["holder"])

    async def query(
        self, where: str, given: Mapping[str, object], *, pk: str | None = None, limit: int | None = None
    ) -> AsyncIterator[Record]:
        """Read those that meet a condition.

        Args:
            where: The condition, and the order.
            given: What its parameters stand for, by their names without `@`.
            pk: In which partition; None is in all.
            limit: How many at most.
        """
        count = 0
        async for row in self.select("*", where, given, pk=pk, page=limit):
            yield msgspec.convert(row, Record)
            count += 1
            if count == limit:
                return

    def select(
        self,
        what: str,
        where: str,
        given: Mapping[str, object],
        *,
        pk: str | None = None,
        page: int | None = None,
    ) -> AsyncIterator[Any]:
        """Read something of those that meet a condition: as `query`, and so many with one request."""
        if pk is not None:
            where, given = f"{IN_PARTITION} AND {where}", {**given, "pk": pk}
        sql = f"SELECT {what} FROM c WHERE {where}"  # noqa: S608 - of words of ours; what callers say is given
        return self._container.query(sql, given, pk=pk, page=page)

    async def put(
        self, record: Record, *, over: Record | None = None, claim: str | None = None, free: str | None = None
    ) -> Record | None:
        """Write a record, unless somebody else was quicker.

        Args:
            record: What is to be there.
            over: What was read there, and must not have changed since; None if nothing was there.
            claim: A uid that it is to have from now on.
            free: A uid that it is to have no more.

        Returns:
            The record as it is there now; None, with nothing changed, if somebody else was quicker.

        Raises:
            UidHeld: Another one has the uid.
            Invalid: It is too large.
        """
        document = _sendable(record)
        batch: list[Operation] = []
        if over is None:
            batch.append(("create", (document,)))
        else:
            batch.append(("replace", (record.id, document), {"if_match_etag": over.etag}))
        if free is not None:
            batch.append(("delete", (_claim_id(free),)))
        if claim is not None:
            held = Record(id=_claim_id(claim), pk=record.pk, kind=CLAIM, thing={"holder": record.id})
            batch.append(("create", (held.document,)))
        try:
            done = await self._container.batch(record.pk, batch)
        except Refused as refused:
            if refused.at > 0:
                raise UidHeld from refused
            return await self._if_ours(record.pk, record.id, record.write)
        return msgspec.convert(done[0], Record)

    async def patch(
        self,
        pk: str,
        record_id: str,
        changes: Mapping[str, object],
        *,
        when: str,
        beside: Record | None = None,
    ) -> Record | None:
        """Change parts of a record if it is as expected.

        Args:
            pk: Its partition.
            record_id: Its id.
            changes: What is to be at which path.
            when: What must be true of it before.
            beside: A new record of the partition that is written with the change, or not at all.

        Returns:
            The record as it is now; None, with nothing changed, if it is not as expected or not there.
        """
        write = a_name()
        operations = [
            {"op": "set", "path": path, "value": msgspec.to_builtins(value)}
            for path, value in {**changes, "/write": write}.items()
        ]
        condition = f"FROM c WHERE {when}"
        try:
            if beside is None:
                return msgspec.convert(
                    await self._container.patch(record_id, pk, operations, condition), Record
                )
            change: Operation = ("patch", (record_id, operations), {"filter_predicate": condition})
            done = await self._container.batch(pk, [change, ("create", (beside.document,))])
            return msgspec.convert(done[0], Record)
        except Refused:
            return await self._if_ours(pk, record_id, write)

    async def _if_ours(self, pk: str, record_id: str, write: str) -> Record | None:
        """What is there, if the write of this name has made it so."""
        present = await self.read(pk, record_id)
        return present if present is not None and present.write == write else None

    async def drop(self, record: Record, *, free: str | None = None) -> bool:
        """Remove a record and its uid; say False, with nothing changed, if it is not as it was read."""
        batch: list[Operation] = [("delete", (record.id,), {"if_match_etag": record.etag})]
        if free is not None:
            batch.append(("delete", (_claim_id(free),)))
        try:
            await self._container.batch(record.pk, batch)
        except Refused:
            return False
        return True

    async def delete(self, pk: str, ids: Sequence[str]) -> None:
        """Remove some, of which some may be gone already."""
        for begin in range(0, len(ids), BATCH_MOST):
            some = ids[begin : begin + BATCH_MOST]
            try:
                await self._container.batch(pk, [("delete", (each,)) for each in some])
            except Refused:
                # One that is gone spares all the others of its batch.
                for each in some:
                    with suppress(Refused):
                        await self._container.delete(each, pk)
