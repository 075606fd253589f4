"""Looking back: what became of one message."""

from dataclasses import dataclass

from shared.domain.application import Application
from shared.domain.paging import Scan
from shared.domain.timeline import ATTEMPTS_MAX, Timeline, timeline
from shared.flows.circuits import Circuits
from shared.ports.attempts import AttemptFilter, Attempts
from shared.ports.clock import Clock
from shared.ports.endpoints import Endpoints
from shared.ports.messages import Messages

_EARLIEST = Scan(None, None, descending=False, limit=ATTEMPTS_MAX)
_EVERY = AttemptFilter()


@dataclass(frozen=True)
class LookBack:
    """Tell the timeline of a message; nothing is kept for it but what deliveries and lists need anyway."""

    messages: Messages
    attempts: Attempts
    endpoints: Endpoints
    circuits: Circuits
    clock: Clock

    async def __call__(self, application: Application, key: str) -> Timeline:
        """Look at a message, by id or eventId.

        Raises:
            Unknown: The application has none.
            Unavailable: The store is out of reach.
        """
        message = await self.messages.get(application.id, key)
        # In this order: an endpoint with an attempt is removed if it is not among the endpoints.
        attempts = await self.attempts.of_message(message.id, _EARLIEST, _EVERY)
        endpoints = await self.endpoints.of_application(application.id)
        paused = {one.id for one in endpoints if self.circuits.health(one).pause is not None}
        return timeline(application, message, attempts, endpoints, self.clock.now(), paused=paused)
