"""The settings of Azure's profile: identities on Azure, keys for emulators, and no half of it."""

import base64

import pytest

from shared.config import Settings
from shared.config.azure import AzureProfile, BlobStorage, CosmosDb, Identity, ServiceBus
from shared.config.reader import WrongSettings

KEY = bytes(range(32))
REQUIRED = {"HELIOGRAPH_JWT_SECRET": "x", "HELIOGRAPH_ENCRYPTION_KEY": base64.b64encode(KEY).decode()}

AZURE = {
    "HELIOGRAPH_COSMOS_ENDPOINT": "https://acme.documents.azure.com:443/",
    "ServiceBus__fullyQualifiedNamespace": "acme.servicebus.windows.net",
    "HELIOGRAPH_BLOB_ENDPOINT": "https://acme.blob.core.windows.net",
}
EMULATORS = {
    "HELIOGRAPH_COSMOS_ENDPOINT": "http://localhost:8081",
    "HELIOGRAPH_COSMOS_KEY": "C2y6yDjf5",
    "ServiceBus": "Endpoint=sb://localhost:5672;SharedAccessKeyName=x;SharedAccessKey=SAS_KEY;UseDevelopmentEmulator=true;",
    "HELIOGRAPH_BLOB_ENDPOINT": "http://127.0.0.1:10000/devstoreaccount1",
    "HELIOGRAPH_BLOB_KEY": "Eby8vdM02",
}
VAULT_KEY = "https://acme.vault.azure.net/keys/endpoint-secrets"
CLIENT_ID = "00000000-1111-2222-3333-444444444444"


def _azure(**env: str) -> Settings:
    return Settings.read(REQUIRED | AZURE | env)


def _refusal(env: dict[str, str]) -> str:
    with pytest.raises(WrongSettings) as complained:
        Settings.read(REQUIRED | env)
    return str(complained.value)


def test_on_azure_everything_is_reached_as_an_identity() -> None:
    settings = _azure()

    assert settings.azure == AzureProfile(
        cosmos_db=CosmosDb("https://acme.documents.azure.com:443", "heliograph", None),
        service_bus=ServiceBus("acme.servicebus.windows.net", None),
        blob_storage=BlobStorage("https://acme.blob.core.windows.net", None),
        key_vault_key=None,
    )
    assert settings.identity == Identity(None)


def test_emulators_are_reached_with_their_keys_which_are_not_shown() -> None:
    settings = Settings.read(REQUIRED | EMULATORS | {"HELIOGRAPH_COSMOS_DATABASE": "tests"})

    assert settings.azure == AzureProfile(
        cosmos_db=CosmosDb("http://localhost:8081", "tests", "C2y6yDjf5"),
        service_bus=ServiceBus("localhost:5672", EMULATORS["ServiceBus"]),
        blob_storage=BlobStorage("http://127.0.0.1:10000/devstoreaccount1", "Eby8vdM02"),
        key_vault_key=None,
    )
    assert not any(secret in repr(settings) for secret in ("C2y6yDjf5", "SAS_KEY", "Eby8vdM02"))


def test_an_identity_of_ones_own_is_named_once_or_everywhere_the_same() -> None:
    """The platform wants it in several places; a process signs in as one."""
    telemetry = f"ClientId={CLIENT_ID};Authorization=AAD"

    assert _azure(AZURE_CLIENT_ID=CLIENT_ID.upper()).identity == Identity(CLIENT_ID)
    assert _azure(ServiceBus__clientId=CLIENT_ID).identity == Identity(CLIENT_ID)
    everywhere = _azure(
        AZURE_CLIENT_ID=CLIENT_ID,
        ServiceBus__clientId=CLIENT_ID,
        APPLICATIONINSIGHTS_AUTHENTICATION_STRING=telemetry,
    )
    assert everywhere.identity == Identity(CLIENT_ID)
    other = {"AZURE_CLIENT_ID": "f" + CLIENT_ID[1:], "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": telemetry}
    assert _refusal(AZURE | other) == (
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING is for another identity than AZURE_CLIENT_ID; "
        "write the same client id in both, or in only one"
    )


def test_a_key_of_key_vault_stands_in_for_the_encryption_key_or_beside_it() -> None:
    """What was sealed with the encryption key before stays readable as long as it is given."""
    alone = Settings.read(AZURE | {"HELIOGRAPH_JWT_SECRET": "x", "HELIOGRAPH_KEY_VAULT_KEY": VAULT_KEY})
    both = _azure(HELIOGRAPH_KEY_VAULT_KEY=VAULT_KEY)

    assert alone.azure is not None
    assert both.azure is not None
    assert (alone.azure.key_vault_key, alone.encryption_key) == (VAULT_KEY, b"")
    assert (both.azure.key_vault_key, both.encryption_key) == (VAULT_KEY, KEY)


