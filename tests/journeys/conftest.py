"""What most journeys start with: the service as people run it, the SDK pointed at it, and a receiver."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from svix.api import ApplicationIn, EndpointIn, EndpointOut, SvixAsync

from tests.journeys.running import Running
from tests.receivers import Receiver


@pytest.fixture
def settings() -> Mapping[str, str]:
    """What the service is started with; a module that needs something else says so."""
    return {}


@pytest.fixture
async def service(tmp_path: Path, settings: Mapping[str, str]) -> AsyncIterator[Running]:
    async with Running(tmp_path, **settings) as running:
        yield running


@pytest.fixture
def svix(service: Running) -> SvixAsync:
    return service.svix()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


@pytest.fixture
async def endpoint(svix: SvixAsync, receiver: Receiver) -> EndpointOut:
    """The only endpoint of the application `acme`."""
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    return await svix.endpoint.create("acme", EndpointIn(url=receiver.url, uid="here"))
