"""host.json and the example of local settings, which the Functions host reads, fit the function app."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import function_app
from functions.api.operations import PREFIX
from functions.deliver import CONNECTION
from infra.local import registrations
from infra.local.durable.driver import ACTIVITIES_AT_ONCE, ORCHESTRATORS_AT_ONCE
from infra.local.durable.management import TASK_HUB
from shared.adapters.key_vault import ROLE as KEY_ROLE
from shared.adapters.outbound.turns import SENDS_PER_RECEIVER
from shared.adapters.servicebus.queues import NAMES, REJECTING, rejected
from shared.config import DEFAULT_REQUEST_TIMEOUT, Settings
from shared.config.azure import (
    BLOB_ROLE,
    COSMOS_ROLE,
    SERVICE_BUS,
    SERVICE_BUS_CLIENT_ID,
    SERVICE_BUS_NAMESPACE,
    SERVICE_BUS_ROLE,
)
from shared.domain.work import QUEUES

ROOT = Path(__file__).parents[2]
HOST = json.loads((ROOT / "host.json").read_text())
EXTENSIONS = HOST["extensions"]
RUNNING = (ROOT / "infra" / "README.md").read_text()
EXAMPLE = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]


def seconds(text: str) -> int:
    """A span as .NET writes it."""
    hours, minutes, rest = map(int, text.split(":"))
    return (hours * 60 + minutes) * 60 + rest


def test_the_path_of_a_request_reaches_the_app_as_it_was_sent() -> None:
    assert EXTENSIONS["http"]["routePrefix"] == ""
    assert PREFIX == "/api/v1"


def test_there_is_a_queue_for_every_trigger_and_a_trigger_for_every_queue() -> None:
    assert sorted(one.queue for one in registrations.read(function_app.app, {}).queues) == sorted(QUEUES)


def test_the_queues_that_are_deployed_are_those_that_the_program_uses() -> None:
    assert sorted(NAMES) == sorted([*QUEUES, *map(rejected, REJECTING)])


def test_the_host_settles_messages_and_holds_them_longer_than_a_delivery_takes() -> None:
    service_bus = EXTENSIONS["serviceBus"]
    assert service_bus["autoCompleteMessages"] is True
    assert seconds(service_bus["maxAutoLockRenewalDuration"]) > 2 * DEFAULT_REQUEST_TIMEOUT.total_seconds()


def test_orchestrations_have_the_same_names_and_bounds_on_both_hosts() -> None:
    durable = EXTENSIONS["durableTask"]
    assert durable["hubName"] == TASK_HUB
    assert durable["maxConcurrentActivityFunctions"] == ACTIVITIES_AT_ONCE
    assert durable["maxConcurrentOrchestratorFunctions"] == ORCHESTRATORS_AT_ONCE


def test_one_receiver_that_hangs_leaves_places_for_the_others() -> None:
    service_bus = EXTENSIONS["serviceBus"]
    assert service_bus["maxConcurrentCalls"] > SENDS_PER_RECEIVER
    assert service_bus["prefetchCount"] == 0


def test_every_number_is_explained_to_who_runs_it() -> None:
    numbers = [*_numbers(EXTENSIONS), *_numbers(HOST["logging"]["applicationInsights"])]
    assert len(numbers) == 10
    assert [row for row in numbers if row not in RUNNING] == []


def _numbers(part: dict[str, Any]) -> Iterator[str]:
    """The rows of a table that say what numbers, times and switches are set to."""
    for name, value in part.items():
        if isinstance(value, dict):
            yield from _numbers(value)
        elif not isinstance(value, str) or value.count(":") == 2:
            yield f"| `{name}` | {value if isinstance(value, str) else json.dumps(value)} |"


def test_the_roles_that_errors_ask_for_are_those_that_are_given() -> None:
    for role in (COSMOS_ROLE, SERVICE_BUS_ROLE, BLOB_ROLE, KEY_ROLE):
        assert f"| {role} (`" in RUNNING


def test_the_triggers_and_the_app_read_the_same_settings_of_the_queues() -> None:
    assert CONNECTION == SERVICE_BUS
    assert f"{CONNECTION}__fullyQualifiedNamespace" == SERVICE_BUS_NAMESPACE
    assert f"{CONNECTION}__clientId" == SERVICE_BUS_CLIENT_ID


def test_the_extensions_are_those_that_python_apps_get_today() -> None:
    """Of the bundle's fourth generation: Service Bus 5.x, Durable Task 3.x."""
    assert HOST["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }


def test_the_example_of_local_settings_names_every_connection_and_is_accepted() -> None:
    assert EXAMPLE["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert {CONNECTION, "AzureWebJobsStorage"} <= EXAMPLE.keys()
    assert EXAMPLE["AzureWebJobsDisableHomepage"] == "true"  # the page at / is the app's own
    assert all(isinstance(value, str) for value in EXAMPLE.values())
    secrets = {
        "HELIOGRAPH_JWT_SECRET": "a text that only you know, of some length",
        "HELIOGRAPH_ENCRYPTION_KEY": KEY,
    }
    Settings.read({**EXAMPLE, **secrets})


KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
