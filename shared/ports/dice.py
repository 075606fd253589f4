"""Chance, as the flows see it."""

from typing import Protocol


class Dice(Protocol):
    """Randomness. `tests/contracts/test_dice.py` holds every adapter to it."""

    def share(self) -> float:
        """A number in [0, 1), for jitter; need not be unpredictable."""
        ...

    def octets(self, count: int) -> bytes:
        """`count` bytes that nobody can predict, for ids and keys."""
        ...
