"""What an account holds: databases, containers, logical partitions and documents.

All of it lies in memory; the file, if there is one, is what a restart reads.
"""

from base64 import b64decode, b64encode
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from tests.emulators.cosmos.clock import Clock
from tests.emulators.cosmos.file import PLACES, File
from tests.emulators.cosmos.keys import Key, KeyPaths, Range, divided
from tests.emulators.cosmos.refusals import Refused, bad, missing, unknown
from tests.emulators.cosmos.sql.indexes import IndexingPolicy

CONFLICT = 409
MAX_ID_BYTES = 1023
CONTAINERS = 1 << 31
"""How many containers there are rids for; the bit above says in a rid that it is a container's."""
NEVER_EXPIRES = -1
KNOWN_SETTINGS = {
    *("id", "partitionKey", "indexingPolicy", "defaultTtl", "uniqueKeyPolicy", "conflictResolutionPolicy"),
    *(
        "_rid",
        "_self",
        "_etag",
        "_ts",
        "_docs",
        "_sprocs",
        "_triggers",
        "_udfs",
        "_conflicts",
        "geospatialConfig",
    ),
}
"""What a container's definition may say. The emulator heeds the first four; the rest must say nothing new."""

LAST_WRITER_WINS = {
    "mode": "LastWriterWins",
    "conflictResolutionPath": "/_ts",
    "conflictResolutionProcedure": "",
}


class Document(NamedTuple):
    """A document as it is stored.

    Attributes:
        id: Unique in its logical partition.
        rid: Its `_rid`.
        place: Its turn among all documents of the container, by when they came; a change keeps it.
        etag: What it is called in this state, in quotes.
        expires: When it is gone, in seconds since 1970; None is never.
        body: All of it, as JSON.
    """

    id: str
    rid: str
    place: int
    etag: str
    expires: float | None
    body: bytes

    def is_gone(self, now: float) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True)
class Partition:
    """A logical partition: the documents of one key, by id."""

    key: Key
    documents: dict[str, Document] = field(default_factory=dict)


@dataclass(eq=False)
class Container:
    """A container.

    Attributes:
        first: Where the numbers of its documents begin in the file.
        number: Counts its changes; rids, etags and session tokens are made of it.
        ring: The logical partitions in the order of their places on the ring.
    """

    database: str
    database_rid: str
    rid: str
    definition: dict[str, Any]
    ranges: tuple[Range, ...]
    number: int = 0
    partitions: dict[str, Partition] = field(default_factory=dict)
    ring: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.define(self.definition)
        self._rid_start = _rid_bytes(self.rid)
        self.first = int.from_bytes(self._rid_start[4:]) % CONTAINERS * PLACES

    def define(self, definition: dict[str, Any]) -> None:
        """Take another definition."""
        self.definition = definition
        self.id: str = definition["id"]
        self.key_paths: KeyPaths = tuple(_steps(path) for path in definition["partitionKey"]["paths"])
        self.policy = IndexingPolicy.of(definition["indexingPolicy"])
        self.time_to_live: int | None = definition.get("defaultTtl")

    @property
    def link(self) -> str:
        """Its path by names."""
        return f"dbs/{self.database}/colls/{self.id}"

    def next_number(self) -> int:
        """Count a change."""
        self.number += 1
        return self.number

    def new_rid(self, number: int) -> str:
        """The `_rid` of a new document."""
        return _rid(self._rid_start + number.to_bytes(8, "little"))

    def range_of(self, key: Key) -> Range:
        """The physical range in which a key is kept."""
        return next(one for one in self.ranges if one.holds(key.hashed))

    def partition(self, key: Key) -> Partition:
        """The logical partition of a key, made if there is none."""
        found = self.partitions.get(key.text)
        if found is None:
            found = self.partitions[key.text] = Partition(key)
            insort(self.ring, (key.hashed, key.text))
        return found

    def between(self, start: str, end: str) -> Iterator[Partition]:
        """The logical partitions from one place on the ring to another, which is left out."""
        for at in range(bisect_left(self.ring, (start, "")), bisect_left(self.ring, (end, ""))):
            yield self.partitions[self.ring[at][1]]


