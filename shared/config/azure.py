"""The settings of Azure's profile: where documents, queues and large bodies are, and who we are there.

Everything is reached as one identity of Entra, by roles that it is given. A key or a connection string would
be one more secret to keep and to rotate; only emulators, which know no identities, are reached by one.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from shared.config.reader import PREFIX, Reader, parts

COSMOS_ENDPOINT = PREFIX + "COSMOS_ENDPOINT"
COSMOS_DATABASE = PREFIX + "COSMOS_DATABASE"
COSMOS_KEY = PREFIX + "COSMOS_KEY"
BLOB_ENDPOINT = PREFIX + "BLOB_ENDPOINT"
BLOB_KEY = PREFIX + "BLOB_KEY"
KEY_VAULT_KEY = PREFIX + "KEY_VAULT_KEY"
# These are the platform's: the Functions host reads them for the triggers, Azure's SDKs for the identity.
SERVICE_BUS = "ServiceBus"
SERVICE_BUS_NAMESPACE = "ServiceBus__fullyQualifiedNamespace"
SERVICE_BUS_CLIENT_ID = "ServiceBus__clientId"
CLIENT_ID = "AZURE_CLIENT_ID"

PROFILE = (
    COSMOS_ENDPOINT,
    COSMOS_DATABASE,
    COSMOS_KEY,
    BLOB_ENDPOINT,
    BLOB_KEY,
    KEY_VAULT_KEY,
)
CHOOSING = (*PROFILE, SERVICE_BUS, SERVICE_BUS_NAMESPACE)
"""Where one of them is set, Azure's profile is meant."""

PLATFORM = (SERVICE_BUS, SERVICE_BUS_NAMESPACE, SERVICE_BUS_CLIENT_ID, CLIENT_ID)
SECRETS = frozenset({COSMOS_KEY, BLOB_KEY, SERVICE_BUS})
DEFAULT_DATABASE = "heliograph"

COSMOS_ROLE = "Cosmos DB Built-in Data Contributor"
SERVICE_BUS_ROLE = "Azure Service Bus Data Owner"
BLOB_ROLE = "Storage Blob Data Contributor"

_COSMOS_WANT = "the account's endpoint, such as https://heliograph.documents.azure.com"
_BLOB_WANT = "the account's endpoint, such as https://heliograph.blob.core.windows.net"
_NAMESPACE_WANT = "the name of the namespace, such as heliograph.servicebus.windows.net"
_EMULATOR_WANT = (
    "an emulator's connection string: Endpoint=sb://localhost;SharedAccessKeyName=…;SharedAccessKey=…;"
    "UseDevelopmentEmulator=true"
)
_DATABASE_WANT = f"the name of the database, such as {DEFAULT_DATABASE}, without / \\ # ?"
_KEY_WANT = "the URL of an RSA key, such as https://heliograph.vault.azure.net/keys/endpoint-secrets"
_CLIENT_ID_WANT = "the client id of a managed identity, such as 00000000-0000-0000-0000-000000000000"

