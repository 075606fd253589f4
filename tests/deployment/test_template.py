"""What the template deploys is what the program needs: worked out from the compiled one, without Azure."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from functions.deliver import CONNECTION
from shared.adapters.blob.bodies import CONTAINER
from shared.adapters.cosmos.containers import CONTAINERS, DATABASE
from shared.adapters.servicebus.queues import LOCK, MAX_DELIVERIES, NAMES
from shared.config import NAMES as SETTINGS
from shared.config import PLATFORM_NAMES, Settings, Telemetry
from shared.config.azure import AzureProfile, BlobStorage, CosmosDb, Identity, ServiceBus
from shared.config.reader import SECRETS_ROLE, WrongSettings
from tests.deployment.template import CLIENT_ID, PRINCIPAL_ID, Deployed, deploy

ROOT = Path(__file__).parents[2]
AZURE = ROOT / "infra" / "azure"
TEMPLATE = json.loads((AZURE / "main.json").read_text())
RUNNING = (ROOT / "infra" / "README.md").read_text()

JWT_SECRET = "a secret text of thirty-two characters, or more"
DEPLOYED = deploy(TEMPLATE, {"jwtSecret": JWT_SECRET})
UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

OF_THE_HOST = {
    f"{CONNECTION}__credential",
    "AzureWebJobsDisableHomepage",
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
}
"""Settings that the Functions host alone reads."""

LOCKED: Mapping[str, Mapping[str, object]] = {
    "Microsoft.Authorization/roleAssignments": {},
    "Microsoft.DocumentDB/databaseAccounts": {"disableLocalAuth": True, "minimalTlsVersion": "Tls12"},
    "Microsoft.Insights/components": {"DisableLocalAuth": True},
    "Microsoft.KeyVault/vaults": {"enableRbacAuthorization": True, "enablePurgeProtection": True},
    "Microsoft.ManagedIdentity/userAssignedIdentities": {},
    "Microsoft.OperationalInsights/workspaces": {"features": {"disableLocalAuth": True}},
    "Microsoft.ServiceBus/namespaces": {"disableLocalAuth": True, "minimumTlsVersion": "1.2"},
    "Microsoft.Storage/storageAccounts": {
        "allowBlobPublicAccess": False,
        "allowSharedKeyAccess": False,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    },
    "Microsoft.Web/serverfarms": {},
    "Microsoft.Web/sites": {
        "httpsOnly": True,
        "siteConfig": {"minTlsVersion": "1.2", "scmMinTlsVersion": "1.2"},
    },
}
"""What has to be said of every resource that stands by itself."""


COMPILE = "main.json is not what its sources say: bicep build infra/azure/main.bicep"


def the(deployed: Deployed, kind: str) -> Mapping[str, Any]:
    """The properties of the only resource of a type."""
    (resource,) = deployed.of_type(kind)
    properties: Mapping[str, Any] = resource["properties"]
    return properties


def environment(deployed: Deployed) -> dict[str, str]:
    """What the app is started with, before Azure resolves references."""
    return dict(the(deployed, "Microsoft.Web/sites/config"))


def resolved(deployed: Deployed) -> dict[str, str]:
    """What the app is started with."""
    (secret,) = deployed.of_type("Microsoft.KeyVault/vaults/secrets")
    vault, name = secret["name"].split("/")
    told = environment(deployed)
    assert told["HELIOGRAPH_JWT_SECRET"] == (
        f"@Microsoft.KeyVault(SecretUri=https://{vault}.vault.azure.net/secrets/{name})"
    )
    return told | {"HELIOGRAPH_JWT_SECRET": secret["properties"]["value"]}


def test_the_containers_are_those_of_the_adapters() -> None:
    containers = DEPLOYED.of_type("Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers")
    assert [one["properties"]["resource"] for one in containers] == [
        shape.resource for shape in CONTAINERS
    ], COMPILE
    assert the(DEPLOYED, "Microsoft.DocumentDB/databaseAccounts/sqlDatabases") == {
        "resource": {"id": DATABASE}
    }


def test_the_queues_are_those_of_the_adapters() -> None:
    queues = DEPLOYED.of_type("Microsoft.ServiceBus/namespaces/queues")
    assert [one["name"].split("/")[1] for one in queues] == [*NAMES], COMPILE
    for queue in queues:
        assert queue["properties"] == {
            "lockDuration": f"PT{LOCK.total_seconds() / 60:g}M",
            "maxDeliveryCount": MAX_DELIVERIES,
            "maxSizeInMegabytes": 5120,
            "requiresSession": False,
            "requiresDuplicateDetection": False,
            "deadLetteringOnMessageExpiration": False,
        }


def test_the_app_reads_its_settings_and_has_all_that_it_needs() -> None:
    told = resolved(DEPLOYED)
    settings = Settings.read(told)

    assert told.keys() <= {*SETTINGS, *PLATFORM_NAMES, *OF_THE_HOST}
    assert told.keys() >= OF_THE_HOST
    assert told["AzureWebJobsDisableHomepage"] == "true"  # the page at / is the app's own
    account = told["HELIOGRAPH_COSMOS_ENDPOINT"].removesuffix(":443/").removeprefix("https://")
    vault = DEPLOYED.outputs["keyVault"]
    assert settings.azure == AzureProfile(
        CosmosDb(f"https://{account}:443", DATABASE, None),
        ServiceBus(f"{DEPLOYED.outputs['serviceBusNamespace']}.servicebus.windows.net", None),
        BlobStorage(told["HELIOGRAPH_BLOB_ENDPOINT"].rstrip("/"), None),
        f"https://{vault}.vault.azure.net/keys/endpoint-secrets",
    )
    assert settings.identity == Identity(CLIENT_ID)
    assert settings.jwt_secret == JWT_SECRET
    assert settings.application_insights_signs_in
    assert settings.telemetry == {Telemetry.APPLICATION_INSIGHTS}


def test_the_host_signs_in_as_the_app_does() -> None:
    told = environment(DEPLOYED)
    assert {said for name, said in told.items() if name.endswith("__clientId")} == {CLIENT_ID}
    assert {said for name, said in told.items() if name.endswith("__credential")} == {"managedidentity"}


def test_large_bodies_and_the_package_have_their_containers() -> None:
    bodies, package = DEPLOYED.of_type("Microsoft.Storage/storageAccounts/blobServices/containers")
    told, storage = environment(DEPLOYED), functions_config(DEPLOYED)["deployment"]["storage"]

    assert {bodies["properties"]["publicAccess"], package["properties"]["publicAccess"]} == {"None"}
    account, _, container = bodies["name"].split("/")
    assert (told["HELIOGRAPH_BLOB_ENDPOINT"], container) == (
        f"https://{account}.blob.core.windows.net/",
        CONTAINER,
    )
    account, _, container = package["name"].split("/")
    assert storage["value"] == f"https://{account}.blob.core.windows.net/{container}"
    assert told["AzureWebJobsStorage__accountName"] == account


def functions_config(deployed: Deployed) -> Mapping[str, Any]:
    """What the plan is told about the app."""
    config: Mapping[str, Any] = the(deployed, "Microsoft.Web/sites")["functionAppConfig"]
    return config


def test_the_package_has_the_program_and_the_files_that_it_reads_and_nothing_else() -> None:
    stays = [line.rstrip("/") for line in (ROOT / ".funcignore").read_text().splitlines() if line[:1] != "#"]

    def goes(path: Path) -> bool:
        return not any(fnmatch(part, pattern) for part in path.relative_to(ROOT).parts for pattern in stays)

    program = [path for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.*")]
    assert all(map(goes, program))
    assert {"containers.json", "queues.json"} <= {path.name for path in program}
    top = {path.name for path in ROOT.iterdir() if goes(path)}
    assert {"function_app.py", "functions", "host.json", "requirements.txt", "shared"} <= top
    assert not top & {"infra", "tests", "local.settings.example.json", ".git", ".venv"}


def test_the_app_runs_on_a_python_that_the_tests_run_on() -> None:
    """On 3.13 Azure's worker library loads the app in a test."""
    runtime = functions_config(DEPLOYED)["runtime"]
    assert runtime == {"name": "python", "version": "3.13"}
    assert (
        f'python: ["3.11", "3.12", "{runtime["version"]}"]' in (ROOT / ".github/workflows/ci.yml").read_text()
    )


