"""A sender of each kind, and a receiver."""

from collections.abc import AsyncIterator, Callable

import pytest

from shared.ports.sender import Sender
from tests.contracts.sender.senders import SENDERS
from tests.receivers import Receiver


@pytest.fixture(params=SENDERS)
def new_sender(request: pytest.FixtureRequest) -> Callable[..., Sender]:
    return SENDERS[request.param]


@pytest.fixture
async def sender(new_sender: Callable[..., Sender]) -> AsyncIterator[Sender]:
    sender = new_sender()
    yield sender
    await sender.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver
