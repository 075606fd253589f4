"""What an organization's person on call looks at first."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Generic, TypeVar

from shared.domain import ids
from shared.domain.attempt import Status
from shared.domain.endpoint import Endpoint
from shared.domain.errors import Unknown
from shared.domain.health import Health
from shared.domain.paging import Scan
from shared.domain.throttle import limit_of, waiting
from shared.domain.work import QUEUES
from shared.flows.circuits import Circuits, Ill
from shared.flows.directory import Directory
from shared.ports.attempts import AttemptFilter, Attempts
from shared.ports.clock import Clock
from shared.ports.endpoints import Endpoints, Watched
from shared.ports.queue import Backlog, Queue
from shared.ports.throttles import Throttles

TOP = 25
"""Endpoints of each kind that are told of."""

RATED_MAX = 250
"""Endpoints with a rate that are looked at."""

COUNTED_AT_MOST = 10_000
"""How far the works of a queue are counted: a person sees as much in it as in more, and gets it in 2 ms."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Ailing:
    """An endpoint that needs a person's look.

    Attributes:
        app_uid: Of its application, if that has one.
        since: UTC.
        health: As this process has seen it.
    """

    endpoint: Endpoint
    app_uid: str | None
    since: datetime
    health: Health


@dataclass(frozen=True, slots=True)
class Paused:
    """An endpoint that fails every time, so that new messages wait.

    Attributes:
        app_uid: Of its application, if that has one.
        health: As this process has seen it.
    """

    endpoint: Endpoint
    app_uid: str | None
    health: Health


