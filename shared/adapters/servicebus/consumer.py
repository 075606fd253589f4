"""The receiving side, for a host that drives the functions itself."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeAlias

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver
from azure.servicebus.amqp import AmqpMessageBodyType
from azure.servicebus.exceptions import MessageAlreadySettled, MessageLockLostError

from shared.adapters.servicebus.failures import CLOSED, PART, failures
from shared.adapters.servicebus.namespace import Namespace
from shared.adapters.servicebus.queue import REASON_CHARACTERS
from shared.domain.errors import Unavailable
from shared.ports.queue import DELIVERIES_BEFORE, Delivery

AHEAD = 100
"""So many messages come before they are asked for. Their lock runs meanwhile, so they are few."""

DRAW_SECONDS = 60
"""How long the client waits for a message before it is asked again."""

SETTLED_AT_ONCE = 64
"""So many messages of a queue are settled at once. The client has each wait by looking at all that comes,
again and again: of a thousand at once the last hear too late that they are done."""

AT_ONCE_SECONDS = 0.001
"""The client takes no zero for what is there already."""

Settle: TypeAlias = Callable[[ServiceBusReceiver, ServiceBusReceivedMessage], Awaitable[object]]


class ServiceBusConsumer:
    """See `shared.ports.queue.Consumer`. A lease is as long as the queue's lock, a renewed one, too."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._taps: dict[str, _Tap] = {}

    async def receive(
        self,
        queue: str,
        *,
        limit: int,
        lease: timedelta,  # noqa: ARG002  the queue has its own
        patience: timedelta,
    ) -> Sequence[Delivery]:
        self._namespace.check_open()
        if queue not in self._taps:
            self._taps[queue] = tap = _Tap(queue, self._namespace)
            self._namespace.closes(tap.close)
        return await self._taps[queue].take(limit, patience)

    async def complete(self, delivery: Delivery) -> None:
        await self._settle(delivery, lambda receiver, message: receiver.complete_message(message))

    async def abandon(self, delivery: Delivery) -> None:
        await self._settle(delivery, lambda receiver, message: receiver.abandon_message(message))

    async def bury(self, delivery: Delivery, *, reason: str) -> None:
        why = reason[:REASON_CHARACTERS]
        await self._settle(
            delivery, lambda receiver, message: receiver.dead_letter_message(message, reason=why)
        )

    async def renew(self, delivery: Delivery, *, lease: timedelta) -> None:  # noqa: ARG002  as above
        await self._settle(
            delivery, lambda receiver, message: receiver.renew_message_lock(message), is_end=False
        )

    async def _settle(self, delivery: Delivery, settle: Settle, *, is_end: bool = True) -> None:
        self._namespace.check_open()
        tap = self._taps.get(delivery.queue)
        if tap is not None:
            await tap.settle(delivery, settle, is_end=is_end)