ROLE_INSTEAD = (
    "a key, which is for emulators only; write nothing here, and give the app's managed identity the role"
)
COSMOS_WANT = "the account's endpoint, such as https://heliograph.documents.azure.com"
BLOB_WANT = "the account's endpoint, such as https://heliograph.blob.core.windows.net"
NAMESPACE_WANT = "the name of the namespace, such as heliograph.servicebus.windows.net"
DATABASE_WANT = r"the name of the database, such as heliograph, without / \ # ?"
KEY_WANT = "the URL of an RSA key, such as https://heliograph.vault.azure.net/keys/endpoint-secrets"
CLIENT_ID_WANT = "the client id of a managed identity, such as 00000000-0000-0000-0000-000000000000"
UNVERSIONED_WANT = f"{VAULT_KEY}, without a version: so that a rotated key is used from then on"
VERSIONED = f"{VAULT_KEY}/0123456789abcdef0123456789abcdef"
SHARED_ACCESS = "https://acme.blob.core.windows.net/?sv=2026&sig=Eby8vdM02"
CONNECTION = "AccountEndpoint=https://acme.documents.azure.com;AccountKey=C2y6yDjf5"


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (
            "HELIOGRAPH_COSMOS_KEY",
            "C2y6",
            f"{ROLE_INSTEAD} Cosmos DB Built-in Data Contributor on the account",
        ),
        ("HELIOGRAPH_BLOB_KEY", "Eby8", f"{ROLE_INSTEAD} Storage Blob Data Contributor on the account"),
        ("HELIOGRAPH_COSMOS_ENDPOINT", "acme:443", f"'acme:443'; write {COSMOS_WANT}"),
        (
            "HELIOGRAPH_COSMOS_ENDPOINT",
            CONNECTION,
            f"a text of {len(CONNECTION)} characters that does not fit; write {COSMOS_WANT}",
        ),
        ("HELIOGRAPH_COSMOS_DATABASE", "a/b", f"'a/b'; write {DATABASE_WANT}"),
        ("HELIOGRAPH_COSMOS_DATABASE", "x" * 256, f"'{'x' * 256}'; write {DATABASE_WANT}"),
        (
            "HELIOGRAPH_BLOB_ENDPOINT",
            SHARED_ACCESS,
            f"a text of {len(SHARED_ACCESS)} characters that does not fit; write {BLOB_WANT}",
        ),
        ("ServiceBus__fullyQualifiedNamespace", "sb://acme/", f"'sb://acme/'; write {NAMESPACE_WANT}"),
        ("HELIOGRAPH_KEY_VAULT_KEY", VERSIONED, f"'{VERSIONED}'; write {UNVERSIONED_WANT}"),
        ("HELIOGRAPH_KEY_VAULT_KEY", "http://v/keys/a", f"'http://v/keys/a'; write {KEY_WANT}"),
        ("HELIOGRAPH_KEY_VAULT_KEY", "https://v/secrets/a", f"'https://v/secrets/a'; write {KEY_WANT}"),
        ("AZURE_CLIENT_ID", "heliograph", f"'heliograph'; write {CLIENT_ID_WANT}"),
        ("ServiceBus__clientId", "heliograph", f"'heliograph'; write {CLIENT_ID_WANT}"),
    ],
)
def test_what_does_not_belong_on_azure_says_what_to_do(name: str, text: str, complaint: str) -> None:
    assert _refusal(AZURE | {name: text}) == f"{name} is {complaint}"


def test_a_connection_string_is_for_an_emulator_and_says_what_to_do_instead() -> None:
    text = "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=hush-hush"
    env = {name: value for name, value in AZURE.items() if not name.startswith("ServiceBus")}

    assert _refusal(env | {"ServiceBus": text}) == (
        "ServiceBus is a text of 93 characters that does not fit; write nothing here, set"
        " ServiceBus__fullyQualifiedNamespace to acme.servicebus.windows.net, and give the app's managed"
        " identity the role Azure Service Bus Data Owner on the namespace; a connection string is for an"
        " emulator, and then says UseDevelopmentEmulator=true"
    )
    both = AZURE | {"ServiceBus": EMULATORS["ServiceBus"]}
    assert _refusal(both).endswith("Namespace; write one of them; this for an emulator")
    assert "write an emulator's connection string: Endpoint=sb://localhost;" in _refusal(
        env | {"ServiceBus": "UseDevelopmentEmulator=true;SharedAccessKey=x"}
    )


@pytest.mark.parametrize(
    "endpoint",
    ["http://localhost:8081", "https://127.0.0.1:8081", "https://[::1]:8081/", "http://cosmos:8081"],
)
def test_an_emulator_without_its_key_is_refused(endpoint: str) -> None:
    """It would answer every request with 401."""
    env = {name: value for name, value in EMULATORS.items() if name != "HELIOGRAPH_COSMOS_KEY"}

    assert _refusal(env | {"HELIOGRAPH_COSMOS_ENDPOINT": endpoint}) == (
        f"HELIOGRAPH_COSMOS_KEY is not set; write the emulator's key, since {endpoint} is one"
    )


@pytest.mark.parametrize("missing", AZURE)
def test_half_a_profile_is_refused_with_what_is_missing(missing: str) -> None:
    """On Azure the file of the embedded profile would be thrown away with what was accepted."""
    env = {name: value for name, value in AZURE.items() if name != missing}

    complaint = _refusal(env)

    assert complaint.startswith(f"{missing} is not set; write the ")
    assert complaint.endswith(" is set, and so have to be Cosmos DB, Service Bus and Blob Storage")


def test_one_setting_of_the_profile_asks_for_all_the_others_at_once() -> None:
    assert [line.split()[0] for line in _refusal({"HELIOGRAPH_KEY_VAULT_KEY": VAULT_KEY}).splitlines()] == [
        *AZURE
    ]
