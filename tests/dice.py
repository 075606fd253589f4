"""Dice that fall the same way in every run."""

import random  # noqa: TID251 - here is what the dice port stands for


class LoadedDice:
    """See `shared.ports.dice.Dice`."""

    def __init__(self, seed: int = 0) -> None:
        """Fall as the seed says; the same seed falls the same way."""
        self._random = random.Random(seed)

    def share(self) -> float:
        """As the port says."""
        return self._random.random()

    def octets(self, count: int) -> bytes:
        """As the port says, except that whoever knows the seed can predict them."""
        return self._random.randbytes(count)
