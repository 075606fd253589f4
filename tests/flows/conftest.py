"""What every test of a flow starts from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.domain.application import Application
from tests.flows.walk import Walk


@pytest.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    """A service with nothing in it."""
    walk = Walk.on(tmp_path)
    yield walk
    await walk.service.close()


@pytest.fixture
async def application(walk: Walk) -> Application:
    """An application without endpoints."""
    return await walk.has_application(uid="acme")
