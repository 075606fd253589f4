"""The sending side."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from azure.servicebus import ServiceBusMessage, ServiceBusMessageState

from shared.adapters.servicebus.namespace import Namespace
from shared.adapters.servicebus.outgoing import Outgoing
from shared.adapters.servicebus.queues import REJECTING, rejected
from shared.adapters.servicebus.receiving import Receiving
from shared.domain.work import DISPATCH_QUEUE
from shared.ports.clock import Clock
from shared.ports.queue import COUNTED_MAX, Backlog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure.servicebus import ServiceBusReceivedMessage

REASON = "reason"
"""The application property of a rejected body that says why."""

REASON_CHARACTERS = 4_000
"""The service keeps a few more of why a message is a dead letter, and of a property some thousands more."""

LOOKED_AT = 32
"""So many messages at the head of a queue are looked at for the oldest that is due."""


def queued(body: bytes, due_at: datetime | None = None) -> ServiceBusMessage:
    """A message of ours. The client sends it again under the same id when an answer is lost."""
    return ServiceBusMessage(
        body, message_id=uuid4().hex, content_type="application/json", scheduled_enqueue_time_utc=due_at
    )


class ServiceBusQueue:
    """See `shared.ports.queue.Queue`."""

    def __init__(self, namespace: Namespace, clock: Clock) -> None:
        self._namespace = namespace
        self._clock = clock
        self._outgoing: dict[str, Outgoing] = {}
        self._looking: dict[str, Receiving] = {}

    async def send(self, queue: str, body: bytes, *, due_at: datetime | None = None) -> None:
        is_later = due_at is not None and due_at > self._clock.now()
        await self.to(queue).send([queued(body, due_at if is_later else None)])

    async def reject(self, queue: str, body: bytes, *, reason: str) -> None:
        message = queued(body)
        message.application_properties = {REASON: reason[:REASON_CHARACTERS]}
        await self.to(rejected(queue)).send([message])

    async def backlog(self, queue: str, *, at_most: int = COUNTED_MAX) -> Backlog:
        async with self._namespace.bounded(queue):
            found = await self._namespace.administration().get_queue_runtime_properties(queue)
            dead = found.dead_letter_message_count or 0
            if queue in REJECTING:
                beside = await self._namespace.administration().get_queue_runtime_properties(rejected(queue))
                dead += beside.active_message_count or 0
        due, scheduled = found.active_message_count or 0, found.scheduled_message_count or 0
        due_since = await self._due_since(queue) if due else None
        return Backlog(min(due, at_most), min(scheduled, at_most), due_since, min(dead, at_most))

    def open(self) -> None:
        """Begin to open what the first message that is accepted would wait for; it fails nothing.

        Raises:
            Unavailable: It is closed.
        """
        self.to(DISPATCH_QUEUE).open()

    async def check(self) -> None:
        """Reach the service.

        Raises:
            Unavailable: It is out of reach.
        """
        await self._peek(DISPATCH_QUEUE)

    def to(self, queue: str) -> Outgoing:
        """The way into a queue.

        Raises:
            Unavailable: It is closed.
        """
        self._namespace.check_open()
        if queue not in self._outgoing:
            outgoing = Outgoing(queue, self._namespace)
            self._outgoing[queue] = outgoing
            self._namespace.closes(outgoing.close)
        return self._outgoing[queue]

    async def _due_since(self, queue: str) -> datetime | None:
        found = await self._peek(queue)
        instants = (one.enqueued_time_utc for one in found if one.state == ServiceBusMessageState.ACTIVE)
        return next(instants, None)

    async def _peek(self, queue: str) -> "Sequence[ServiceBusReceivedMessage]":
        self._namespace.check_open()
        if queue not in self._looking:
            self._looking[queue] = Receiving(self._namespace, queue)
        async with self._looking[queue].use() as receiver:
            # From 1: it would go on where it ended otherwise.
            return await receiver.peek_messages(LOOKED_AT, sequence_number=1)
