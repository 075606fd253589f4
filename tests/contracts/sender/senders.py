"""Every sender under test, the names that it knows, and a request to send."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address, ip_network

from shared.adapters.outbound.guard import Address
from shared.adapters.outbound.http_sender import HttpSender
from shared.adapters.outbound.names import Unresolved
from shared.ports.sender import Outgoing, Sender

LOCAL = ip_network("127.0.0.1/32")
PLENTY = timedelta(seconds=20)
SHORT = timedelta(milliseconds=50)
"""A real timeout. Nothing below depends on how long it really takes."""

USER_AGENT = "Heliograph/0.0.0"
BODY = b'{"greeting": "Gr\xc3\xbc\xc3\x9fe"}'


@dataclass(frozen=True)
class Phonebook:
    """Knows the addresses that it was told, and no others."""

    entries: Mapping[str, Sequence[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def addresses_of(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        if host not in self.entries:
            raise Unresolved("Domain name not found")
        return [ip_address(address) for address in self.entries[host]]

    async def close(self) -> None:
        pass


@dataclass(frozen=True)
class SilentNames:
    """Is asked, and never answers."""

    is_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def addresses_of(self, _: str) -> Sequence[Address]:
        self.is_asked.set()
        await asyncio.Event().wait()
        return []

    async def close(self) -> None:
        pass


def http(**settings: object) -> HttpSender:
    return HttpSender(**{"user_agent": USER_AGENT, "allow": [LOCAL], "names": Phonebook()} | settings)  # type: ignore[arg-type]


SENDERS: dict[str, Callable[..., Sender]] = {"http": http}


def post(url: str, *headers: tuple[str, str], body: bytes = BODY, timeout: timedelta = PLENTY) -> Outgoing:
    return Outgoing(url, headers, body, timeout)
