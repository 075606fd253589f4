"""The ends over which a client sends: messages for a queue, and requests that are answered."""

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.emulators.servicebus import codec, frames, requests
from tests.emulators.servicebus.codec import symbol
from tests.emulators.servicebus.errors import ARGUMENT, NOT_FOUND, TOO_LARGE, Refused
from tests.emulators.servicebus.faults import Operation
from tests.emulators.servicebus.frames import Fields
from tests.emulators.servicebus.links import Link
from tests.emulators.servicebus.message import Parts, from_transfer
from tests.emulators.servicebus.queue import Queue

if TYPE_CHECKING:
    from tests.emulators.servicebus.connection import Channel

MAX_PROPERTY_BYTES = 32 * 1024
"""How long the value of an application property may be."""

CREDIT = 1000
"""Transfers that a client may send before it hears how many more; renewed when half are used."""

CBS = "$cbs"
MANAGEMENT = "/$management"


class Answers(Link):
    """The client hears the answers to its requests here."""


class Incoming(Link, ABC):
    """The client sends here."""

    def __init__(self, channel: "Channel", fields: Fields, path: str) -> None:
        super().__init__(channel, fields, path)
        self._count = 0
        self._first: Fields | None = None
        self._payload = b""

    def attach(self) -> None:
        limit = self.channel.server.max_message_size
        batch = codec.mapping({symbol("com.microsoft:max-message-batch-size"): codec.ulong(limit)})
        self.say_attached(max_message_size=limit, properties=batch)
        self.channel.grant(self.handle, count=0, credit=CREDIT)

    def transfer(self, fields: Fields) -> None:
        self._first = first = self._first or fields
        self._payload += fields.payload
        if fields.at(5):
            return
        payload, self._first, self._payload = self._payload, None, b""
        self._count += 1
        if self._count % (CREDIT // 2) == 0:
            self.channel.grant(self.handle, count=self._count, credit=CREDIT)
        self.take(first, payload)

    @abstractmethod
    def take(self, fields: Fields, payload: bytes) -> None:
        """A whole transfer has come."""

    def answer(self, fields: Fields, state: bytes) -> None:
        if not fields.at(4):
            number = fields.number(1)
            self.channel.say(
                frames.disposed(self.channel.number, is_receiver=True, delivery_id=number, state=state)
            )


class Sends(Incoming):
    """Messages for a queue."""

    def __init__(self, channel: "Channel", fields: Fields, queue: Queue) -> None:
        super().__init__(channel, fields, queue.path)
        self._queue = queue

    def take(self, fields: Fields, payload: bytes) -> None:
        def refuse(refused: Refused) -> None:
            self.answer(fields, frames.rejected(refused.condition, refused.description))

        self.channel.connection.carry_out(
            Operation.SEND, self.path, partial(self._send, fields, payload), refuse
        )

    def _send(self, fields: Fields, payload: bytes) -> None:
        if len(payload) > self.channel.server.max_message_size:
            raise Refused(TOO_LARGE, f"it has {len(payload)} bytes; send less")
        if self.channel.server.broker.find(self.path) is None:
            raise Refused(NOT_FOUND, "the queue is gone")
        messages = [Parts.read(message) for message in from_transfer(payload, fields.number(3))]
        for message in messages:
            if any(len(value) > MAX_PROPERTY_BYTES for value in message.application_properties.values()):
                raise Refused(ARGUMENT, f"a property has more than {MAX_PROPERTY_BYTES} bytes")
        for message in messages:
            self._queue.send(message)
            self.channel.server.faults.messages[self.path] += 1
        self.answer(fields, frames.ACCEPT)


class Requests(Incoming):
    """Questions, each answered over the link beside it."""

    def take(self, fields: Fields, payload: bytes) -> None:
        self.answer(fields, frames.ACCEPT)
        request = requests.Request.read(payload)
        server = self.channel.server
        do: requests.Ask
        entity = self.path.removesuffix(MANAGEMENT)
        if self.path == CBS:
            entity = frames.path_of(str(request.asks.get("name"))).lower()
            operation, do = Operation.AUTHORIZE, partial(requests.authorize, request, server.keys)
            refused_by = requests.unauthorized
        else:
            queue = server.broker.find(entity)
            assert queue is not None
            operation, do = requests.operation_of(request, queue, server.faults)
            refused_by = requests.failed

        def ask() -> None:
            self._answer(do())

        def refuse(refused: Refused) -> None:
            self._answer(refused_by(request, refused))

        self.channel.connection.carry_out(operation, entity, ask, refuse)

    def _answer(self, message: bytes) -> None:
        for link in self.channel.links.values():
            if isinstance(link, Answers) and link.path == self.path:
                self.channel.deliver(link.handle, uuid4().bytes, message)
                return
