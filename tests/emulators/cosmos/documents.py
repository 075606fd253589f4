"""Operations on the documents of one partition, alone or as a transactional batch."""

import re
from typing import Any, NamedTuple

import msgspec

from tests.emulators.cosmos import patching
from tests.emulators.cosmos.account import Container, Document, Partition, checked_id, expiry
from tests.emulators.cosmos.file import File
from tests.emulators.cosmos.keys import Key, check_same
from tests.emulators.cosmos.refusals import Refused, bad, missing, unknown

MAX_BYTES = 2 * 1024 * 1024
"""How long a document may be, and the request of a batch."""

MAX_NUMBER = 2**53
"""The service keeps numbers as doubles."""

_LONG_NUMBER = re.compile(rb"[:,\[]-?\d{16}")
"""What may be such a number, or stand in a text."""

OK, CREATED, NO_CONTENT, NOT_MODIFIED = 200, 201, 204, 304
CONFLICT, PRECONDITION_FAILED, TOO_LARGE = 409, 412, 413


class Conditions(NamedTuple):
    """The etags on which a request depends."""

    if_match: str | None = None
    if_none_match: str | None = None

    def check_unread(self) -> None:
        """A write may not depend on a state that it must not find.

        Raises:
            Refused: It does.
        """
        if self.if_none_match is not None:
            raise unknown(
                "if-none-match for anything but reads: write if-match, or create what must not be there"
            )

    def check(self, document: Document) -> None:
        """Let a write of an existing document pass.

        Raises:
            Refused: The document is in another state.
        """
        self.check_unread()
        if self.if_match not in {None, "*", document.etag}:
            raise Refused(
                PRECONDITION_FAILED,
                "Operation cannot be performed because one of the specified precondition is not met.",
            )


NO_CONDITIONS = Conditions()


def _loses_digits(value: object) -> bool:
    match value:
        case dict():
            return any(map(_loses_digits, value.values()))
        case list():
            return any(map(_loses_digits, value))
    return isinstance(value, int) and abs(value) > MAX_NUMBER


class Outcome(NamedTuple):
    """What became of an operation: a status, and the document as it is now, if there is one to show."""

    status: int
    document: Document | None = None


