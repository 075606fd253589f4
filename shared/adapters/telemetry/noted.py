"""What is on its way to Application Insights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.ports.journal import Fact


@dataclass(frozen=True, slots=True)
class Noted:
    """One thing that was noted.

    Attributes:
        at: UTC.
        share: Of the things of its kind, so many are told; this one stands for the others, too.
    """

    at: datetime
    event: str
    facts: Mapping[str, Fact]
    share: float


@dataclass(frozen=True, slots=True)
class Measure:
    """One number, or several that were added up.

    Attributes:
        value: Their sum.
        count: How many there are.
    """

    name: str
    value: float
    count: int = 1


def is_number(fact: Fact) -> bool:
    """Whether a fact was measured or counted, and JSON can say it."""
    return isinstance(fact, int | float) and not isinstance(fact, bool) and math.isfinite(fact)
