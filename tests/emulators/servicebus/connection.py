"""One connection of a client: frames in, frames out, and the links on it."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from tests.emulators.servicebus import counts, frames
from tests.emulators.servicebus.errors import NOT_FOUND, Refused
from tests.emulators.servicebus.faults import Cut, Delay, Operation, Refuse
from tests.emulators.servicebus.frames import AMQP_HEADER, SASL_HEADER, Attached, Fields
from tests.emulators.servicebus.links import Link, Unsettled
from tests.emulators.servicebus.receiving import Receives, ReceivesSession
from tests.emulators.servicebus.sending import CBS, MANAGEMENT, Answers, Requests, Sends

if TYPE_CHECKING:
    from tests.emulators.servicebus.server import Server


class Channel:
    """A session of AMQP: links, and the numbers of what goes over them."""

    def __init__(self, connection: "Connection", number: int, first_incoming: int) -> None:
        self.connection = connection
        self.number = number
        self.links: dict[int, Link] = {}
        self.unsettled: dict[int, Unsettled] = {}
        self._incoming = first_incoming
        self._outgoing = 0
        self._deliveries = 0

    @property
    def server(self) -> "Server":
        return self.connection.server

    def receive(self, fields: Fields) -> None:
        """Carry out one performative."""
        match fields.kind:
            case frames.ATTACH:
                self._attach(fields)
            case frames.FLOW:
                if (link := self.links.get(fields.number(4, -1))) is not None:
                    link.flow(fields)
            case frames.TRANSFER:
                self._incoming += 1
                if (link := self.links.get(fields.number(0))) is not None:
                    link.transfer(fields)
            case frames.DISPOSITION:
                self._dispose(fields)
            case frames.DETACH:
                self._detach(fields.number(0))
            case _:
                pass

    def say(self, frame: bytes) -> None:
        self.connection.say(frame)

    def grant(self, handle: int, *, count: int, credit: int, drain: bool = False) -> None:
        """Say how much may come over a link, or that nothing more comes."""
        self.say(
            frames.flowed(
                self.number,
                incoming=self._incoming,
                outgoing=self._outgoing,
                handle=handle,
                count=count,
                credit=credit,
                drain=drain,
            )
        )

    def deliver(self, handle: int, tag: bytes, payload: bytes, unsettled: Unsettled | None = None) -> None:
        """Send a message over a link; `unsettled` says what to do with the client's answer."""
        number = self._deliveries
        self._deliveries += 1
        if unsettled is not None:
            self.unsettled[number] = unsettled
        for frame in frames.transferred(
            self.number,
            handle=handle,
            delivery_id=number,
            tag=tag,
            settled=unsettled is None,
            payload=payload,
        ):
            self._outgoing += 1
            self.say(frame)

    def refuse_link(self, attached: Attached, refused: Refused) -> None:
        self.say(attached.frame(self.number))
        self.drop_link(attached.handle, refused)

    def drop_link(self, handle: int, refused: Refused) -> None:
        error = frames.error(refused.condition, refused.description)
        self.links.pop(handle, None)
        self.say(frames.detached(self.number, handle, error))

    def end(self) -> None:
        for link in self.links.values():
            link.close()
        self.links.clear()

    def drop_links(self, path: str, refused: Refused) -> None:
        for link in [link for link in self.links.values() if link.path.startswith(path)]:
            link.close()
            self.drop_link(link.handle, refused)

    def _attach(self, fields: Fields) -> None:
        link = link_for(self, fields)
        reply = Attached(
            fields.slice(0), fields.number(1), not fields.at(2), (fields.slice(3), fields.slice(4))
        )
        if link is None:
            self.refuse_link(reply, Refused(NOT_FOUND, "there is no such queue; look at its name"))
            return
        self.links[link.handle] = link
        self.connection.carry_out(Operation.ATTACH, link.path, link.attach, partial(self.refuse_link, reply))

    def _dispose(self, fields: Fields) -> None:
        first = fields.number(1)
        for number in range(first, fields.number(2, first) + 1):
            if (unsettled := self.unsettled.pop(number, None)) is not None:
                unsettled.settle(number, fields.at(4), is_answered=not fields.at(3))

    def _detach(self, handle: int) -> None:
        link = self.links.pop(handle, None)
        if link is not None:
            link.close()
            self.say(frames.detached(self.number, handle))


def link_for(channel: Channel, fields: Fields) -> Link | None:
    """Our end of the link that a client attaches; None if there is no such queue."""
    receives = bool(fields.at(2))
    path = frames.address_of(fields.at(5 if receives else 6)).lower()
    if path == CBS or path.endswith(MANAGEMENT):
        entity = path.removesuffix(MANAGEMENT)
        if path != CBS and channel.server.broker.find(entity) is None:
            return None
        return Answers(channel, fields, path) if receives else Requests(channel, fields, path)
    queue = channel.server.broker.find(path)
    if queue is None:
        return None
    if not receives:
        return Sends(channel, fields, queue)
    if queue.settings.has_sessions:
        return ReceivesSession(channel, fields, queue)
    return Receives(channel, fields, queue)


class Connection(asyncio.Protocol):
    """A socket, and what AMQP makes of it."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._channels: dict[int, Channel] = {}
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.server.connections.add(self)
        self.carry_out(Operation.CONNECT, "", lambda: None, lambda _: self.cut())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's own name
        self.server.connections.discard(self)
        self._transport = None
        for channel in self._channels.values():
            channel.end()
        self.server.flush_soon()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer.startswith(b"GET ") and b"\r\n\r\n" in self._buffer:
            self._count(bytes(self._buffer))
            del self._buffer[: self._buffer.index(b"\r\n\r\n") + 4]
        if self._buffer.startswith(b"GET "):
            return
        for kind, channel, body in self._frames():
            if self._transport is not None:
                self._receive(kind, channel, Fields.read(body))

    def say(self, frame: bytes) -> None:
        """Send a frame as soon as what was done is kept."""
        if self._transport is not None:
            self._out.append(frame)
            self.server.flush_soon(self)

    def flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def cut(self) -> None:
        """End it without a word."""
        self._out.clear()
        if self._transport is not None:
            self._transport.abort()

    def drop_links(self, path: str, refused: Refused) -> None:
        """Take a client's links to a queue away."""
        for channel in self._channels.values():
            channel.drop_links(path, refused)

    def carry_out(
        self, operation: Operation, path: str, do: Callable[[], None], refuse: Callable[[Refused], None]
    ) -> None:
        """Do what was asked for, unless a test wants it to go wrong."""

        def try_it() -> None:
            try:
                do()
            except Refused as refused:
                refuse(refused)

        match fault := self.server.faults.count(operation, path):
            case Refuse(condition, description):
                refuse(Refused(condition, description))
            case Cut(is_done_first=False):
                self.cut()
            case Delay(by):
                alarms = self.server.alarms
                alarms.at(alarms.now() + int(by.total_seconds() * 1e6), try_it)
            case _:
                try_it()
        if isinstance(fault, Cut):
            self.cut()

    def _frames(self) -> Iterator[tuple[int, int, bytes]]:
        while len(self._buffer) >= len(AMQP_HEADER):
            if self._buffer[:4] == AMQP_HEADER[:4]:
                self._greet(bytes(self._buffer[:8]))
                del self._buffer[:8]
                continue
            size = int.from_bytes(self._buffer[:4])
            if len(self._buffer) < size:
                return
            start = self._buffer[4] * 4
            kind, channel = self._buffer[5], int.from_bytes(self._buffer[6:8])
            body = bytes(self._buffer[start:size])
            del self._buffer[:size]
            if body:
                yield kind, channel, body

    def _count(self, request: bytes) -> None:
        path = counts.path_of(request)
        queue = self.server.broker.find(path)
        self.carry_out(
            Operation.COUNT, path, lambda: self.say(counts.answer(queue)), lambda _: self.say(counts.busy())
        )

    def _greet(self, header: bytes) -> None:
        self.say(header)
        if header == SASL_HEADER:
            self.say(frames.sasl_mechanisms())

    def _receive(self, kind: int, number: int, fields: Fields) -> None:
        channel = self._channels.get(number)
        if kind == 1:
            self.say(frames.sasl_outcome())
        elif fields.kind == frames.OPEN:
            self.say(frames.opened("emulator"))
        elif fields.kind == frames.CLOSE:
            self.say(frames.closed())
        elif fields.kind == frames.BEGIN:
            self._channels[number] = Channel(self, number, fields.number(1))
            self.say(frames.begun(number))
        elif channel is not None and fields.kind == frames.END:
            self._channels.pop(number).end()
            self.say(frames.ended(number))
        elif channel is not None:
            channel.receive(fields)
