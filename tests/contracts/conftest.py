"""The adapter that a suite is run on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clock import MovedClock
from tests.contracts.adapters import STORES, Stores


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest_asyncio.fixture(params=STORES)
async def stores(request: pytest.FixtureRequest, tmp_path: Path, clock: MovedClock) -> AsyncIterator[Stores]:
    opened: Stores = await request.param(tmp_path, clock)
    yield opened
    await opened.close()