def test_the_identity_has_the_roles_that_are_explained_and_no_other() -> None:
    table = RUNNING.partition("## What the identity may do")[2].partition("## ")[0]
    roles = DEPLOYED.of_type("Microsoft.Authorization/roleAssignments")
    documents = the(DEPLOYED, "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments")
    given = [*(one["properties"] for one in roles), documents]

    assert {one["principalId"] for one in given} == {PRINCIPAL_ID}
    assert sorted(UUID.findall(" ".join(one["roleDefinitionId"] for one in given))) == sorted(
        UUID.findall(table)
    )
    assert f"| {SECRETS_ROLE} (`" in table
    assert {one["principalType"] for one in (role["properties"] for role in roles)} == {"ServicePrincipal"}


def test_a_role_is_given_on_the_smallest_thing_that_it_is_for() -> None:
    scopes = {
        UUID.findall(one["properties"]["roleDefinitionId"])[0]: one["scope"].partition(":")[0].lstrip("/")
        for one in DEPLOYED.of_type("Microsoft.Authorization/roleAssignments")
    }
    assert scopes.pop("e147488a-f6f5-4113-8e2d-b22465e65bf6") == "Microsoft.KeyVault/vaults/keys"
    assert set(scopes.values()) == {
        "Microsoft.Insights/components",
        "Microsoft.KeyVault/vaults",
        "Microsoft.ServiceBus/namespaces",
        "Microsoft.Storage/storageAccounts",
    }


