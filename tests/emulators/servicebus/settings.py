"""How a queue behaves, in the words of the service."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


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


def read(path: Path) -> Mapping[str, QueueSettings]:
    """The queues of a file that tells Microsoft's emulator of them."""
    (namespace,) = json.loads(path.read_text())["UserConfig"]["Namespaces"]
    return {queue["Name"]: _settings(queue["Properties"]) for queue in namespace["Queues"]}


def _settings(told: Mapping[str, object]) -> QueueSettings:
    window = _duration(told["DuplicateDetectionHistoryTimeWindow"])
    return QueueSettings(
        lock=_duration(told["LockDuration"]),
        max_deliveries=int(str(told["MaxDeliveryCount"])),
        time_to_live=_duration(told["DefaultMessageTimeToLive"]),
        dead_letters_expired=bool(told["DeadLetteringOnMessageExpiration"]),
        has_sessions=bool(told["RequiresSession"]),
        duplicates=window if told["RequiresDuplicateDetection"] else None,
    )


def _duration(text: object) -> timedelta:
    """Such as `PT1H`, `PT1M30S`."""
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", str(text))
    assert found is not None, text
    hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
