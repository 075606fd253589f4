"""How a queue behaves, in the words of the service."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The properties of a queue that this emulator knows, with the service's defaults.

    Attributes:
        lock: How long a message is one receiver's; a session likewise.
        duplicates: How long a message id is remembered; None if repeats are not looked for.
    """

    lock: timedelta = timedelta(minutes=1)
    max_deliveries: int = 10
    time_to_live: timedelta | None = None
    dead_letters_expired: bool = False
    has_sessions: bool = False
    duplicates: timedelta | None = None
