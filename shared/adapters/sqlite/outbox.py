"""Messages and attempts together with the work that follows from them, on SQLite: one transaction."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import structs

from shared.adapters.sqlite import answers, columns
from shared.adapters.sqlite.attempts import code_class, settle
from shared.adapters.sqlite.columns import Row
from shared.adapters.sqlite.labels import labels
from shared.adapters.sqlite.lines import Lines
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.rows import (
    ANSWER,
    ATTEMPT,
    ATTEMPT_LABEL,
    CONTENT,
    ENDED_ATTEMPT,
    MESSAGE,
    MESSAGE_LABEL,
    STANDING_LABEL,
    Table,
)
from shared.adapters.sqlite.work import Payload
from shared.adapters.sqlite.writer import Operation, Writer
from shared.domain.attempt import Attempt, Status, Trigger
from shared.domain.errors import EventIdTaken
from shared.domain.message import Message
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, Dispatch, Retry, to_body
from shared.ports.answers import StoredAnswer
from shared.ports.clock import Clock
from shared.ports.outbox import Claim, DueRetry, Told

FIRST = 1
"""The number of an attempt that has no other before it. It is written together with everybody else's, without
a look at what is there; after a later or a manual one it has to be seen how the message stands."""

BY_HAND_KEPT = 4096
"""Manual attempts remembered that came before any automatic one, some 300 bytes each. An automatic one that
is under way meanwhile is recorded within a minute, and is not the first then."""


class SqliteOutbox:
    """See `shared.ports.outbox.Outbox`."""

    def __init__(
        self, writer: Writer, readers: Readers, lines: Lines, clock: Clock, contents: Iterator[int]
    ) -> None:
        """Number new payloads with `contents`."""
        self._writer = writer
        self._readers = readers
        self._lines = lines
        self._clock = clock
        self._contents = contents
        self._by_hand: dict[tuple[str, str], None] = {}  # in order of arrival

    async def accept(self, message: Message, dispatch: Dispatch, claim: Claim | None) -> StoredAnswer | None:
        now = self._clock.now()
        content = next(self._contents)
        payload = None
        if dispatch.payload is not None:
            payload = Payload(content, to_body(structs.replace(dispatch, payload=None)))
        line = self._lines.of(DISPATCH_QUEUE)
        entry = line.enter(to_body(dispatch), at=now, due_at=message.deliver_at, payload=payload)
        rows = [*message_rows(message, content), entry.row]
        if claim is not None:
            rows.append((ANSWER, answers.row_of(claim.key, claim.answer, claim.expires_at)))

        def alone(connection: sqlite3.Connection) -> StoredAnswer | None:
            if claim is not None:
                earlier = answers.find(connection, claim.key, columns.micros(now))
                if isinstance(earlier, StoredAnswer):
                    return earlier
                # A lock, or an answer that has expired.
                answers.remove(connection, claim.key)
            try:
                _insert(connection, rows)
            except sqlite3.IntegrityError as taken:
                if message.event_id is None:
                    raise
                raise EventIdTaken(message.event_id) from taken
            return None

        return await entry.written_by(self._writer, Operation(alone, together=rows))

    async def record(self, attempt: Attempt, retry: DueRetry | None, *, beside_others: bool = False) -> None:
        rows = [*attempt_rows(attempt)]
        entry = None
        if retry is not None:
            body = to_body(retry.retry)
            entry = self._lines.of(RETRY_QUEUE).enter(body, at=self._clock.now(), due_at=retry.due_at)
            rows.append(entry.row)
        is_first = attempt.number == FIRST and not beside_others
        if self._by_hand and is_first:
            is_first = (attempt.message_id, attempt.endpoint_id) not in self._by_hand
        elif attempt.trigger is Trigger.MANUAL and not beside_others:
            self._remember(attempt)

        def alone(connection: sqlite3.Connection) -> bool | None:
            same = "SELECT count(*) FROM attempt WHERE message_id = ? AND id = ?"
            if connection.execute(same, (attempt.message_id, attempt.id)).fetchone()[0]:
                return False
            _insert(connection, rows)
            if not is_first:
                settle(connection, attempt.message_id, attempt.endpoint_id)
            return None

        operation = Operation(alone, together=rows if is_first else None)
        await (self._writer.submit(operation) if entry is None else entry.written_by(self._writer, operation))

    def _remember(self, by_hand: Attempt) -> None:
        self._by_hand[by_hand.message_id, by_hand.endpoint_id] = None
        if len(self._by_hand) > BY_HAND_KEPT:
            del self._by_hand[next(iter(self._by_hand))]

    async def answered(self, app_id: str | None, key: bytes) -> StoredAnswer | None:
        del app_id  # all keys are in one table
        now = columns.micros(self._clock.now())

        def look(connection: sqlite3.Connection) -> StoredAnswer | None:
            found = answers.find(connection, key, now)
            return found if isinstance(found, StoredAnswer) else None

        return await self._readers.run(look)

    async def postpone(self, retry: Retry, *, due_at: datetime) -> None:
        """Nothing is ever taken for lost."""

    async def requeue(self, *, before: datetime, limit: int, told: Told) -> None:
        """Both halves are one transaction."""


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[Table, Row]]) -> None:
    for table, row in rows:
        table.insert(connection, row)


def message_rows(message: Message, content: int) -> Sequence[tuple[Table, Row]]:
    """The rows of a message; its payload's has the sequence `content`."""
    expires_at = columns.micros(message.payload_expires_at)
    row = (
        message.app_id,
        message.id,
        message.org_id,
        message.event_type,
        message.event_id,
        columns.set_text(message.channels),
        columns.set_text(message.tags),
        content if message.payload is not None else None,
        expires_at,
        columns.micros(message.created_at),
        columns.micros_or_none(message.deliver_at),
        message.trace,
    )
    rows: list[tuple[Table, Row]] = [(MESSAGE, row)]
    if message.payload is not None:
        rows.append((CONTENT, (content, message.payload, message.content_type, expires_at)))
    if message.channels is None and message.tags is None:
        return rows
    app_id, event_type = message.app_id, message.event_type
    return [*rows, *((MESSAGE_LABEL, (app_id, *label, event_type, message.id)) for label in labels(message))]


