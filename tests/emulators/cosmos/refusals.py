"""The answers of Cosmos DB that are not a success."""

from dataclasses import dataclass, field
from datetime import timedelta

CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    424: "FailedDependency",
    429: "TooManyRequests",
    449: "RetryWith",
    500: "InternalServerError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}
"""What a status is called in the body of the answer."""

BATCH_FAILED = 207
DEPENDED = 424
"""The status of what a batch did not do because another part of it was refused."""

KEY_MISMATCH = 1001
CROSS_PARTITION = 1004
OWNER_MISSING = 1003
SESSION_AHEAD = 1002
RANGE_GONE = 1002
CONDITION_FALSE = 1110
RID_MISMATCH = 1024
NO_PERMISSION = 5300


@dataclass
class Refused(Exception):
    """A request is refused.

    Attributes:
        status: Of HTTP.
        message: What is wrong, and what to do instead.
        sub_status: What is special about it; 0 is nothing.
        retry_after: How long the client is asked to rest, if it is.
    """

    status: int
    message: str
    sub_status: int = 0
    retry_after: timedelta | None = field(default=None, kw_only=True)

    @property
    def code(self) -> str:
        """What the status is called."""
        return CODES.get(self.status, "Error")


def bad(message: str, sub_status: int = 0) -> Refused:
    """The request is wrong, and the service would say so, too."""
    return Refused(400, message, sub_status)


def unknown(what: str) -> Refused:
    """The service may know it, the emulator does not: nobody shall take a guess for an answer."""
    return Refused(501, f"The emulator does not know {what}")


def missing(what: str, sub_status: int = 0) -> Refused:
    """There is no such resource."""
    return Refused(404, f"{what} does not exist", sub_status)
