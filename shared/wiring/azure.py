"""Where a process keeps everything on Azure: Cosmos DB, Service Bus, and Blob Storage for large bodies.

Azure's clients take half a second to import, so this module is only imported where they are wanted.
"""

from functools import cache
from typing import TYPE_CHECKING

from shared.adapters.blob.bodies import BlobBodies
from shared.adapters.cosmos.account import Account
from shared.adapters.cosmos.containers import CATALOGUE
from shared.adapters.cosmos.documents import Kept
from shared.adapters.cosmos.stores import cosmos_stores
from shared.adapters.servicebus.consumer import ServiceBusConsumer
from shared.adapters.servicebus.dead_letters import ServiceBusDeadLetters
from shared.adapters.servicebus.namespace import Namespace
from shared.adapters.servicebus.queue import ServiceBusQueue
from shared.config import Settings
from shared.config.azure import AzureProfile
from shared.ports.clock import Clock
from shared.wiring.storage import Histories, Storage, on_sqlite

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


PULSE = "pulse"
"""The document that is written to see whether anything can be."""


def on_azure(
    settings: Settings, profile: AzureProfile, clock: Clock, credential: "AsyncTokenCredential | None"
) -> Storage:
    """Everything in Azure's services. They hear nothing before it is opened or something is asked of them.

    Args:
        settings: Say how long messages and attempts are kept, and where the embedded host keeps
            orchestrations.
        profile: Where the services are.
        clock: What times to live are measured by.
        credential: Signs in wherever the profile has no emulator's key.
    """
    account = Account(
        profile.cosmos_db.endpoint,
        _either(profile.cosmos_db.key, credential),
        database=profile.cosmos_db.database,
    )
    namespace = Namespace(
        profile.service_bus.namespace, _either(profile.service_bus.connection_string, credential)
    )
    bodies = BlobBodies(profile.blob_storage.endpoint, _either(profile.blob_storage.key, credential))
    queue = ServiceBusQueue(namespace, clock)
    kept = Kept(settings.message_retention, settings.attempt_retention)
    stores = cosmos_stores(account, bodies, queue.send, clock, kept)
    local: list[Storage] = []

    @cache
    def histories() -> Histories:
        local.append(on_sqlite(settings, clock))
        return local[0].histories()

    async def check() -> None:
        await account.container(CATALOGUE).upsert({"id": PULSE, "pk": PULSE})

    async def close() -> None:
        await stores["outbox"].close()
        await namespace.close()
        await account.close()
        await bodies.close()
        for storage in local:
            await storage.close()

    return Storage(
        **stores,
        queue=queue,
        consumer=ServiceBusConsumer(namespace),
        dead_letters=ServiceBusDeadLetters(namespace, queue, clock),
        histories=histories,
        open=queue.open,
        check=check,
        check_queue=queue.check,
        close=close,
    )


def _either(key: str | None, credential: "AsyncTokenCredential | None") -> "AsyncTokenCredential | str":
    """An emulator's key, or else the credential, which there is wherever a key is missing."""
    if key is not None:
        return key
    assert credential is not None  # noqa: S101  `AzureProfile.signs_in` says so
    return credential
