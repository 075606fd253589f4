"""The journal for several at once."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.ports.journal import Fact


class Listener(Protocol):
    """Somebody who is told what is noted. What it is given it shares with others, and changes none of it."""

    def take(self, event: str, facts: Mapping[str, Fact]) -> None:
        """Hear of one thing; never raises, never blocks."""
        ...

    def close(self) -> None:
        """As `shared.ports.journal.Journal.close`."""
        ...


class Several:
    """See `shared.ports.journal.Journal`."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        """Tell them in this order, and close them in the opposite one."""
        self._listeners = tuple(listeners)
        self._takes = tuple(listener.take for listener in listeners)

    def note(self, event: str, **facts: Fact) -> None:
        for take in self._takes:
            take(event, facts)

    def close(self) -> None:
        for listener in reversed(self._listeners):
            listener.close()
