"""The account that the tests talk to: the emulator's, or another that the environment names."""

import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy

from tests.clock import MovedClock
from tests.emulators.cosmos import CosmosEmulator

COSMOS = "HELIOGRAPH_TEST_COSMOS"
"""The connection string of another Cosmos DB to run these tests against, such as Microsoft's emulator."""

POLICY: dict[str, Any] = {
    "indexingMode": "consistent",
    "includedPaths": [{"path": "/*"}],
    "excludedPaths": [{"path": "/payload/*"}],
    "compositeIndexes": [
        [{"path": "/state", "order": "ascending"}, {"path": "/due", "order": "descending"}],
    ],
}


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest_asyncio.fixture
async def cosmos(clock: MovedClock) -> AsyncIterator[CosmosEmulator]:
    """Our own emulator: for what no other can be told to do."""
    if COSMOS in os.environ:
        pytest.skip("only our own emulator can be told to fail, to count, or what time it is")
    async with CosmosEmulator(now=clock.now) as emulator:
        yield emulator


@pytest.fixture
def connection(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Endpoint and key of the account."""
    if COSMOS not in os.environ:
        emulator: CosmosEmulator = request.getfixturevalue("cosmos")
        return emulator.endpoint, emulator.key
    parts = dict(part.split("=", 1) for part in os.environ[COSMOS].split(";") if part)
    return parts["AccountEndpoint"], parts["AccountKey"]


@pytest_asyncio.fixture
async def database(connection: tuple[str, str]) -> AsyncIterator[DatabaseProxy]:
    endpoint, key = connection
    async with CosmosClient(endpoint, key, transport=AioHttpTransport(use_env_settings=False)) as client:
        database = await client.create_database(f"test-{uuid4()}")
        yield database
        if COSMOS in os.environ:
            await client.delete_database(database)


@pytest_asyncio.fixture
async def container(database: DatabaseProxy) -> ContainerProxy:
    """Partitioned by `/pk`; documents stay unless they say otherwise; `/payload` is not indexed."""
    return await database.create_container(
        "messages", PartitionKey("/pk"), indexing_policy=POLICY, default_ttl=-1
    )


@pytest_asyncio.fixture
async def impatient(
    connection: tuple[str, str], database: DatabaseProxy, container: ContainerProxy
) -> AsyncIterator[ContainerProxy]:
    """The same container, by a client that looks for no other regions and therefore does not ask twice."""
    transport = AioHttpTransport(use_env_settings=False)
    async with CosmosClient(*connection, transport=transport, enable_endpoint_discovery=False) as client:
        yield client.get_database_client(database.id).get_container_client(container.id)