def test_nobody_gets_in_with_a_key_a_password_or_in_the_clear() -> None:
    for resource in DEPLOYED.resources:
        if resource["type"].count("/") == 1:
            assert LOCKED[resource["type"]].items() <= resource.get("properties", {}).items()


def test_nothing_is_uploaded_with_a_password() -> None:
    policies = DEPLOYED.of_type("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {one["name"].split("/")[1]: one["properties"] for one in policies} == {
        "ftp": {"allow": False},
        "scm": {"allow": False},
    }


def test_the_secret_that_signs_tokens_is_in_the_vault_and_nowhere_else() -> None:
    (secret,) = DEPLOYED.of_type("Microsoft.KeyVault/vaults/secrets")
    others = [resource for resource in DEPLOYED.resources if resource is not secret]

    assert secret["properties"] == {"value": JWT_SECRET}
    assert JWT_SECRET not in json.dumps([others, DEPLOYED.outputs])
    assert TEMPLATE["parameters"]["jwtSecret"]["type"] == "securestring"
    assert "listKeys" not in json.dumps(TEMPLATE)


def test_deploying_again_without_the_secret_leaves_the_one_in_the_vault() -> None:
    again = deploy(TEMPLATE, {})
    assert again.of_type("Microsoft.KeyVault/vaults/secrets") == []
    assert environment(again) == environment(DEPLOYED)


def test_an_app_whose_secret_was_never_given_refuses_to_start() -> None:
    """It would take the reference for the secret, which anybody could guess."""
    with pytest.raises(WrongSettings, match=f"give the app's managed identity the role {SECRETS_ROLE}"):
        Settings.read(environment(deploy(TEMPLATE, {})))


def test_what_a_repeated_write_reads_is_never_older() -> None:
    account = the(DEPLOYED, "Microsoft.DocumentDB/databaseAccounts")
    assert account["consistencyPolicy"] == {"defaultConsistencyLevel": "Strong"}
    assert len(account["locations"]) == 1


def test_what_is_stored_lies_in_three_zones_if_that_is_asked_for() -> None:
    for zones, redundancy in ((False, "Standard_LRS"), (True, "Standard_ZRS")):
        deployed = deploy(TEMPLATE, {"zoneRedundant": zones})
        (location,) = the(deployed, "Microsoft.DocumentDB/databaseAccounts")["locations"]
        accounts = deployed.of_type("Microsoft.Storage/storageAccounts")
        assert location["isZoneRedundant"] is zones
        assert {account["sku"]["name"] for account in accounts} == {redundancy}


