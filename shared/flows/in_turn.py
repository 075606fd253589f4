"""Attempts that may have to wait: for an endpoint that fails, for their turn, or for a busy receiver."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from shared.domain.retry import wait_for_receiver
from shared.domain.throttle import Turn, look_at
from shared.domain.verdict import Verdict
from shared.domain.work import RETRY_QUEUE, Again, Retry, to_body
from shared.flows.attempt import MakeAttempt, Parcel
from shared.flows.circuits import Circuits
from shared.flows.throttle import Throttle
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.journal import Journal
from shared.ports.queue import Queue
from shared.ports.sender import NoTurn


@dataclass(frozen=True)
class AttemptInTurn:
    """Carry one message to one endpoint, once, as soon as the endpoint, rates and the receiver allow it.

    1. If the endpoint or its application has a rate, take a turn, or use the one that was waited for; but
       none for what has to wait for the endpoint anyway, see 3.
    2. If the turn is still to come, queue the message for it. It waits there as a retry does: it ends if the
       endpoint is disabled, removed or wants other messages meanwhile, and nothing else has to wait for it.
    3. If the endpoint fails every time and this would be the message's first attempt, queue the message
       likewise. Where one is let through to see whether the endpoint is well, its turn has come.
    4. Make the attempt.
    5. If the receiver is too busy for it, queue the message likewise for a while, longer each time.
    """

    make_attempt: MakeAttempt
    circuits: Circuits
    throttle: Throttle
    queue: Queue
    clock: Clock
    dice: Dice
    journal: Journal

    async def __call__(self, parcel: Parcel) -> Verdict | None:
        """Make the attempt and say what followed from the answer; None if the message waits.

        Raises:
            Unavailable: A store or queue of ours is out of reach.
        """
        target, is_new = parcel.target, _is_new(parcel)
        if target.limits is not None:
            if is_new and (wait_at := self.circuits.wait_at(target.endpoint)):
                await self._pause(parcel, wait_at)
                return None
            turn = await self.throttle.turn(target.endpoint.app_id, target.limits, parcel.turn)  # (1)
            if turn is not None:
                await self._wait_for(turn, parcel)  # (2)
                return None
        if is_new and (wait_at := self.circuits.enter(target.endpoint)):
            await self._pause(parcel, wait_at)  # (3)
            return None
        try:
            return await self.make_attempt(parcel)  # (4)
        except NoTurn:
            due_at = self.clock.now() + wait_for_receiver(parcel.rests, self.dice.share())
            await self._wait(structs.replace(parcel, turn=None, rests=parcel.rests + 1), due_at)  # (5)
            await self._postpone(parcel, due_at)
            self._note("receiver.busy", parcel, due_at)
            return None

    async def _pause(self, parcel: Parcel, due_at: datetime) -> None:
        await self._wait(structs.replace(parcel, turn=None, pauses=parcel.pauses + 1), due_at)
        if parcel.pauses == 0:
            self._note("delivery.paused", parcel, due_at)

    async def _wait_for(self, turn: Turn, parcel: Parcel) -> None:
        await self._wait(structs.replace(parcel, turn=turn), look_at(turn, self.clock.now()))
        if turn != parcel.turn:
            await self._postpone(parcel, turn.at)
            self._note("delivery.throttled", parcel, turn.at)

    async def _postpone(self, parcel: Parcel, due_at: datetime) -> None:
        """Have a retry that waits not be taken for lost before it is due; a first attempt never is."""
        again = _again(parcel)
        if isinstance(again, Retry) and again.number > 1:
            await self.make_attempt.outbox.postpone(again, due_at=due_at)

    async def _wait(self, parcel: Parcel, due_at: datetime) -> None:
        await self.queue.send(RETRY_QUEUE, to_body(_again(parcel)), due_at=due_at)

    def _note(self, event: str, parcel: Parcel, due_at: datetime) -> None:
        self.journal.note(
            event,
            app_id=parcel.target.endpoint.app_id,
            message_id=parcel.message_id,
            endpoint_id=parcel.target.endpoint.id,
            number=parcel.number,
            due_at=due_at.isoformat(),
        )


def _is_new(parcel: Parcel) -> bool:
    """Whether it would be the message's first attempt there, and nobody has asked for it by hand."""
    return parcel.number == 1 and not parcel.forced


def _again(parcel: Parcel) -> Again:
    if parcel.by_hand is not None:
        return structs.replace(parcel.by_hand.resend, turn=parcel.turn, rests=parcel.rests)
    endpoint = parcel.target.endpoint
    return Retry(
        org_id=endpoint.org_id,
        app_id=endpoint.app_id,
        message_id=parcel.message_id,
        endpoint_id=endpoint.id,
        number=parcel.number,
        forced=parcel.forced,
        turn=parcel.turn,
        rests=parcel.rests,
        pauses=parcel.pauses,
    )
