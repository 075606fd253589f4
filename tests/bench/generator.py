"""The load: posts messages at a rate, or as fast as they are accepted, and remembers what became of each.

Run as a process of its own: `python -m tests.bench.generator PLAN REPORT`, where PLAN is a `Plan` in JSON
and REPORT the file to leave a `Report` in. It prints a line when the load begins, and another when its last
answer is in.

Open loop (a rate is given): message n is due at start + n / rate, whatever the service does. Its latency
counts from then, also when no connection was free to post it: a service that stalls cannot hide the wait by
slowing the load. Closed loop (no rate): every connection posts its next message when the last one is
answered.
"""

import asyncio
import gc
import sys
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from tests.bench.wire import BrokenWire, Frame, Posting, Target, first_frame, id_in, posting

ACCEPTED = 202
FINAL = 200  # below it an answer is interim
NO_ANSWER = 0
NANOSECONDS = 1_000_000_000
# Waking more often costs the machine more than it gains in precision.
SHORTEST_TICK = timedelta(milliseconds=1)
# A load of so many messages, however slow, is given up when even this pace is not kept.
SLOWEST_RATE = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What to post, and how."""

    target: Target
    connections: int
    payload_bytes: int
    seconds: float | None = None
    """How long to post; None posts `count` messages, however long it takes."""
    count: int | None = None
    rate: float | None = None
    """Messages a second; None is the closed loop."""
    first_number: int = 0
    patience_seconds: float = 15
    """How long to wait for the last answers after the load."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every message: three columns, one row each, in the order of their numbers.

    Times are nanoseconds of the monotonic clock, which all processes of one machine share.
    """

    started_ns: int
    ended_ns: int
    """When the last answer was in."""
    cpu_seconds: float
    intended_ns: list[int]
    answered_ns: list[int]
    """0 where no answer came."""
    statuses: list[int]
    """0 where the connection broke or no answer came in time: the message may be accepted or not."""
    message_ids: list[str]

    @property
    def seconds(self) -> float:
        """How long the load took, answers included."""
        return max(self.ended_ns - self.started_ns, 1) / NANOSECONDS

    @property
    def accepted(self) -> int:
        """How many messages were accepted."""
        return self.statuses.count(ACCEPTED)


class Load:
    """All messages of one run; connections ask it what to post next."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._posting: Posting = posting(plan.target, plan.payload_bytes)
        self._idle: list[Connection] = []
        self._intended = array("q")
        self._answered = array("q")
        self._statuses = array("H")
        self._message_ids: list[str] = []
        self._waiting = 0
        self._started_ns = 0
        self._stops_ns = 0
        self._interval_ns = round(NANOSECONDS / plan.rate) if plan.rate else 0
        self._reconnecting: set[asyncio.Task[None]] = set()
        self.finished = asyncio.Event()

    def start(self, connections: list["Connection"]) -> None:
        """Begin now, on these connections."""
        self._started_ns = time.monotonic_ns()
        seconds = self.plan.seconds
        self._stops_ns = self._started_ns + round(seconds * NANOSECONDS) if seconds else sys.maxsize
        self._idle = list(connections)
        self.post_what_is_due()

    def post_what_is_due(self) -> None:
        """Put idle connections to work while there is a message to post."""
        while self._idle:
            request = self.next_request()
            if request is None:
                break
            self._idle.pop().post(*request)
        if self._is_over():
            self.finished.set()

    def next_request(self) -> tuple[int, bytes] | None:
        """The next message's row and request, or None when none is due."""
        row = len(self._intended)
        now = time.monotonic_ns()
        intended = self._started_ns + row * self._interval_ns if self._interval_ns else now
        if intended > now or self._is_last(row, intended):
            return None
        self._intended.append(intended)
        self._answered.append(0)
        self._statuses.append(NO_ANSWER)
        self._message_ids.append("")
        self._waiting += 1
        return row, self._posting.numbered(self.plan.first_number + row)

    def answered(self, row: int, status: int, body: bytes) -> None:
        """Remember the answer to one message."""
        self._answered[row] = time.monotonic_ns()
        self._statuses[row] = status
        if status == ACCEPTED:
            self._message_ids[row] = id_in(body)
        self._waiting -= 1

    def broken(self) -> None:
        """Leave one message without an answer."""
        self._waiting -= 1

    def rest(self, connection: "Connection") -> None:
        """Take back a connection that has nothing to post."""
        self._idle.append(connection)
        if self._is_over():
            self.finished.set()

    def keep(self, reconnecting: asyncio.Task[None]) -> None:
        """Hold on to a task, which the event loop itself does not."""
        self._reconnecting.add(reconnecting)
        reconnecting.add_done_callback(self._reconnecting.discard)

    def report(self, cpu_seconds: float) -> Report:
        """What became of every message."""
        return Report(
            started_ns=self._started_ns,
            ended_ns=max(self._answered, default=self._started_ns),
            cpu_seconds=cpu_seconds,
            intended_ns=self._intended.tolist(),
            answered_ns=self._answered.tolist(),
            statuses=self._statuses.tolist(),
            message_ids=self._message_ids,
        )

    def tick(self) -> timedelta:
        """How often to look for messages that have become due."""
        return max(timedelta(seconds=self._interval_ns / NANOSECONDS), SHORTEST_TICK)

    def _is_last(self, row: int, intended_ns: int) -> bool:
        return intended_ns >= self._stops_ns or row == self.plan.count

    def _is_over(self) -> bool:
        row = len(self._intended)
        next_ns = self._started_ns + row * self._interval_ns if self._interval_ns else time.monotonic_ns()
        return self._waiting == 0 and self._is_last(row, next_ns)


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request under way, as ordinary HTTP clients have."""

    __slots__ = ("_load", "_rest", "_row", "_transport")

    def __init__(self, load: Load) -> None:
        self._load = load
        self._rest = b""
        self._row: int | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to write."""
        # A cast, because uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.WriteTransport", transport)

    def post(self, row: int, request: bytes) -> None:
        """Send one request."""
        self._row = row
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, chunk: bytes) -> None:
        """Read the answer; when it is whole, post the next message at once."""
        self._rest = self._rest + chunk if self._rest else chunk
        try:
            answer = self._next_answer()
        except BrokenWire as broken:
            self._hang_up(str(broken))
            return
        if answer is None:
            return
        row, self._row = self._row, None
        if row is None:
            self._hang_up(f"an answer that nobody asked for: {answer.head[:60]!r}")
            return
        self._load.answered(row, answer.status, answer.body)
        if answer.closes:
            self._hang_up()
        else:
            self._go_on()

    def _next_answer(self) -> Frame | None:
        while (frame := first_frame(self._rest)) is not None:
            self._rest = self._rest[frame.size_bytes :]
            if frame.status >= FINAL:
                return frame
        return None

    def _go_on(self) -> None:
        following = self._load.next_request()
        if following is None:
            self._load.rest(self)
        else:
            self.post(*following)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _hang_up(self, reason: str = "") -> None:
        if reason:
            print(reason, file=sys.stderr)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up the message under way, and connect anew for the next."""
        del exc
        if self._row is not None:
            self._load.broken()
            self._row = None
        self._rest = b""
        if not self._load.finished.is_set():
            self._load.keep(asyncio.get_running_loop().create_task(reconnect(self, self._load)))


async def reconnect(connection: Connection, load: Load) -> None:
    """Give a connection a new socket; while nobody listens, try again."""
    loop = asyncio.get_running_loop()
    target = load.plan.target
    while not load.finished.is_set():
        try:
            await loop.create_connection(lambda: connection, target.host, target.port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            load.rest(connection)
            load.post_what_is_due()
            return


@contextmanager
def paced(load: Load) -> Iterator[None]:
    """Wake an open loop at every tick; by a thread, as the event loop's own timers count milliseconds."""
    stopped = threading.Event()
    loop = asyncio.get_running_loop()
    pacing = threading.Thread(target=_pace, args=(load, loop, stopped), daemon=True)
    if load.plan.rate:
        pacing.start()
    yield
    stopped.set()
    if load.plan.rate:
        pacing.join()


