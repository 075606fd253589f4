"""Sending one request to a receiver."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from shared.domain.verdict import Answer


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One HTTP POST to a receiver.

    Attributes:
        url: A normalised http or https URL. Credentials in it become basic authentication.
        headers: In the order and the casing in which they are to be sent. They come after `Host` and replace
            what would be sent by itself: `Accept`, `Content-Type`, `User-Agent`, `Host` and the
            `Authorization` that follows from the URL.
        timeout: For the whole exchange, from the search for the address to the end of the response's body.
    """

    url: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    timeout: timedelta


class NoTurn(Exception):
    """A receiver has no turn soon. It answers, but more slowly than it is sent to; ask again later."""


class Sender(Protocol):
    """The way out to the receivers. `tests/contracts/sender/` holds every adapter to these sentences.

    No request reaches an address that is not public, unless it is in a subnet that the operator has let
    through: neither as a literal, nor through a name, nor through a redirect, which is never followed.

    How many requests run in all is up to the caller.
    """

    def turn(self, url: str) -> AbstractAsyncContextManager[Answer | None]:
        """Wait for a turn at the receiver of a URL, in order, and hold it.

        Only so many are held at one receiver at once, and a request is made and sent by whoever holds one.
        So a busy receiver is not taken for a slow one, and a request does not grow old before it is sent.

        Nobody waits at a receiver that hangs: one at which every turn is held and that has answered nothing
        for a while. Then it gives what is to be taken for the answer, a timeout, and there is no turn to send
        in; else None.

        Nobody waits long at one that is slow either: who waits holds up what is to go elsewhere.

        Raises:
            NoTurn: On entering: there is none soon.
        """
        ...

    async def send(self, outgoing: Outgoing) -> Answer:
        """Send the request and read what comes back.

        Whatever the network or the receiver does becomes an `Answer`; so does a request that cannot be sent,
        such as one with a line break in a header. A response with more than `RESPONSE_LIMIT_BYTES`
        is complete when those have come: the rest is not read. A response that breaks off or is too slow
        before that is a failure, and keeps its status code.

        When the connection fails within a second, before any response, the request is sent once more at once:
        a receiver may have closed an idle connection just when it was to be used.
        """
        ...

    async def close(self) -> None:
        """Close every connection. Nothing is sent after it."""
        ...
