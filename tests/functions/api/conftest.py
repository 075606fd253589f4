"""A service on SQLite whose clock stands still, and clients with tokens for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.wiring import Service, install
from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token


@pytest_asyncio.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    walk = Walk.on(tmp_path)
    install(walk.service)
    yield walk
    install(None)
    await walk.service.close()


@pytest.fixture
def service(walk: Walk) -> Service:
    return walk.service


@pytest.fixture
def api(walk: Walk) -> Client:
    """A backend of the organization."""
    return Client(organization_token(walk.service.settings, walk.clock.now()))


@pytest_asyncio.fixture
async def acme(api: Client) -> str:
    """The id of the application with the uid `acme`."""
    made = await api.post("/api/v1/app", {"name": "Acme", "uid": "acme"})
    app_id: str = made.json["id"]
    return app_id
