"""What Heliograph tells about itself."""

from typing import Protocol

Fact = str | int | float | bool | None

ACCEPTED = "message.accepted"
DISPATCHED = "message.dispatched"
ATTEMPTED = "delivery.attempted"
"""The stations of every message; what else is noted has happened to few of them."""


class Journal(Protocol):
    """One line per thing that happened. `tests/contracts/test_journal.py` holds every adapter to it.

    message.accepted      it is stored and queued         message.dispatched    so many endpoints want it
    delivery.attempted    everything about one attempt    retry.planned         when it is attempted again
    delivery.given_up     no retry follows                retries.ended         there is nothing left to retry
    endpoint.disabled, endpoint.failing, endpoint.recovered, endpoint.probed, endpoint.enabled
    circuit.opened        new messages wait               circuit.closed        they go at once again

    Keys are the words of the domain. Ids end in `_id`, numbers with a unit in the unit (`duration_ms`),
    instants are ISO 8601 and end in `_at`. What is about a message names it and its application.

    What is noted leaves the machine and is kept by others. So no payload, no response, no header, no secret
    is noted, and of a URL no more than scheme, host and port: at many receivers the rest of it is a secret.
    `tests/functions/test_secrecy.py` sends secrets through everything and looks for them in what is noted.
    """

    def note(self, event: str, **facts: Fact) -> None:
        """Write one line down; never raises, never blocks.

        Args:
            event: What happened, in the past tense: `delivery.attempted`.
            facts: Ids and numbers; see above.
        """
        ...

    def close(self) -> None:
        """Write down what is still waiting. What is noted later is lost."""
        ...
