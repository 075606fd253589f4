"""Attempts under a rate: made when it is their turn, and queued until then."""

from dataclasses import dataclass

from shared.domain.throttle import Turn, look_at
from shared.domain.verdict import Verdict
from shared.domain.work import RETRY_QUEUE, Again, Resend, Retry, to_body
from shared.flows.attempt import MakeAttempt, Parcel
from shared.flows.throttle import Throttle
from shared.ports.clock import Clock
from shared.ports.journal import Journal
from shared.ports.queue import Queue


@dataclass(frozen=True)
class AttemptInTurn:
    """Carry one message to one endpoint, once, as soon as the rates of endpoint and application allow it.

    1. Without a rate, make the attempt.
    2. Take a turn, or use the one that it has waited for.
    3. If the turn is still to come, queue the message for it. It waits there as a retry does: it ends if the
       endpoint is disabled, removed or wants other messages meanwhile, and nothing else has to wait for it.
    """

    make_attempt: MakeAttempt
    throttle: Throttle
    queue: Queue
    clock: Clock
    journal: Journal

    async def __call__(self, parcel: Parcel) -> Verdict | None:
        """Make the attempt and say what followed from the answer; None if it was queued for its turn.

        Raises:
            Unavailable: A store or queue of ours is out of reach.
        """
        target = parcel.target
        if target.limits is not None:
            turn = await self.throttle.turn(target.endpoint.app_id, target.limits, parcel.turn)
            if turn is not None:
                await self._wait(parcel, turn)
                return None
        return await self.make_attempt(parcel)

    async def _wait(self, parcel: Parcel, turn: Turn) -> None:
        due_at = look_at(turn, self.clock.now())
        await self.queue.send(RETRY_QUEUE, to_body(_again(parcel, turn)), due_at=due_at)
        if turn != parcel.turn:
            self.journal.note(
                "delivery.delayed",
                app_id=parcel.target.endpoint.app_id,
                message_id=parcel.message_id,
                endpoint_id=parcel.target.endpoint.id,
                number=parcel.number,
                turn_at=turn.at.isoformat(),
            )


def _again(parcel: Parcel, turn: Turn) -> Again:
    endpoint = parcel.target.endpoint
    if parcel.by_hand is not None:
        return Resend(
            org_id=endpoint.org_id,
            app_id=endpoint.app_id,
            message_id=parcel.message_id,
            endpoint_id=endpoint.id,
            attempt_id=parcel.by_hand.attempt_id,
            asked_at=parcel.by_hand.asked_at,
            turn=turn,
        )
    return Retry(
        org_id=endpoint.org_id,
        app_id=endpoint.app_id,
        message_id=parcel.message_id,
        endpoint_id=endpoint.id,
        number=parcel.number,
        forced=parcel.forced,
        turn=turn,
    )
