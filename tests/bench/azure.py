"""`python -m tests.bench.azure`: what the service carries on Azure's wires, and what it asks for a message.

Everything is on this machine: generator, service, receiver, and the emulators of Cosmos DB, Service Bus and
Blob Storage. So the rates are a floor for what Azure would carry, and the counts are what Azure would bill.
Exit status 1 says that a message was lost or that a process did not do its part.
"""

import argparse
import json
import re
import signal
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from azure.cosmos import ContainerProxy, CosmosClient

from shared.adapters.cosmos.containers import DATABASE, MESSAGES
from tests.bench import machine, table
from tests.bench.ledger import SUCCEEDED
from tests.bench.outcome import Measured
from tests.bench.processes import Failed
from tests.bench.rig import Load, Rig, around_heliograph, workspace
from tests.bench.service import HOST
from tests.bench.table import Row, Section
from tests.emulators.azure import Azure
from tests.emulators.cosmos.counts import DOCUMENT_OPERATIONS
from tests.emulators.servicebus.faults import Operation

MESSAGES_A_SECOND = 400
FAN_OUT = 5
COSMOS_AT_ONE = 2
COSMOS_AT_FIVE = 3
"""One to accept, one to record; at fan-out 5 one more for the first attempts that were slower than others."""
SERVICE_BUS_EACH = 1
PAGE = 50
SHARDS = 8

SECONDS = 20.0
CONNECTIONS = 64
WARM = Load(3, connections=CONNECTIONS)
"""Before anything is counted: clients are opened, and what is looked up once is looked up."""


@dataclass(frozen=True, slots=True)
class AzureLedger:
    """What is recorded, as the service counts it and, in the end, as Cosmos DB has it."""

    port: int
    messages: ContainerProxy

    def recorded(self, status: int) -> int:
        """See `tests.bench.ledger.Ledger`."""
        name = "delivered" if status == SUCCEEDED else "failed"
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        found = re.search(rf"^heliograph_attempts_{name}_total (\d+)", text, re.MULTILINE)
        assert found is not None
        return int(found[1])

    def endpoints_served(self) -> Mapping[str, int]:
        """See `tests.bench.ledger.Ledger`."""
        sql = "SELECT c.message_id, c.endpoint_id FROM c WHERE c.status = @status"
        status: list[dict[str, object]] = [{"name": "@status", "value": SUCCEEDED}]
        rows = self.messages.query_items(sql, parameters=status, enable_cross_partition_query=True)
        served: dict[str, set[str]] = {}
        for row in rows:
            served.setdefault(row["message_id"], set()).add(row["endpoint_id"])
        return {message_id: len(endpoints) for message_id, endpoints in served.items()}


@dataclass(frozen=True, slots=True)
class Counted:
    """What was asked of the services."""

    cosmos: Mapping[tuple[str, str], int]
    service_bus: Mapping[str, int]

    def documents(self, container: str) -> int:
        """Operations on the documents of a container."""
        return sum(
            times
            for (operation, name), times in self.cosmos.items()
            if operation in DOCUMENT_OPERATIONS and name == container
        )


def counted(azure: Azure) -> Counted:
    """What was counted since the last time."""
    start = f"{azure.cosmos.part('AccountEndpoint').rstrip('/')}/_emulator/counts"
    with urllib.request.urlopen(start, timeout=60) as answer:  # noqa: S310  ours
        cosmos = {(operation, name): times for operation, name, times in json.load(answer)}
    urllib.request.urlopen(urllib.request.Request(start, method="DELETE"), timeout=60).close()  # noqa: S310  ours
    return Counted(cosmos, json.loads(azure.service_bus.told(signal.SIGUSR1)))


@contextmanager
def around_azure(load: Load, folder: Path) -> Iterator[tuple[Rig, Azure]]:
    """The service on the emulators, with an application that a load is posted to.

    Raises:
        Failed: A process does not come up.
    """
    with Azure(folder) as azure:
        client = CosmosClient(azure.cosmos.part("AccountEndpoint"), azure.cosmos.part("AccountKey"))
        messages = client.get_database_client(DATABASE).get_container_client(MESSAGES.name)
        settings = {**azure.settings, "HELIOGRAPH_RETRY_SCHEDULE": ""}
        with around_heliograph(load, settings, lambda port, _: AzureLedger(port, messages)) as rig:
            yield rig, azure


def stage(load: Load, *, cosmos_operations: int) -> Section:
    """Post a load, and say what it took."""
    with workspace() as folder, around_azure(load, folder) as (rig, azure):
        rig.run(replace(WARM, fan_out=load.fan_out))
        counted(azure)
        measured = rig.run(load)
        asked = counted(azure)
        page = _page(rig, azure)
    messages = max(measured.accepted, 1)
    rows = [
        table.at_least("accepted and recorded", _pace(measured, load), MESSAGES_A_SECOND / load.fan_out),
        _each(
            "a message: operations on its documents",
            asked.documents(MESSAGES.name) / messages,
            cosmos_operations,
        ),
        Row(
            "a message: all operations of Cosmos DB",
            f"{sum(map(asked.documents, _containers(asked))) / messages:.2f}",
        ),
        *(
            _each(
                f"a message: {operation} of Service Bus",
                asked.service_bus.get(operation, 0) / messages,
                SERVICE_BUS_EACH,
            )
            for operation in (Operation.SEND, Operation.RECEIVE, Operation.COMPLETE)
        ),
        _each(f"a page of {PAGE}: queries", page, SHARDS),
        *table.flow(measured),
        *table.losses(measured),
        *table.footprint(measured),
    ]
    return Section(f"azure · {load}", rows, measured.lost)


def _pace(measured: Measured, load: Load) -> float:
    return min(measured.accepted_per_second, measured.recorded_per_second / load.fan_out)


def _page(rig: Rig, azure: Azure) -> int:
    """How many queries a page of a list asks of Cosmos DB."""
    rig.service.get("/api/v1/app/bench/msg?limit=1")
    counted(azure)
    rig.service.get(f"/api/v1/app/bench/msg?limit={PAGE}")
    return counted(azure).cosmos.get(("query", MESSAGES.name), 0)


def _containers(asked: Counted) -> set[str]:
    return {name for _, name in asked.cosmos}


def _each(name: str, number: float, target: float) -> Row:
    # What was sent again because an answer was late is no promise broken.
    return Row(name, f"{number:.2f}", f"≤ {target:g}", number <= target * 1.02)


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.azure", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each load, %(default)s")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="%(default)s")
    asked: Any = parser.parse_args()
    with workspace() as folder:
        print(machine.described(folder), table.heading(), sep="\n\n")
    load, lost = Load(asked.seconds, connections=asked.connections), 0
    try:
        for each, operations in ((load, COSMOS_AT_ONE), (replace(load, fan_out=FAN_OUT), COSMOS_AT_FIVE)):
            section = stage(each, cosmos_operations=operations)
            print(section, flush=True)
            lost += section.lost
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
