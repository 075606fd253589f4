"""Databases and containers."""

from typing import Any

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy
from azure.cosmos.exceptions import (
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from tests.emulators.cosmos import CosmosEmulator
from tests.emulators.cosmos.conftest import POLICY

KEY = PartitionKey("/pk")


async def test_databases_and_containers_are_created_found_listed_and_removed(
    connection: tuple[str, str], database: DatabaseProxy
) -> None:
    async with CosmosClient(*connection, transport=AioHttpTransport(use_env_settings=False)) as client:
        await client.create_database_if_not_exists(database.id)
        assert database.id in [one["id"] async for one in client.list_databases()]
        for _ in range(2):
            await database.create_container_if_not_exists("one", KEY)
        await database.create_container("two", KEY)
        assert sorted([one["id"] async for one in database.list_containers()]) == ["one", "two"]

        for again in (client.create_database(database.id), database.create_container("one", KEY)):
            with pytest.raises(CosmosResourceExistsError):
                await again
        await database.delete_container("one")
        for gone in (database.get_container_client("one").read(), database.delete_container("one")):
            with pytest.raises(CosmosResourceNotFoundError):
                await gone


async def test_a_container_shows_its_definition(container: ContainerProxy) -> None:
    definition = await container.read()

    assert definition["partitionKey"]["paths"] == ["/pk"]
    assert definition["defaultTtl"] == -1
    policy = definition["indexingPolicy"]
    assert policy["includedPaths"] == POLICY["includedPaths"]
    assert [one["path"] for one in policy["excludedPaths"]] == ["/payload/*", '/"_etag"/?']
    assert policy["compositeIndexes"] == POLICY["compositeIndexes"]


async def test_a_container_that_comes_again_is_another(
    connection: tuple[str, str], database: DatabaseProxy, container: ContainerProxy
) -> None:
    await container.create_item({"id": "one", "pk": "acme|1"})
    before = await container.read()
    await database.delete_container(container)
    await database.create_container("messages", KEY)

    # Another client, which remembers no session with the first.
    async with CosmosClient(*connection, transport=AioHttpTransport(use_env_settings=False)) as client:
        again = client.get_database_client(database.id).get_container_client("messages")
        assert (await again.read())["_rid"] != before["_rid"]
        assert [one async for one in again.read_all_items()] == []


async def test_the_indexes_of_a_container_can_be_changed(
    cosmos: CosmosEmulator, database: DatabaseProxy, container: ContainerProxy
) -> None:
    await container.create_item({"id": "one", "pk": "acme|1", "payload": 1})
    query = container.query_items("SELECT * FROM c WHERE c.payload = 1", partition_key="acme|1")
    with pytest.raises(CosmosHttpResponseError):
        await anext(query)

    await database.replace_container(container, KEY, default_ttl=-1)

    query = container.query_items("SELECT * FROM c WHERE c.payload = 1", partition_key="acme|1")
    assert (await anext(query))["id"] == "one"


NARROW: dict[str, Any] = {
    "includedPaths": [{"path": "/pk/?"}, {"path": "/state/?"}, {"path": "/inner/*"}, {"path": "/tags/[]/?"}],
    "excludedPaths": [{"path": "/*"}, {"path": "/inner/large/*"}],
}
SERVED = {
    "c.state = 1": True,
    "c.state.deep = 1": False,
    "c.inner = 1": True,
    "c.inner.a.b = 1": True,
    "c.inner.large = 1": False,
    "c.inner.large.a = 1": False,
    "c.other = 1": False,
    "c.id = '1'": True,
    "c._ts > 1": True,
    "c.state = 1 AND c.other = 1": False,
    "NOT IS_DEFINED(c.other)": False,
    "c.state IN (c.other)": False,
}


async def test_the_path_that_says_most_about_a_property_decides_whether_it_is_indexed(
    cosmos: CosmosEmulator, database: DatabaseProxy
) -> None:
    container = await database.create_container("narrow", KEY, indexing_policy=NARROW)

    async def is_served(condition: str) -> bool:
        query = f"SELECT * FROM c WHERE {condition}"  # noqa: S608  # of this table
        try:
            return [one async for one in container.query_items(query, partition_key="x")] == []
        except CosmosHttpResponseError:
            return False

    assert {condition: await is_served(condition) for condition in SERVED} == SERVED


async def test_a_query_of_one_partition_is_served_by_the_index_of_its_key(
    cosmos: CosmosEmulator, database: DatabaseProxy
) -> None:
    """The service does not index it by itself."""
    policy: Any = {"includedPaths": [{"path": "/state/?"}], "excludedPaths": [{"path": "/*"}]}
    container = await database.create_container("narrow", KEY, indexing_policy=policy)
    query = "SELECT * FROM c WHERE c.state = 1"

    with pytest.raises(CosmosHttpResponseError, match="/pk"):
        await anext(container.query_items(query, partition_key="x"))
    assert [one async for one in container.query_items(query)] == []


async def test_a_sorted_query_of_one_partition_begins_with_what_it_fixes(
    cosmos: CosmosEmulator, database: DatabaseProxy
) -> None:
    """Where what is indexed was named: an index has the documents of all partitions of a range."""
    sorts = [[{"path": "/pk", "order": "ascending"}, {"path": "/state", "order": "ascending"}]]
    policy: Any = {**NARROW, "compositeIndexes": sorts}
    container = await database.create_container("narrow", KEY, indexing_policy=policy)

    with pytest.raises(CosmosHttpResponseError, match="sort first by"):
        await anext(container.query_items("SELECT * FROM c ORDER BY c.state", partition_key="x"))
    query = "SELECT * FROM c WHERE c.pk = 'x' AND c.state > 1 ORDER BY c.pk, c.state"
    assert [one async for one in container.query_items(query, partition_key="x")] == []


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"id": "c"}, 501),
        ({"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash"}}, 501),
        ({"id": "c", "partitionKey": {**KEY, "version": 1}}, 501),
        ({"partitionKey": KEY}, 400),
        ({"id": "c", "partitionKey": KEY, "defaultTtl": 0}, 400),
        ({"id": "c", "partitionKey": KEY, "uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/a"]}]}}, 501),
        ({"id": "c", "partitionKey": KEY, "computedProperties": []}, 501),
        ({"id": "c", "partitionKey": KEY, "conflictResolutionPolicy": {"mode": "Custom"}}, 501),
        ({"id": "c", "partitionKey": KEY, "indexingPolicy": {"indexingMode": "none"}}, 501),
        ({"id": "c", "partitionKey": KEY, "indexingPolicy": {"vectorIndexes": []}}, 501),
        ({"id": "c", "partitionKey": KEY, "indexingPolicy": {"includedPaths": [{"path": "/a"}]}}, 400),
        ({"id": "c", "partitionKey": KEY, "indexingPolicy": {"includedPaths": [{"path": "/a/?"}]}}, 400),
    ],
    ids=str,
)
async def test_a_definition_that_is_wrong_or_says_what_is_not_known_is_refused(
    cosmos: CosmosEmulator, database: DatabaseProxy, wrong: dict[str, Any], status: int
) -> None:
    with pytest.raises(CosmosHttpResponseError) as error:
        await database.client_connection.CreateContainer(f"dbs/{database.id}", wrong)

    assert error.value.status_code == status
