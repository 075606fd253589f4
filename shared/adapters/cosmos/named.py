"""What applications and endpoints have in common: an id, perhaps a uid, a partition, and that edits meet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from shared.adapters.cosmos.records import (
    TRIES,
    Overtaken,
    Record,
    Records,
    UidHeld,
    in_order,
    micros,
    within,
)
from shared.domain.application import Application
from shared.domain.endpoint import Endpoint
from shared.domain.errors import UidTaken, Unavailable, Unknown
from shared.domain.paging import Scan

Thing = TypeVar("Thing", Application, Endpoint)


@dataclass(frozen=True)
class Named(Generic[Thing]):
    """Applications by organization, or endpoints by application. Its methods are those of their ports.

    Attributes:
        kind: What they are called, in errors and in records.
        prefix: Of their ids.
        record: Of one of them.
        thing: That a record is of.
    """

    records: Records
    kind: str
    prefix: str
    record: Callable[[Thing], Record]
    thing: Callable[[Record], Thing]

    @property
    def _removed(self) -> str:
        """What a removed one is called in its record."""
        return f"removed {self.kind}"

    async def add(self, thing: Thing) -> None:
        try:
            if await self.records.put(self.record(thing), claim=thing.uid) is None:
                raise Unavailable("store", f"there is {thing.id} already, by a chance of nearly none")
        except UidHeld as held:
            raise UidTaken(self.kind, thing.uid or "") from held

    async def get(self, pk: str, key: str) -> Thing:
        return self.thing(await self.find(pk, key))

    async def get_removed(self, pk: str, thing_id: str) -> Thing:
        found = await self.records.read(pk, thing_id)
        if found is None or found.kind != self._removed:
            raise Unknown(self.kind, thing_id)
        return self.thing(found)

    async def find(self, pk: str, key: str) -> Record:
        """The record of a live one by id or uid.

        Raises:
            Unknown: There is none.
        """
        if key.startswith(self.prefix):
            found = await self.records.read(pk, key)
            if found is not None and found.kind == self.kind:
                return found
        found = await self.records.holder(pk, key)
        if found is None or found.thing["uid"] != key:
            raise Unknown(self.kind, key)
        return found

    async def scan(self, pk: str, scan: Scan) -> Sequence[Thing]:
        where, given = within(self.kind, scan)
        found = self.records.query(where + in_order(scan), given, pk=pk, limit=scan.limit + 1)
        return [self.thing(record) async for record in found]

    async def update(self, pk: str, key: str, change: Callable[[Thing], Thing]) -> tuple[Thing, Thing]:
        for _ in range(TRIES):
            found = await self.find(pk, key)
            before = self.thing(found)
            after = change(before)
            is_renamed = after.uid != before.uid
            try:
                done = await self.records.put(
                    self.record(after),
                    over=found,
                    claim=after.uid if is_renamed else None,
                    free=before.uid if is_renamed else None,
                )
            except UidHeld as held:
                raise UidTaken(self.kind, after.uid or "") from held
            if done is not None:
                return before, after
        raise Overtaken

    async def remove(self, pk: str, thing_id: str, *, at: datetime) -> None:
        for _ in range(TRIES):
            found = await self.records.read(pk, thing_id)
            if found is None or found.kind != self.kind:
                raise Unknown(self.kind, thing_id)
            # It stays for whoever tells of what was there.
            removed = Record(
                id=found.id,
                pk=pk,
                kind=self._removed,
                thing={**found.thing, "uid": None},
                marks={"removed_at": micros(at)},
            )
            if await self.records.put(removed, over=found, free=found.thing["uid"]) is not None:
                return
        raise Overtaken

    async def erase(self, pk: str, thing_id: str) -> None:
        for _ in range(TRIES):
            found = await self.records.read(pk, thing_id)
            if found is None or await self.records.drop(found, free=found.thing["uid"]):
                return
        raise Overtaken
