"""A receiver that is opened anew after a failure."""

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from shared.adapters.servicebus.namespace import Namespace
from shared.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from azure.servicebus.aio import ServiceBusReceiver


class Receiving:
    """Whoever looks into a queue, or takes something out of it, now and then.

    Args:
        namespace: That has the queue.
        queue: Its name.
        dead: Look into its dead letters.
    """

    def __init__(self, namespace: Namespace, queue: str, *, dead: bool = False) -> None:
        self._namespace = namespace
        self._queue = queue
        self._dead = dead
        self._receiver: ServiceBusReceiver | None = None
        namespace.closes(self._close)

    @asynccontextmanager
    async def use(self) -> "AsyncIterator[ServiceBusReceiver]":
        """The receiver, for something that ends in time.

        Raises:
            Unavailable: The queue is out of reach.
        """
        if self._receiver is None:
            self._receiver = self._namespace.receiver(self._queue, dead=self._dead)
        receiver = self._receiver
        try:
            async with self._namespace.bounded(self._queue):
                yield receiver
        except Unavailable:
            # After a failure nobody knows what state the link is in.
            if self._receiver is receiver:
                self._receiver = None
                await self._namespace.give_up(receiver.close)
            raise

    async def _close(self) -> None:
        if self._receiver is not None:
            await self._receiver.close()
