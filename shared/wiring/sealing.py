"""Who signs in on Azure, and what endpoint secrets are encrypted with: a key that is set, or Key Vault's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.adapters.sealing import AesSecrets
from shared.config import Settings
from shared.ports.clock import Clock
from shared.ports.secrets import Secrets

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sealing:
    """What encrypts endpoint secrets, and how it is ended."""

    secrets: Secrets
    close: Act


def sign_in(settings: Settings) -> "AsyncTokenCredential | None":
    """The one credential of a process, for all of Azure's clients on the event loop; None if none wants one.

    Whoever composed the clients closes it after them.
    """
    if settings.azure is None or not settings.azure.signs_in:
        return None
    from shared.adapters.azure_identity import credential  # noqa: PLC0415 - half a second, only on Azure

    return credential(settings.identity.client_id)


def sealing(settings: Settings, clock: Clock, credential: "AsyncTokenCredential | None") -> Sealing:
    """What the settings ask for. What was sealed with the encryption key stays readable while that is set."""
    key_url = settings.azure.key_vault_key if settings.azure else None
    if key_url is None or credential is None:
        return Sealing(AesSecrets(settings.encryption_key), _nothing)
    from shared.adapters.key_vault import KeyVaultSecrets  # noqa: PLC0415 - as above

    earlier = AesSecrets(settings.encryption_key) if settings.encryption_key else None
    by_vault = KeyVaultSecrets(key_url, credential, clock, earlier=earlier)
    return Sealing(by_vault, by_vault.close)


async def _nothing() -> None:
    """There is nothing to close."""
