"""Organizations on Cosmos DB: what one sets for itself is one document in its partition."""

from collections.abc import Callable
from dataclasses import replace

import msgspec

from shared.adapters.cosmos.records import TRIES, Overtaken, Record, Records
from shared.domain.organization import OrganizationSettings
from shared.domain.policy import SIGNATURE_HEADERS

KIND = "settings"


class CosmosOrganizations:
    """See `shared.ports.organizations.Organizations`."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def settings(self, org_id: str) -> OrganizationSettings:
        return _settings(await self._records.read(org_id, KIND))

    async def update(
        self, org_id: str, change: Callable[[OrganizationSettings], OrganizationSettings]
    ) -> OrganizationSettings:
        for _ in range(TRIES):
            present = await self._records.read(org_id, KIND)
            after = change(_settings(present))
            if await self._records.put(_record(org_id, after), over=present) is not None:
                return after
        raise Overtaken


def _record(org_id: str, settings: OrganizationSettings) -> Record:
    headers = settings.signature_headers
    name = None if headers is None else headers.name
    thing = {**msgspec.to_builtins(settings), "signature_headers": name}
    return Record(id=KIND, pk=org_id, kind=KIND, thing=thing)


def _settings(record: Record | None) -> OrganizationSettings:
    if record is None:
        return OrganizationSettings()
    name = record.thing["signature_headers"]
    settings = msgspec.convert({**record.thing, "signature_headers": None}, OrganizationSettings)
    schedule = settings.retry_schedule
    return replace(
        settings,
        signature_headers=None if name is None else SIGNATURE_HEADERS[name],
        retry_schedule=None if schedule is None else tuple(schedule),
    )
