"""The endpoints of all applications."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from shared.domain.endpoint import Endpoint
from shared.domain.paging import Scan


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """How many live endpoints are not well, over all applications.

    Attributes:
        disabled: By whomever.
        failing: Enabled, and have given up messages without a success since.
    """

    disabled: int
    failing: int


class Watched(Enum):
    """Endpoints that whoever is on call looks at, and the order in which they come."""

    FAILING = "failing"
    """Enabled, and have given up messages without a success since; the longest first."""
    SWITCHED_OFF = "switched off"
    """Disabled without a person's doing; the latest first."""
    RATED = "rated"
    """Have a throttle rate, enabled or not; in order of application and id."""


class Endpoints(Protocol):
    """The endpoints of all applications.

    Every method is atomic, and a write is visible to the next read. An adapter that is out of reach raises
    `Unavailable`; then all is changed or nothing, and who has lost the reply cannot know which.
    `tests/contracts/test_endpoints.py` holds every adapter to it.
    """

    async def add(self, endpoint: Endpoint) -> None:
        """Keep a new endpoint.

        Raises:
            UidTaken: A live endpoint of the application has its uid.
            Invalid: It is larger than the store keeps.
        """
        ...

    async def get(self, app_id: str, key: str) -> Endpoint:
        """Read one by id or uid.

        Raises:
            Unknown: There is none in this application, or it was removed.
        """
        ...

    async def scan(self, app_id: str, scan: Scan) -> Sequence[Endpoint]:
        """Read the application's live endpoints by id: in the scan's order, one more than its limit."""
        ...

    async def of_application(self, app_id: str) -> Sequence[Endpoint]:
        """Every live endpoint of an application, disabled ones too, in order of id."""
        ...

    async def update(
        self, app_id: str, key: str, change: Callable[[Endpoint], Endpoint]
    ) -> tuple[Endpoint, Endpoint]:
        """Change one, by id or uid, with nobody's change in between.

        Args:
            app_id: Whose it is.
            key: Its id or uid.
            change: From what it is to what it is to be. It may be called more than once, does nothing else,
                and what it raises is raised, with nothing changed.

        Returns:
            What it was, and what it is now.

        Raises:
            Unknown: There is none in this application, or it was removed.
            UidTaken: Another live endpoint of the application has its new uid.
            Invalid: It is larger than the store keeps.
        """
        ...

    async def remove(self, app_id: str, endpoint_id: str, *, at: datetime) -> None:
        """Take an endpoint out of every read, and free its uid.

        Raises:
            Unknown: There is none in this application, or it was removed already.
        """
        ...

    async def erase(self, app_id: str) -> None:
        """Remove all that is kept of an application's endpoints, those that were removed before too."""
        ...

    async def disable(self, app_id: str, endpoint_id: str, *, at: datetime) -> bool:
        """Switch an endpoint off at an instant; say False if it was disabled or removed already."""
        ...

    async def begin_failing(self, app_id: str, endpoint_id: str, *, at: datetime) -> datetime:
        """Set `failing_since` unless it is set; say what it is then. A removed endpoint answers `at`."""
        ...

    async def end_failing(self, app_id: str, endpoint_id: str) -> None:
        """Clear `failing_since`."""
        ...

    async def health(self) -> EndpointHealth:
        """How many are not well; may be a minute old, and costs no more than those that it counts."""
        ...

    async def watched(self, org_id: str, which: Watched, *, limit: int) -> Sequence[Endpoint]:
        """Read live endpoints of an organization's live applications, at most so many.

        It costs no more than the endpoints that it reads, however many others there are.
        """
        ...
