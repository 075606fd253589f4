"""What the service refuses with."""

from dataclasses import dataclass

NOT_FOUND = "amqp:not-found"
NOT_ALLOWED = "amqp:not-allowed"
TOO_LARGE = "amqp:link:message-size-exceeded"
LOCK_LOST = "com.microsoft:message-lock-lost"
SESSION_LOCK_LOST = "com.microsoft:session-lock-lost"
SESSION_LOCKED = "com.microsoft:session-cannot-be-locked"
MESSAGE_NOT_FOUND = "com.microsoft:message-not-found"
SERVER_BUSY = "com.microsoft:server-busy"
TIMED_OUT = "com.microsoft:timeout"
ARGUMENT = "com.microsoft:argument-error"

STATUS = {
    NOT_FOUND: 404,
    MESSAGE_NOT_FOUND: 404,
    LOCK_LOST: 410,
    SESSION_LOCK_LOST: 410,
    SERVER_BUSY: 503,
    TIMED_OUT: 408,
    ARGUMENT: 400,
}
"""The status that the management link says with a condition; 500 with any other."""


@dataclass(eq=False)
class Refused(Exception):
    """Something is refused, by one of the conditions of AMQP or of the service."""

    condition: str
    description: str = "the emulator says no"

    def __str__(self) -> str:
        return f"{self.condition}: {self.description}"