@dataclass(frozen=True, slots=True)
class Throttled:
    """An endpoint at which messages wait for their turn under its rate.

    Attributes:
        app_uid: Of its application, if that has one.
        waiting: How many, about.
        until: When the last of them has its turn, in UTC.
    """

    endpoint: Endpoint
    app_uid: str | None
    waiting: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Top(Generic[Row]):
    """The first of a list, and whether that is all."""

    rows: Sequence[Row]
    complete: bool


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How things stand.

    Attributes:
        at: When it was looked at, in UTC.
        queues: By name; they are the deployment's, with the work of all organizations.
        failing: The longest failing first.
        switched_off: The latest first.
        paused: Those that have failed most often in a row first.
        throttled: Those at which most wait first; only if no more than `RATED_MAX` have a rate are they all.
    """

    at: datetime
    queues: Mapping[str, Backlog]
    failing: Top[Ailing]
    switched_off: Top[Ailing]
    paused: Top[Paused]
    throttled: Top[Throttled]


@dataclass(frozen=True)
class Diagnose:
    """Look how things stand for an organization. It costs the same whatever there is and whatever waits.

    1. The queues.
    2. Its endpoints that fail, and those that were switched off for it. That one fails is kept when its first
       message is given up, more than a day later by default; until then it is what this process has seen, and
       no other has seen it well since.
    3. Those whose circuit is not closed.
    4. Of its endpoints with a rate, those at which somebody waits.
    """

    queue: Queue
    endpoints: Endpoints
    attempts: Attempts
    throttles: Throttles
    circuits: Circuits
    directory: Directory
    clock: Clock

    async def __call__(self, org_id: str) -> Diagnosis:
        """Look.

        Raises:
            Unavailable: A store or queue of ours is out of reach.
        """
        now = self.clock.now()
        backlogs = [await self.queue.backlog(name, at_most=COUNTED_AT_MOST) for name in QUEUES]  # (1)
        return Diagnosis(
            at=now,
            queues=dict(zip(QUEUES, backlogs, strict=True)),
            failing=await self._failing(org_id),  # (2)
            switched_off=await self._switched_off(org_id),
            paused=await self._paused(org_id),  # (3)
            throttled=await self._throttled(org_id, now),  # (4)
        )

    async def _failing(self, org_id: str) -> Top[Ailing]:
        """Those that have given up messages, and those that this process has only seen failing so far."""
        stored = await self.endpoints.watched(org_id, Watched.FAILING, limit=TOP + 1)
        told = {endpoint.id for endpoint in stored}
        found = [(endpoint.failing_since, endpoint) for endpoint in stored if endpoint.failing_since]
        seen = [
            (one.health.failing_since, one)
            for one in self.circuits.failing()
            if one.health.failing_since and one.endpoint.org_id == org_id and one.endpoint.id not in told
        ]
        seen.sort(key=itemgetter(0))
        found += [
            (since, one.endpoint) for since, one in seen[: TOP + 1] if await self._still_fails(one, since)
        ]
        found.sort(key=itemgetter(0))
        return await self._ailing(org_id, found)

    async def _switched_off(self, org_id: str) -> Top[Ailing]:
        stored = await self.endpoints.watched(org_id, Watched.SWITCHED_OFF, limit=TOP + 1)
        found = [(endpoint.switched_off_at, endpoint) for endpoint in stored if endpoint.switched_off_at]
        return await self._ailing(org_id, found)

    async def _ailing(self, org_id: str, found: Sequence[tuple[datetime, Endpoint]]) -> Top[Ailing]:
        uids = await self._uids(org_id, (endpoint for _, endpoint in found[:TOP]))
        rows = [
            Ailing(endpoint, uids[endpoint.app_id], since, self.circuits.health(endpoint))
            for since, endpoint in found[:TOP]
        ]
        return Top(rows, complete=len(found) <= TOP)

    async def _paused(self, org_id: str) -> Top[Paused]:
        ill = [one for one in self.circuits.ill() if one.endpoint.org_id == org_id]
        ill.sort(key=lambda one: (-one.health.in_a_row, one.endpoint.id))
        found = [one for one in ill[: TOP + 1] if await self._is_still_there(one)]
        uids = await self._uids(org_id, (one.endpoint for one in found))
        rows = [Paused(one.endpoint, uids[one.endpoint.app_id], one.health) for one in found[:TOP]]
        return Top(rows, complete=len(ill) <= TOP)

    async def _still_fails(self, ill: Ill, since: datetime) -> bool:
        """Whether no other process has had a success there since an instant, nor was it removed or edited."""
        if not await self._is_still_there(ill):
            return False
        scan = Scan(above=ids.start_id(ids.ATTEMPT, since), below=None, descending=True, limit=0)
        only = AttemptFilter(status=Status.SUCCESS)
        return not await self.attempts.of_endpoint(ill.endpoint.app_id, ill.endpoint.id, scan, only)

    async def _is_still_there(self, ill: Ill) -> bool:
        """Whether the endpoint was neither removed nor edited since it failed; one that was is forgotten."""
        with suppress(Unknown):
            present = await self.endpoints.get(ill.endpoint.app_id, ill.endpoint.id)
            if not present.disabled and present.updated_at == ill.endpoint.updated_at:
                return True
        self.circuits.forget(ill.endpoint)
        return False

    async def _throttled(self, org_id: str, now: datetime) -> Top[Throttled]:
        rated = await self.endpoints.watched(org_id, Watched.RATED, limit=RATED_MAX + 1)
        found: list[Throttled] = []
        for app_id, endpoints in groupby(rated[:RATED_MAX], key=lambda one: one.app_id):
            found += await self._waited_for(app_id, list(endpoints), now)
        found.sort(key=lambda row: (-row.waiting, row.endpoint.id))
        uids = await self._uids(org_id, (row.endpoint for row in found[:TOP]))
        rows = [
            Throttled(row.endpoint, uids[row.endpoint.app_id], row.waiting, row.until) for row in found[:TOP]
        ]
        return Top(rows, complete=len(rated) <= RATED_MAX and len(found) <= TOP)

    async def _waited_for(
        self, app_id: str, endpoints: Sequence[Endpoint], now: datetime
    ) -> Sequence[Throttled]:
        """Those of an application's endpoints with a rate at which somebody waits."""
        under = [limit for limit in map(limit_of, endpoints) if limit is not None]
        turns = await self.throttles.next_turns(app_id, under, now=now)
        lines = zip(endpoints, under, turns, strict=True)
        return [
            Throttled(endpoint, None, count, next_turn - limit.interval)
            for endpoint, limit, next_turn in lines
            if (count := waiting(limit, next_turn, now))
        ]

    async def _uids(self, org_id: str, endpoints: Iterable[Endpoint]) -> Mapping[str, str | None]:
        """The uids of the endpoints' applications, by id."""
        ids = list(dict.fromkeys(endpoint.app_id for endpoint in endpoints))
        found = await asyncio.gather(*(self.directory.find_application(org_id, app_id) for app_id in ids))
        return {app_id: None if one is None else one.uid for app_id, one in zip(ids, found, strict=True)}
