"""What Heliograph tells about itself."""

from typing import Protocol

Fact = str | int | float | bool | None


class Journal(Protocol):
    """One line per thing that happened. `tests/contracts/test_journal.py` holds every adapter to it."""

    def note(self, event: str, **facts: Fact) -> None:
        """Write one line down; never raises, never blocks.

        Args:
            event: What happened, in the past tense: `delivery.attempted`.
            facts: Ids and numbers, with the unit in the key (`wait_ms`). No payload, no secret.
        """
        ...

    def close(self) -> None:
        """Write down what is still waiting. What is noted later is lost."""
        ...
