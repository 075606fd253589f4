"""One attempt: the heart of the service, shared by everything that delivers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from shared.domain import ids
from shared.domain.attempt import Attempt, Ended, Ending, Status, Trigger
from shared.domain.endpoint import Endpoint, receiver_of
from shared.domain.message import JSON
from shared.domain.policy import Policy
from shared.domain.probation import probation_of
from shared.domain.retry import wait_after
from shared.domain.signature import sign
from shared.domain.throttle import Turn
from shared.domain.trace import Span, Trace, trace_of
from shared.domain.verdict import Answer, Verdict, judge
from shared.domain.work import Resend, Retry
from shared.flows.circuits import Circuits
from shared.flows.directory import Directory, Target
from shared.flows.operational import OperationalWebhooks
from shared.ports.background_tasks import BackgroundTasks
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.endpoints import Endpoints
from shared.ports.journal import ATTEMPTED, Fact, Journal
from shared.ports.outbox import DueRetry, Outbox
from shared.ports.sender import Outgoing, Sender


class ByHand(msgspec.Struct, frozen=True):
    """What makes an attempt a manual one.

    Attributes:
        resend: The work that it was queued as.
        pending_at: When the automatic retry is due that goes on if this attempt fails; None if none does.
    """

    resend: Resend
    pending_at: datetime | None


class Parcel(msgspec.Struct, frozen=True):
    """A message on its way to one endpoint.

    Attributes:
        payload: What is sent, byte for byte.
        content_type: What it is sent as; None is JSON.
        number: Which automatic attempt this is, counted from 1; 0 for a manual one.
        forced: The endpoint is to get it whatever it filters by, also when it is attempted again.
        by_hand: What makes it a manual attempt, which no retry follows; None for an automatic one.
        beside_others: There are attempts on it at the endpoint, though this may be the first automatic one.
        turn: Under a rate, that it has waited for.
        rests: How often it has found the receiver too busy.
        pauses: How often it has found the endpoint's circuit open.
        trace: As in `Message`.
    """

    message_id: str
    event_type: str
    channels: frozenset[str] | None
    tags: frozenset[str] | None
    payload: bytes
    content_type: str | None
    target: Target
    number: int
    forced: bool = False
    by_hand: ByHand | None = None
    beside_others: bool = False
    turn: Turn | None = None
    rests: int = 0
    pauses: int = 0
    trace: str | None = None


@dataclass(frozen=True)
class MakeAttempt:
    """Carry one message to one endpoint, once.

    1. Wait for a turn at the receiver. The attempt begins with it: a signature is only good for minutes.
       At a receiver that hangs there is none: the attempt has failed, so that nobody else has to wait. At
       one that is slow there may be none soon: then no attempt is made.
    2. Sign with every key that has not expired, the current one first.
    3. Send. Whatever happens on the wire becomes an `Answer`, never an exception.
    4. Let the domain judge the answer and say when to try again.
    5. Keep the attempt and queue its retry, together.
    6. Draw the consequences for the endpoint: its circuit, failing, well again, disabled, on probation. Tell
       the organization.
    """

    sender: Sender
    outbox: Outbox
    endpoints: Endpoints
    directory: Directory
    clock: Clock
    dice: Dice
    journal: Journal
    operational: OperationalWebhooks
    circuits: Circuits
    background_tasks: BackgroundTasks

    async def __call__(self, parcel: Parcel) -> Verdict:
        """Make the attempt; say what followed from the answer.

        Raises:
            NoTurn: The receiver is too busy. It was not made.
            Unavailable: It was made, but a store or queue of ours is out of reach.
        """
        # As it holds now, also for a message of before it was changed.
        policy = await self.directory.policy(parcel.target.endpoint.org_id)
        async with self.sender.turn(parcel.target.endpoint.url) as refusal:  # (1)
            began_at = self.clock.now()
            attempt_id = self._id(parcel, began_at)
            span = trace_of(parcel.message_id, parcel.trace).span(attempt_id)
            answer = refusal or await self.sender.send(outgoing(parcel, policy, began_at, span))  # (2) (3)

        verdict = judge(answer)  # (4)
        next_at = self._next_at(parcel, policy, answer) if verdict is Verdict.RETRY else None

        attempt = _attempt(parcel, attempt_id, began_at, answer, verdict, next_at)
        retry = self._retry(parcel, next_at)
        await self.outbox.record(attempt, retry, beside_others=parcel.beside_others)  # (5)
        self._note(parcel, attempt, answer, verdict, span)

        self.operational.attempted(attempt)
        await self._draw_consequences(parcel.target, policy, attempt, verdict)  # (6)
        return verdict

    def tell_again(self, attempt: Attempt) -> None:
        """It is recorded, and its organization may not have been told: the process may have ended between."""
        self.operational.attempted(attempt)

    def _next_at(self, parcel: Parcel, policy: Policy, answer: Answer) -> datetime | None:
        if parcel.by_hand is not None:
            return parcel.by_hand.pending_at
        now = self.clock.now()
        wait = wait_after(
            parcel.number, policy.schedule_for(parcel.event_type), answer, now, self.dice.share()
        )
        return None if wait is None else now + wait

    def _id(self, parcel: Parcel, began_at: datetime) -> str:
        if parcel.by_hand is not None:
            return parcel.by_hand.resend.attempt_id
        return ids.new_id(ids.ATTEMPT, began_at, self.dice.octets(ids.DICE_BYTES))

    @staticmethod
    def _retry(parcel: Parcel, next_at: datetime | None) -> DueRetry | None:
        if next_at is None or parcel.by_hand is not None:
            return None
        endpoint = parcel.target.endpoint
        retry = Retry(
            org_id=endpoint.org_id,
            app_id=endpoint.app_id,
            message_id=parcel.message_id,
            endpoint_id=endpoint.id,
            number=parcel.number + 1,
            forced=parcel.forced,
        )
        return DueRetry(retry, next_at)

    async def _draw_consequences(
        self, target: Target, policy: Policy, attempt: Attempt, verdict: Verdict
    ) -> None:
        endpoint, is_manual = target.endpoint, attempt.trigger is Trigger.MANUAL
        of: dict[str, Fact] = {"app_id": endpoint.app_id, "endpoint_id": endpoint.id}
        # Who asks for the end of one message's retries is there, and speaks of that message alone.
        if verdict is not Verdict.ABANDON:
            self.circuits.answered(endpoint, is_success=verdict.is_success)
        if verdict.is_success and endpoint.failing_since is not None:
            await self.endpoints.end_failing(endpoint.app_id, endpoint.id)
            self.journal.note("endpoint.recovered", failing_since=endpoint.failing_since.isoformat(), **of)
            self.directory.forget_targets(endpoint.app_id)
        if verdict.is_disabling:
            since = endpoint.failing_since or attempt.timestamp
            why = f"the receiver asked for it ({attempt.response_status_code})"
            await self._disable(endpoint, since, why)
        elif verdict is Verdict.RETRY and attempt.next_attempt_at is None and not is_manual:
            at = attempt.timestamp
            since = await self.endpoints.begin_failing(endpoint.app_id, endpoint.id, at=at)
            if since == at:
                self.journal.note("endpoint.failing", **of)
            self.directory.forget_targets(endpoint.app_id)
            if at - since > policy.disable_after:
                if policy.endpoint_probation:
                    # Before it is disabled, so that a crash between the two leaves no endpoint without it.
                    await self.background_tasks.begin(probation_of(endpoint, policy, since, at))
                await self._disable(endpoint, since, f"it has given up messages since {since.isoformat()}")

    async def _disable(self, endpoint: Endpoint, fail_since: datetime, why: str) -> None:
        if await self.endpoints.disable(endpoint.app_id, endpoint.id, at=self.clock.now()):
            self.journal.note("endpoint.disabled", app_id=endpoint.app_id, endpoint_id=endpoint.id, why=why)
            self.operational.disabled(endpoint, fail_since)
        self.directory.forget_targets(endpoint.app_id)
        self.circuits.forget(endpoint)

    def _note(self, parcel: Parcel, attempt: Attempt, answer: Answer, verdict: Verdict, span: Span) -> None:
        next_at = attempt.next_attempt_at
        self.journal.note(
            ATTEMPTED,
            org_id=attempt.org_id,
            app_id=attempt.app_id,
            message_id=attempt.message_id,
            event_type=attempt.event_type,
            endpoint_id=attempt.endpoint_id,
            attempt_id=attempt.id,
            number=attempt.number,
            manual=parcel.by_hand is not None,
            receiver=receiver_of(attempt.url),
            payload_bytes=len(parcel.payload),
            status_code=attempt.response_status_code,
            failure=None if answer.failure is None else answer.failure.name.lower(),
            duration_ms=_milliseconds(attempt.duration),
            delivered=verdict.is_success,
            verdict=verdict.value,
            next_attempt_at=None if next_at is None else next_at.isoformat(),
            trace_id=span.trace.id,
            span_id=span.id,
            parent_span_id=span.trace.parent_id,
        )
        if not verdict.is_success and parcel.by_hand is None:
            self._note_what_follows(attempt, verdict, span.trace)

    def _note_what_follows(self, attempt: Attempt, verdict: Verdict, trace: Trace) -> None:
        of: dict[str, Fact] = {
            "app_id": attempt.app_id,
            "message_id": attempt.message_id,
            "endpoint_id": attempt.endpoint_id,
            "trace_id": trace.id,
        }
        if attempt.next_attempt_at is None:
            self.journal.note("delivery.given_up", attempts=attempt.number, verdict=verdict.value, **of)
        else:
            wait = attempt.next_attempt_at - self.clock.now()
            self.journal.note("retry.planned", number=attempt.number + 1, wait_ms=_milliseconds(wait), **of)


def _attempt(
    parcel: Parcel,
    attempt_id: str,
    began_at: datetime,
    answer: Answer,
    verdict: Verdict,
    next_at: datetime | None,
) -> Attempt:
    endpoint, by_hand = parcel.target.endpoint, parcel.by_hand
    return Attempt(
        id=attempt_id,
        message_id=parcel.message_id,
        endpoint_id=endpoint.id,
        app_id=endpoint.app_id,
        org_id=endpoint.org_id,
        event_type=parcel.event_type,
        channels=parcel.channels,
        number=parcel.number,
        url=endpoint.url,
        status=Status.SUCCESS if verdict.is_success else Status.FAIL,
        response_status_code=answer.status_code,
        response=answer.body,
        duration=answer.duration,
        trigger=Trigger.SCHEDULED if by_hand is None else Trigger.MANUAL,
        timestamp=began_at if by_hand is None else by_hand.resend.asked_at,
        next_attempt_at=next_at,
        tags=parcel.tags,
        ended=_ended(parcel, verdict, began_at + answer.duration),
    )


def _ended(parcel: Parcel, verdict: Verdict, at: datetime) -> Ended | None:
    """Why no retry follows an automatic attempt, unless it has succeeded or the schedule is used up."""
    if verdict.is_success or verdict is Verdict.RETRY or parcel.by_hand is not None:
        return None
    return Ended(Ending.REFUSED, at)


def _milliseconds(span: timedelta) -> float:
    return round(span.total_seconds() * 1000, 1)


def outgoing(parcel: Parcel, policy: Policy, began_at: datetime, span: Span) -> Outgoing:
    """The request that carries a parcel: signed at an instant, with every key that has not expired."""
    endpoint, names = parcel.target.endpoint, policy.signature_headers
    seconds = int(began_at.timestamp())
    signature = sign(parcel.target.keys_at(began_at), parcel.message_id, seconds, parcel.payload)
    return Outgoing(
        url=endpoint.url,
        headers=[
            ("Content-Type", parcel.content_type or JSON),
            ("User-Agent", policy.user_agent),
            (names.id, parcel.message_id),
            (names.timestamp, str(seconds)),
            (names.signature, signature),
            *span.headers(),
            *endpoint.headers.items(),
        ],
        body=parcel.payload,
        timeout=policy.request_timeout,
    )
