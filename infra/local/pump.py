"""Takes messages from one queue and calls the queue's function with each, as Azure's host does.

    returns             the message is done
    raises              it is handed over again; the tenth time it goes to the dead letters, with the reason
    takes long          its lease is renewed for as long as the call runs
    is still running    it is let go when the host stops, and handed over again after the next start
    when we stop

Two things are kinder than on Azure. There a message is handed over again at once; here it rests first, longer
each time. And there a message that hosts have let go ten
times by dying counts as failed; here only one whose call raised on the tenth delivery does.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from azure.functions.servicebus import ServiceBusMessage

from infra.local.lines import facts_of
from infra.local.registrations import QueueFunction
from shared.ports.clock import Clock
from shared.ports.journal import Journal
from shared.ports.queue import Consumer, Delivery

CALLS = 1024
"""Calls in flight per queue. Most of a call is waiting for a receiver: at 4,000 messages a second and 50 ms
to the receiver 200 are under way, and a few receivers that hang must not take all the places of those that do
not. Each holds its message and often a connection, so this bounds memory."""

LAST_DELIVERY = 10
"""A message whose tenth delivery fails goes to the dead letters, as with the queues on Azure."""

LEASE = timedelta(seconds=60)
"""Longer than nearly every call, because a renewal costs a write."""

RENEWAL_PERIOD = LEASE / 3
"""Two renewals may fail before the lease of a call that runs is lost."""

PATIENCE = timedelta(seconds=60)
"""How long an idle queue is waited on before it is asked again."""

FIRST_REST = timedelta(milliseconds=500)
LONGEST_REST = timedelta(seconds=30)
"""The rests of one message add up to two minutes, in which most outages of a disk or a store are over."""


def rest_before(delivery_count: int) -> timedelta:
    """How long a message rests after its n-th delivery has failed."""
    return min(FIRST_REST * (1 << (min(delivery_count, LAST_DELIVERY) - 1)), LONGEST_REST)


@dataclass(eq=False, slots=True)
class _Call:
    """One delivery on its way through the function."""

    delivery: Delivery
    leased_until: datetime
    task: asyncio.Task[None] = field(init=False)


class Pump:
    """Drives one queue function."""

    def __init__(
        self,
        function: QueueFunction,
        consumer: Consumer,
        clock: Clock,
        journal: Journal,
        *,
        calls: int = CALLS,
        gives_up: bool = True,
    ) -> None:
        """Prepare.

        Args:
            function: It.
            consumer: Of its queue.
            clock: What rests and leases are measured by.
            journal: Where failures are noted.
            calls: How many run at once at most.
            gives_up: Whether what has failed too often goes to the dead letters; else it is handed over again
                for as long as it fails.
        """
        self._function = function
        self._consumer = consumer
        self._clock = clock
        self._journal = journal
        self._limit = calls
        self._gives_up = gives_up
        self._calls: set[_Call] = set()
        self._freed = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """How many calls have begun and not ended."""
        return len(self._calls)

    async def run(self) -> None:
        """Take messages until cancelled. Calls in flight go on after that: see `drain` and `release`."""
        renewal = asyncio.create_task(self._renew())
        failures = 0
        try:
            while True:
                try:
                    deliveries = await self._receive()
                except Exception as error:  # noqa: BLE001  whatever the store says, it may be well again later
                    failures = min(failures + 1, LAST_DELIVERY)
                    self._note("queue.failed", error)
                    await self._clock.sleep(rest_before(failures))
                else:
                    failures = 0
                    self._begin(deliveries)
        finally:
            renewal.cancel()

    async def drain(self) -> None:
        """Wait until no call is in flight."""
        while self._calls:
            await asyncio.wait([call.task for call in self._calls])

    async def release(self) -> None:
        """Break off what is still in flight; its messages are handed over again."""
        for call in self._calls:
            call.task.cancel()
        await self.drain()

    async def _receive(self) -> Sequence[Delivery]:
        while (free := self._limit - len(self._calls)) <= 0:
            self._freed.clear()
            await self._freed.wait()
        return await self._consumer.receive(self._function.queue, limit=free, lease=LEASE, patience=PATIENCE)

    def _begin(self, deliveries: Sequence[Delivery]) -> None:
        leased_until = self._clock.now() + LEASE
        for delivery in deliveries:
            call = _Call(delivery, leased_until)
            self._calls.add(call)
            call.task = asyncio.create_task(self._carry(call))

    async def _carry(self, call: _Call) -> None:
        """Call the function with one message and settle the message."""
        try:
            await self._settled(call.delivery)
        except Exception as error:  # noqa: BLE001  the store is down: the lease ends, and it is handed over again
            self._note("message.unsettled", error, call.delivery)
        finally:
            self._calls.discard(call)
            self._freed.set()

    async def _settled(self, delivery: Delivery) -> None:
        try:
            await self._function.call(**{self._function.parameter: _message(delivery)})
        except asyncio.CancelledError:
            # Only `release` cancels. The message must not wait for the end of its lease.
            await self._consumer.abandon(delivery)
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the message decides what happens
            await self._failed(delivery, error)
        else:
            await self._consumer.complete(delivery)

    async def _failed(self, delivery: Delivery, error: Exception) -> None:
        self._note("function.failed", error, delivery)
        if self._gives_up and delivery.delivery_count >= LAST_DELIVERY:
            await self._consumer.bury(delivery, reason=f"{type(error).__name__}: {error}")
            return
        try:
            # It keeps its place among the calls meanwhile: when everything fails, less is taken on.
            await self._clock.sleep(rest_before(delivery.delivery_count))
        finally:
            await self._consumer.abandon(delivery)

    async def _renew(self) -> None:
        """Keep the leases of calls that take long."""
        while True:
            await self._clock.sleep(RENEWAL_PERIOD)
            now = self._clock.now()
            for call in [call for call in self._calls if call.leased_until - now <= LEASE - RENEWAL_PERIOD]:
                try:
                    await self._consumer.renew(call.delivery, lease=LEASE)
                except Exception as error:  # noqa: BLE001  the next round tries again
                    self._note("lease.unrenewed", error, call.delivery)
                else:
                    call.leased_until = now + LEASE

    def _note(self, event: str, error: Exception, delivery: Delivery | None = None) -> None:
        facts = facts_of(error)
        if delivery:
            facts |= {"sequence": delivery.sequence, "delivery_count": delivery.delivery_count}
        self._journal.note(event, function=self._function.name, queue=self._function.queue, **facts)


def _message(delivery: Delivery) -> ServiceBusMessage:
    """What the function takes; with the fields that the embedded queue knows."""
    return ServiceBusMessage(
        body=delivery.body,
        message_id=delivery.message_id or f"{delivery.queue}-{delivery.sequence}",
        application_properties=dict(delivery.properties),
        user_properties={},
        delivery_count=delivery.delivery_count,
        enqueued_time_utc=delivery.enqueued_at,
        sequence_number=delivery.sequence,
    )
