"""What the queues are: the adapters and the tests read it here, a deployment in `queues.json` itself.

All are plain ones, without sessions or duplicate detection, whose messages do not expire.
"""

from datetime import timedelta
from pathlib import Path

import msgspec

from shared.domain.work import EVENTS_QUEUE

REJECTING = (EVENTS_QUEUE,)
"""The queues that bodies are rejected from; each has a queue of those beside it, which nobody consumes."""


def rejected(queue: str) -> str:
    """The name of the queue of what was rejected."""
    return f"{queue}-rejected"


class _Deployed(msgspec.Struct, frozen=True, rename="camel"):
    """What is deployed to a namespace."""

    queues: tuple[str, ...]
    lock_duration: timedelta
    max_delivery_count: int


_DEPLOYED = msgspec.json.decode(Path(__file__).with_name("queues.json").read_bytes(), type=_Deployed)

NAMES = _DEPLOYED.queues
"""Every queue of a namespace."""

LOCK = _DEPLOYED.lock_duration
"""How long a message is its consumer's. Longer than a request to a receiver and all that comes with it."""

MAX_DELIVERIES = _DEPLOYED.max_delivery_count
"""What has been handed over so often is a dead letter."""
