"""Delivering: what the queues `dispatch` and `retry` ask for."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.errors import Unknown
from shared.domain.matching import wants
from shared.domain.work import Dispatch, Retry
from shared.flows.attempt import MakeAttempt, Parcel
from shared.flows.directory import Directory, Target
from shared.ports.attempts import Attempts
from shared.ports.journal import Fact, Journal
from shared.ports.messages import Messages


@dataclass(frozen=True)
class Deliver:
    """Carry one message to every endpoint that wants it.

    1. Find the endpoints that want it now.
    2. If this may have been done before, leave out those whose attempt is recorded.
    3. Get the payload, unless it travelled along.
    4. Attempt all of them at once; each is recorded by itself, so a slow one holds up no other.
    5. Only when all are done, report a failure of our own, so that the host hands the dispatch over again.
    """

    directory: Directory
    messages: Messages
    attempts: Attempts
    make_attempt: MakeAttempt
    journal: Journal

    async def __call__(self, dispatch: Dispatch, *, delivery_count: int) -> None:
        """Deliver; safe to call again.

        Args:
            dispatch: The work.
            delivery_count: How often it has been handed over, this time included.

        Raises:
            Unavailable: A store or queue of ours is out of reach; calling again goes on where this ended.
        """
        targets = [
            target
            for target in await self.directory.targets(dispatch.org_id, dispatch.app_id)
            if wants(target.endpoint, dispatch.event_type, dispatch.channels)
        ]
        if targets and (dispatch.repeat or delivery_count > 1):
            recorded = await self.attempts.latest(dispatch.message_id)
            targets = [target for target in targets if target.endpoint.id not in recorded]
        if not targets:
            return
        payload = dispatch.payload
        if payload is None:
            payload = await _payload(self.messages, dispatch)
        if payload is None:
            self.journal.note("delivery.skipped", message_id=dispatch.message_id, why="the payload is gone")
            return
        await self._attempt_all(dispatch, targets, payload.encode())

    async def _attempt_all(self, dispatch: Dispatch, targets: Sequence[Target], payload: bytes) -> None:
        parcels = [
            Parcel(dispatch.message_id, dispatch.event_type, dispatch.channels, payload, target, number=1)
            for target in targets
        ]
        if len(parcels) == 1:
            await self.make_attempt(parcels[0])
            return
        outcomes = await asyncio.gather(*map(self.make_attempt, parcels), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome


@dataclass(frozen=True)
class Reattempt:
    """Carry one message to one endpoint again.

    1. Stop if this attempt or a later one is recorded. It may have been queued twice, and two chains of
       retries begin where a call outlives its lease and is made a second time: here they become one again.
    2. The endpoint must still be there and want the message; else its chain of retries ends, visibly.
    3. The payload must still be there; else the chain ends.
    4. Attempt.
    """

    directory: Directory
    messages: Messages
    attempts: Attempts
    make_attempt: MakeAttempt
    journal: Journal

    async def __call__(self, retry: Retry, *, delivery_count: int) -> None:
        """Attempt again; safe to call again.

        Args:
            retry: The work.
            delivery_count: How often it has been handed over, this time included.

        Raises:
            Unavailable: A store or queue of ours is out of reach; calling again goes on where this ended.
        """
        latest = await self.attempts.latest(retry.message_id, endpoint_id=retry.endpoint_id)
        if any(attempt.number >= retry.number for attempt in latest.values()):
            self._note("retry.repeated", retry, delivery_count=delivery_count)
            return
        target = await self._target(retry)
        if target is None:
            await self._end(retry, "the endpoint or its application was removed")
            return
        try:
            message = await self.messages.get(retry.app_id, retry.message_id)
        except Unknown:
            await self._end(retry, "the message was removed")
            return
        if not wants(target.endpoint, message.event_type, message.channels):
            await self._end(retry, "the endpoint was disabled or wants other messages now")
            return
        if message.payload is None:
            await self._end(retry, "the payload is gone")
            return
        await self.make_attempt(
            Parcel(
                message.id,
                message.event_type,
                message.channels,
                message.payload.encode(),
                target,
                retry.number,
            )
        )

    async def _target(self, retry: Retry) -> Target | None:
        for target in await self.directory.targets(retry.org_id, retry.app_id):
            if target.endpoint.id == retry.endpoint_id:
                return target
        return None

    async def _end(self, retry: Retry, why: str) -> None:
        await self.attempts.end_chain(retry.message_id, retry.endpoint_id)
        self._note("retries.ended", retry, why=why)

    def _note(self, event: str, retry: Retry, **facts: Fact) -> None:
        self.journal.note(
            event,
            app_id=retry.app_id,
            message_id=retry.message_id,
            endpoint_id=retry.endpoint_id,
            number=retry.number,
            **facts,
        )


async def _payload(messages: Messages, dispatch: Dispatch) -> str | None:
    try:
        return (await messages.get(dispatch.app_id, dispatch.message_id)).payload
    except Unknown:
        return None
