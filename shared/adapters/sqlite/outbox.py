"""Messages and attempts together with the work that follows from them, on SQLite: one transaction."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import structs

from shared.adapters.sqlite import answers, columns
from shared.adapters.sqlite.attempts import code_class
from shared.adapters.sqlite.columns import Row
from shared.adapters.sqlite.lines import Lines
from shared.adapters.sqlite.rows import ANSWER, ATTEMPT, CONTENT, MESSAGE, Table
from shared.adapters.sqlite.work import Payload
from shared.adapters.sqlite.writer import Operation, Writer
from shared.domain.attempt import Attempt
from shared.domain.errors import EventIdTaken
from shared.domain.message import Message
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE, Dispatch, Retry, to_body
from shared.ports.answers import StoredAnswer
from shared.ports.clock import Clock
from shared.ports.outbox import Claim, DueRetry


class SqliteOutbox:
    """See `shared.ports.outbox.Outbox`."""

    def __init__(self, writer: Writer, lines: Lines, clock: Clock, contents: Iterator[int]) -> None:
        """Number new payloads with `contents`."""
        self._writer = writer
        self._lines = lines
        self._clock = clock
        self._contents = contents

    async def accept(self, message: Message, dispatch: Dispatch, claim: Claim | None) -> StoredAnswer | None:
        now = self._clock.now()
        content = next(self._contents)
        payload = None
        if dispatch.payload is not None:
            payload = Payload(content, to_body(structs.replace(dispatch, payload=None)))
        entry = self._lines.of(DISPATCH_QUEUE).enter(to_body(dispatch), at=now, payload=payload)
        rows = [*_message_rows(message, content), entry.row]
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

    async def record(self, attempt: Attempt, retry: DueRetry | None) -> None:
        rows: list[tuple[Table, Row]] = [(ATTEMPT, _attempt_row(attempt))]
        entry = None
        if retry is not None:
            body = to_body(retry.retry)
            entry = self._lines.of(RETRY_QUEUE).enter(body, at=self._clock.now(), due_at=retry.due_at)
            rows.append(entry.row)

        def alone(connection: sqlite3.Connection) -> bool | None:
            same = "SELECT count(*) FROM attempt WHERE message_id = ? AND id = ?"
            if connection.execute(same, (attempt.message_id, attempt.id)).fetchone()[0]:
                return False
            _insert(connection, rows)
            return None

        operation = Operation(alone, together=rows)
        await (self._writer.submit(operation) if entry is None else entry.written_by(self._writer, operation))

    async def unfinished(self, *, before: datetime, limit: int) -> Sequence[Dispatch | Retry]:
        del before, limit
        return ()  # both halves are one transaction


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[Table, Row]]) -> None:
    for table, row in rows:
        table.insert(connection, row)


def _message_rows(message: Message, content: int) -> Sequence[tuple[Table, Row]]:
    expires_at = columns.micros(message.payload_expires_at)
    row = (
        message.app_id,
        message.id,
        message.org_id,
        message.event_type,
        message.event_id,
        columns.set_text(message.channels),
        content if message.payload is not None else None,
        expires_at,
        columns.micros(message.created_at),
    )
    if message.payload is None:
        return ((MESSAGE, row),)
    return ((MESSAGE, row), (CONTENT, (content, message.payload, expires_at)))


def _attempt_row(attempt: Attempt) -> Row:
    return (
        attempt.message_id,
        attempt.id,
        attempt.endpoint_id,
        attempt.app_id,
        attempt.org_id,
        attempt.event_type,
        columns.set_text(attempt.channels),
        attempt.number,
        attempt.url,
        attempt.status,
        code_class(attempt.response_status_code),
        attempt.response_status_code,
        attempt.response,
        columns.length(attempt.duration),
        attempt.trigger,
        columns.micros(attempt.timestamp),
        columns.micros_or_none(attempt.next_attempt_at),
    )
