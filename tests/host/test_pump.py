"""The pump: one queue's messages into one function, on the SQLite queue and a clock that is moved by hand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from azure.functions import ServiceBusMessage

from infra.local.pump import LAST_DELIVERY, LEASE, RENEWAL_PERIOD, Pump, rest_before
from infra.local.registrations import QueueFunction
from shared.adapters.sqlite.store import SqliteStore
from shared.domain.errors import Unavailable
from shared.ports.queue import Consumer, Delivery
from tests.clock import MovedClock
from tests.host.fakes import Called, Gate, KeptLines, fails

QUEUE = "dispatch"


class Bench:
    """A pump on a real queue, and everything around it."""

    def __init__(self, store: SqliteStore, clock: MovedClock) -> None:
        self.store = store
        self.clock = clock
        self.journal = KeptLines()
        self._running: list[asyncio.Task[None]] = []

    def starts(
        self,
        called: Called[ServiceBusMessage],
        *,
        calls: int = 256,
        consumer: Consumer | None = None,
        gives_up: bool = True,
    ) -> Pump:
        """A pump that runs until the test is over."""
        function = QueueFunction("dispatch", QUEUE, "message", called)
        pump = Pump(
            function,
            consumer or self.store.queue,
            self.clock,
            self.journal,
            calls=calls,
            gives_up=gives_up,
        )
        self._running.append(asyncio.create_task(pump.run()))
        return pump

    async def stops_taking(self) -> None:
        """End every `run`, as the host does first of all."""
        for task in self._running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def send(self, *bodies: bytes) -> None:
        """Queue these bodies."""
        for body in bodies:
            await self.store.queue.send(QUEUE, body)

    async def left(self) -> Sequence[Delivery]:
        """What the queue would hand over now."""
        return await self.store.queue.receive(QUEUE, limit=100, lease=LEASE, patience=timedelta())


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = MovedClock()
    store = SqliteStore.open(tmp_path / "heliograph.db", clock)
    made = Bench(store, clock)
    yield made
    await made.stops_taking()
    await store.close()


async def test_a_message_arrives_as_azures_host_hands_it_over(bench: Bench) -> None:
    """The functions are written against this class; on Azure they get it from the platform."""
    called = Called[ServiceBusMessage]()
    pump = bench.starts(called)

    await bench.send(b'{"schema":1}')
    message = await called.next()
    await pump.drain()

    assert isinstance(message, ServiceBusMessage)
    assert message.get_body() == b'{"schema":1}'
    assert message.delivery_count == 1
    assert message.enqueued_time_utc == bench.clock.now()
    assert message.message_id == f"dispatch-{message.sequence_number}"
    assert message.application_properties == message.user_properties == {}


async def test_what_returned_is_never_handed_over_again(bench: Bench) -> None:
    called = Called[ServiceBusMessage]()
    pump = bench.starts(called)
    await bench.send(b"1", b"2")
    await called.next()
    await called.next()
    await pump.drain()
    await bench.stops_taking()

    bench.clock.move(2 * LEASE)

    assert await bench.left() == []


async def test_calls_in_flight_are_bounded(bench: Bench) -> None:
    """A backlog of a million messages must not become a million open connections."""
    gate = Gate()
    called = Called[ServiceBusMessage](gate.passes)
    await bench.send(b"1", b"2", b"3", b"4", b"5")

    pump = bench.starts(called, calls=2)
    await called.next()
    await called.next()
    await bench.stops_taking()

    assert (pump.in_flight, len(called.requests)) == (2, 2)
    assert [delivery.body for delivery in await bench.left()] == [b"3", b"4", b"5"]
    gate.open()
    await pump.drain()


async def test_a_free_place_is_taken_at_once(bench: Bench) -> None:
    gate = Gate()
    called = Called[ServiceBusMessage](gate.passes)
    await bench.send(b"1", b"2", b"3")
    pump = bench.starts(called, calls=1)
    await called.next()

    gate.open()
    await called.next()
    await called.next()
    await pump.drain()

    assert [message.get_body() for message in called.requests] == [b"1", b"2", b"3"]


async def test_what_failed_rests_and_is_handed_over_again(bench: Bench) -> None:
    """An outage of a second must not use up all ten deliveries."""
    called = Called[ServiceBusMessage](fails)
    bench.starts(called)
    await bench.send(b"1")
    await called.next()
    await bench.journal.has("function.failed")

    bench.clock.move(rest_before(1))
    again = await called.next()

    assert again.delivery_count == 2
    assert bench.journal.of("function.failed")[0] == {
        "function": "dispatch",
        "queue": "dispatch",
        "error": "RuntimeError",
        "why": "the disk is full",
        "where": bench.journal.of("function.failed")[0]["where"],
        "sequence": again.sequence_number,
        "delivery_count": 1,
    }


async def test_the_tenth_failure_is_the_last_and_says_why(bench: Bench) -> None:
    """A person who looks through the dead letters learns what to mend."""
    called = Called[ServiceBusMessage](fails)
    pump = bench.starts(called)
    await bench.send(b"poison")

    for count in range(1, LAST_DELIVERY):
        await called.next()
        await bench.journal.has("function.failed", times=count)
        bench.clock.move(rest_before(count))
    last = await called.next()
    await pump.drain()

    assert last.delivery_count == 10
    (letter,) = await bench.store.dead_letters.page(QUEUE, limit=10)
    assert (letter.body, letter.reason) == (b"poison", "RuntimeError: the disk is full")


async def test_where_nothing_is_given_up_a_failure_is_never_the_last(bench: Bench) -> None:
    called = Called[ServiceBusMessage](fails)
    bench.starts(called, gives_up=False)
    await bench.send(b"step")

    for count in range(1, LAST_DELIVERY + 3):
        assert (await called.next()).delivery_count == count
        await bench.journal.has("function.failed", times=count)
        bench.clock.move(rest_before(count))

    assert not await bench.store.dead_letters.page(QUEUE, limit=10)


@pytest.mark.parametrize(
    ("delivery_count", "rest"), [(1, 0.5), (2, 1), (3, 2), (6, 16), (7, 30), (9, 30), (10_000, 30)]
)
def test_rests_grow_and_stay_bounded(delivery_count: int, rest: float) -> None:
    assert rest_before(delivery_count) == timedelta(seconds=rest)


async def test_the_lease_of_a_long_call_is_renewed(bench: Bench) -> None:
    """A receiver that takes its time must not get the message twice for it."""
    gate = Gate()
    called = Called[ServiceBusMessage](gate.passes)
    pump = bench.starts(called)
    await bench.send(b"slow")
    await called.next()

    for _ in range(2 * int(LEASE / RENEWAL_PERIOD)):
        await bench.clock.asleep(2)  # the pump's renewal, and the queue that waits for more
        bench.clock.move(RENEWAL_PERIOD)
    await bench.clock.asleep(2)

    assert len(called.requests) == 1
    gate.open()
    await pump.drain()


async def test_stopping_waits_for_what_is_in_flight(bench: Bench) -> None:
    gate = Gate()
    called = Called[ServiceBusMessage](gate.passes)
    pump = bench.starts(called)
    await bench.send(b"1")
    await called.next()

    await bench.stops_taking()
    gate.open()
    await pump.drain()

    assert pump.in_flight == 0
    bench.clock.move(2 * LEASE)
    assert await bench.left() == []


async def test_what_is_broken_off_is_handed_over_again_at_once(bench: Bench) -> None:
    """After a restart nobody waits for the lease of a call that died with the last process."""
    called = Called[ServiceBusMessage](Gate().passes)
    pump = bench.starts(called)
    await bench.send(b"1")
    await called.next()
    await bench.stops_taking()

    await pump.release()

    (delivery,) = await bench.left()
    assert (delivery.body, delivery.delivery_count) == (b"1", 2)


async def test_a_message_that_rests_is_given_back_when_the_host_stops(bench: Bench) -> None:
    called = Called[ServiceBusMessage](fails)
    pump = bench.starts(called)
    await bench.send(b"1")
    await bench.journal.has("function.failed")
    await bench.stops_taking()

    await pump.release()

    assert [delivery.body for delivery in await bench.left()] == [b"1"]


class Faltering:
    """A queue that is out of reach when it is asked for the first time, and takes no completion."""

    def __init__(self, whole: Consumer) -> None:
        self._faults = 1
        self._receive = whole.receive
        self.abandon = whole.abandon
        self.bury = whole.bury
        self.renew = whole.renew

    async def receive(
        self, queue: str, *, limit: int, lease: timedelta, patience: timedelta
    ) -> Sequence[Delivery]:
        """As the port says, but for the first time.

        Raises:
            Unavailable: The first time.
        """
        if self._faults:
            self._faults -= 1
            raise Unavailable("queue", "disk I/O error")
        return await self._receive(queue, limit=limit, lease=lease, patience=patience)

    async def complete(self, delivery: Delivery) -> None:
        """Fail.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable("queue", f"disk I/O error at {delivery.sequence}")


async def test_a_queue_that_is_out_of_reach_is_asked_again_later(bench: Bench) -> None:
    """A disk that was full for a while costs the while, not a restart."""
    called = Called[ServiceBusMessage]()
    bench.starts(called, consumer=Faltering(bench.store.queue))
    await bench.send(b"1")
    await bench.journal.has("queue.failed")

    bench.clock.move(rest_before(1))
    await called.next()

    assert bench.journal.of("queue.failed")[0]["why"] == "the queue is unavailable: disk I/O error"


async def test_a_message_that_cannot_be_settled_comes_back_when_its_lease_ends(bench: Bench) -> None:
    called = Called[ServiceBusMessage]()
    bench.starts(called, consumer=Faltering(bench.store.queue))
    await bench.send(b"1")
    await bench.journal.has("queue.failed")
    bench.clock.move(rest_before(1))
    await called.next()
    await bench.journal.has("message.unsettled")

    bench.clock.move(LEASE)
    again = await called.next()

    assert again.delivery_count == 2