# Compiled by those who have something to read: the embedded host starts without.
_HOST = r"([a-zA-Z0-9.\-]+|\[[0-9a-fA-F:.]+\])(:[0-9]+)?"
_ENDPOINT = rf"https?://{_HOST}/?"
# An emulator of Blob Storage has its accounts in the path.
_BLOB_ENDPOINT = rf"https?://{_HOST}(/[a-z0-9]+)?/?"
_SERVICE_BUS_ENDPOINT = rf"sb://{_HOST}/?"
_NAMESPACE = r"[a-zA-Z0-9\-]+(\.[a-zA-Z0-9\-]+)+"
_DATABASE = r"[^/\\#?]{1,255}"
_KEY = r"https://[a-zA-Z0-9.\-]+(:[0-9]+)?/keys/[a-zA-Z0-9\-]{1,127}"
_KEY_WITH_VERSION = r"(https://\S+/keys/[a-zA-Z0-9\-]+)/[0-9a-zA-Z]*"
_CLIENT_ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in Entra.

    Attributes:
        client_id: Of a managed identity of one's own making; None for the app's system-assigned one, or on a
            developer's machine for who is signed in there.
    """

    client_id: str | None


@dataclass(frozen=True, slots=True)
class CosmosDb:
    """The account with the documents.

    Attributes:
        endpoint: Scheme, host and perhaps a port.
        key: Of an emulator; None where the identity signs in.
    """

    endpoint: str
    database: str
    key: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServiceBus:
    """The namespace with the queues.

    Attributes:
        namespace: Its full name; of an emulator its host, perhaps with a port.
        connection_string: Of an emulator; None where the identity signs in.
    """

    namespace: str
    connection_string: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class BlobStorage:
    """The account with the bodies that are too large for a document.

    Attributes:
        endpoint: Scheme, host and perhaps a port; of an emulator also the account's path.
        key: Of an emulator; None where the identity signs in.
    """

    endpoint: str
    key: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class AzureProfile:
    """What stands in for the SQLite file on Azure.

    Attributes:
        key_vault_key: The URL of the key that endpoint secrets are encrypted under, without a version; None
            if the encryption key is a setting.
    """

    cosmos_db: CosmosDb
    service_bus: ServiceBus
    blob_storage: BlobStorage
    key_vault_key: str | None

    @property
    def signs_in(self) -> bool:
        """Whether anything is reached as the identity: it is not all emulators."""
        keys = (self.cosmos_db.key, self.service_bus.connection_string, self.blob_storage.key)
        return None in keys or self.key_vault_key is not None


def read_profile(reader: Reader) -> AzureProfile | None:
    """Read everything of Azure's profile; None if nothing of it is set.

    A half is refused: with the rest forgotten, what is accepted would go to a file that Azure throws away.
    """
    chosen = next((name for name in CHOOSING if reader.is_set(name)), None)
    if chosen is None:
        return None
    why = f"; {chosen} is set, and so have to be Cosmos DB, Service Bus and Blob Storage"
    return AzureProfile(
        _cosmos_db(reader, why),
        _service_bus(reader, why),
        _blob_storage(reader, why),
        reader.read(KEY_VAULT_KEY, _key, default=None),
    )


def read_identity(reader: Reader, others: Iterable[tuple[str, str]]) -> Identity:
    """Read who we are; all that say it have to say the same, for a process signs in as one.

    Args:
        reader: Knows the environment.
        others: Settings that name a client id among other things, and which one.
    """
    parse = _fitting(_CLIENT_ID, _CLIENT_ID_WANT)
    named = [(name, reader.read(name, parse, default="")) for name in (CLIENT_ID, SERVICE_BUS_CLIENT_ID)]
    said = [(name, client_id.lower()) for name, client_id in (*named, *others) if client_id]
    for name, client_id in said[1:]:
        if client_id != said[0][1]:
            reader.refuse(
                name, f"for another identity than {said[0][0]}", "the same client id in both, or in only one"
            )
    return Identity(said[0][1] if said else None)


def _cosmos_db(reader: Reader, why: str) -> CosmosDb:
    parse = _fitting(_ENDPOINT, _COSMOS_WANT)
    endpoint = reader.require(COSMOS_ENDPOINT, parse, want=_COSMOS_WANT + why, meanwhile="")
    return CosmosDb(
        endpoint.rstrip("/"),
        reader.read(COSMOS_DATABASE, _fitting(_DATABASE, _DATABASE_WANT), default=DEFAULT_DATABASE),
        _emulator_key(reader, COSMOS_KEY, endpoint, role=COSMOS_ROLE),
    )


def _blob_storage(reader: Reader, why: str) -> BlobStorage:
    parse = _fitting(_BLOB_ENDPOINT, _BLOB_WANT)
    endpoint = reader.require(BLOB_ENDPOINT, parse, want=_BLOB_WANT + why, meanwhile="")
    return BlobStorage(endpoint.rstrip("/"), _emulator_key(reader, BLOB_KEY, endpoint, role=BLOB_ROLE))


def _service_bus(reader: Reader, why: str) -> ServiceBus:
    if not reader.is_set(SERVICE_BUS):
        parse = _fitting(_NAMESPACE, _NAMESPACE_WANT)
        want = _NAMESPACE_WANT + why
        return ServiceBus(reader.require(SERVICE_BUS_NAMESPACE, parse, want=want, meanwhile=""), None)
    if reader.is_set(SERVICE_BUS_NAMESPACE):
        reader.refuse(SERVICE_BUS, f"set beside {SERVICE_BUS_NAMESPACE}", "one of them; this for an emulator")
    return reader.read(SERVICE_BUS, _emulator, default=ServiceBus("", None))


def _emulator(text: str) -> ServiceBus:
    said = parts(text)
    if not (re.fullmatch(_SERVICE_BUS_ENDPOINT, said.get("endpoint", "")) and said.get("sharedaccesskey")):
        raise ValueError(_EMULATOR_WANT)
    namespace = urlsplit(said["endpoint"]).netloc
    if said.get("usedevelopmentemulator", "").lower() != "true":
        raise ValueError(
            f"nothing here, set {SERVICE_BUS_NAMESPACE} to {namespace}, and give the app's managed identity"
            f" the role {SERVICE_BUS_ROLE} on the namespace; a connection string is for an emulator,"
            " and then says UseDevelopmentEmulator=true"
        )
    return ServiceBus(namespace, text.strip())


def _emulator_key(reader: Reader, name: str, endpoint: str, *, role: str) -> str | None:
    """An emulator has to have a key, and nothing else may have one."""
    if endpoint and _is_emulator(endpoint):
        want = f"the emulator's key, since {endpoint} is one"
        return reader.require(name, str.strip, want=want, meanwhile=None)
    if endpoint and reader.is_set(name):
        reader.refuse(
            name,
            "a key, which is for emulators only",
            f"nothing here, and give the app's managed identity the role {role} on the account",
        )
    return None


def _is_emulator(endpoint: str) -> bool:
    """Whether it is on this machine, or takes requests in the clear, as nothing on Azure does."""
    url = urlsplit(endpoint)
    if url.scheme == "http" or url.hostname == "localhost":
        return True
    try:
        return ip_address(url.hostname or "").is_loopback
    except ValueError:
        return False


def _fitting(pattern: str, want: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(want)
        return text

    return parse


def _key(text: str) -> str:
    if re.fullmatch(_KEY, text):
        return text
    if versioned := re.fullmatch(_KEY_WITH_VERSION, text):
        raise ValueError(f"{versioned[1]}, without a version: so that a rotated key is used from then on")
    raise ValueError(_KEY_WANT)
