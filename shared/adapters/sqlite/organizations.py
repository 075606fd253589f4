"""Organizations on SQLite."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from shared.adapters.sqlite import columns
from shared.adapters.sqlite.readers import Readers
from shared.adapters.sqlite.writer import Writer
from shared.domain.organization import OrganizationSettings
from shared.domain.policy import SIGNATURE_HEADERS
from shared.domain.signature import SignatureType

_SELECT = (
    "SELECT retry_schedule, disable_after, signature_type, signature_headers, endpoint_https_only,"
    " operational_webhooks, endpoint_probation FROM organization WHERE org_id = ?"
)


class SqliteOrganizations:
    """See `shared.ports.organizations.Organizations`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def settings(self, org_id: str) -> OrganizationSettings:
        return await self._readers.run(partial(_find, org_id))

    async def update(
        self, org_id: str, change: Callable[[OrganizationSettings], OrganizationSettings]
    ) -> OrganizationSettings:
        def update(connection: sqlite3.Connection) -> OrganizationSettings:
            after = change(_find(org_id, connection))
            connection.execute(
                "INSERT OR REPLACE INTO organization VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (org_id, *_row(after))
            )
            return after

        return await self._writer.run(update)


def _find(org_id: str, connection: sqlite3.Connection) -> OrganizationSettings:
    row = connection.execute(_SELECT, (org_id,)).fetchone()
    return OrganizationSettings() if row is None else _settings(row)


def _row(settings: OrganizationSettings) -> columns.Row:
    disable_after, headers = settings.disable_after, settings.signature_headers
    return (
        columns.lengths_text(settings.retry_schedule),
        None if disable_after is None else columns.length(disable_after),
        settings.signature_type,
        None if headers is None else headers.name,
        settings.endpoint_https_only,
        settings.operational_webhooks,
        settings.endpoint_probation,
    )


def _settings(
    row: tuple[str | None, int | None, str | None, str | None, int | None, int | None, int | None],
) -> OrganizationSettings:
    schedule, disable_after, signature_type, headers, https_only, operational_webhooks, probation = row
    return OrganizationSettings(
        retry_schedule=columns.lengths_of(schedule),
        disable_after=None if disable_after is None else timedelta(microseconds=disable_after),
        signature_type=None if signature_type is None else SignatureType(signature_type),
        signature_headers=None if headers is None else SIGNATURE_HEADERS[headers],
        endpoint_https_only=None if https_only is None else bool(https_only),
        operational_webhooks=None if operational_webhooks is None else bool(operational_webhooks),
        endpoint_probation=None if probation is None else bool(probation),
    )