@pytest.mark.parametrize(
    ("throughput", "capabilities", "options"),
    [
        (0, [{"name": "EnableServerless"}], {}),
        (4000, [], {"autoscaleSettings": {"maxThroughput": 4000}}),
    ],
)
def test_throughput_is_reserved_or_paid_by_use(
    throughput: int, capabilities: list[object], options: Mapping[str, object]
) -> None:
    deployed = deploy(TEMPLATE, {"cosmosThroughput": throughput})
    containers = deployed.of_type("Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers")
    assert the(deployed, "Microsoft.DocumentDB/databaseAccounts")["capabilities"] == capabilities
    assert [one["properties"]["options"] for one in containers] == [options] * len(CONTAINERS)


def test_settings_of_ones_own_are_added_and_change_nothing_that_is_deployed() -> None:
    own = {
        "HELIOGRAPH_TELEMETRY": "lines",
        "HELIOGRAPH_RETRY_SCHEDULE": "5s",
        "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000000",
    }
    told = environment(deploy(TEMPLATE, {"settings": own}))
    assert told == environment(DEPLOYED) | own | {"AZURE_CLIENT_ID": CLIENT_ID}


def test_instances_wait_for_requests_if_that_is_asked_for() -> None:
    asleep, awake = DEPLOYED, deploy(TEMPLATE, {"readyInstances": 2})
    assert functions_config(asleep)["scaleAndConcurrency"]["alwaysReady"] == []
    assert functions_config(awake)["scaleAndConcurrency"]["alwaysReady"] == [
        {"name": "http", "instanceCount": 2}
    ]


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("Microsoft.DocumentDB/databaseAccounts", r"[a-z0-9\-]{3,44}"),
        ("Microsoft.KeyVault/vaults", r"[a-z][a-z0-9\-]{2,23}"),
        ("Microsoft.ServiceBus/namespaces", r"[a-z][a-z0-9\-]{5,49}"),
        ("Microsoft.Storage/storageAccounts", r"[a-z0-9]{3,24}"),
        # The host takes the first 32 for its own name, which has to be nobody else's.
        ("Microsoft.Web/sites", r"[a-z0-9\-]{2,32}"),
    ],
)
def test_the_longest_name_is_not_too_long_for_any_resource(kind: str, pattern: str) -> None:
    longest = "x" * TEMPLATE["parameters"]["name"]["maxLength"]
    for resource in deploy(TEMPLATE, {"name": longest}).of_type(kind):
        assert re.fullmatch(pattern, resource["name"])


def test_every_parameter_is_explained_to_who_deploys() -> None:
    assert [name for name in TEMPLATE["parameters"] if f"| `{name}` |" not in RUNNING] == []


def test_the_compiled_template_is_that_of_the_sources(tmp_path: Path) -> None:
    """Where the very compiler is that it was compiled with: another may write the same in another way."""
    bicep = os.environ.get("BICEP") or shutil.which("bicep")
    version = TEMPLATE["metadata"]["_generator"]["version"].rpartition(".")[0]
    if bicep is None or f" {version} " not in run(bicep, "--version"):
        pytest.skip(f"wants Bicep {version}, on the PATH or named by BICEP")

    run(bicep, "build", str(AZURE / "main.bicep"), "--outfile", str(tmp_path / "main.json"))
    run(bicep, "build-params", str(AZURE / "main.bicepparam"), "--outfile", str(tmp_path / "parameters.json"))

    assert json.loads((tmp_path / "main.json").read_text()) == TEMPLATE, COMPILE
    given = json.loads((tmp_path / "parameters.json").read_text())["parameters"]
    assert given.keys() <= TEMPLATE["parameters"].keys()


def run(*command: str) -> str:
    """What a program prints; it is to complain of nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  the compiler
    assert done.stderr == ""
    return done.stdout
