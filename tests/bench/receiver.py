"""The other side: takes deliveries, answers them, and remembers when each message first arrived where.

Run as a process of its own: `python -m tests.bench.receiver PLAN`, where PLAN is a `Plan` in JSON. It
prints the port that it listens on, and ends with SIGTERM.

`POST /0` to `POST /N-1` are the endpoints of the fan-out and `POST /down` always answers 500. `GET /tally`
answers what has arrived so far as a `Tally`, `GET /report` as a `Report`.
"""

import asyncio
import signal
import sys
import time
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import cast

import msgspec
import uvloop

from tests.bench.wire import BrokenWire, Frame, first_frame, header, number_in

TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\ndown"
PATH_DOWN = b"/down"
# Coprime to a million, so that consecutive numbers are spread over all shares.
SPREAD = 611_953
MILLION = 1_000_000
ROOM = 65_536


@dataclass(frozen=True, slots=True)
class Plan:
    """How to answer."""

    fan_out: int
    delay_seconds: float = 0
    failure_share: float = 0
    """The share of deliveries, 0 to 1, of which the first attempt is answered 500."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What has arrived so far."""

    arrived: int
    """Deliveries that were answered 200, each counted once."""
    duplicates: int
    """Deliveries that were answered 200 and had been so before."""
    refused: int
    """Answers 500."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that arrived."""

    arrivals_ns: list[list[int]]
    """By endpoint and message number: when it was first answered 200, in monotonic nanoseconds; 0: never."""
    message_ids: list[str]
    """By message number: the `webhook-id` of the first delivery."""
    mixed_ids: int
    """Deliveries whose `webhook-id` was another than the first delivery of the same message had."""


class Arrivals:
    """What has arrived where, and when."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._paths = {b"/%d" % endpoint: array("q", bytes(8 * ROOM)) for endpoint in range(plan.fan_out)}
        self._refused_once: set[tuple[bytes, int]] = set()
        self._ids: dict[int, bytes] = {}
        self._mixed_ids = 0
        self._counts: Counter[str] = Counter()

    def answer(self, request: Frame) -> bytes:
        """Remember one request and decide its answer.

        Raises:
            BrokenWire: It is no delivery of ours.
        """
        now = time.monotonic_ns()
        method, path, _version = request.head[: request.head.index(b"\r\n")].split(b" ")
        if method == b"GET":
            return _ok(msgspec.json.encode(self.report() if path == b"/report" else self.tally()))
        number = number_in(request.body)
        if path == PATH_DOWN or (self.plan.failure_share and self._is_unlucky(path, number)):
            self._counts["refused"] += 1
            return REFUSED
        self._arrived(path, number, now)
        self._identified(number, header(request, b"webhook-id"))
        return TAKEN

    def tally(self) -> Tally:
        """The numbers so far."""
        counts = self._counts
        return Tally(counts["arrived"], counts["duplicates"], counts["refused"])

    def report(self) -> Report:
        """Everything so far."""
        rows = max(self._ids, default=-1) + 1
        return Report(
            arrivals_ns=[column[:rows].tolist() for column in self._paths.values()],
            message_ids=[self._ids.get(number, b"").decode() for number in range(rows)],
            mixed_ids=self._mixed_ids,
        )

    def _arrived(self, path: bytes, number: int, now_ns: int) -> None:
        column = self._paths[path]
        if number >= len(column):
            column.frombytes(bytes(8 * (number + ROOM - len(column))))
        if column[number]:
            self._counts["duplicates"] += 1
            return
        column[number] = now_ns
        self._counts["arrived"] += 1

    def _identified(self, number: int, message_id: bytes) -> None:
        if self._ids.setdefault(number, message_id) != message_id:
            self._mixed_ids += 1

    def _is_unlucky(self, path: bytes, number: int) -> bool:
        key = (path, number)
        if key in self._refused_once:
            return False
        lot = (number * len(self._paths) + int(path[1:])) * SPREAD % MILLION
        if lot >= self.plan.failure_share * MILLION:
            return False
        self._refused_once.add(key)
        return True


def _ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Connection(asyncio.Protocol):
    """One connection of the service."""

    __slots__ = ("_arrivals", "_rest", "_transport")

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._rest = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        # A cast, because uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, chunk: bytes) -> None:
        """Answer every request that is whole."""
        self._rest = self._rest + chunk if self._rest else chunk
        try:
            while (request := first_frame(self._rest)) is not None:
                self._rest = self._rest[request.size_bytes :]
                self._answer(self._arrivals.answer(request))
        except (BrokenWire, KeyError) as broken:
            print(f"a request that nobody should send: {broken}", file=sys.stderr)
            assert self._transport is not None
            self._transport.abort()

    def _answer(self, answer: bytes) -> None:
        assert self._transport is not None
        delay_seconds = self._arrivals.plan.delay_seconds
        if delay_seconds:
            asyncio.get_running_loop().call_later(delay_seconds, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def receive(plan: Plan) -> None:
    """Take deliveries until SIGTERM."""
    loop = asyncio.get_running_loop()
    arrivals = Arrivals(plan)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(lambda: Connection(arrivals), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()


def main() -> None:
    """Receive as the plan in the first argument says."""
    uvloop.run(receive(msgspec.json.decode(sys.argv[1], type=Plan)))


if __name__ == "__main__":
    main()
