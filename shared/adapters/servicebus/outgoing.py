"""Messages on their way to one queue."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azure.servicebus import ServiceBusMessage
from azure.servicebus.exceptions import MessageSizeExceededError

from shared.adapters.servicebus.failures import CLOSED, PART
from shared.adapters.servicebus.namespace import Namespace
from shared.domain.errors import HeliographError, Unavailable

if TYPE_CHECKING:
    from azure.servicebus.aio import ServiceBusSender

TOGETHER = 500
"""At most so many messages go at once. More fit into a batch only if they are tiny."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: ServiceBusMessage
    sent: "asyncio.Future[None]"


class Outgoing:
    """Sends what is given to it, and what comes while a batch is under way with the next.

    A caller who goes away does not take the message back.
    """

    def __init__(self, queue: str, namespace: Namespace) -> None:
        self._queue = queue
        self._namespace = namespace
        self._sender: ServiceBusSender | None = None
        self._waiting: deque[_Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._is_opening = False
        self._is_closed = False

    def open(self) -> None:
        """Begin to open the link, which takes the client half a second; what is sent meanwhile waits for it.

        If that fails, whoever waits is told, and the next message opens it.
        """
        if self._sender is None and self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._open_and_send())

    async def send(self, messages: Iterable[ServiceBusMessage]) -> None:
        """Send messages; they are durable when this returns.

        Raises:
            TooLargeToQueue: One is larger than the queue takes.
            Unavailable: The queue is out of reach.
        """
        if self._is_closed:
            raise Unavailable(PART, CLOSED)
        loop = asyncio.get_running_loop()
        mine = [_Waiting(message, loop.create_future()) for message in messages]
        self._waiting += mine
        if self._sending is None:
            self._sending = loop.create_task(self._send_all())
        for one in mine:
            await one.sent

    async def close(self) -> None:
        """Send what is waiting, and take no more."""
        self._is_closed = True
        if self._sending is not None:
            if self._is_opening and not self._waiting:
                self._sending.cancel()
            await asyncio.wait([self._sending])
        await self._drop_sender()

    async def _open_and_send(self) -> None:
        self._is_opening = True
        try:
            async with self._namespace.bounded(self._queue):
                self._sender = self._namespace.sender(self._queue)
                await self._sender.create_message_batch()
        except HeliographError as wrong:
            await self._drop_sender()
            waiting, self._waiting = self._waiting, deque()
            _tell(waiting, wrong)
        self._is_opening = False
        await self._send_all()

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                taken = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
                await self._send_some(taken)
        finally:
            self._sending = None

    async def _send_some(self, taken: Sequence[_Waiting]) -> None:
        """Send as many as go into one batch, and let the others wait for the next."""
        sending = taken
        try:
            async with self._namespace.bounded(self._queue):
                if self._sender is None:
                    self._sender = self._namespace.sender(self._queue)
                if len(taken) == 1:
                    await self._sender.send_messages(taken[0].message)
                else:
                    batch = await self._sender.create_message_batch()
                    sending = _fill(batch.add_message, taken)
                    self._waiting.extendleft(reversed(taken[len(sending) :]))
                    await self._sender.send_messages(batch if len(sending) > 1 else sending[0].message)
        except HeliographError as wrong:
            # After a failure nobody knows what state the link is in.
            await self._drop_sender()
            _tell(sending, wrong)
        else:
            _tell(sending, None)

    async def _drop_sender(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await self._namespace.give_up(sender.close)


def _fill(add: Callable[[ServiceBusMessage], None], taken: Sequence[_Waiting]) -> Sequence[_Waiting]:
    """Those that fit; the first anyhow, which is sent by itself if it is too large for a batch."""
    for place, one in enumerate(taken):
        try:
            add(one.message)
        except MessageSizeExceededError:
            return taken[: max(place, 1)]
    return taken


def _tell(sent: Iterable[_Waiting], wrong: HeliographError | None) -> None:
    for one in sent:
        if one.sent.done():  # its caller has gone away
            continue
        if wrong is None:
            one.sent.set_result(None)
        else:
            one.sent.set_exception(wrong)
