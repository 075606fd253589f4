"""What was given up: the dead letters that the service keeps beside a queue, and then what was rejected."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage

from shared.adapters.servicebus.consumer import delivery_of
from shared.adapters.servicebus.namespace import Namespace
from shared.adapters.servicebus.queue import REASON, ServiceBusQueue, queued
from shared.adapters.servicebus.queues import REJECTING, rejected
from shared.adapters.servicebus.receiving import Receiving
from shared.domain.errors import Unavailable
from shared.ports.clock import Clock
from shared.ports.queue import DELIVERIES_BEFORE, DeadLetter

DIED = "dead"
REJECTED = "rejected"
"""The beginnings of an id; its sequence number follows."""

SEQUENCE_MAX = 2**63 - 1

AT_ONCE = 100
"""So many are redriven in one go."""

LOCKED_SECONDS = 1.0
"""When there are some and none comes for so long, another process has them."""


class ServiceBusDeadLetters:
    """See `shared.ports.queue.DeadLetters`."""

    def __init__(self, namespace: Namespace, queue: ServiceBusQueue, clock: Clock) -> None:
        self._namespace = namespace
        self._queue = queue
        self._clock = clock
        self._lines: dict[tuple[str, str], Receiving] = {}
        self._turn = asyncio.Lock()

    async def page(self, queue: str, *, after: str | None = None, limit: int) -> Sequence[DeadLetter]:
        kind, _, number = (after or f"{DIED}-0").partition("-")
        if kind not in {DIED, REJECTED} or not number.isdigit() or int(number) >= SEQUENCE_MAX:
            raise ValueError(f"{after!r} is not the id of a dead letter")
        start = int(number) + 1
        found: list[DeadLetter] = []
        if kind == DIED:
            found, start = await self._letters(queue, DIED, start, limit), 1
        if len(found) < limit and queue in REJECTING:
            found += await self._letters(queue, REJECTED, start, limit - len(found))
        return found

    async def redrive(self, queue: str) -> int:
        # Two at once would have each wait for what the other has.
        async with self._turn:
            now = self._clock.now()
            count = await self._move(queue, DIED, now)
            return count + (await self._move(queue, REJECTED, now) if queue in REJECTING else 0)

    async def _letters(self, queue: str, kind: str, start: int, limit: int) -> list[DeadLetter]:
        return [_letter(queue, kind, message) for message in await self._peek(queue, kind, start, limit)]

    async def _peek(
        self, queue: str, kind: str, start: int, limit: int
    ) -> Sequence[ServiceBusReceivedMessage]:
        async with self._line(queue, kind).use() as receiver:
            return await receiver.peek_messages(limit, sequence_number=start)

    async def _is_next(self, queue: str, kind: str, before: datetime) -> bool:
        """Whether there is one that was queued before an instant, the first of all."""
        first = await self._peek(queue, kind, 1, 1)
        return bool(first) and delivery_of(queue, first[0]).enqueued_at <= before

    async def _move(self, queue: str, kind: str, before: datetime) -> int:
        """Send each of them anew, and only then take it away, until the first is one that was queued since.

        To go on with those that were redriven and have failed again would never end.

        Raises:
            Unavailable: The queue is out of reach.
        """
        line, count = self._line(queue, kind), 0
        while await self._is_next(queue, kind, before):
            async with line.use() as receiver:
                messages = await receiver.receive_messages(AT_ONCE, max_wait_time=LOCKED_SECONDS)
            if not messages:
                break
            try:
                await self._queue.to(queue).send([_again(queue, message) for message in messages])
            except Unavailable:
                async with line.use() as receiver:
                    for message in messages:
                        await receiver.abandon_message(message)
                raise
            async with line.use() as receiver:
                for message in messages:
                    await receiver.complete_message(message)
            count += len(messages)
        return count

    def _line(self, queue: str, kind: str) -> Receiving:
        self._namespace.check_open()
        if (queue, kind) not in self._lines:
            is_dead = kind == DIED
            name = queue if is_dead else rejected(queue)
            self._lines[queue, kind] = Receiving(self._namespace, name, dead=is_dead)
        return self._lines[queue, kind]


def _again(queue: str, message: ServiceBusReceivedMessage) -> ServiceBusMessage:
    delivery = delivery_of(queue, message)
    again = queued(delivery.body)
    again.message_id = message.message_id
    properties = {**delivery.properties, DELIVERIES_BEFORE: 1}
    again.application_properties = {
        key: value for key, value in properties.items() if key not in _WRITTEN_BY_DEATH
    }
    return again


_WRITTEN_BY_DEATH = {REASON, "DeadLetterReason", "DeadLetterErrorDescription"}


def _letter(queue: str, kind: str, message: ServiceBusReceivedMessage) -> DeadLetter:
    delivery = delivery_of(queue, message)
    if kind == REJECTED:
        reason, died_at = str(delivery.properties.get(REASON, "")), delivery.enqueued_at
    else:
        told = (message.dead_letter_reason, message.dead_letter_error_description)
        # The service keeps when it was queued, not when it died.
        reason, died_at = ": ".join(one for one in told if one), None
    return DeadLetter(queue, f"{kind}-{delivery.sequence}", delivery.body, reason, died_at)
