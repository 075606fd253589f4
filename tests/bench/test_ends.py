"""Generator and receiver, each against the other side of its wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from tests.bench.generator import Plan, generate
from tests.bench.receiver import REFUSED, TAKEN, Arrivals, Tally
from tests.bench.receiver import Plan as Answers
from tests.bench.wire import Frame, Target, first_frame, number_in, payload

ACCEPTED = b'HTTP/1.1 202 Accepted\r\ncontent-length: %d\r\n\r\n{"id":"msg_%d"}'


def delivery(number: int, path: str = "/0", message_id: str = "msg_1") -> Frame:
    """A request as the service sends it."""
    body = payload(100).replace(b"\0", b"%012d" % number)
    head = f"POST {path} HTTP/1.1\r\nwebhook-id: {message_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    frame = first_frame(head.encode() + body)
    assert frame is not None
    return frame


class Accepting(asyncio.Protocol):
    """A service that accepts everything, and hangs up after so many answers."""

    def __init__(self, transports: list[asyncio.Transport], answers: int) -> None:
        self._transports = transports
        self._answers = answers
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transports.append(cast("asyncio.Transport", transport))
        self._transport = self._transports[-1]

    def data_received(self, chunk: bytes) -> None:
        self._buffer += chunk
        while (request := first_frame(self._buffer)) is not None:
            self._buffer = self._buffer[request.size_bytes :]
            number = number_in(request.body)
            answer = ACCEPTED % (len('{"id":"msg_"}') + len(str(number)), number)
            # After an interim answer, as HTTP allows, and in two pieces, as a stream may bring it.
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n" + answer[:30])
            asyncio.get_running_loop().call_soon(self._transport.write, answer[30:])
            self._answers -= 1
        if self._answers <= 0:
            asyncio.get_running_loop().call_soon(self._transport.close)


@asynccontextmanager
async def accepting(answers_per_connection: int = 1_000_000) -> AsyncIterator[Target]:
    """The service, for a while."""
    transports: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Accepting(transports, answers_per_connection), "127.0.0.1", 0)
    async with server:
        yield Target("127.0.0.1", server.sockets[0].getsockname()[1], "/msg", "token")
        for transport in transports:
            transport.abort()
        await asyncio.sleep(0)


async def test_the_generator_posts_each_message_once_and_remembers_its_id() -> None:
    async with accepting() as target:
        report = await generate(Plan(target, connections=4, payload_bytes=200, count=50, first_number=10))

    assert report.statuses == [202] * 50
    assert report.message_ids == [f"msg_{number}" for number in range(10, 60)]
    assert all(
        answered >= intended
        for answered, intended in zip(report.answered_ns, report.intended_ns, strict=True)
    )


async def test_the_generator_goes_on_after_a_connection_is_closed() -> None:
    """A service that restarts is a part of what is measured."""
    async with accepting(answers_per_connection=3) as target:
        report = await generate(Plan(target, connections=2, payload_bytes=200, count=20))

    assert len(report.statuses) == 20
    assert set(report.statuses) <= {202, 0}
    assert report.accepted >= 10


async def test_an_open_loop_counts_from_when_a_message_is_due() -> None:
    """Otherwise a service that stalls would be asked less, and look well."""
    async with accepting() as target:
        report = await generate(Plan(target, connections=1, payload_bytes=200, seconds=0.1, rate=1000))

    gaps = {later - sooner for sooner, later in zip(report.intended_ns, report.intended_ns[1:], strict=False)}
    assert gaps == {1_000_000}
    assert report.statuses == [202] * 100


def test_the_receiver_counts_each_delivery_once() -> None:
    arrivals = Arrivals(Answers(fan_out=2))

    answers = [arrivals.answer(delivery(3, path)) for path in ("/0", "/1", "/0")]

    assert answers == [TAKEN] * 3
    assert arrivals.tally() == Tally(arrived=2, duplicates=1, refused=0)
    assert all(column[3] > 0 for column in arrivals.report().arrivals_ns)


def test_the_receiver_notices_one_message_under_two_ids() -> None:
    arrivals = Arrivals(Answers(fan_out=2))

    arrivals.answer(delivery(0, "/0", "msg_1"))
    arrivals.answer(delivery(0, "/1", "msg_2"))

    assert arrivals.report().mixed_ids == 1


def test_an_unlucky_delivery_fails_once() -> None:
    """A share of failures must not make a loss out of a service that retries."""
    arrivals = Arrivals(Answers(fan_out=1, failure_share=0.25))

    first = [arrivals.answer(delivery(number)) for number in range(1000)]
    second = [arrivals.answer(delivery(number)) for number in range(1000)]

    assert first.count(REFUSED) == pytest.approx(250, abs=10)
    assert second == [TAKEN] * 1000


def test_an_endpoint_that_is_down_refuses_everything() -> None:
    arrivals = Arrivals(Answers(fan_out=1))

    assert [arrivals.answer(delivery(1, "/down")) for _ in range(2)] == [REFUSED] * 2
    assert arrivals.tally() == Tally(arrived=0, duplicates=0, refused=2)


def test_numbers_beyond_the_room_that_was_made_make_more() -> None:
    arrivals = Arrivals(Answers(fan_out=1))

    arrivals.answer(delivery(1_000_000))

    assert arrivals.report().arrivals_ns[0][1_000_000] > 0
