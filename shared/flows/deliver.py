"""Delivering: what the queues `dispatch` and `retry` ask for."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.attempt import Ended, Ending, Status
from shared.domain.chain import Standing, pending_at, standing
from shared.domain.endpoint import Endpoint
from shared.domain.errors import Unknown
from shared.domain.matching import wants
from shared.domain.message import Message
from shared.domain.trace import trace_of
from shared.domain.verdict import Verdict
from shared.domain.work import Again, Dispatch, Resend, Retry
from shared.flows.attempt import ByHand, Parcel
from shared.flows.directory import Directory, Target
from shared.flows.in_turn import AttemptInTurn
from shared.ports.attempts import Attempts
from shared.ports.clock import Clock
from shared.ports.journal import DISPATCHED, Fact, Journal
from shared.ports.messages import Messages

CARRIED_FOR = timedelta(minutes=30)
"""So long a payload that travels with its dispatch is good: less than any is kept. After that it may have
expired or have been erased, so the store is asked."""


@dataclass(frozen=True)
class Deliver:
    """Carry one message to every endpoint that wants it.

    1. Find the endpoints that want it now; if it is for one alone, that one, unless it is disabled.
    2. If this may have been done before, or has waited, leave out those whose attempt is recorded, and those
       that the message has reached by hand.
    3. Get the payload, unless it travelled along.
    4. Attempt all of them at once; each is recorded by itself, so a slow one holds up no other.
    5. Only when all are done, report a failure of our own, so that the host hands the dispatch over again.
    """

    directory: Directory
    messages: Messages
    attempts: Attempts
    attempt_in_turn: AttemptInTurn
    clock: Clock
    journal: Journal

    async def __call__(
        self, dispatch: Dispatch, *, delivery_count: int, queued_at: datetime | None = None
    ) -> None:
        """Deliver; safe to call again.

        Args:
            dispatch: The work.
            delivery_count: How often it has been handed over, this time included.
            queued_at: When it was queued, in UTC, if the queue says so.

        Raises:
            Unavailable: A store or queue of ours is out of reach; calling again goes on where this ended.
        """
        targets = [
            target
            for target in await self.directory.targets(dispatch.org_id, dispatch.app_id)
            if _is_for(dispatch, target.endpoint)
        ]
        tried_by_hand: Collection[str] = ()
        if targets and (dispatch.repeat or delivery_count > 1):
            targets, tried_by_hand = await self._left(dispatch, targets)
        self.journal.note(
            DISPATCHED,
            app_id=dispatch.app_id,
            message_id=dispatch.message_id,
            endpoints=len(targets),
            delivery_count=delivery_count,
            trace_id=trace_of(dispatch.message_id, dispatch.trace).id,
        )
        if not targets:
            return
        payload = dispatch.payload
        if payload is None or (queued_at is not None and self.clock.now() - queued_at > CARRIED_FOR):
            payload = await _payload(self.messages, dispatch)
        if payload is None:
            self.journal.note(
                "delivery.skipped",
                app_id=dispatch.app_id,
                message_id=dispatch.message_id,
                why="the payload is gone",
            )
            return
        await self._attempt_all(dispatch, targets, payload.encode(), tried_by_hand)

    async def _left(
        self, dispatch: Dispatch, targets: Sequence[Target]
    ) -> tuple[list[Target], Collection[str]]:
        """The targets that are still to get it, and the ids of endpoints where it was tried by hand."""
        app_id, message_id = dispatch.app_id, dispatch.message_id
        recorded = await self.attempts.latest(app_id, message_id)
        for attempt in recorded.values():
            if attempt.number == 1:
                self.attempt_in_turn.make_attempt.tell_again(attempt)
        left, tried_by_hand = list[Target](), set[str]()
        for target in targets:
            endpoint_id = target.endpoint.id
            if endpoint_id in recorded:
                continue
            by_hand = await self.attempts.at_endpoint(app_id, message_id, endpoint_id)
            if any(attempt.status is Status.SUCCESS for attempt in by_hand):
                continue
            left.append(target)
            if by_hand:
                tried_by_hand.add(endpoint_id)
        return left, tried_by_hand

    async def _attempt_all(
        self, dispatch: Dispatch, targets: Sequence[Target], payload: bytes, tried_by_hand: Collection[str]
    ) -> None:
        forced = dispatch.endpoint_id is not None
        parcels = [
            Parcel(
                dispatch.message_id,
                dispatch.event_type,
                dispatch.channels,
                dispatch.tags,
                payload,
                dispatch.content_type,
                target,
                1,
                forced=forced,
                beside_others=target.endpoint.id in tried_by_hand,
                trace=dispatch.trace,
            )
            for target in targets
        ]
        if len(parcels) == 1:
            await self.attempt_in_turn(parcels[0])
            return
        outcomes = await asyncio.gather(*map(self.attempt_in_turn, parcels), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome


@dataclass(frozen=True)
class Reattempt:
    """Carry one message to one endpoint again, or for the first time if it had to wait.

    1. Stop if this attempt or a later one is recorded. It may have been queued twice, and two chains of
       retries begin where a call outlives its lease and is made a second time: here they become one again.
       If an attempt by hand has delivered the message meanwhile, or the chain was ended, it ends here.
    2. The endpoint must still be there and want the message; else its chain of retries ends, visibly.
    3. The payload must still be there; else the chain ends.
    4. Attempt.
    """

    directory: Directory
    messages: Messages
    attempts: Attempts
    attempt_in_turn: AttemptInTurn
    clock: Clock
    journal: Journal

    async def __call__(self, retry: Retry, *, delivery_count: int) -> None:
        """Attempt again; safe to call again.

        Args:
            retry: The work.
            delivery_count: How often it has been handed over, this time included.

        Raises:
            Unavailable: A store or queue of ours is out of reach; calling again goes on where this ended.
        """
        recorded = await self.attempts.at_endpoint(retry.app_id, retry.message_id, retry.endpoint_id)
        match standing(recorded, retry.number):
            case Standing.DONE:
                self._note("retry.repeated", retry, delivery_count=delivery_count)
                if delivery_count > 1 and recorded[-1].number == retry.number:
                    self.attempt_in_turn.make_attempt.tell_again(recorded[-1])
                return
            case Standing.OVER:
                await self._end(retry, Ending.DELIVERED, "another attempt delivered it, or ended its retries")
                return
        target = await _target(self.directory, retry)
        if target is None:
            await self._end(retry, Ending.REMOVED, "the endpoint or its application was removed")
            return
        try:
            message = await self.messages.get(retry.app_id, retry.message_id)
        except Unknown:
            await self._end(retry, Ending.REMOVED, "the message was removed")
            return
        if not _still_wants(target.endpoint, retry, message):
            await self._end(retry, Ending.UNWANTED, "the endpoint was disabled or wants other messages now")
            return
        if message.payload is None:
            await self._end(retry, Ending.PAYLOAD_GONE, "the payload is gone")
            return
        await self.attempt_in_turn(
            Parcel(
                message.id,
                message.event_type,
                message.channels,
                message.tags,
                message.payload.encode(),
                message.content_type,
                target,
                retry.number,
                forced=retry.forced,
                beside_others=bool(recorded),
                turn=retry.turn,
                rests=retry.rests,
                pauses=retry.pauses,
                trace=message.trace,
            )
        )

    async def _end(self, retry: Retry, ending: Ending, why: str) -> None:
        ended = Ended(ending, self.clock.now())
        await self.attempts.end_chain(retry.app_id, retry.message_id, retry.endpoint_id, ended)
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


@dataclass(frozen=True)
class AttemptByHand:
    """Carry one message to one endpoint once, because a person asked for it.

    1. The endpoint must still be there and enabled, and the payload be there; what the endpoint filters by
       does not count.
    2. Stop when this attempt is recorded already.
    3. Attempt. No retry follows it, and a failure leaves the automatic retries as they are.
    4. If the message has arrived, or the receiver wants no more of it, its automatic retries end, visibly.
    """

    directory: Directory
    messages: Messages
    attempts: Attempts
    attempt_in_turn: AttemptInTurn
    clock: Clock
    journal: Journal

    async def __call__(self, resend: Resend) -> Status | None:
        """Make the attempt, or have it wait for its turn; safe to call again.

        Args:
            resend: The work.

        Returns:
            What came of it, now or when it was made; SUCCESS if the message had arrived before; PENDING if it
            waits; None if there was nothing to send, or nobody to send it to.

        Raises:
            Unavailable: A store or queue of ours is out of reach; calling again goes on where this ended.
        """
        target = await _target(self.directory, resend)
        if target is None or target.endpoint.disabled:
            self._skip(resend, "the endpoint or its application was removed, or it was disabled")
            return None
        try:
            message = await self.messages.get(resend.app_id, resend.message_id)
        except Unknown:
            self._skip(resend, "the message was removed")
            return None
        if message.payload is None:
            self._skip(resend, "the payload is gone")
            return None
        where = (resend.app_id, resend.message_id, resend.endpoint_id)
        recorded = await self.attempts.at_endpoint(*where)
        done = [attempt for attempt in recorded if attempt.id == resend.attempt_id]
        if resend.unless_arrived and any(attempt.status is Status.SUCCESS for attempt in recorded):
            verdict: Verdict | None = Verdict.SUCCESS
        elif done:
            verdict = Verdict.SUCCESS if done[0].status is Status.SUCCESS else Verdict.RETRY
        else:
            parcel = Parcel(
                message.id,
                message.event_type,
                message.channels,
                message.tags,
                message.payload.encode(),
                message.content_type,
                target,
                number=0,
                by_hand=ByHand(resend, pending_at(recorded)),
                beside_others=bool(recorded),
                turn=resend.turn,
                rests=resend.rests,
                trace=message.trace,
            )
            verdict = await self.attempt_in_turn(parcel)
        if verdict is None:
            return Status.PENDING
        if verdict is not Verdict.RETRY and any(attempt.next_attempt_at is not None for attempt in recorded):
            ending = Ending.DELIVERED if verdict.is_success else Ending.REFUSED
            ended = Ended(ending, self.clock.now())
            await self.attempts.end_chain(*where, ended)
        return Status.SUCCESS if verdict.is_success else Status.FAIL

    def _skip(self, resend: Resend, why: str) -> None:
        self.journal.note(
            "resend.skipped",
            app_id=resend.app_id,
            message_id=resend.message_id,
            endpoint_id=resend.endpoint_id,
            why=why,
        )


async def _target(directory: Directory, work: Again) -> Target | None:
    for target in await directory.targets(work.org_id, work.app_id):
        if target.endpoint.id == work.endpoint_id:
            return target
    return None


def _is_for(dispatch: Dispatch, endpoint: Endpoint) -> bool:
    if dispatch.endpoint_id is None:
        return wants(endpoint, dispatch.event_type, dispatch.channels)
    return endpoint.id == dispatch.endpoint_id and not endpoint.disabled


def _still_wants(endpoint: Endpoint, retry: Retry, message: Message) -> bool:
    if retry.forced:
        return not endpoint.disabled
    return wants(endpoint, message.event_type, message.channels)


async def _payload(messages: Messages, dispatch: Dispatch) -> str | None:
    try:
        return (await messages.get(dispatch.app_id, dispatch.message_id)).payload
    except Unknown:
        return None
