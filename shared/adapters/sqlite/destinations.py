"""Messages and the endpoints that they were attempted at, on SQLite."""

import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime

from shared.adapters.sqlite import attempts, columns, endpoints, messages
from shared.adapters.sqlite.labels import label_of
from shared.adapters.sqlite.merge import Ranges, one_moment
from shared.adapters.sqlite.readers import Readers
from shared.domain.attempt import Status
from shared.domain.destination import AttemptedMessage, Destination
from shared.domain.paging import Scan
from shared.ports.clock import Clock
from shared.ports.destinations import AttemptedMessageFilter

_FACETS = ("event_type", "standing")
_BY_ENDPOINT = Ranges(
    "attempt INDEXED BY attempt_standing",
    ("endpoint_id",),
    _FACETS,
    "message_id",
    "id",
    condition="standing IS NOT NULL",
)
_BY_LABEL = Ranges("standing_label", ("endpoint_id", "channel", "tag"), _FACETS, "message_id", "id")
_NEWEST = "SELECT status, standing, next_attempt_at FROM attempt WHERE message_id = ? AND id = ?"


class SqliteDestinations:
    """See `shared.ports.destinations.Destinations`."""

    def __init__(self, readers: Readers, clock: Clock) -> None:
        self._readers = readers
        self._clock = clock

    async def messages_at(
        self, app_id: str, endpoint_id: str, scan: Scan, only: AttemptedMessageFilter
    ) -> Sequence[AttemptedMessage]:
        now = self._clock.now() if only.payloads else None
        wanted = (only.event_types, None if only.status is None else (only.status,))
        label = label_of(only.channel, only.tag)
        ranges, owner = (
            (_BY_ENDPOINT, (endpoint_id,)) if label is None else (_BY_LABEL, (endpoint_id, *label))
        )

        def look(connection: sqlite3.Connection) -> Sequence[AttemptedMessage]:
            with one_moment(connection):
                newest = dict(ranges.read(connection, owner, wanted, scan))
                return [
                    AttemptedMessage(
                        message, *_shown(connection, message.id, newest[message.id], only.status)
                    )
                    for message in messages.read(connection, app_id, newest, payloads_at=now)
                ]

        return await self._readers.run(look)

    async def standing_at(
        self, app_id: str, endpoint_id: str, scan: Scan, among: Collection[Status]
    ) -> Sequence[str]:
        del app_id  # every application's are in one file

        def look(connection: sqlite3.Connection) -> Sequence[str]:
            with one_moment(connection):
                found = _BY_ENDPOINT.read(connection, (endpoint_id,), (None, among), scan)
                return [message_id for message_id, _ in found]

        return await self._readers.run(look)

    async def count_standing_at(
        self, app_id: str, endpoint_id: str, scan: Scan, among: Collection[Status]
    ) -> int:
        del app_id  # as above

        def look(connection: sqlite3.Connection) -> int:
            with one_moment(connection):
                return _BY_ENDPOINT.count(connection, (endpoint_id,), (None, among), scan)

        return await self._readers.run(look)

    async def count(self, app_id: str, scan: Scan) -> int:
        def look(connection: sqlite3.Connection) -> int:
            with one_moment(connection):
                endpoints = connection.execute("SELECT id FROM endpoint WHERE app_id = ?", (app_id,))
                return sum(
                    _BY_ENDPOINT.count(connection, one, (None, None), scan) for one in endpoints.fetchall()
                )

        return await self._readers.run(look)

    async def of_message(self, app_id: str, message_id: str, scan: Scan) -> Sequence[Destination]:
        def look(connection: sqlite3.Connection) -> Sequence[Destination]:
            with one_moment(connection):
                newest = {
                    attempt.endpoint_id: attempt
                    for attempt in attempts.newest_at_endpoints(connection, message_id)
                }
                wanted = scan.of(newest)
                return [
                    Destination(endpoint, newest[endpoint.id].status, newest[endpoint.id].next_attempt_at)
                    for endpoint in endpoints.read_every(connection, app_id, wanted)
                ]

        return await self._readers.run(look)


def _shown(
    connection: sqlite3.Connection, message_id: str, attempt_id: str, asked: Status | None
) -> tuple[Status, datetime | None]:
    """The status and the next attempt of a message at an endpoint, as the newest attempt tells them."""
    status, standing, next_at = connection.execute(_NEWEST, (message_id, attempt_id)).fetchone()
    shown = asked
    if shown is None:
        shown = Status(standing if standing == Status.SENDING else status)
    return shown, columns.instant_or_none(next_at) if shown is Status.SENDING else None