def _pace(load: Load, loop: asyncio.AbstractEventLoop, stopped: threading.Event) -> None:
    tick = load.tick().total_seconds()
    due = time.monotonic() + tick
    while not stopped.wait(max(due - time.monotonic(), 0)):
        due += tick
        loop.call_soon_threadsafe(load.post_what_is_due)


async def generate(plan: Plan) -> Report:
    """Post the whole load and wait for its answers."""
    loop = asyncio.get_running_loop()
    load = Load(plan)
    connections = []
    for _ in range(plan.connections):
        _transport, connection = await loop.create_connection(
            lambda: Connection(load), plan.target.host, plan.target.port
        )
        connections.append(connection)
    print("begins", flush=True)
    cpu = time.process_time()
    load.start(connections)
    seconds = (plan.seconds or (plan.count or 0) / SLOWEST_RATE) + plan.patience_seconds
    with paced(load):
        try:
            await asyncio.wait_for(load.finished.wait(), seconds)
        except TimeoutError:
            print("the last answers did not come", file=sys.stderr)
    load.finished.set()
    cpu = time.process_time() - cpu
    print("ends", flush=True)
    for connection in connections:
        connection.close()
    await asyncio.sleep(0)  # a turn of the loop, which is when it closes what was to be closed
    return load.report(cpu)


def main() -> None:
    """Post what the plan in the first argument says; leave the report in the file that the second names."""
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    # Whatever this process makes lives to its end: there is nothing for the collector to find.
    gc.disable()
    report = uvloop.run(generate(plan))
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(report))


if __name__ == "__main__":
    main()
