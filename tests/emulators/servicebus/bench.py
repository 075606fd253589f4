"""An emulator and the official SDK, with links that stay open: to open one takes the SDK half a second."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from azure.servicebus import (
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender

from tests.emulators.servicebus.server import AheadClock, Server
from tests.emulators.servicebus.settings import QueueSettings

LOCK = timedelta(minutes=1)
MOMENT_SECONDS = 0.05
"""How long to wait for what should not come."""

FORGETFUL = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""The SDK leaves its socket open when the other side ends a connection."""


class Bench:
    """Queues, and a client of them."""

    def __init__(self, server: Server, clock: AheadClock, client: ServiceBusClient) -> None:
        self.server = server
        self.clock = clock
        self.client = client
        self._senders: dict[str, ServiceBusSender] = {}
        self._receivers: dict[str, ServiceBusReceiver] = {}

    async def open(self, *, senders: Iterable[str], receivers: Iterable[str]) -> None:
        """Open links side by side, which takes no longer than one."""
        opening = [self.sender(queue).__aenter__() for queue in senders]
        await asyncio.gather(*opening, *(self.receiver(queue).__aenter__() for queue in receivers))

    def sender(self, queue: str) -> ServiceBusSender:
        if queue not in self._senders:
            self._senders[queue] = self.client.get_queue_sender(queue)
        return self._senders[queue]

    def receiver(self, queue: str) -> ServiceBusReceiver:
        """The receiver of `queue`, of `queue/dead` letters, or one that has `queue/deleted` what it gets."""
        if queue not in self._receivers:
            name, _, kind = queue.partition("/")
            open_receiver = self.client.get_queue_receiver
            if kind == "dead":
                receiver = open_receiver(name, sub_queue=ServiceBusSubQueue.DEAD_LETTER)
            elif kind == "deleted":
                receiver = open_receiver(name, receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE)
            else:
                receiver = open_receiver(name)
            self._receivers[queue] = receiver
        return self._receivers[queue]

    async def send(self, queue: str, *bodies: bytes) -> None:
        await self.sender(queue).send_messages([ServiceBusMessage(body) for body in bodies])

    async def receive(self, queue: str, limit: int = 1) -> Sequence[ServiceBusReceivedMessage]:
        """As many as `limit`, if they come soon."""
        return await self.receiver(queue).receive_messages(limit, max_wait_time=5)

    async def one(self, queue: str) -> ServiceBusReceivedMessage:
        (message,) = await self.receive(queue)
        return message

    async def rest(self, queue: str) -> Sequence[bytes]:
        """The bodies of what comes at once."""
        found = await self.receiver(queue).receive_messages(100, max_wait_time=MOMENT_SECONDS)
        return [body(message) for message in found]

    def move(self, by: timedelta) -> None:
        """Let time pass at the service."""
        self.clock.move(by)
        self.server.ring()

    async def close(self) -> None:
        links = [*self._senders.values(), *self._receivers.values()]
        await asyncio.gather(*(link.close() for link in links))
        await self.client.close()
        forget_unclosed()


def forget_unclosed() -> None:
    """Have what the SDK left open collected here, where nobody minds, and not in another test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def body(message: ServiceBusMessage) -> bytes:
    return b"".join(message.body)


@asynccontextmanager
async def opened(queues: Mapping[str, QueueSettings], *, retries: int = 3) -> AsyncIterator[Bench]:
    """A bench with these queues, and a client that tries again so often."""
    clock = AheadClock()
    async with Server(queues, clock=clock) as server:
        client = ServiceBusClient.from_connection_string(
            server.connection_string, retry_total=retries, retry_backoff_factor=0.01
        )
        bench = Bench(server, clock, client)
        yield bench
        await bench.close()
