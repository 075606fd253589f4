"""The addresses of a name."""

import asyncio
import socket
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address
from typing import Protocol

import aiodns

from shared.adapters.outbound.guard import Address

LOOKUP_TIMEOUT_SECONDS = 2
"""How long one name server is asked, the first time; the second time it gets longer."""

LOOKUP_TRIES = 2

REMEMBERED_SECONDS = 10
"""How long the addresses of a name are remembered. A name that moves is not followed sooner."""


class Unresolved(OSError):
    """A name has no address; the text says why."""


class Names(Protocol):
    """Who knows the addresses of a host."""

    async def addresses_of(self, host: str) -> Sequence[Address]:
        """The addresses of a host, at least one.

        Raises:
            Unresolved: It has none, or nobody could be asked.
        """
        ...

    async def close(self) -> None:
        """Ask no more."""
        ...


class NameServers:
    """The machine's name servers, and its hosts file.

    Asked by c-ares instead of `getaddrinfo` in threads: a name server that is silent takes a thread for tens
    of seconds, so a few dead domains would occupy any pool and let every other receiver wait, and such a
    thread outlives the process's wish to stop. Here a lookup costs a socket and ends when it is told.
    """

    def __init__(self) -> None:
        self._resolver = aiodns.DNSResolver(timeout=LOOKUP_TIMEOUT_SECONDS, tries=LOOKUP_TRIES)

    async def addresses_of(self, host: str) -> Sequence[Address]:
        try:
            found = await self._resolver.getaddrinfo(
                host, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
        except aiodns.error.DNSError as error:
            raise Unresolved(error.args[1]) from None
        if not found.nodes:
            raise Unresolved("it has no address")
        return [ip_address(node.addr[0].decode()) for node in found.nodes]

    async def close(self) -> None:
        await self._resolver.close()


class RememberedNames:
    """Asks once for all who want to know, and remembers the addresses for a while, but no failure."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._lookups: dict[str, asyncio.Task[Sequence[Address]]] = {}

    async def addresses_of(self, host: str) -> Sequence[Address]:
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = self._lookups[host] = asyncio.ensure_future(self._names.addresses_of(host))
            lookup.add_done_callback(partial(self._remember, host))
        return await asyncio.shield(lookup)  # who gives up takes the answer from nobody else

    async def close(self) -> None:
        for lookup in self._lookups.values():
            lookup.cancel()
        await self._names.close()

    def _remember(self, host: str, lookup: "asyncio.Task[Sequence[Address]]") -> None:
        if lookup.cancelled() or lookup.exception() is not None:
            self._lookups.pop(host, None)
        else:
            asyncio.get_running_loop().call_later(REMEMBERED_SECONDS, self._lookups.pop, host, None)
