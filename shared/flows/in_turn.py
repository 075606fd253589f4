"""Attempts that may have to wait: for their turn under a rate, or for a receiver that is too busy."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from shared.domain.retry import wait_for_receiver
from shared.domain.throttle import look_at
from shared.domain.verdict import Verdict
from shared.domain.work import RETRY_QUEUE, Again, Retry, to_body
from shared.flows.attempt import MakeAttempt, Parcel
from shared.flows.throttle import Throttle
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.journal import Journal
from shared.ports.queue import Queue
from shared.ports.sender import NoTurn


@dataclass(frozen=True)
class AttemptInTurn:
    """Carry one message to one endpoint, once, as soon as rates and the receiver allow it.

    1. If the endpoint or its application has a rate, take a turn, or use the one that was waited for.
    2. If the turn is still to come, queue the message for it. It waits there as a retry does: it ends if the
       endpoint is disabled, removed or wants other messages meanwhile, and nothing else has to wait for it.
    3. Make the attempt.
    4. If the receiver is too busy for it, queue the message likewise for a while, longer each time.
    """

    make_attempt: MakeAttempt
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
        target = parcel.target
        if target.limits is not None:
            turn = await self.throttle.turn(target.endpoint.app_id, target.limits, parcel.turn)  # (1)
            if turn is not None:
                due_at = look_at(turn, self.clock.now())
                is_new = turn != parcel.turn
                await self._wait(structs.replace(parcel, turn=turn), due_at)  # (2)
                if is_new:
                    self._note("delivery.throttled", parcel, turn.at)
                return None
        try:
            return await self.make_attempt(parcel)  # (3)
        except NoTurn:
            due_at = self.clock.now() + wait_for_receiver(parcel.rests, self.dice.share())
            await self._wait(structs.replace(parcel, turn=None, rests=parcel.rests + 1), due_at)  # (4)
            self._note("receiver.busy", parcel, due_at)
            return None

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
    )
