"""What removing old things a few at a time comes to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Removed:
    """What one call has removed.

    Attributes:
        count: How many: no more than was asked for, and fewer where they take long.
        rest: Where the next call goes on, as far as the port asks for that; None if nothing is left to go.
    """

    count: int
    rest: str | None = None
