"""Looking back: what became of one message."""

from dataclasses import dataclass
from datetime import timedelta

from shared.domain.application import Application
from shared.domain.paging import Scan
from shared.domain.timeline import ATTEMPTS_MAX, Timeline, as_far_as_kept, timeline
from shared.flows.circuits import Circuits
from shared.ports.attempts import AttemptFilter, Attempts
from shared.ports.clock import Clock
from shared.ports.endpoints import Endpoints
from shared.ports.messages import Messages

_EARLIEST = Scan(None, None, descending=False, limit=ATTEMPTS_MAX)
_EVERY = AttemptFilter()


@dataclass(frozen=True)
class LookBack:
    """Tell the timeline of a message; nothing is kept for it but what deliveries and lists need anyway.

    Attributes:
        attempts_kept: How long attempts are kept at least.
    """

    messages: Messages
    attempts: Attempts
    endpoints: Endpoints
    circuits: Circuits
    attempts_kept: timedelta
    clock: Clock

    async def __call__(self, application: Application, key: str) -> Timeline:
        """Look at a message, by id or eventId.

        Raises:
            Unknown: The application has none.
            Unavailable: The store is out of reach.
        """
        message = await self.messages.get(application.id, key)
        # In this order: an endpoint with an attempt is removed if it is not among the endpoints.
        attempts = await self.attempts.of_message(application.id, message.id, _EARLIEST, _EVERY)
        endpoints = await self.endpoints.of_application(application.id)
        paused = {one.id for one in endpoints if self.circuits.health(one).pause is not None}
        found = timeline(application, message, attempts, endpoints, self.clock.now(), paused=paused)
        return as_far_as_kept(found, self.attempts_kept)
