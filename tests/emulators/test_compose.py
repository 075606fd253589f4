"""Microsoft's emulators are started where the example of local settings looks for them."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from shared.adapters.servicebus.emulator import COUNTS_PORT
from shared.adapters.servicebus.queues import LOCK, MAX_DELIVERIES, NAMES
from tests.emulators.servicebus.elsewhere import QUEUES
from tests.emulators.servicebus.settings import QueueSettings, read

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / "infra" / "local"
EXAMPLE = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
SERVICES: dict[str, Any] = yaml.safe_load((LOCAL / "compose.yaml").read_text())["services"]
AMQP_PORT = 5672
DEVELOPMENT_STORAGE_PORTS = [10000, 10001, 10002]


def ports(service: str) -> list[int]:
    """Those that a service is reached by on this machine, and by nobody else."""
    published = [port.split(":") for port in SERVICES[service]["ports"]]
    assert all(address == "127.0.0.1" for address, _, _ in published)
    return [int(port) for _, port, _ in published]


def test_the_emulators_listen_where_the_example_of_local_settings_says() -> None:
    assert ports("cosmos") == [urlsplit(EXAMPLE["HELIOGRAPH_COSMOS_ENDPOINT"]).port]
    assert urlsplit(EXAMPLE["HELIOGRAPH_BLOB_ENDPOINT"]).port in ports("storage")
    assert ports("storage") == DEVELOPMENT_STORAGE_PORTS
    assert ports("servicebus") == [AMQP_PORT, COUNTS_PORT]


def test_the_service_bus_emulator_has_the_queues_of_the_app_and_of_the_tests() -> None:
    mounted = LOCAL / SERVICES["servicebus"]["volumes"][0].split(":")[0]
    queues = read(mounted)

    assert queues == QUEUES
    hour = timedelta(hours=1)  # nothing stays longer in that emulator
    ours = QueueSettings(LOCK, MAX_DELIVERIES, time_to_live=hour)
    assert {name: one for name, one in queues.items() if not name.startswith("test-")} == dict.fromkeys(
        NAMES, ours
    )
