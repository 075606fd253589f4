"""What the parts work with."""

from dataclasses import dataclass

from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.journal import Journal
from shared.ports.orchestrations import Orchestrations


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The ports that Durable Functions are driven by."""

    store: Orchestrations
    clock: Clock
    dice: Dice
    journal: Journal
