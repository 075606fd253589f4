"""Messages and the endpoints that they were attempted at."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.domain.attempt import Status
from shared.domain.destination import AttemptedMessage, Destination
from shared.domain.paging import Scan


@dataclass(frozen=True, slots=True)
class AttemptedMessageFilter:
    """Which messages of an endpoint a list shows; an absent part asks nothing.

    Attributes:
        status: SUCCESS: one attempt succeeded. SENDING: none did, and a retry follows. FAIL: none did, and
            none follows. Nothing is PENDING.
        channel: The message's channels contain it.
        event_types: The message's type is one of them.
        tag: The message's tags contain it.
        payloads: Read the payloads too; without them every `payload` is None.
    """

    status: Status | None = None
    channel: str | None = None
    event_types: frozenset[str] | None = None
    tag: str | None = None
    payloads: bool = True


class Destinations(Protocol):
    """Messages and the endpoints that they were attempted at.

    Every method is atomic, and a write is visible to the next read. An adapter that is out of reach raises
    `Unavailable`. `tests/contracts/test_destinations.py` holds every adapter to it.
    """

    async def messages_at(
        self, app_id: str, endpoint_id: str, scan: Scan, only: AttemptedMessageFilter
    ) -> Sequence[AttemptedMessage]:
        """Read the messages with an attempt at an endpoint, by message id.

        They come in the scan's order, one more than its limit. The status shown is the filter's; without one
        it is SENDING if a retry follows, else that of the newest attempt.
        """
        ...

    async def standing_at(
        self, app_id: str, endpoint_id: str, scan: Scan, among: Collection[Status]
    ) -> Sequence[str]:
        """Read the ids of the messages that stand in one of some ways at an endpoint.

        How a message stands is what `AttemptedMessageFilter.status` says. They come in the scan's order, one
        more than its limit.
        """
        ...

    async def count_standing_at(
        self, app_id: str, endpoint_id: str, scan: Scan, among: Collection[Status]
    ) -> int:
        """How many messages `standing_at` would find in the scan's range, whatever its limit."""
        ...

    async def count(self, app_id: str, scan: Scan) -> int:
        """How many pairs there are of a message and an endpoint where it was attempted, removed ones too.

        Args:
            app_id: Whose they are.
            scan: The range of the messages' ids; its limit does not count.
        """
        ...

    async def of_message(self, app_id: str, message_id: str, scan: Scan) -> Sequence[Destination]:
        """Read the endpoints with an attempt on a message, removed ones too, by endpoint id.

        They come in the scan's order, one more than its limit.
        """
        ...
