"""host.json and the example of local settings, which the Functions host reads, fit the function app."""

import json
from pathlib import Path

import function_app
from functions.api.operations import PREFIX
from functions.deliver import CONNECTION
from infra.local import registrations
from infra.local.durable.driver import ACTIVITIES_AT_ONCE, ORCHESTRATORS_AT_ONCE
from infra.local.durable.management import TASK_HUB
from shared.config import DEFAULT_REQUEST_TIMEOUT, Settings
from shared.domain.work import QUEUES

ROOT = Path(__file__).parents[2]
HOST = json.loads((ROOT / "host.json").read_text())
EXTENSIONS = HOST["extensions"]
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


def test_the_host_settles_messages_and_holds_them_longer_than_a_delivery_takes() -> None:
    service_bus = EXTENSIONS["serviceBus"]
    assert service_bus["autoCompleteMessages"] is True
    assert seconds(service_bus["maxAutoLockRenewalDuration"]) > 2 * DEFAULT_REQUEST_TIMEOUT.total_seconds()


def test_orchestrations_have_the_same_names_and_bounds_on_both_hosts() -> None:
    durable = EXTENSIONS["durableTask"]
    assert durable["hubName"] == TASK_HUB
    assert durable["maxConcurrentActivityFunctions"] == ACTIVITIES_AT_ONCE
    assert durable["maxConcurrentOrchestratorFunctions"] == ORCHESTRATORS_AT_ONCE


def test_the_extensions_are_those_that_python_apps_get_today() -> None:
    """Of the bundle's fourth generation: Service Bus 5.x, Durable Task 3.x."""
    assert HOST["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }


def test_the_example_of_local_settings_names_every_connection_and_is_accepted() -> None:
    assert EXAMPLE["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert {CONNECTION, "AzureWebJobsStorage"} <= EXAMPLE.keys()
    assert all(isinstance(value, str) for value in EXAMPLE.values())
    secrets = {
        "HELIOGRAPH_JWT_SECRET": "a text that only you know, of some length",
        "HELIOGRAPH_ENCRYPTION_KEY": KEY,
    }
    Settings.read({**EXAMPLE, **secrets})


KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
