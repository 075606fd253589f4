"""The messages of all applications. New ones come in through `shared.ports.outbox.Outbox.accept`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.message import Message
from shared.domain.paging import Scan
from shared.ports.removal import Removed


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages a list shows; an absent part asks nothing.

    Attributes:
        channel: The message's channels contain it.
        event_types: The message's type is one of them.
        tag: The message's tags contain it.
        payloads: Read the payloads too; without them every `payload` is None.
    """

    channel: str | None = None
    event_types: frozenset[str] | None = None
    tag: str | None = None
    payloads: bool = True


class Messages(Protocol):
    """The messages of all applications.

    A payload that has expired is read as None, whether it has been erased already or not.
    What a method does to one message is atomic, and a write is visible to the next read. An adapter that is
    out of reach raises `Unavailable`; then of each message all is changed or nothing, and to call again goes
    on. `tests/contracts/test_messages.py` holds every adapter to it.
    """

    async def get(self, app_id: str, key: str) -> Message:
        """Read one by id or eventId.

        Raises:
            Unknown: There is none in this application.
        """
        ...

    async def scan(self, app_id: str, scan: Scan, only: MessageFilter) -> Sequence[Message]:
        """Read by id: in the scan's order, one more than its limit."""
        ...

    async def several(self, app_id: str, ids: Collection[str], *, payloads: bool) -> Mapping[str, Message]:
        """Read those of some messages that the application has, by id.

        Args:
            app_id: The application.
            ids: Of the messages.
            payloads: Read the payloads too; without them every `payload` is None.
        """
        ...

    async def erase_payload(self, app_id: str, key: str) -> None:
        """Erase the payload of one, by id or eventId, unless that was done already, and its content type.

        It is not handed over with work that waits for its time, and from then on with no other but what is
        queued already: that it travels in, where the queue is not the store's own.

        Raises:
            Unknown: There is none in this application.
        """
        ...

    async def erase_several(self, app_id: str, keys: Collection[str]) -> Collection[str]:
        """Erase payloads by id or eventId, as `erase_payload` does; answer which of the keys there are."""
        ...

    async def remove_several(self, app_id: str, ids: Collection[str]) -> None:
        """Remove messages by id for good: their payloads, every attempt on them, and all places in lists."""
        ...

    async def erase_payloads(self, *, expired_at: datetime, limit: int) -> Removed:
        """Erase up to `limit` payloads that had expired by an instant, and do not go by themselves."""
        ...

    async def forget(self, *, before: datetime, after: str, limit: int) -> Removed:
        """Remove up to `limit` messages that were accepted before an instant, to the tick of their ids.

        Nothing is left of one, as of `remove_several`, and its eventId can be had again. Attempts on it go
        first, the oldest first: what is left of it is in view until it goes itself. Where messages go by
        themselves, there is nothing to remove: each goes when it has been there for as long as it was to be
        kept, the claim on its eventId at the same time, and no attempt on it later, whenever that was
        recorded or changed.

        Args:
            before: The instant.
            after: The `rest` of the call before; empty begins.
            limit: How many may go.
        """
        ...
