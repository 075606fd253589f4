"""Who we are in Entra, for every client of Azure.

    a client id is set     the managed identity that has it, and nobody else
    none is set            the app's own managed identity; on a developer's machine, who `az` or `azd` says

Secrets in the environment, caches that other programs share and windows that ask for a password are left out:
a process that may sign in as several does so one day as the wrong one. A process needs one credential, for
each keeps tokens of its own. On Azure a token costs one request to the machine itself, and is good for hours.
"""

from typing import TYPE_CHECKING

from azure.identity import DefaultAzureCredential, ManagedIdentityCredential, aio

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_LEFT_OUT = {
    "exclude_environment_credential": True,
    "exclude_shared_token_cache_credential": True,
    "exclude_visual_studio_code_credential": True,
    "exclude_powershell_credential": True,
}


def credential(client_id: str | None) -> "AsyncTokenCredential":
    """For the clients on the event loop, all of which share it; the caller closes it after them.

    Args:
        client_id: Of a managed identity of one's own making.
    """
    if client_id is not None:
        return aio.ManagedIdentityCredential(client_id=client_id)
    return aio.DefaultAzureCredential(managed_identity_client_id=None, **_LEFT_OUT)


def blocking_credential(client_id: str | None) -> ManagedIdentityCredential | DefaultAzureCredential:
    """The same for what blocks, and so has a thread of its own."""
    if client_id is not None:
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential(
        managed_identity_client_id=None, exclude_broker_credential=True, **_LEFT_OUT
    )