class Unit:
    """Operations on one partition that take effect together, or not at all.

    Args:
        container: Where.
        key: Of which partition.
        now: Seconds since 1970.
    """

    def __init__(self, container: Container, key: Key, now: float) -> None:
        if key.levels != len(container.key_paths):
            raise bad(
                "The partition key supplied in x-ms-partitionkey header has fewer components than "
                "defined in the "
                "container."
            )
        self._container = container
        self._key = key
        self._now = now
        self._found = container.partitions.get(key.text)
        self._before: list[tuple[str, Document | None]] = []

    # Operations.

    def create(self, content: dict[str, Any]) -> Outcome:
        """Add a document.

        Raises:
            Refused: It is wrong, or there is one with its id.
        """
        name = checked_id(content)
        if self._find(name) is not None:
            raise Refused(CONFLICT, "Entity with the specified id already exists in the system.")
        return Outcome(CREATED, self._put(name, content, None))

    def upsert(self, content: dict[str, Any], conditions: Conditions = NO_CONDITIONS) -> Outcome:
        """Add a document, or replace the one with its id.

        Raises:
            Refused: It is wrong, or the one with its id is in another state.
        """
        name = checked_id(content)
        before = self._find(name)
        if before is not None:
            conditions.check(before)
            return Outcome(OK, self._put(name, content, before))
        conditions.check_unread()
        if conditions.if_match is not None:
            raise unknown("an upsert with if-match of a document that is not there")
        return Outcome(CREATED, self._put(name, content, None))

    def read(self, name: str, conditions: Conditions = NO_CONDITIONS) -> Outcome:
        """Look at a document.

        Raises:
            Refused: There is none.
        """
        document = self._existing(name)
        if conditions.if_match is not None:
            raise unknown("a read with if-match")
        if conditions.if_none_match in {"*", document.etag}:
            return Outcome(NOT_MODIFIED, document)
        return Outcome(OK, document)

    def replace(self, name: str, content: dict[str, Any], conditions: Conditions = NO_CONDITIONS) -> Outcome:
        """Put a document in the place of another.

        Raises:
            Refused: It is wrong, or the other is missing or in another state.
        """
        before = self._existing(name)
        conditions.check(before)
        if checked_id(content) != before.id:
            raise bad(
                f"The id of the document {content['id']!r} is not the one that is replaced, {before.id!r}"
            )
        return Outcome(OK, self._put(before.id, content, before))

    def patch(self, name: str, patch: patching.Patch, conditions: Conditions = NO_CONDITIONS) -> Outcome:
        """Change a document in parts.

        Raises:
            Refused: The patch is wrong or its condition false; the document is missing or in another state.
        """
        before = self._existing(name)
        conditions.check(before)
        content = msgspec.json.decode(before.body)
        patching.apply(patch, content, self._container)
        return Outcome(OK, self._put(before.id, content, before))

    def delete(self, name: str, conditions: Conditions = NO_CONDITIONS) -> Outcome:
        """Remove a document.

        Raises:
            Refused: It is missing or in another state.
        """
        before = self._existing(name)
        conditions.check(before)
        self._before.append((before.id, before))
        del self._partition.documents[before.id]
        self._container.next_number()
        return Outcome(NO_CONTENT)

    # Taking effect.

    def commit(self, file: File) -> None:
        """Have the file keep what was done."""
        container = self._container
        for name, before in self._before:
            document = self._partition.documents.get(name)
            if before is not None and (document is None or document.place != before.place):
                file.drop_document(container.first, before.place)
            if document is not None:
                file.put_document(container.first, self._key.text, document)
        if self._before:
            file.put_number(container.rid, container.number)

    def undo(self) -> None:
        """Have nothing been done."""
        for name, before in reversed(self._before):
            if before is None:
                del self._partition.documents[name]
            else:
                self._partition.documents[name] = before
        self._before.clear()

    @property
    def _partition(self) -> Partition:
        if self._found is None:
            self._found = self._container.partition(self._key)
        return self._found

    def _find(self, name: str) -> Document | None:
        """A document by its id or, as items are addressed that are given whole, by its `_rid`."""
        if self._found is None:
            return None
        found = self._found.documents.get(name)
        if found is None or found.is_gone(self._now):
            return None
        return found

    def _existing(self, name: str) -> Document:
        found = self._find(name)
        if found is None and self._found is not None and name.startswith(self._container.rid[:-1]):
            found = next((one for one in self._found.documents.values() if one.rid == name), None)
        if found is None or found.is_gone(self._now):
            raise missing(f"Entity with the specified id {name!r}")
        return found

    def _put(self, name: str, content: dict[str, Any], before: Document | None) -> Document:
        container = self._container
        check_same(self._key, content, container.key_paths)
        number = container.next_number()
        rid = container.new_rid(number) if before is None else before.rid
        changed_at = int(self._now)
        etag = f'"{number:08x}-0000-0d00-0000-{changed_at:08x}0000"'
        content["_rid"] = rid
        content["_self"] = f"{container.definition['_self']}docs/{rid}/"
        content["_etag"] = etag
        content["_attachments"] = "attachments/"
        content["_ts"] = changed_at
        body = msgspec.json.encode(content)
        if _LONG_NUMBER.search(body) and _loses_digits(content):
            raise unknown(
                f"whole numbers beyond {MAX_NUMBER}, which the service would round: send them as text"
            )
        if len(body) > MAX_BYTES:
            raise Refused(TOO_LARGE, f"The document is of {len(body)} bytes; at most {MAX_BYTES} are kept")
        place = number if before is None else before.place
        expires = expiry(content.get("ttl"), container, changed_at)
        document = Document(name, rid, place, etag, expires, body)
        documents = self._partition.documents
        self._before.append((name, documents.get(name)))
        documents[name] = document
        return document
