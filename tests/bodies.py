"""Large bodies in memory, for tests of what keeps them elsewhere."""

from datetime import datetime

from shared.domain.errors import Unavailable
from shared.ports.removal import Removed


class BodiesInMemory:
    """See `shared.ports.bodies.Bodies`.

    Attributes:
        kept: Bodies and their ends by place; a test may lose some.
        is_out_of_reach: Nothing can be read or written.
    """

    def __init__(self) -> None:
        self.kept: dict[str, tuple[datetime, bytes]] = {}
        self.is_out_of_reach = False

    async def keep(self, owner: str, body: bytes, *, expires_at: datetime) -> str:
        """As the port says."""
        self._check()
        place = f"{expires_at.isoformat()}/{owner}"
        self.kept[place] = (expires_at, body)
        return place

    async def read(self, place: str) -> bytes | None:
        """As the port says."""
        self._check()
        return self.kept[place][1] if place in self.kept else None

    async def remove(self, place: str) -> None:
        """As the port says."""
        self._check()
        self.kept.pop(place, None)

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        """As the port says."""
        self._check()
        over = [place for place, (expires_at, _) in self.kept.items() if expires_at <= before]
        for place in over[:limit]:
            del self.kept[place]
        return Removed(len(over[:limit]), "" if len(over) > limit else None)

    def _check(self) -> None:
        if self.is_out_of_reach:
            raise Unavailable("large bodies", "a test says so")
