"""The attempts on all messages. New ones come in through `shared.ports.outbox.Outbox.record`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.attempt import Attempt, Ended, Status
from shared.domain.paging import Scan
from shared.ports.removal import Removed


@dataclass(frozen=True, slots=True)
class AttemptFilter:
    """Which attempts a list shows; an absent part asks nothing.

    Attributes:
        status_code_class: 0, 100, 200 … 500: response codes from it to 99 above it.
        channel: The message's channels contain it.
        event_types: The message's type is one of them.
        tag: The message's tags contain it.
    """

    status: Status | None = None
    status_code_class: int | None = None
    channel: str | None = None
    event_types: frozenset[str] | None = None
    tag: str | None = None
    endpoint_id: str | None = None


class Attempts(Protocol):
    """The attempts on all messages. Whoever asks says whose application it is: stores are divided by that.

    Every method is atomic, and a write is visible to the next read. An adapter that is out of reach raises
    `Unavailable`; then all is changed or nothing.
    `tests/contracts/test_attempts.py` holds every adapter to it.
    """

    async def get(self, app_id: str, message_id: str, attempt_id: str) -> Attempt:
        """Read one.

        Raises:
            Unknown: The message has no such attempt.
        """
        ...

    async def of_message(
        self, app_id: str, message_id: str, scan: Scan, only: AttemptFilter
    ) -> Sequence[Attempt]:
        """Read the attempts on one message by id: in the scan's order, one more than its limit."""
        ...

    async def of_endpoint(
        self, app_id: str, endpoint_id: str, scan: Scan, only: AttemptFilter
    ) -> Sequence[Attempt]:
        """Read the attempts at one endpoint by id: in the scan's order, one more than its limit."""
        ...

    async def latest(self, app_id: str, message_id: str) -> Mapping[str, Attempt]:
        """The newest automatic attempt on a message at each endpoint that has one, by endpoint id."""
        ...

    async def at_endpoint(self, app_id: str, message_id: str, endpoint_id: str) -> Sequence[Attempt]:
        """Every attempt on a message at one endpoint, in order of id."""
        ...

    async def count(self, app_id: str, endpoint_id: str, *, first: str, last: str) -> Mapping[Status, int]:
        """How many attempts at an endpoint have each status.

        Args:
            app_id: The endpoint's application.
            endpoint_id: Its id.
            first: The least attempt id that counts.
            last: The greatest attempt id that counts.
        """
        ...

    async def erase_response(self, app_id: str, message_id: str, attempt_id: str) -> None:
        """Make the response of one `ERASED_RESPONSE`.

        Raises:
            Unknown: The message has no such attempt.
        """
        ...

    async def end_chain(self, app_id: str, message_id: str, endpoint_id: str, ended: Ended) -> None:
        """No retry follows: clear `next_attempt_at` of every attempt on the message at the endpoint.

        If one was to follow, the newest automatic attempt says from then on how that ended.
        """
        ...

    async def forget(self, *, before: datetime, after: str, limit: int) -> Removed:
        """Remove up to `limit` attempts on messages with which all was over at an instant.

        The newest attempt on such a message was made before that instant, wherever it was made, and no retry
        was to follow then or later. The oldest go first; as long as one is left at an endpoint, the message
        stands there as before. Where attempts go by themselves, there is nothing to remove: each goes when it
        has been over for as long as it was to be kept, and the one by which the message stands at an endpoint
        last of those there, but no later for one at another endpoint.

        Args:
            before: The instant.
            after: The `rest` of the call before; empty begins.
            limit: How many may go.
        """
        ...
