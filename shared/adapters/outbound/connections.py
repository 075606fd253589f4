"""The connections to the receivers."""

from collections.abc import Sequence
from ipaddress import ip_address
from socket import socket
from ssl import SSLContext
from weakref import WeakSet

from aiohttp import AddrInfoType, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey

from shared.adapters.outbound.guard import Subnet, blocked
from shared.adapters.outbound.names import BlockedAddress, GuardedNames, Names, NameServers

CONNECTIONS_KEPT = 512
"""With so many connections open, one that becomes idle is closed.

A process may often open no more than 1,024 files.
"""

IDLE_SECONDS = 15.0
"""How long a connection is kept idle. Most servers close one after 5 to 75 s; the sooner of both ends it."""

ADDRESS_TTL_SECONDS = 10
"""How long the addresses of a name are remembered."""


class Connections(TCPConnector):
    """Connections that have passed the guard.

    There is no limit on how many are in use: whoever sends takes turns at each receiver before, and a wait in
    here would be taken for the receiver's.
    """

    def __init__(
        self,
        allow: Sequence[Subnet],
        tls: SSLContext | None,
        names: Names | None,
        *,
        kept: int = CONNECTIONS_KEPT,
    ) -> None:
        self._allow = allow
        self._kept = kept
        self._sockets: WeakSet[socket] = WeakSet()
        super().__init__(
            limit=0,
            keepalive_timeout=IDLE_SECONDS,
            resolver=GuardedNames(names or NameServers(), allow),
            ttl_dns_cache=ADDRESS_TTL_SECONDS,
            ssl=tls or True,
            socket_factory=self._socket,
        )

    def _socket(self, address_info: AddrInfoType) -> socket:
        family, kind, protocol, _, address = address_info
        # Every connection comes by here, also one to an address in a URL, which no resolver sees.
        if blocked(ip_address(address[0]), self._allow):
            raise BlockedAddress
        made = socket(family, kind, protocol)
        self._sockets.add(made)
        return made

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close or len(self._sockets) > self._kept)
