"""The sending side."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from azure.servicebus import ServiceBusMessage, ServiceBusMessageState

from shared.adapters.servicebus.namespace import Namespace
from shared.adapters.servicebus.outgoing import Outgoing
from shared.domain.work import EVENTS_QUEUE
from shared.ports.clock import Clock
from shared.ports.queue import COUNTED_MAX, Backlog

if TYPE_CHECKING:
    from azure.servicebus.aio import ServiceBusReceiver

REJECTING = (EVENTS_QUEUE,)
"""The queues that bodies are rejected from; each has a queue of those beside it."""

REASON = "reason"
"""The application property of a rejected body that says why."""

LOOKED_AT = 32
"""So many messages at the head of a queue are looked at for the oldest that is due."""


def rejected(queue: str) -> str:
    """The name of the queue of what was rejected."""
    return f"{queue}-rejected"


def queued(body: bytes, due_at: datetime | None = None) -> ServiceBusMessage:
    """A message of ours. The client sends it again under the same id when an answer is lost."""
    return ServiceBusMessage(
        body, message_id=uuid4().hex, content_type="application/json", scheduled_enqueue_time_utc=due_at
    )


class ServiceBusQueue:
    """See `shared.ports.queue.Queue`."""

    def __init__(self, namespace: Namespace, clock: Clock, *, rejecting: Collection[str] = REJECTING) -> None:
        self._namespace = namespace
        self._clock = clock
        self._rejecting = rejecting
        self._outgoing: dict[str, Outgoing] = {}
        self._peeking: dict[str, ServiceBusReceiver] = {}

    async def send(self, queue: str, body: bytes, *, due_at: datetime | None = None) -> None:
        is_later = due_at is not None and due_at > self._clock.now()
        await self.to(queue).send([queued(body, due_at if is_later else None)])

    async def reject(self, queue: str, body: bytes, *, reason: str) -> None:
        message = queued(body)
        message.application_properties = {REASON: reason}
        await self.to(rejected(queue)).send([message])

    async def backlog(self, queue: str, *, at_most: int = COUNTED_MAX) -> Backlog:
        async with self._namespace.bounded(queue):
            found = await self._namespace.administration().get_queue_runtime_properties(queue)
            dead = found.dead_letter_message_count or 0
            if queue in self._rejecting:
                beside = await self._namespace.administration().get_queue_runtime_properties(rejected(queue))
                dead += beside.active_message_count or 0
            due = found.active_message_count or 0
            due_since = await self._due_since(queue) if due else None
        scheduled = found.scheduled_message_count or 0
        return Backlog(min(due, at_most), min(scheduled, at_most), due_since, min(dead, at_most))

    async def check(self) -> None:
        """Reach the service.

        Raises:
            Unavailable: It is out of reach.
        """
        await self.backlog(EVENTS_QUEUE)

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
        if queue not in self._peeking:
            self._peeking[queue] = receiver = self._namespace.receiver(queue)
            self._namespace.closes(receiver.close)
        # From 1: it would go on where it ended otherwise.
        found = await self._peeking[queue].peek_messages(LOOKED_AT, sequence_number=1)
        states = (one.enqueued_time_utc for one in found if one.state == ServiceBusMessageState.ACTIVE)
        return next(states, None)
