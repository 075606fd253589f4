"""The sender over HTTP/1.1, on connections of our own.

One exchange:
1. Wait for a turn at the receiver (`turns.py`).
2. Write the request (`request.py`) for what the URL says (`target.py`, once per URL); its time begins
   (`deadlines.py`).
3. Take a connection that was kept, or make one, past the guard (`connections.py`, `names.py`, `guard.py`).
4. Send, and read the response until it is complete or long enough (`connection.py`, `exchange.py`); once more
   if the connection failed before anything came.
5. Keep the connection if the receiver does; close it otherwise, and when the response is longer than we read.

Why not one of the HTTP clients: this is the hottest path there is, and our one kind of request needs less
than a third of the work that they do for it.
"""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import cache
from time import perf_counter

from shared.adapters.outbound.connection import Connection, ConnectionLost
from shared.adapters.outbound.connections import CONNECTIONS_KEPT, BlockedAddress, Connections
from shared.adapters.outbound.deadlines import Deadlines
from shared.adapters.outbound.exchange import Exchange
from shared.adapters.outbound.guard import Subnet
from shared.adapters.outbound.names import Names, NameServers, RememberedNames, Unresolved
from shared.adapters.outbound.reasons import why
from shared.adapters.outbound.request import Writer
from shared.adapters.outbound.target import Target, target_of
from shared.adapters.outbound.turns import Turns
from shared.domain.verdict import Answer, Failure, response_text
from shared.ports.sender import Outgoing

EXTRA_TRY_WITHIN_SECONDS = 1.0
"""What fails sooner is tried once more: most often the receiver had closed an idle connection."""


class HttpSender:
    """Sends over connections that it keeps. Belongs to the event loop that first sends.

    Args:
        user_agent: What we call ourselves.
        allow: Subnets that the guard lets through.
        tls: Whom to trust; by default the machine's certificate authorities.
        names: Who knows addresses; by default the machine's name servers.
        connections_kept: How many connections may be open before idle ones are closed.
        turns: How many requests run at one receiver at once, and how long others wait.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        allow: Sequence[Subnet] = (),
        tls: ssl.SSLContext | None = None,
        names: Names | None = None,
        connections_kept: int = CONNECTIONS_KEPT,
        turns: Turns | None = None,
    ) -> None:
        self._writer = Writer(user_agent=user_agent)
        self._allow = tuple(allow)
        self._tls = tls or public_authorities()
        self._names = names
        self._kept = connections_kept
        self._turns = turns or Turns()
        self._deadlines: dict[timedelta, Deadlines] = {}
        self._connections: Connections | None = None

    def turn(self, url: str) -> AbstractAsyncContextManager[Answer | None]:
        try:
            return self._turns.at(target_of(url).origin)
        except ValueError:  # nothing will be sent there
            return self._turns.at(url)

    async def send(self, outgoing: Outgoing) -> Answer:
        try:
            target = target_of(outgoing.url)
            head = self._writer.head(outgoing, target)
        except ValueError as error:
            return failed(error, Exchange(), timedelta(0))
        answer = await self._exchange(target, head, outgoing)
        if answer.failure is not Failure.TIMEOUT:
            self._turns.heard_from(target.origin)
        return answer

    async def close(self) -> None:
        for deadlines in self._deadlines.values():
            deadlines.stop()
        # Opened even now, so that there is something closed for whoever sends later.
        await (self._connections or self._open()).close()

    async def _exchange(self, target: Target, head: bytes, outgoing: Outgoing) -> Answer:
        exchange = Exchange()
        deadlines = self._deadlines.get(outgoing.timeout) or self._new_deadlines(outgoing.timeout)
        deadlines.add(exchange)
        started = perf_counter()
        try:
            try:
                await self._ask(target, head, outgoing.body, exchange)
            except OSError as error:
                if exchange.is_heard or not is_passing(error, perf_counter() - started):
                    raise
                await self._ask(target, head, outgoing.body, exchange)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            # Not we were cancelled but what we waited for: the time is over, or the sender is closed.
            return failed(ConnectionLost("the sender is closed"), exchange, since(started, exchange))
        except Exception as error:  # noqa: BLE001 (whatever a stranger brings about; see the port's promise)
            return failed(error, exchange, since(started, exchange))
        finally:
            deadlines.discard(exchange)
        return Answer(
            exchange.status_code, response_text(exchange.body), since(started, exchange), exchange.headers
        )

    async def _ask(self, target: Target, head: bytes, body: bytes, exchange: Exchange) -> None:
        connections = self._connections or self._open()
        connection = connections.take(target.origin)
        if connection is None:
            connection = await self._made(connections, target, exchange)
        try:
            await connection.ask(head, body, exchange)
        except BaseException:
            connection.expire()
            raise
        connections.keep(connection)

    async def _made(self, connections: Connections, target: Target, exchange: Exchange) -> Connection:
        making = connections.make(target)
        exchange.waits_for(making)
        try:
            return await making
        except BaseException:
            connections.drop(making)
            raise

    def _open(self) -> Connections:
        names = RememberedNames(self._names or NameServers())
        self._connections = Connections(names, self._allow, self._tls, kept=self._kept)
        return self._connections

    def _new_deadlines(self, timeout: timedelta) -> Deadlines:
        # There are as many timeouts as settings. Should somebody compute them, the past ones do not pile up.
        for past in [each for each, deadlines in self._deadlines.items() if deadlines.is_idle]:
            self._deadlines.pop(past).stop()
        self._deadlines[timeout] = deadlines = Deadlines(timeout.total_seconds())
        return deadlines


@cache
def public_authorities() -> ssl.SSLContext:
    """Trusts whom the machine trusts. Reading that takes tens of milliseconds, so it is done once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def is_passing(error: OSError, after_seconds: float) -> bool:
    """Whether a failed connection is worth another try at once."""
    return after_seconds < EXTRA_TRY_WITHIN_SECONDS and not isinstance(
        error, BlockedAddress | Unresolved | ssl.SSLError
    )


def is_cancelled() -> bool:
    """Whether it is our caller who gives up."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def since(started: float, exchange: Exchange) -> timedelta:
    """How long it took until the response's head, or until now."""
    return timedelta(seconds=(exchange.answered_at or perf_counter()) - started)


def failed(error: Exception, exchange: Exchange, duration: timedelta) -> Answer:
    """The answer when there was no complete response."""
    failure, text = (Failure.TIMEOUT, Failure.TIMEOUT.value) if exchange.is_expired else why(error)
    return Answer(exchange.status_code, text, duration, exchange.headers, failure)
