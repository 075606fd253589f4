"""The adapter that a suite is run on."""

import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from shared.adapters.cosmos.account import BOUND
from shared.adapters.cosmos.containers import CATALOGUE
from shared.adapters.cosmos.records import Records
from tests.clock import MovedClock
from tests.contracts.adapters import ON_AZURE, STORES, STORES_ON_AZURE, Open, Stores, on_cosmos, sqlite
from tests.contracts.cosmos import COSMOS, Deployment
from tests.emulators.cosmos import CosmosEmulator


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each suite on every adapter of its port."""
    if "opened_by" in metafunc.fixturenames:
        port = metafunc.module.__name__.rpartition(".test_")[2]
        metafunc.parametrize("opened_by", STORES + STORES_ON_AZURE if port in ON_AZURE else STORES)


@pytest_asyncio.fixture
async def stores(opened_by: Open, tmp_path: Path, clock: MovedClock) -> AsyncIterator[Stores]:
    opened = await opened_by(tmp_path, clock)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def deployment(clock: MovedClock) -> AsyncIterator[Deployment]:
    """A deployment on Cosmos DB that can be told to fail."""
    if COSMOS in os.environ:
        pytest.skip("only our own emulator can be told to fail, to count, or what time it is")
    deployment = Deployment(clock)
    await deployment.begin()
    yield deployment
    await deployment.end()


@pytest.fixture
def emulator(deployment: Deployment) -> CosmosEmulator:
    return deployment.emulator


@pytest_asyncio.fixture
async def others(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Stores]:
    """Stores and queues that are not on Cosmos DB."""
    others = await sqlite(tmp_path, clock)
    yield others
    await others.close()


@pytest_asyncio.fixture
async def begin(deployment: Deployment, others: Stores) -> AsyncIterator[Callable[..., Stores]]:
    """Begins one more process of the deployment."""
    begun: list[Stores] = []

    def begin(bound: timedelta = BOUND) -> Stores:
        begun.append(on_cosmos(deployment, others, bound))
        return begun[-1]

    yield begin
    for process in begun:
        await process.close()


@pytest.fixture
def process(begin: Callable[..., Stores]) -> Stores:
    """A process of the deployment."""
    return begin()


@pytest_asyncio.fixture
async def records(deployment: Deployment) -> AsyncIterator[Records]:
    """What lies in the catalogue's container."""
    account = deployment.account()
    yield Records(account.container(CATALOGUE))
    await account.close()
