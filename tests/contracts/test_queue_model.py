"""The queue against a model of it: whatever is done in whatever order, nothing is lost."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ports.queue import Delivery
from tests.clock import MovedClock
from tests.contracts.adapters import STORES, Open, Stores

QUEUE = "retry"
SECOND = timedelta(seconds=1)
LEASE = 10 * SECOND


@dataclass
class Work:
    """What the model knows of one body.

    Attributes:
        count: The last `delivery_count` seen.
        held_until: When its lease ends; None if nobody has it.
        may_skip: The next count may be higher than by one: a crash may have cost a handing over.
    """

    due: datetime
    count: int = 0
    held_until: datetime | None = None
    may_skip: bool = False


class Model:
    """A queue and what must be true of it."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.works: dict[bytes, Work] = {}
        self.deliveries = list[Delivery]()
        self.sent = 0

    @property
    def now(self) -> datetime:
        return self.stores.clock.now()

    def can_come(self) -> dict[bytes, Work]:
        """What may be handed over now."""
        return {
            body: work
            for body, work in self.works.items()
            if work.due <= self.now and (work.held_until is None or work.held_until <= self.now)
        }

    async def send(self, delay: int) -> None:
        self.sent += 1
        body = b"%d" % self.sent
        due = self.now + delay * SECOND
        await self.stores.queue.send(QUEUE, body, due_at=due if delay else None)
        self.works[body] = Work(due)

    async def receive(self, limit: int) -> None:
        could = self.can_come()
        got = await self.stores.consumer.receive(QUEUE, limit=limit, lease=LEASE, patience=timedelta())
        assert len(got) <= limit
        assert got or not could
        bodies = [delivery.body for delivery in got]
        assert len(set(bodies)) == len(bodies)
        assert set(bodies) <= could.keys()
        dues = [could.pop(body).due for body in bodies]
        assert dues == sorted(dues)
        assert not dues or all(work.due >= dues[-1] for work in could.values())
        for delivery in got:
            work = self.works[delivery.body]
            assert delivery.delivery_count > work.count
            assert work.may_skip or delivery.delivery_count == work.count + 1
            work.count, work.held_until, work.may_skip = delivery.delivery_count, self.now + LEASE, False
        self.deliveries += got

    async def settle(self, how: str, which: int) -> None:
        if not self.deliveries:
            return
        delivery = self.deliveries[which % len(self.deliveries)]
        work = self.works.get(delivery.body)
        # A lease that has ended is still the holder's until the work is handed over again.
        is_holder = work is not None and work.held_until is not None and work.count == delivery.delivery_count
        if how == "complete":
            await self.stores.consumer.complete(delivery)
            self.works.pop(delivery.body, None)
        elif how == "bury":
            await self.stores.consumer.bury(delivery, reason="no")
            self.works.pop(delivery.body, None)
        elif how == "abandon":
            await self.stores.consumer.abandon(delivery)
            if work is not None and is_holder:
                work.due, work.held_until = self.now, None
        else:
            await self.stores.consumer.renew(delivery, lease=2 * LEASE)
            if work is not None and is_holder:
                work.held_until = self.now + 2 * LEASE

    async def crash(self) -> None:
        dead, self.stores = self.stores, await self.stores.reborn()
        await dead.close()
        # Nobody holds anything any more, and what was settled then cannot be settled now.
        self.deliveries.clear()
        for work in self.works.values():
            work.held_until, work.may_skip = None, True

    async def drain(self) -> None:
        self.stores.clock.move(100 * LEASE)
        while self.can_come():
            await self.receive(100)
        assert all(work.held_until is not None for work in self.works.values())


STEPS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from([0, 0, 0, 1, 5])),
    st.tuples(st.just("receive"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["complete", "bury", "abandon", "renew"]), st.integers(0, 20)),
    st.tuples(st.just("move"), st.integers(1, 12)),
    st.tuples(st.just("crash"), st.just(0)),
)


@pytest.mark.parametrize("open_stores", STORES)
@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=40))
async def test_whatever_happens_nothing_is_lost_or_handed_over_twice_at_once(
    open_stores: Open, steps: list[tuple[str, int]]
) -> None:
    """The queue is what stands between a crash and a lost message."""
    with TemporaryDirectory() as folder:
        model = Model(await open_stores(Path(folder), MovedClock()))
        try:
            for step, number in steps:
                match step:
                    case "send":
                        await model.send(number)
                    case "receive":
                        await model.receive(number)
                    case "move":
                        model.stores.clock.move(number * SECOND)
                    case "crash":
                        await model.crash()
                    case how:
                        await model.settle(how, number)
            await model.drain()
        finally:
            await model.stores.close()
