"""A world for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.clock import MovedClock
from tests.host.durable.functions import Effects
from tests.host.durable.world import World


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    folder = tmp_path / "first"
    folder.mkdir()
    made = await World(folder, MovedClock(), Effects()).starts()
    yield made
    await made.stops()
