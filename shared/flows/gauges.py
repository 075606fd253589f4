"""How the service stands at this moment."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.health import Circuit
from shared.domain.work import QUEUES
from shared.flows.circuits import Circuits, Ill
from shared.ports.clock import Clock
from shared.ports.endpoints import EndpointHealth, Endpoints
from shared.ports.journal import Journal
from shared.ports.queue import Backlog, Queue

NOTED = 25
"""Endpoints whose circuit is not closed that a look notes by themselves: those with the most failures."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """How the service stands.

    Attributes:
        at: When it was looked at, in UTC.
        queues: By name.
        ill: Endpoints whose circuit is not closed, as this process has seen them.
        store_latency: What a small write and a small read took together, the waiting for others included.
    """

    at: datetime
    queues: Mapping[str, Backlog]
    endpoints: EndpointHealth
    ill: Sequence[Ill]
    store_latency: timedelta

    def circuits(self, which: Circuit) -> int:
        """How many circuits are so."""
        return sum(one.health.circuit(self.at) is which for one in self.ill)

    def age(self, queue: str) -> timedelta:
        """How long the first work that is due in a queue has been so; zero if none is."""
        since = self.queues[queue].due_since
        return timedelta(0) if since is None else max(self.at - since, timedelta(0))


@dataclass(frozen=True)
class Measure:
    """Look how the service stands.

    1. `now`: Write and read a little, and see how long that takes; look at the queues and the endpoints.
    2. Note it.
    """

    queue: Queue
    endpoints: Endpoints
    circuits: Circuits
    touch_store: Callable[[], Awaitable[None]]
    clock: Clock
    journal: Journal

    async def now(self) -> Gauges:
        """Look, and note nothing.

        Raises:
            Unavailable: A store or queue of ours is out of reach.
        """
        began_at = self.clock.now()
        await self.touch_store()
        at = self.clock.now()
        return Gauges(
            at=at,
            queues={name: await self.queue.backlog(name) for name in QUEUES},
            endpoints=await self.endpoints.health(),
            ill=self.circuits.ill(),
            store_latency=at - began_at,
        )

    async def __call__(self) -> Gauges:
        """Look, and note it.

        Raises:
            Unavailable: A store or queue of ours is out of reach.
        """
        gauges = await self.now()
        for name, backlog in gauges.queues.items():
            self.journal.note(
                "queue.measured",
                queue=name,
                due=backlog.due,
                scheduled=backlog.scheduled,
                dead_letters=backlog.dead,
                oldest_due_age_ms=_milliseconds(gauges.age(name)),
            )
        health = gauges.endpoints
        self.journal.note(
            "endpoints.measured",
            disabled=health.disabled,
            failing=health.failing,
            circuits_open=gauges.circuits(Circuit.OPEN),
            circuits_half_open=gauges.circuits(Circuit.HALF_OPEN),
        )
        for ill in sorted(gauges.ill, key=lambda one: -one.health.in_a_row)[:NOTED]:
            self._note(ill, gauges.at)
        self.journal.note("store.measured", latency_ms=_milliseconds(gauges.store_latency))
        return gauges

    def _note(self, ill: Ill, at: datetime) -> None:
        delivered_at = ill.health.delivered_at
        self.journal.note(
            "endpoint.measured",
            app_id=ill.endpoint.app_id,
            endpoint_id=ill.endpoint.id,
            circuit=ill.health.circuit(at),
            failures=ill.health.in_a_row,
            failure_share=ill.health.failure_share,
            delivered_at=None if delivered_at is None else delivered_at.isoformat(),
        )


def _milliseconds(span: timedelta) -> float:
    return round(span / timedelta(milliseconds=1), 1)
