"""Accepting a message: the promise that the `202` stands for."""

from dataclasses import dataclass

from shared.domain import ids
from shared.domain.application import Application
from shared.domain.message import Message, NewMessage
from shared.domain.trace import trace_of
from shared.domain.work import INLINE_PAYLOAD_LIMIT_BYTES, Dispatch
from shared.ports.answers import StoredAnswer
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.journal import ACCEPTED, Journal
from shared.ports.outbox import Claim, Outbox


@dataclass(frozen=True)
class Accept:
    """Take a message over.

    1. `prepare`: give it an id and its instant, so that the answer to the producer is known before the write.
    2. Keep the message, the idempotency claim and the dispatch, all or none.
    3. Only then is it accepted.
    """

    outbox: Outbox
    clock: Clock
    dice: Dice
    journal: Journal

    def prepare(self, application: Application, new: NewMessage, key: bytes | None = None) -> Message:
        """The message that will be kept: its id and `created_at` come from the same instant.

        Args:
            application: Whose message it is.
            new: What was said of it.
            key: Of the claim that it is to be kept with.
        """
        now = self.clock.now()
        once = key if new.event_id is None else new.event_id.encode()
        return Message(
            id=ids.new_message_id(now, self.dice.octets(ids.DICE_BYTES), once),
            app_id=application.id,
            org_id=application.org_id,
            event_type=new.event_type,
            event_id=new.event_id,
            channels=new.channels,
            payload=new.payload,
            payload_expires_at=now + new.payload_retention,
            created_at=now,
            tags=new.tags,
            content_type=new.content_type,
            deliver_at=new.deliver_at,
            trace=new.trace,
        )

    async def __call__(
        self, message: Message, claim: Claim | None = None, *, endpoint_id: str | None = None
    ) -> StoredAnswer | None:
        """Keep a prepared message.

        Args:
            message: As prepared.
            claim: The idempotency key that it uses up.
            endpoint_id: Deliver it to this endpoint and no other, whatever it filters by.

        Returns:
            None if it was accepted; the answer that the claim's key has had before, if it was not.

        Raises:
            EventIdTaken: The application has a message with this eventId.
            Unavailable: The store or the queue is out of reach or full; nothing was promised.
        """
        answered = await self.outbox.accept(message, _dispatch_of(message, endpoint_id), claim)
        if answered is None:
            trace = trace_of(message.id, message.trace)
            self.journal.note(
                ACCEPTED,
                org_id=message.org_id,
                app_id=message.app_id,
                message_id=message.id,
                event_type=message.event_type,
                trace_id=trace.id,
                parent_span_id=trace.parent_id,
            )
        return answered

    async def answered(self, app_id: str | None, key: bytes) -> StoredAnswer | None:
        """The answer that a claim's key has had, as the outbox knows it.

        Raises:
            Unavailable: The store is out of reach.
        """
        return await self.outbox.answered(app_id, key)


def _dispatch_of(message: Message, endpoint_id: str | None) -> Dispatch:
    payload = message.payload
    return Dispatch(
        org_id=message.org_id,
        app_id=message.app_id,
        message_id=message.id,
        event_type=message.event_type,
        channels=message.channels,
        payload=payload if payload is not None and _travels(payload) else None,
        repeat=message.deliver_at is not None,
        endpoint_id=endpoint_id,
        tags=message.tags,
        content_type=message.content_type,
        trace=message.trace,
    )


def _travels(payload: str) -> bool:
    size_bytes = len(payload) if payload.isascii() else len(payload.encode())
    return size_bytes <= INLINE_PAYLOAD_LIMIT_BYTES