@dataclass(eq=False)
class Database:
    """A database: its containers by name."""

    id: str
    rid: str
    definition: dict[str, Any]
    containers: dict[str, Container] = field(default_factory=dict)


class Account:
    """All databases by name."""

    def __init__(self, clock: Clock, file: File, ranges: int) -> None:
        self.clock = clock
        self.file = file
        self.databases: dict[str, Database] = {}
        self._ranges = ranges
        self._load()

    def database(self, name: str) -> Database:
        """A database, by its id or `_rid`.

        Raises:
            Refused: There is none.
        """
        found = self.databases.get(name) or next(
            (one for one in self.databases.values() if one.rid == name), None
        )
        if found is None:
            raise missing(f"The database {name}")
        return found

    def container(self, database: str, name: str) -> Container:
        """A container, by its id or `_rid`.

        Raises:
            Refused: There is none.
        """
        found = self.databases.get(database)
        if found is not None and name in found.containers:
            return found.containers[name]
        containers = self.database(database).containers
        by_rid = next((one for one in containers.values() if one.rid == name), None)
        if by_rid is None and name not in containers:
            raise missing(f"The container {name}")
        return by_rid or containers[name]

    def name_of(self, database: str, container: str) -> str:
        """What a container is called that is named so in a path: a client may know it by its `_rid` alone."""
        try:
            return self.container(database, container).id
        except Refused:
            return container

    def create_database(self, definition: dict[str, Any]) -> Database:
        """Add a database.

        Raises:
            Refused: There is one already, or the definition is wrong.
        """
        if strange := definition.keys() - {"id"}:
            raise unknown(f"{', '.join(sorted(strange))} in a database")
        name = checked_id(definition)
        if name in self.databases:
            raise Refused(CONFLICT, f"The database {name} already exists")
        rid = _rid(self.file.next_made().to_bytes(4, "big"))
        database = Database(name, rid, definition | self._system(f"dbs/{rid}/", rid))
        self.databases[name] = database
        self.file.put_database(rid, msgspec.json.encode(database.definition))
        return database

    def drop_database(self, database: Database) -> None:
        """Remove a database with everything in it."""
        for container in [*database.containers.values()]:
            self.drop_container(database, container)
        del self.databases[database.id]
        self.file.drop_database(database.rid)

    def create_container(self, database: Database, definition: dict[str, Any]) -> Container:
        """Add a container.

        Raises:
            Refused: There is one already, or the definition is wrong or says what the emulator does not know.
        """
        name = checked_id(definition)
        if name in database.containers:
            raise Refused(CONFLICT, f"The container {name} already exists")
        rid = _rid(_rid_bytes(database.rid) + (self.file.next_made() | CONTAINERS).to_bytes(4, "big"))
        whole = _whole(definition) | self._system(f"dbs/{database.rid}/colls/{rid}/", rid)
        container = Container(database.id, database.rid, rid, whole, divided(self._ranges))
        database.containers[name] = container
        self.file.put_container(container.rid, database.rid, msgspec.json.encode(whole), self._ranges)
        return container

    def replace_container(self, container: Container, definition: dict[str, Any]) -> None:
        """Change a container's indexing policy, or its time to live as long as it is empty.

        Raises:
            Refused: The definition is wrong, or has another partition key.
        """
        whole = _whole(definition)
        if whole["id"] != container.id or whole["partitionKey"] != container.definition["partitionKey"]:
            raise bad("The id and the partition key of a container cannot be changed")
        if whole.get("defaultTtl") != container.time_to_live and container.partitions:
            raise unknown("another time to live for a container that holds documents")
        container.define(whole | self._system(container.definition["_self"], container.rid))
        body = msgspec.json.encode(container.definition)
        self.file.put_container(container.rid, container.database_rid, body, len(container.ranges))

    def drop_container(self, database: Database, container: Container) -> None:
        """Remove a container with everything in it."""
        del database.containers[container.id]
        self.file.drop_container(container.rid, container.first)

    def forget(self, container: Container, gone: Iterable[tuple[Partition, Document]]) -> None:
        """Remove documents whose time is over, as somebody has noticed."""
        for partition, document in gone:
            del partition.documents[document.id]
            self.file.drop_document(container.first, document.place)

    def _system(self, link: str, rid: str) -> dict[str, Any]:
        now = int(self.clock.seconds())
        return {"_rid": rid, "_self": link, "_etag": f'"{rid}-{now:x}"', "_ts": now}

    def _load(self) -> None:
        by_first: dict[int, Container] = {}
        for rid, body in self.file.databases():
            definition = msgspec.json.decode(body)
            self.databases[definition["id"]] = Database(definition["id"], rid, definition)
        owners = {database.rid: database for database in self.databases.values()}
        for rid, database_rid, body, ranges, number in self.file.containers():
            owner = owners[database_rid]
            definition = msgspec.json.decode(body)
            container = Container(owner.id, owner.rid, rid, definition, divided(ranges), number)
            owner.containers[container.id] = by_first[container.first] = container
        for first, key, stored in self.file.documents():
            by_first[first].partition(key).documents[stored[0]] = Document(*stored)


