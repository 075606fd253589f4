"""Answers given to requests with an idempotency key."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from shared.ports.removal import Removed


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An HTTP answer, kept to be repeated verbatim."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Begun(Enum):
    """How an attempt to begin came out, when there is no answer yet."""

    MINE = "mine"
    SOMEONE_ELSES = "someone else's"


class Answers(Protocol):
    """The answers of one deployment by key. `tests/contracts/test_answers.py` holds every adapter to it.

    Every method is atomic. An adapter that is out of reach raises `Unavailable` and has changed nothing.
    """

    async def begin(self, key: bytes, *, now: datetime, lock_until: datetime) -> StoredAnswer | Begun:
        """Take a key to work on it until `lock_until`, which tells the lock from every later one of the key.

        Returns:
            The answer if there is one that has not expired; `MINE` if the caller is to work on it;
            `SOMEONE_ELSES` if another caller's lock runs past `now`.
        """
        ...

    async def finish(self, key: bytes, answer: StoredAnswer, *, expires_at: datetime) -> None:
        """Keep the answer until `expires_at`, and free the lock."""
        ...

    async def give_up(self, key: bytes, *, lock_until: datetime) -> None:
        """Free the lock that was taken until `lock_until` without an answer.

        An answer that is there stays, and so does the lock of whoever took the key after that instant.
        """
        ...

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        """Remove up to `limit` answers and locks that expired before an instant, if none goes by itself."""
        ...
