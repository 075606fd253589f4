"""Calls queue triggers as Azure's host does.

It hands a message over again at once when its function raises, and the tenth time it gives it up.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from azure.functions.servicebus import ServiceBusMessage

import function_app
from infra.local import registrations
from infra.local.durable.management import binding
from shared.adapters.servicebus.queues import MAX_DELIVERIES
from shared.domain.errors import Unavailable
from shared.ports.queue import Consumer, Delivery

NOWHERE = binding("http://127.0.0.1:1/")
QUEUES = {one.name: one for one in registrations.read(function_app.app, {}).with_client(NOWHERE).queues}

LEASE = timedelta(minutes=1)
PATIENCE = timedelta(seconds=1)


async def handed_over(delivery: Delivery, consumer: Consumer) -> None:
    """Call the function of a queue with a message, and settle that."""
    message = ServiceBusMessage(
        body=delivery.body,
        message_id=delivery.message_id or "1",
        application_properties=dict(delivery.properties),
        user_properties={},
        delivery_count=delivery.delivery_count,
        enqueued_time_utc=delivery.enqueued_at,
    )
    function = QUEUES[delivery.queue]
    try:
        await function.call(**{function.parameter: message})
    except Unavailable as outage:
        if delivery.delivery_count < MAX_DELIVERIES:
            await consumer.abandon(delivery)
        else:
            await consumer.bury(delivery, reason=str(outage))
    else:
        await consumer.complete(delivery)


class AzureHost:
    """Hands over whatever comes until it is stopped."""

    def __init__(self, consumer: Consumer, queues: Iterable[str]) -> None:
        """Begin with it."""
        self._consumer = consumer
        self._queues = [asyncio.create_task(self._serve(queue)) for queue in queues]
        self._calls: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Hand over no more, and wait for what runs."""
        for queue in self._queues:
            queue.cancel()
        await asyncio.gather(*self._queues, *self._calls, return_exceptions=True)

    async def _serve(self, queue: str) -> None:
        while True:
            with suppress(Unavailable):
                for delivery in await self._consumer.receive(
                    queue, limit=100, lease=LEASE, patience=PATIENCE
                ):
                    call = asyncio.create_task(self._call(delivery))
                    self._calls.add(call)
                    call.add_done_callback(self._calls.discard)

    async def _call(self, delivery: Delivery) -> None:
        with suppress(Unavailable):  # it is handed over again when its lease ends
            await handed_over(delivery, self._consumer)
