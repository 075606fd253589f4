"""The client of a namespace: one a process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from azure.servicebus import ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.aio.management import ServiceBusAdministrationClient

from shared.adapters.servicebus.emulator import PlainHttp
from shared.adapters.servicebus.failures import CLOSED, PART, failures
from shared.domain.errors import Unavailable

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

RETRIES = 3
FIRST_REST = timedelta(milliseconds=200)
"""How often the client tries again, and how long it rests the first time; each rest is twice the one before.
All of it ends within the time that we give an operation."""

BOUND = timedelta(seconds=10)
"""How long an operation may take with everything that the client does about a failure. Shorter than any host
waits for us."""

LISTEN_SECONDS = 0.05
"""How long the client listens before it looks whether it has what it waits for. Left to itself it listens for
0.2 s, and every completion on an idle link takes so long."""

Close = Callable[[], Awaitable[None]]


class Namespace:
    """Opens links to the queues, and closes them. The service hears nothing before a link is used.

    Args:
        name: Its full name, such as `heliograph.servicebus.windows.net`.
        credential: A token credential of `azure.identity.aio`, which stays its maker's to close; or the
            connection string of an emulator.
        retries: See `RETRIES`.
        first_rest: See `FIRST_REST`.
        bound: See `BOUND`.
    """

    def __init__(
        self,
        name: str,
        credential: "AsyncTokenCredential | str",
        *,
        retries: int = RETRIES,
        first_rest: timedelta = FIRST_REST,
        bound: timedelta = BOUND,
    ) -> None:
        # It tells of each connection and frame otherwise.
        logging.getLogger("azure").setLevel(logging.WARNING)
        self._name = name
        self._credential = credential
        self._retrying: dict[str, Any] = {
            "retry_total": retries,
            "retry_backoff_factor": first_rest.total_seconds(),
        }
        self._bound_seconds = bound.total_seconds()
        self._client: ServiceBusClient | None = None
        self._administration: ServiceBusAdministrationClient | None = None
        self._closers: list[Close] = []
        self._is_closed = False

    def check_open(self) -> None:
        """Go on if it is open.

        Raises:
            Unavailable: It is closed.
        """
        if self._is_closed:
            raise Unavailable(PART, CLOSED)

    @asynccontextmanager
    async def bounded(self, queue: str) -> AsyncIterator[None]:
        """What is done to a queue: it ends in time, and its failures are ours.

        Raises:
            TooLargeToQueue: The queue does not take so large a message.
            Unavailable: Whatever else is wrong.
        """
        with failures(queue):
            async with asyncio.timeout(self._bound_seconds):
                yield

    def sender(self, queue: str) -> ServiceBusSender:
        """A link for sending, opened by the first message; see also `receiver`."""
        return self._open_client().get_queue_sender(queue)

    def receiver(self, queue: str, *, ahead: int = 0, dead: bool = False) -> ServiceBusReceiver:
        """A link for receiving, opened when it is first used; whoever asks for it closes it.

        Args:
            queue: Its name.
            ahead: How many messages may come before they are asked for.
            dead: Receive its dead letters.

        Raises:
            Unavailable: It is closed.
        """
        sub_queue = ServiceBusSubQueue.DEAD_LETTER if dead else None
        return self._open_client().get_queue_receiver(
            queue, sub_queue=sub_queue, prefetch_count=ahead, socket_timeout=LISTEN_SECONDS
        )

    def administration(self) -> ServiceBusAdministrationClient:
        """What counts the messages of a queue.

        Raises:
            Unavailable: It is closed.
        """
        self.check_open()
        if self._administration is None:
            if isinstance(self._credential, str):
                made = ServiceBusAdministrationClient.from_connection_string(
                    self._credential, transport=PlainHttp(), **self._retrying
                )
            else:
                made = ServiceBusAdministrationClient(self._name, self._credential, **self._retrying)
            self._administration = made
            self.closes(made.close)
        return self._administration

    def closes(self, close: Close) -> None:
        """Have something closed with it."""
        self._closers.append(close)

    async def close(self) -> None:
        """Close every link. From then on everything raises `Unavailable`."""
        self._is_closed = True
        closers, self._closers = self._closers, []
        # Side by side: the client takes about a second for each. Nobody is there to be told of failures.
        await asyncio.gather(*(self.give_up(close) for close in closers))
        if self._client is not None:
            await self._client.close()

    def _open_client(self) -> ServiceBusClient:
        self.check_open()
        if self._client is None:
            if isinstance(self._credential, str):
                self._client = ServiceBusClient.from_connection_string(self._credential, **self._retrying)
            else:
                self._client = ServiceBusClient(self._name, self._credential, **self._retrying)
        return self._client

    async def give_up(self, close: Close) -> None:
        """Close a link. It may be broken, or the other side gone, and there is nobody to tell."""
        with suppress(Unavailable):
            async with self.bounded("a link"):
                await close()
