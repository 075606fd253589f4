"""What most journeys start with: the service as people run it, the SDK pointed at it, and a receiver."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest
from svix.api import ApplicationIn, EndpointIn, EndpointOut, SvixAsync

from tests.journeys.running import JWT_SECRET, Running
from tests.receivers import Receiver


@pytest.fixture
def settings() -> Mapping[str, str]:
    """What the service is started with; a module that needs something else says so."""
    return {}


@pytest.fixture(scope="module")
def started() -> Iterator[list[Running]]:
    """What the tests of a file have started."""
    services = list[Running]()
    yield services
    for service in services:
        if service.is_running:
            assert asyncio.run(service.stopped()) == 0


@pytest.fixture
async def service(
    started: list[Running], settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """The tests of a file share it until one of them has killed it; each has an organization of its own."""
    if not started or not started[-1].is_running:
        new = Running(tmp_path_factory.mktemp("service"), jwt_secret=JWT_SECRET, **settings)
        await new.starts()
        started.append(new)
    service = started[-1]
    service.knows_nobody()
    yield service
    await service.closes_clients()


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
