"""One connection to a receiver."""

import asyncio
from collections.abc import Callable
from typing import cast

from shared.adapters.outbound.burst import Burst
from shared.adapters.outbound.exchange import Exchange, NotHTTP

JOINED_LIMIT_BYTES = 64 * 1024
"""Up to this size it is cheaper to copy a body behind its head than to write twice."""


class ConnectionLost(ConnectionError):
    """The connection ended before the response did."""


class Connection(asyncio.Protocol):
    """Carries one exchange after the other.

    Args:
        burst: What its requests leave with.
        lost: Called once, when the connection is no more.
    """

    __slots__ = ("_answered", "_burst", "_exchange", "_keeps_alive", "_lost", "_transport", "_unsent")

    _answered: asyncio.Future[None]
    _transport: asyncio.Transport

    def __init__(self, burst: Burst, lost: Callable[["Connection"], None]) -> None:
        self._burst = burst
        self._unsent: tuple[bytes, bytes] | None = None
        self._exchange: Exchange | None = None
        self._keeps_alive = True
        self._lost = lost

    def ask(self, head: bytes, body: bytes, exchange: Exchange) -> "asyncio.Future[None]":
        """Send a request.

        Returns:
            Done when enough of the response has come; fails with `ConnectionLost` or `NotHTTP`.
        """
        self._exchange = exchange
        self._answered = asyncio.get_running_loop().create_future()
        exchange.waits_for(self._answered)
        self._keeps_alive = False
        self._unsent = head, body
        self._burst.add(self._send)
        return self._answered

    @property
    def is_open(self) -> bool:
        """Nobody has closed it, as far as we know."""
        return not self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """Whether another exchange may follow.

        Not if the receiver has answered before it had read the request: the rest of that would come first.
        """
        return self._keeps_alive and self.is_open and not self._transport.get_write_buffer_size()

    def expire(self) -> None:
        """Close it at once; an exchange that is under way fails."""
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or self._unsent is not None:  # nobody asked
            self._transport.abort()
            return
        try:
            is_enough = exchange.feed(data)
        except NotHTTP as error:
            self._answer(error)
        else:
            if is_enough:
                self._keeps_alive = exchange.keeps_alive
                self._answer()

    def connection_lost(self, error: Exception | None) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.ends_with_the_connection():
            self._answer()
        elif exchange is not None:
            when = "in the middle of" if exchange.status_code else "before"
            self._answer(ConnectionLost(f"connection {'lost' if error else 'closed'} {when} the response"))
        self._lost(self)

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, None
        if unsent is None or self._transport.is_closing():  # it was lost meanwhile, and whoever waits is told
            return
        head, body = unsent
        if len(body) <= JOINED_LIMIT_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    def _answer(self, error: Exception | None = None) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None or self._answered.done():  # nobody waits for it any more
            return
        if error is None:
            exchange.close()
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)