def checked_id(content: Mapping[str, object]) -> str:
    """The id of a resource.

    Raises:
        Refused: It has none, or one that the service would not take.
    """
    found = content.get("id")
    if not isinstance(found, str) or not found:
        raise bad("The input content is invalid because the required properties - 'id; ' - are missing")
    if any(sign in found for sign in "/\\?#") or len(found.encode()) > MAX_ID_BYTES or found.endswith(" "):
        raise bad(f"The id {found!r} must not contain / \\ ? # or be longer than {MAX_ID_BYTES} bytes")
    return found


def _whole(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A container's definition with what the service adds to it."""
    if strange := definition.keys() - KNOWN_SETTINGS:
        raise unknown(f"{', '.join(sorted(strange))} in a container")
    if definition.get("uniqueKeyPolicy", {}).get("uniqueKeys"):
        raise unknown("unique keys")
    if definition.get("conflictResolutionPolicy", LAST_WRITER_WINS) != LAST_WRITER_WINS:
        raise unknown("a conflict resolution other than that the last writer wins")
    ttl = definition.get("defaultTtl", NEVER_EXPIRES)
    if not _is_time_to_live(ttl):
        raise bad(f"The value of defaultTtl must be a number of seconds or {NEVER_EXPIRES}, not {ttl!r}")
    key = definition.get("partitionKey", {})
    if (
        not key.get("paths")
        or key.get("kind", "Hash") not in {"Hash", "MultiHash"}
        or key.get("version") != 2
    ):
        raise unknown("a partition key that is not of version 2 with its paths")
    policy = IndexingPolicy.of(definition.get("indexingPolicy")).settings
    return {
        **definition,
        "indexingPolicy": policy,
        "conflictResolutionPolicy": LAST_WRITER_WINS,
        "geospatialConfig": {"type": "Geography"},
    }


def _is_time_to_live(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (value == NEVER_EXPIRES or value > 0)


def expiry(own: object, container: Container, changed_at: int) -> float | None:
    """When a document is gone, in seconds since 1970: by its own `ttl` or by its container's.

    Raises:
        Refused: Its `ttl` is no such number.
    """
    if own is not None and not _is_time_to_live(own):
        raise bad(f"The value of ttl must be a number of seconds or {NEVER_EXPIRES}, not {own!r}")
    if container.time_to_live is None:
        return None
    seconds = container.time_to_live if own is None else own
    assert isinstance(seconds, int)
    return None if seconds == NEVER_EXPIRES else changed_at + seconds


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step.strip('"') for step in path.removeprefix("/").split("/"))


def _rid(content: bytes) -> str:
    return b64encode(content, b"+-").decode()


def _rid_bytes(rid: str) -> bytes:
    return b64decode(rid, b"+-")
