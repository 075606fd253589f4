"""Bodies too large for the store that they belong to."""

from datetime import datetime
from typing import Protocol

from shared.ports.removal import Removed


class Bodies(Protocol):
    """Bodies of one deployment, each with the instant after which nobody wants it.

    Every method is atomic, and a write is visible to the next read. An adapter that is out of reach raises
    `Unavailable`; then a body is there or not, and to call again is safe.
    `tests/contracts/test_bodies.py` holds every adapter to it.
    """

    async def keep(self, owner: str, body: bytes, *, expires_at: datetime) -> str:
        """Keep a body until an instant at least, and say where it is.

        Args:
            owner: Whose it is, which nothing else of the same end is called: letters, digits, `-` and `_`.
            body: It. A second one of the same owner and end takes its place.
            expires_at: Its end, in UTC.
        """
        ...

    async def read(self, place: str) -> bytes | None:
        """Read what is kept in a place; None if it was removed."""
        ...

    async def remove(self, place: str) -> None:
        """Have nothing be in a place."""
        ...

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        """Remove up to `limit` bodies that expired before an instant or at it."""
        ...
