"""An account as it is in production: over TLS, by the identity's token, and with a consistency of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient

from shared.adapters.cosmos.account import Account
from shared.adapters.cosmos.containers import CATALOGUE, CONTAINERS, DATABASE, PER_DOCUMENT
from shared.domain.errors import Unavailable
from tests.emulators.azure import deploy_containers
from tests.emulators.cosmos import CosmosEmulator
from tests.emulators.cosmos.certificate import made
from tests.key_vault import Token

SCOPE = "https://127.0.0.1/.default"
"""What the client asks for a token for."""

DOCUMENT = {"id": "one", "pk": "acme"}


@pytest_asyncio.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[CosmosEmulator]:
    async with CosmosEmulator(tls=made(tmp_path)) as emulator:
        emulator.authorization.bearers.add((await Token().get_token(SCOPE)).token)
        async with CosmosClient(emulator.endpoint, emulator.key) as client:
            await deploy_containers(await client.create_database(DATABASE))
        emulator.authorization.accepts_keys = False
        yield emulator


async def test_containers_that_were_there_before_get_the_indexes_of_today() -> None:
    """Else a folder of `make azure-local` would be of no use to the next version."""
    async with CosmosEmulator() as emulator, CosmosClient(emulator.endpoint, emulator.key) as client:
        database = await client.create_database(DATABASE)
        for shape in CONTAINERS:
            key = PartitionKey(shape.partition_key)
            await database.create_container(shape.name, key, default_ttl=PER_DOCUMENT)

        await deploy_containers(database)

        for shape in CONTAINERS:
            found = (await database.get_container_client(shape.name).read())["indexingPolicy"]
            assert all(
                found[part] == shape.indexing_policy[part] for part in ("includedPaths", "compositeIndexes")
            )


@pytest_asyncio.fixture
async def account(emulator: CosmosEmulator) -> AsyncIterator[Account]:
    account = Account(emulator.endpoint, Token())
    yield account
    await account.close()


@pytest.mark.parametrize("consistency", ["Strong", "BoundedStaleness"])
async def test_the_identity_opens_an_account_that_is_consistent_enough(
    emulator: CosmosEmulator, account: Account, consistency: str
) -> None:
    emulator.gateway.consistency = consistency
    container = account.container(CATALOGUE)

    await container.batch("acme", [("create", (DOCUMENT,))])

    found = await container.read("one", "acme")
    assert found is not None
    assert found.items() >= DOCUMENT.items()


@pytest.mark.parametrize("consistency", ["Session", "ConsistentPrefix", "Eventual"])
async def test_an_account_that_is_not_is_refused_with_what_to_set_until_it_is(
    emulator: CosmosEmulator, account: Account, consistency: str
) -> None:
    """A process would read what is not true any more, and would not know."""
    emulator.gateway.consistency = consistency
    container = account.container(CATALOGUE)

    with pytest.raises(Unavailable, match=f"is {consistency}; set it to Strong"):
        await container.upsert(DOCUMENT)

    emulator.gateway.consistency = "Strong"
    await container.upsert(DOCUMENT)
