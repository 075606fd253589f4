"""Names to addresses, past the guard.

aiohttp connects to exactly the addresses that its resolver returns. So an address that is dropped here cannot
be reached by its name, and a name that changes its mind between the check and the connection changes nothing.
"""

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Protocol

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver

from shared.adapters.outbound.guard import Subnet, blocked

LOOKUP_TIMEOUT_SECONDS = 2
"""How long one name server is asked, the first time; the second time it gets twice as long."""

LOOKUP_TRIES = 2


class BlockedAddress(OSError):
    """Every address of a host is one that no request may reach."""


class Names(Protocol):
    """Who knows the addresses of a host."""

    async def addresses_of(self, host: str) -> Sequence[str]:
        """The addresses of a host, at least one.

        Raises:
            OSError: It has none, or nobody could be asked; `strerror` says which.
        """
        ...

    async def close(self) -> None:
        """Ask no more."""
        ...


class NameServers:
    """The machine's name servers.

    Asked by c-ares instead of `getaddrinfo` in threads: a name server that is silent takes a thread for tens
    of seconds, so a few dead domains would occupy any pool and let every other receiver wait, and such a
    thread outlives the process's wish to stop. Here a lookup costs a socket and ends when it is told.
    """

    def __init__(self) -> None:
        self._resolver = AsyncResolver(timeout=LOOKUP_TIMEOUT_SECONDS, tries=LOOKUP_TRIES)

    async def addresses_of(self, host: str) -> Sequence[str]:
        return [found["host"] for found in await self._resolver.resolve(host, family=socket.AF_UNSPEC)]

    async def close(self) -> None:
        await self._resolver.close()


class GuardedNames(AbstractResolver):
    """What aiohttp asks: knows only the addresses that may be reached."""

    def __init__(self, names: Names, allow: Sequence[Subnet]) -> None:
        self._names = names
        self._allow = allow

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 (nobody asks for another)
    ) -> list[ResolveResult]:
        addresses = map(ip_address, await self._names.addresses_of(host))
        reachable = [address for address in addresses if not blocked(address, self._allow)]
        if not reachable:
            raise BlockedAddress
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,  # noqa: PLR2004 (IPv4)
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in reachable
        ]

    async def close(self) -> None:
        await self._names.close()