class _Tap:
    """One queue, from which messages flow as long as somebody takes them."""

    def __init__(self, queue: str, namespace: Namespace) -> None:
        self._queue = queue
        self._namespace = namespace
        self._receiver: ServiceBusReceiver | None = None
        self._ready: deque[ServiceBusReceivedMessage] = deque()
        self._held: dict[int, tuple[int, ServiceBusReceivedMessage]] = {}
        self._settling = asyncio.Semaphore(SETTLED_AT_ONCE)
        self._drawing = asyncio.create_task(self._draw())
        self._changed = asyncio.Condition()
        self._failure: Unavailable | None = None

    async def take(self, limit: int, patience: timedelta) -> Sequence[Delivery]:
        """Up to `limit` messages, once there is one.

        Raises:
            Unavailable: The queue is out of reach.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(patience.total_seconds()), self._changed:
                await self._changed.wait_for(lambda: self._ready or self._failure)
        failure = None
        if not self._ready:
            failure, self._failure = self._failure, None
        taken = [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]
        await self._tell()
        if failure is not None:
            raise failure
        return [self._hand_over(message) for message in taken]

    def _hand_over(self, message: ServiceBusReceivedMessage) -> Delivery:
        delivery = delivery_of(self._queue, message)
        self._held[delivery.sequence] = (delivery.delivery_count, message)
        return delivery

    async def settle(self, delivery: Delivery, settle: Settle, *, is_end: bool) -> None:
        """Do with a message what its consumer says, if it still has it.

        Raises:
            Unavailable: The queue is out of reach; the message is handed over again.
        """
        count, message = self._held.get(delivery.sequence, (0, None))
        if message is None or count != delivery.delivery_count:
            return
        async with self._namespace.bounded(self._queue), self._settling:
            # A lease that has ended: it is, or will be, somebody else's.
            with suppress(MessageLockLostError, MessageAlreadySettled):
                await settle(self._open(), message)
        if is_end and self._held.get(delivery.sequence, (0, None))[0] == count:
            del self._held[delivery.sequence]

    async def close(self) -> None:
        """Take no more. What was taken and not handed over is let go; what was, when its lease ends."""
        self._drawing.cancel()
        with suppress(asyncio.CancelledError):
            await self._drawing
        self._failure = Unavailable(PART, CLOSED)
        await self._tell()
        receiver = self._receiver
        if receiver is not None:
            async with self._namespace.bounded(self._queue):
                await asyncio.gather(*(receiver.abandon_message(message) for message in self._ready))
                await receiver.close()

    def _open(self) -> ServiceBusReceiver:
        if self._receiver is None:
            self._receiver = self._namespace.receiver(self._queue, ahead=AHEAD)
        return self._receiver

    async def _draw(self) -> None:
        """Have messages ready; after a failure, as soon as somebody has heard of it."""
        while True:
            try:
                with failures(self._queue):
                    await self._draw_from(self._open())
            except Unavailable as failure:
                self._failure = failure
                await self._tell()
                receiver, self._receiver = self._receiver, None
                # After a failure nobody knows what state the link is in.
                if receiver is not None:
                    await self._namespace.give_up(receiver.close)
                async with self._changed:
                    await self._changed.wait_for(lambda: self._failure is None)

    async def _draw_from(self, receiver: ServiceBusReceiver) -> None:
        """Have messages ready, but never many more than are taken.

        Raises:
            Unavailable: The link has ended.
        """
        loop = asyncio.get_running_loop()
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: len(self._ready) < AHEAD)
            asked_at = loop.time()
            drawn = await receiver.receive_messages(1, max_wait_time=DRAW_SECONDS)
            if not drawn and loop.time() - asked_at < DRAW_SECONDS / 2:
                # The client says nothing of a link that has ended, answers at once, and would do so for ever.
                raise Unavailable(PART, f"{self._queue}: the link has ended")
            self._ready += drawn
            await self._tell()
            # What came with it: one by one, each would wait for its turn of a busy event loop.
            self._ready += await receiver.receive_messages(AHEAD, max_wait_time=AT_ONCE_SECONDS)
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def delivery_of(queue: str, message: ServiceBusReceivedMessage) -> Delivery:
    """What a consumer gets."""
    told = message.application_properties or {}
    properties = {str(_text(key)): _text(value) for key, value in told.items()}
    before = properties.pop(DELIVERIES_BEFORE, None)
    assert message.sequence_number is not None  # every message that was received has them  # noqa: S101
    assert message.enqueued_time_utc is not None  # noqa: S101
    return Delivery(
        queue=queue,
        sequence=message.sequence_number,
        body=body_of(message),
        delivery_count=(message.delivery_count or 0) + 1 + (before if isinstance(before, int) else 0),
        enqueued_at=message.enqueued_time_utc,
        message_id=message.message_id,
        properties=properties,
    )


def body_of(message: ServiceBusReceivedMessage) -> bytes:
    """The body as bytes, also if its sender had it encoded as text."""
    if message.body_type is AmqpMessageBodyType.DATA:
        return b"".join(message.body)
    return str(message).encode()


def _text(told: object) -> object:
    """What the client has read, which leaves text as bytes."""
    return told.decode(errors="replace") if isinstance(told, bytes) else told