def attempt_rows(attempt: Attempt) -> Sequence[tuple[Table, Row]]:
    """The rows of an attempt that is the first of its message at its endpoint, or is settled after."""
    standing = None
    if attempt.number == FIRST:
        standing = Status.SENDING if attempt.next_attempt_at is not None else attempt.status
    status, kind = attempt.status, code_class(attempt.response_status_code)
    row = (
        attempt.message_id,
        attempt.id,
        attempt.endpoint_id,
        attempt.app_id,
        attempt.org_id,
        attempt.event_type,
        columns.set_text(attempt.channels),
        columns.set_text(attempt.tags),
        attempt.number,
        attempt.url,
        status,
        kind,
        attempt.response_status_code,
        attempt.response,
        columns.length(attempt.duration),
        attempt.trigger,
        columns.micros(attempt.timestamp),
        columns.micros_or_none(attempt.next_attempt_at),
        standing,
    )
    rows: list[tuple[Table, Row]] = [(ATTEMPT, row)]
    if attempt.ended is not None:
        ended = attempt.ended
        rows = [(ENDED_ATTEMPT, (*row, ended.why, columns.micros(ended.at)))]
    if attempt.channels is None and attempt.tags is None:
        return rows
    for label in labels(attempt):
        place = (attempt.endpoint_id, *label, attempt.event_type)
        rows.append((ATTEMPT_LABEL, (*place, status, kind, attempt.id, attempt.message_id)))
        if standing is not None:
            rows.append((STANDING_LABEL, (*place, standing, attempt.message_id, attempt.id)))
    return rows
