"""What a person has sent by hand: a message once more, or an example."""

from dataclasses import dataclass

import msgspec

from shared.domain import ids
from shared.domain.application import Application
from shared.domain.errors import EndpointDisabled, NoExample, PayloadGone
from shared.domain.message import Message, NewMessage
from shared.domain.work import RETRY_QUEUE, Resend, to_body
from shared.flows.accept import Accept
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.endpoints import Endpoints
from shared.ports.event_types import EventTypes
from shared.ports.messages import Messages
from shared.ports.queue import Queue

PING = "svix.ping"
"""An event type that every organization has without making it."""

PING_PAYLOAD = '{"success": true}'
EXAMPLES_VERSION = "1"
"""The version of an event type's schema whose examples are sent."""


class _Schema(msgspec.Struct):
    examples: list[msgspec.Raw] = []


_schemas = msgspec.json.Decoder(dict[str, msgspec.Raw])
_schema = msgspec.json.Decoder(_Schema)


@dataclass(frozen=True)
class SendAgain:
    """Have a message attempted once more at one endpoint, whatever that filters by.

    1. The message and its payload must be there, then the endpoint, and it must be enabled.
    2. Give the attempt its id, and queue the work with it.
    """

    messages: Messages
    endpoints: Endpoints
    queue: Queue
    clock: Clock
    dice: Dice

    async def __call__(self, application: Application, message_key: str, endpoint_key: str) -> Resend:
        """Queue one manual attempt.

        Args:
            application: Whose message it is.
            message_key: Its id or eventId.
            endpoint_key: The endpoint's id or uid.

        Raises:
            Unknown: The application has no such message, or no such endpoint.
            PayloadGone: There is nothing left to send.
            EndpointDisabled: Nothing is sent to it.
            Unavailable: Nothing was queued.
        """
        message = await self.messages.get(application.id, message_key)
        if message.payload is None:
            raise PayloadGone(message.id)
        endpoint = await self.endpoints.get(application.id, endpoint_key)
        if endpoint.disabled:
            raise EndpointDisabled(endpoint.id)
        now = self.clock.now()
        resend = Resend(
            org_id=application.org_id,
            app_id=application.id,
            message_id=message.id,
            endpoint_id=endpoint.id,
            attempt_id=ids.new_id(ids.ATTEMPT, now, self.dice.octets(ids.DICE_BYTES)),
            asked_at=now,
        )
        await self.queue.send(RETRY_QUEUE, to_body(resend))
        return resend


@dataclass(frozen=True)
class SendExample:
    """Send the example of an event type to one endpoint, whatever that filters by, and to no other.

    It is a message like any other: signed, listed, and repeated if the receiver fails.
    """

    event_types: EventTypes
    endpoints: Endpoints
    accept: Accept

    async def __call__(
        self, application: Application, endpoint_key: str, event_type: str, index: int
    ) -> Message:
        """Accept the message.

        Args:
            application: Whose endpoint it is.
            endpoint_key: The endpoint's id or uid.
            event_type: `PING`, or one of the organization's, archived or not.
            index: Which of its examples, counted from 0.

        Raises:
            Unknown: There is no such endpoint, or no such event type.
            EndpointDisabled: Nothing is sent to it.
            NoExample: The event type has no such example.
            Unavailable: Nothing was accepted.
        """
        endpoint = await self.endpoints.get(application.id, endpoint_key)
        if endpoint.disabled:
            raise EndpointDisabled(endpoint.id)
        payload = PING_PAYLOAD
        if event_type != PING:
            schemas = (await self.event_types.get(application.org_id, event_type)).schemas
            payload = _example(event_type, schemas, index)
        message = self.accept.prepare(application, NewMessage(event_type, payload))
        await self.accept(message, endpoint_id=endpoint.id)
        return message


def _example(event_type: str, schemas: str | None, index: int) -> str:
    """The JSON text of an example.

    Raises:
        NoExample: There is none, or it is no object, as payloads must be.
    """
    try:
        schema = _schema.decode(_schemas.decode(schemas or "{}")[EXAMPLES_VERSION])
        example = bytes(schema.examples[index]).decode()
    except (msgspec.MsgspecError, LookupError) as missing:
        raise NoExample(event_type) from missing
    if not example.startswith("{"):
        raise NoExample(event_type)
    return example
