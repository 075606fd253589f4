"""A deployment on Cosmos DB: a database with every container, which many processes share."""

import os
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

from azure.cosmos.aio import CosmosClient

from shared.adapters.cosmos.account import BOUND, Account
from tests.bodies import BodiesInMemory
from tests.clock import MovedClock
from tests.emulators.azure import deploy_containers
from tests.emulators.cosmos import CosmosEmulator

COSMOS = "HELIOGRAPH_TEST_COSMOS"
"""The connection string of another Cosmos DB to run these tests against, such as Microsoft's emulator."""


class Deployment:
    """A database of its own, on an emulator of its own or where the environment says.

    Attributes:
        emulator: Ours, which can be told to fail and whose time is the tests' clock.
        bodies: The large ones of all processes.
    """

    def __init__(self, clock: MovedClock) -> None:
        self.bodies = BodiesInMemory()
        self.emulator = CosmosEmulator(now=clock.now)
        self._database = f"test-{uuid4()}"
        self._stack = AsyncExitStack()

    async def begin(self) -> None:
        """Make it."""
        if COSMOS not in os.environ:
            await self._stack.enter_async_context(self.emulator)
        async with CosmosClient(*self._connection) as client:
            database = await client.create_database(self._database)
            await deploy_containers(database)

    def account(self, bound: timedelta = BOUND) -> Account:
        """What one more process has of it."""
        return Account(*self._connection, bound=bound, database=self._database)

    async def end(self) -> None:
        """Have nothing be left of it."""
        if COSMOS in os.environ:
            async with CosmosClient(*self._connection) as client:
                await client.delete_database(self._database)
        await self._stack.aclose()

    @property
    def _connection(self) -> tuple[str, str]:
        """Endpoint and key."""
        if COSMOS not in os.environ:
            return self.emulator.endpoint, self.emulator.key
        parts = dict(part.split("=", 1) for part in os.environ[COSMOS].split(";") if part)
        return parts["AccountEndpoint"], parts["AccountKey"]
