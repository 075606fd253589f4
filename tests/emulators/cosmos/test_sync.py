"""The SDK's other client, which blocks."""

import asyncio

from azure.cosmos import CosmosClient, PartitionKey

from tests.emulators.cosmos import CosmosEmulator


def walk(endpoint: str, key: str) -> list[object]:
    """A bit of everything."""
    with CosmosClient(endpoint, key) as client:
        database = client.create_database("heliograph")
        container = database.create_container("messages", PartitionKey("/pk"))
        for n in range(12):
            container.create_item({"id": f"m{n:02}", "pk": f"p{n}", "n": n})
        container.patch_item("m00", "p0", [{"op": "incr", "path": "/n", "value": 40}])
        container.execute_item_batch([("upsert", ({"id": "b", "pk": "p1", "n": 50},))], "p1")
        container.delete_item("m11", "p11")
        return [
            container.read_item("m00", "p0")["n"],
            *container.query_items("SELECT VALUE COUNT(1) FROM c", enable_cross_partition_query=True),
            *container.query_items(
                "SELECT TOP 2 VALUE c.id FROM c ORDER BY c.n DESC", enable_cross_partition_query=True
            ),
            *container.query_items("SELECT VALUE c.n FROM c ORDER BY c.n", partition_key="p1"),
        ]


async def test_the_blocking_client_is_served_alike(cosmos: CosmosEmulator) -> None:
    assert await asyncio.to_thread(walk, cosmos.endpoint, cosmos.key) == [40, 12, "b", "m00", 1, 50]
