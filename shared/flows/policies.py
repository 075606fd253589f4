"""What holds for whom: the process's settings, the organization's, and those of its event types."""

from dataclasses import dataclass

from shared.domain.organization import policy_for
from shared.domain.policy import Policy
from shared.ports.event_types import EventTypes
from shared.ports.organizations import Organizations


@dataclass(frozen=True)
class Policies:
    """The policy of every organization. `shared.flows.directory.Directory` caches them.

    Attributes:
        process: What holds for an organization that has set nothing itself.
    """

    process: Policy
    organizations: Organizations
    event_types: EventTypes

    async def of(self, org_id: str) -> Policy:
        """Read what holds for an organization.

        Raises:
            Unavailable: The store is out of reach.
        """
        settings = await self.organizations.settings(org_id)
        return policy_for(self.process, settings, await self.event_types.schedules(org_id))
