"""The emulator as a program of its own: what it has said yes to is there after `kill -9`."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import aiohttp
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient

from tests.emulators.cosmos import CosmosEmulator, Fault
from tests.emulators.cosmos.admin import RemoteEmulator

ROOT = Path(__file__).parents[3]
MANY = 100
"""How many batches are answered before the program is killed."""


@asynccontextmanager
async def running(file: Path) -> AsyncIterator[tuple[str, str]]:
    """A program on a file, killed in the end: its endpoint and key."""
    command = (sys.executable, "-m", "tests.emulators.cosmos", "--port", "0", "--file", str(file))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode().strip()
        parts = dict(part.split("=", 1) for part in line.split(";") if part)
        yield parts["AccountEndpoint"], parts["AccountKey"]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()


def client(connection: tuple[str, str]) -> CosmosClient:
    """One that sends nothing twice."""
    transport = AioHttpTransport(use_env_settings=False)
    return CosmosClient(*connection, transport=transport, retry_connect=0, retry_read=0)


def messages(of: CosmosClient) -> ContainerProxy:
    return of.get_database_client("heliograph").get_container_client("messages")


async def killed_under_load(file: Path) -> dict[str, str]:
    """Have a program killed while it is being written to, and return what it had answered: etags by id."""
    answered: dict[str, str] = {}
    enough = asyncio.Event()

    async def write(container: ContainerProxy, pk: str) -> None:
        for number in count():
            name = f"{pk}-{number}"
            message = {"id": name, "pk": pk}
            claim = {"id": f"{name}-claim", "pk": pk, "ttl": 100}
            results = await container.execute_item_batch([("create", (message,)), ("create", (claim,))], pk)
            answered[name] = results[0]["eTag"]
            if len(answered) == MANY:
                enough.set()

    async with running(file) as connection:
        first = client(connection)
        database = await first.create_database("heliograph")
        container = await database.create_container("messages", PartitionKey("/pk"), default_ttl=-1)
        writers = [asyncio.create_task(write(container, f"p{number}")) for number in range(5)]
        await enough.wait()
    ends = await asyncio.gather(*writers, return_exceptions=True)
    assert all(isinstance(end, AzureError) for end in ends)
    await first.close()
    return answered


async def test_what_was_answered_survives_a_kill_under_load(tmp_path: Path) -> None:
    file = tmp_path / "cosmos.db"
    answered = await killed_under_load(file)

    async with running(file) as connection, client(connection) as second, aiohttp.ClientSession() as session:
        container = messages(second)
        found = {one["id"]: one["_etag"] async for one in container.query_items("SELECT * FROM c")}
        assert answered.items() <= found.items()
        assert {f"{name}-claim" for name in found if "claim" not in name} <= found.keys()

        await RemoteEmulator(connection[0], session).move_clock(timedelta(seconds=101))
        left = [one["id"] async for one in container.query_items("SELECT * FROM c")]
        assert len(left) == len(found) / 2
        fresh = await container.upsert_item({"id": "p1-0", "pk": "p1"})
        assert fresh["_etag"] not in found.values()


async def test_a_program_is_told_to_fail_and_asked_what_it_did(tmp_path: Path) -> None:
    async with running(tmp_path / "cosmos.db") as connection, client(connection) as first:
        database = await first.create_database("heliograph")
        container = await database.create_container("messages", PartitionKey("/pk"))
        async with aiohttp.ClientSession() as session:
            emulator = RemoteEmulator(connection[0], session)
            await emulator.inject(Fault("create", answer=429, retry_after=timedelta(milliseconds=2), times=2))

            await container.create_item({"id": "one", "pk": "p"})

            assert (await emulator.counts()).of("create", container="messages") == 3
            assert [fault.struck for fault in await emulator.faults()] == [2]
            await emulator.clear_counts()
            await emulator.clear_faults()
            assert (await emulator.counts()).operations() == 0
            assert await emulator.faults() == []


async def test_an_emulator_that_is_closed_leaves_everything_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "cosmos.db"
    async with CosmosEmulator(file) as emulator, client((emulator.endpoint, emulator.key)) as first:
        database = await first.create_database("heliograph")
        await database.create_container("messages", PartitionKey(["/a", "/b"]), default_ttl=5)
        await messages(first).create_item({"id": "one", "a": 1.5, "b": None})
        await database.create_container("gone", PartitionKey("/pk"))
        await database.get_container_client("gone").create_item({"id": "x", "pk": "x"})
        await database.delete_container("gone")
        for n in range(2):
            await messages(first).create_item({"id": "again", "a": 1, "b": 1, "n": n})
            await messages(first).delete_item("again", [1, 1])
        await messages(first).create_item({"id": "over", "a": 1, "b": 1, "ttl": 1})
        emulator.clock.move(timedelta(seconds=2))
        await messages(first).create_item({"id": "over", "a": 1, "b": 1})
        await messages(first).delete_item("over", [1, 1])

    async with (
        CosmosEmulator(file, ranges=2) as emulator,
        client((emulator.endpoint, emulator.key)) as second,
    ):
        names = [one["id"] async for one in second.get_database_client("heliograph").list_containers()]
        assert names == ["messages"]
        assert len([one async for one in messages(second).read_feed_ranges()]) == 4
        assert (await messages(second).read_item("one", [1.5, None]))["id"] == "one"
        assert [one["id"] async for one in messages(second).read_all_items()] == ["one"]
        emulator.clock.move(timedelta(seconds=6))
        assert [one async for one in messages(second).read_all_items()] == []
