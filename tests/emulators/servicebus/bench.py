"""Queues and the official SDK.

On an emulator of ours, links stay open from test to test: to open one takes the SDK half a second.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

import pytest
from azure.servicebus import (
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import ServiceBusError

from tests.emulators.servicebus.elsewhere import SERVICE_BUS, WHY, emptied
from tests.emulators.servicebus.server import AheadClock, Server
from tests.emulators.servicebus.settings import QueueSettings

LOCK = timedelta(minutes=1)
MOMENT_SECONDS = 0.05
MOMENT_ELSEWHERE_SECONDS = 2
"""How long to wait for what should not come."""

FORGETFUL = pytest.mark.filterwarnings(
    "ignore:unclosed (<StreamWriter|transport|<socket):ResourceWarning",
    "ignore:loop is closed:ResourceWarning",
)
"""For a module that cuts connections: without TLS, the SDK leaves a socket open whose other side has ended.

It gives such a connection up without closing it, and by itself asyncio closes only one that speaks TLS. The
socket stays until it is collected, which `tests/conftest.py` has done at the end of the module.
"""


class Bench:
    """Queues, and a client of them.

    Attributes:
        clock: Of the service, as well as we know.
    """

    def __init__(self, queues: Iterable[str], ours: Server | None, clock: AheadClock, retries: int) -> None:
        self._queues = queues
        self._ours = ours
        self.clock = clock
        self.connection_string = ours.connection_string if ours is not None else str(SERVICE_BUS)
        self.client = ServiceBusClient.from_connection_string(
            self.connection_string, retry_total=retries, retry_backoff_factor=0.01
        )
        self._senders: dict[str, ServiceBusSender] = {}
        self._receivers: dict[str, ServiceBusReceiver] = {}
        self._received: list[tuple[ServiceBusReceiver, ServiceBusReceivedMessage]] = []

    @property
    def server(self) -> Server:
        """Our own emulator; a test that asks for it is skipped where there is another."""
        return self._ours or pytest.skip(WHY)

    async def fresh(self) -> None:
        """Have nothing be left of what a test before has done."""
        if self._ours is not None:
            self._ours.clear()
            self._received.clear()
        else:
            await self._let_go()
            await emptied(self.connection_string, self._queues)

    async def open(self, *, senders: Iterable[str], receivers: Iterable[str]) -> None:
        """Open links side by side, which takes no longer than one, if they may stay open."""
        if self._ours is None:
            return
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
        return await self._receive(queue, limit, seconds=5)

    async def one(self, queue: str) -> ServiceBusReceivedMessage:
        (message,) = await self.receive(queue)
        return message

    async def rest(self, queue: str) -> Sequence[bytes]:
        """The bodies of what comes at once."""
        moment = MOMENT_SECONDS if self._ours is not None else MOMENT_ELSEWHERE_SECONDS
        return [body(message) for message in await self._receive(queue, 100, seconds=moment)]

    async def _receive(
        self, queue: str, limit: int, *, seconds: float
    ) -> Sequence[ServiceBusReceivedMessage]:
        receiver = self.receiver(queue)
        found = await receiver.receive_messages(limit, max_wait_time=seconds)
        self._received += [(receiver, message) for message in found]
        return found

    def move(self, by: timedelta) -> None:
        """Let time pass at the service."""
        server = self.server
        self.clock.move(by)
        server.ring()

    async def close(self) -> None:
        await self.fresh()
        await self._let_go()
        await self.client.close()

    async def _let_go(self) -> None:
        """Settle what was received, which stays locked otherwise, and close every link."""
        for receiver, message in self._received:
            with suppress(ServiceBusError, ValueError):  # it is settled already, or its lock has ended
                await receiver.complete_message(message)
        links = [*self._senders.values(), *self._receivers.values()]
        await asyncio.gather(*(link.close() for link in links))
        for has_ended in (self._received, self._senders, self._receivers):
            has_ended.clear()


def body(message: ServiceBusMessage) -> bytes:
    return b"".join(message.body)


@asynccontextmanager
async def opened(queues: Mapping[str, QueueSettings], *, retries: int = 3) -> AsyncIterator[Bench]:
    """A bench with these queues, and a client that tries again so often.

    Elsewhere they have to be there.
    """
    async with AsyncExitStack() as stack:
        clock, ours = AheadClock(), None
        if SERVICE_BUS is None:
            ours = await stack.enter_async_context(Server(queues, clock=clock))
        bench = Bench(queues, ours, clock, retries)
        yield bench
        await bench.close()
