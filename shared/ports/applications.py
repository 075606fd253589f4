"""The applications of all organizations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.application import Application
from shared.domain.paging import Scan


@dataclass(frozen=True, slots=True)
class ApplicationFilter:
    """Which applications a list shows.

    Attributes:
        without_endpoints: Show those that have no endpoint, too.
        all_disabled: Show those that have only disabled endpoints, too.
    """

    without_endpoints: bool = True
    all_disabled: bool = True


class Applications(Protocol):
    """The applications of all organizations.

    Every method is atomic, and a write is visible to the next read. An adapter that is out of reach raises
    `Unavailable`; then all is changed or nothing, and who has lost the reply cannot know which.
    `tests/contracts/test_applications.py` holds every adapter to it.
    """

    async def add(self, application: Application) -> None:
        """Keep a new application.

        Raises:
            UidTaken: A live application of the organization has its uid.
            Invalid: It is larger than the store keeps.
        """
        ...

    async def get(self, org_id: str, key: str) -> Application:
        """Read one by id or uid.

        Raises:
            Unknown: There is none in this organization, or it was removed.
        """
        ...

    async def get_removed(self, org_id: str, app_id: str) -> Application:
        """Read one by id that was removed, and of which something is kept still; it has no uid any more.

        Raises:
            Unknown: There is none in this organization, it is live, or it was erased.
        """
        ...

    async def scan(self, org_id: str, scan: Scan, only: ApplicationFilter) -> Sequence[Application]:
        """Read the organization's live applications by id: in the scan's order, one more than its limit."""
        ...

    async def update(
        self, org_id: str, key: str, change: Callable[[Application], Application]
    ) -> tuple[Application, Application]:
        """Change one, by id or uid, with nobody's change in between.

        Args:
            org_id: Whose it is.
            key: Its id or uid.
            change: From what it is to what it is to be. It may be called more than once, does nothing else,
                and what it raises is raised, with nothing changed.

        Returns:
            What it was, and what it is now.

        Raises:
            Unknown: There is none in this organization, or it was removed.
            UidTaken: Another live application of the organization has its new uid.
            Invalid: It is larger than the store keeps.
        """
        ...

    async def erase(self, org_id: str, app_id: str) -> None:
        """Remove all that is kept of an application, whether it was removed before or not."""
        ...

    async def remove(self, org_id: str, app_id: str, *, at: datetime) -> None:
        """Take an application out of every read, and free its uid.

        Raises:
            Unknown: There is none in this organization, or it was removed already.
        """
        ...
