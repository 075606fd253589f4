"""A receiver that is opened anew after a failure."""

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from shared.adapters.servicebus.namespace import Namespace

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
        self._turn = asyncio.Lock()
        namespace.closes(self._close)

    @asynccontextmanager
    async def use(self) -> "AsyncIterator[ServiceBusReceiver]":
        """The receiver, for something that ends in time.

        The client gets into a muddle when two use one at the same time, most of all while it is opened: so
        everybody waits for his turn, which counts as his time, too.

        Raises:
            Unavailable: The queue is out of reach.
        """
        async with self._namespace.bounded(self._queue), self._turn:
            if self._receiver is None:
                self._receiver = self._namespace.receiver(self._queue, dead=self._dead)
            try:
                yield self._receiver
            except BaseException:
                # After a failure, or if the caller has gone away, nobody knows what state the link is in.
                await self._drop()
                raise

    async def _drop(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            await self._namespace.give_up(receiver.close)

    async def _close(self) -> None:
        if self._receiver is not None:
            await self._receiver.close()
