"""What came back from an endpoint, and what follows from it.

    answer                                    verdict
    2xx                                       SUCCESS
    2xx  + `webhook-delivery: disable`        SUCCESS_AND_DISABLE
    410, or not 2xx + `…: disable`            DISABLE
    not 2xx + `webhook-delivery: abort-message`   ABANDON
    anything else, also 3xx and no response   RETRY

Standard Webhooks 1.0 gives 2xx, 3xx and 410 their meaning. The header is the delivery control that is
proposed for it: `disable` speaks of future messages, so it counts whatever the status;
`abort-message` speaks of retries, so it has no effect on a success.
"""

from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from http import HTTPStatus

import msgspec

RESPONSE_LIMIT_BYTES = 20_000
"""How much of a response's body is kept."""

DELIVERY_HEADER = "webhook-delivery"
"""The response header by which a receiver controls what follows."""


class Failure(Enum):
    """Why there was no complete response, in the words that the attempt's `response` begins with."""

    TIMEOUT = "request timed out"
    """The exchange took longer than we wait."""
    BLOCKED = "requests to this IP range are blocked (see the server configuration)"
    """The address is one that no request may reach."""
    RESOLUTION = "error resolving name"
    """The host's name has no address."""
    CONNECTION = "error making request"
    """Everything else: refused, reset, no valid certificate, no valid HTTP."""


class Answer(msgspec.Struct, frozen=True):
    """What came back from the wire.

    Attributes:
        status_code: Of the response; 0 when there was none.
        body: The response's text (`response_text`), or the error's.
        duration: From the start of the exchange to the response's headers, or to the failure.
        headers: Of the response, names in lower case; those that nothing here asks for may be left out.
        failure: Why the exchange did not end well, else None. Beside a status code: the response began
            and never came to its end.
    """

    status_code: int
    body: str
    duration: timedelta
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    failure: Failure | None = None

    @property
    def is_success(self) -> bool:
        """A complete 2xx response."""
        return 200 <= self.status_code < 300 and self.failure is None  # noqa: PLR2004 (the class 2xx)


class Verdict(Enum):
    """What follows from an answer."""

    SUCCESS = "success"
    """Delivered; nothing follows."""
    SUCCESS_AND_DISABLE = "success and disable"
    """Delivered; the endpoint wants no further message."""
    RETRY = "retry"
    """Not delivered; to be attempted again as the schedule says."""
    ABANDON = "abandon"
    """Not delivered; this message is not attempted at this endpoint again."""
    DISABLE = "disable"
    """Not delivered; the endpoint wants no further message, this one included."""

    @property
    def is_success(self) -> bool:
        """The message was delivered."""
        return self is Verdict.SUCCESS or self is Verdict.SUCCESS_AND_DISABLE

    @property
    def is_disabling(self) -> bool:
        """The endpoint is to be disabled."""
        return self is Verdict.DISABLE or self is Verdict.SUCCESS_AND_DISABLE


def judge(answer: Answer) -> Verdict:
    """Decide what follows from an answer; the table above is the whole of it."""
    # Nobody speaks where there was no response, so a header cannot be the receiver's word.
    words = answer.headers.get(DELIVERY_HEADER, "") if answer.status_code else ""
    wishes = {wish.strip().lower() for wish in words.split(",")} if words else ()
    if answer.is_success:
        return Verdict.SUCCESS_AND_DISABLE if "disable" in wishes else Verdict.SUCCESS
    if answer.status_code == HTTPStatus.GONE or "disable" in wishes:
        return Verdict.DISABLE
    if "abort-message" in wishes:
        return Verdict.ABANDON
    return Verdict.RETRY


def response_text(body: bytes) -> str:
    """The part of a response's body that is kept: its first `RESPONSE_LIMIT_BYTES`, as text.

    Bytes that are not UTF-8 are kept as standard base64; so is text that the limit cuts within a character.
    """
    kept = body[:RESPONSE_LIMIT_BYTES]
    try:
        return kept.decode()
    except UnicodeDecodeError:
        return b64encode(kept).decode()
