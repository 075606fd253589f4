"""What organizations set for themselves."""

from collections.abc import Callable
from typing import Protocol

from shared.domain.organization import OrganizationSettings


class Organizations(Protocol):
    """What organizations set for themselves, by organization id.

    An organization is there without being made: one that has set nothing has settings that say nothing.
    Every method is atomic, and a write is visible to the next read. An adapter that is out of reach raises
    `Unavailable`; then all is changed or nothing, and who has lost the reply cannot know which.
    `tests/contracts/test_organizations.py` holds every adapter to it.
    """

    async def settings(self, org_id: str) -> OrganizationSettings:
        """Read what an organization has set."""
        ...

    async def update(
        self, org_id: str, change: Callable[[OrganizationSettings], OrganizationSettings]
    ) -> OrganizationSettings:
        """Change what an organization has set, with nobody's change in between.

        Args:
            org_id: Whose settings.
            change: From what they are to what they are to be. It may be called more than once, does nothing
                else, and what it raises is raised, with nothing changed.

        Returns:
            What they are now.
        """
        ...
