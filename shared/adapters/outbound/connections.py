"""The connections to the receivers, and the gate that every new one passes."""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from ssl import SSLContext

from aiohappyeyeballs import AddrInfoType, start_connection

from shared.adapters.outbound.burst import Burst
from shared.adapters.outbound.connection import Connection, ConnectionLost
from shared.adapters.outbound.deadlines import Deadlines
from shared.adapters.outbound.guard import Address, Subnet, blocked
from shared.adapters.outbound.names import Names
from shared.adapters.outbound.target import Target

CONNECTIONS_KEPT = 512
"""With more connections open, those that have been idle longest are closed.

A process may often open no more than 1,024 files.
"""

IDLE_SECONDS = 15.0
"""How long a connection is kept idle. Most servers close one after 5 to 75 s; the sooner of both ends it."""

NEXT_ADDRESS_AFTER_SECONDS = 0.25
"""When the next address of a name is tried beside one that does not answer (RFC 8305)."""


class BlockedAddress(OSError):
    """Every address of a host is one that no request may reach."""


class Connections:
    """Makes connections, and keeps those that are idle.

    There is no limit on how many are in use: whoever sends takes turns at each receiver before, and a wait in
    here would be taken for the receiver's.
    """

    def __init__(self, names: Names, allow: Sequence[Subnet], tls: SSLContext, *, kept: int) -> None:
        self._names = names
        self._allow = allow
        self._tls = tls
        self._kept = kept
        self._burst = Burst()
        self._open: dict[Connection, str] = {}
        self._idle: dict[str, dict[Connection, None]] = {}
        self._resting = Deadlines(IDLE_SECONDS)
        self._making: set[asyncio.Task[Connection]] = set()
        self._is_closed = False

    def take(self, origin: str) -> Connection | None:
        """An idle connection, the one that was used last."""
        idle = self._idle.get(origin)
        while idle:
            connection, _ = idle.popitem()
            self._resting.discard(connection)
            if not idle:
                del self._idle[origin]
            if connection.is_open:
                return connection
        return None

    def keep(self, connection: Connection) -> None:
        """Take a connection back; one that is of no more use is closed."""
        origin = self._open.get(connection)
        if origin is None:
            return
        if not connection.is_reusable:
            connection.expire()
            return
        self._idle.setdefault(origin, {})[connection] = None
        self._resting.add(connection)
        if len(self._open) > self._kept:
            self._resting.expire_oldest()

    def make(self, target: Target) -> "asyncio.Task[Connection]":
        """Begin a connection; see `_connect`. Who does not want it any more says so with `drop`."""
        making = asyncio.ensure_future(self._connect(target))
        self._making.add(making)
        making.add_done_callback(self._making.discard)
        return making

    def drop(self, making: "asyncio.Task[Connection]") -> None:
        """Give up a connection, though it may be made at this very moment."""
        making.cancel()
        making.add_done_callback(expire_made)

    async def close(self) -> None:
        """Close them all; an exchange that is under way fails, and there are no new ones."""
        self._is_closed = True
        self._resting.stop()
        for making in self._making:
            making.cancel()
        for connection in self._open:
            connection.expire()
        await self._names.close()

    async def _connect(self, target: Target) -> Connection:
        """Connect to one of a receiver's addresses, past the guard.

        Addresses are looked up here and connected to here, nowhere else: what was checked is what is reached.

        Raises:
            BlockedAddress: There is none that may be reached.
            Unresolved: There is none.
            ConnectionLost: It was closed at once, or we are.
            OSError: None of them takes a connection, or it is not the receiver's certificate.
        """
        addresses = await self._addresses_of(target.host)
        reachable = [address for address in addresses if not blocked(address, self._allow)]
        if not reachable:
            raise BlockedAddress
        connected = await start_connection(
            [address_info(address, target.port) for address in reachable],
            happy_eyeballs_delay=NEXT_ADDRESS_AFTER_SECONDS,
        )
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._burst, self._lost),
            sock=connected,
            ssl=self._tls if target.is_secure else None,
            server_hostname=target.host.rstrip(".") if target.is_secure else None,
        )
        if self._is_closed or not connection.is_open:
            connection.expire()
            raise ConnectionLost("connection closed before the request")
        self._open[connection] = target.origin
        return connection

    async def _addresses_of(self, host: str) -> Sequence[Address]:
        if self._is_closed:
            raise ConnectionLost("the sender is closed")
        try:
            return [ip_address(host)]
        except ValueError:
            return await self._names.addresses_of(host)

    def _lost(self, connection: Connection) -> None:
        origin = self._open.pop(connection, None)
        if origin is None:
            return
        idle = self._idle.get(origin)
        if idle is not None and connection in idle:
            del idle[connection]
            self._resting.discard(connection)
            if not idle:
                del self._idle[origin]


def expire_made(making: "asyncio.Task[Connection]") -> None:
    """Close the connection that was made, if there is one."""
    if not making.cancelled() and making.exception() is None:
        making.result().expire()


def address_info(address: Address, port: int) -> AddrInfoType:
    """An address as sockets know it."""
    if address.version == 4:  # noqa: PLR2004 (IPv4)
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port)
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port, 0, 0)
