"""One response, as far as it has come."""

from time import perf_counter
from typing import Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from shared.domain.verdict import RESPONSE_LIMIT_BYTES

BESIDE_LIMIT_BYTES = 256 * 1024
"""How much a receiver may say beside the body: interim responses, headers, the sizes of chunks, trailers."""

SWITCHING_PROTOCOLS = 101
FIRST_FINAL_STATUS = 200


class NotHTTP(Exception):
    """What came is not a response."""


class Cancellable(Protocol):
    """A future, for whoever does not ask what it brings."""

    def cancel(self) -> bool:
        """Bring nothing."""
        ...


class Exchange:
    """A response, as far as it has come; llhttp reads it.

    Attributes:
        status_code: 0 until the head is complete.
        headers: Names in lower case.
        answered_at: When the head was complete, by `perf_counter`.
        is_heard: Anything at all has come.
        is_complete: The whole response has come.
        keeps_alive: Its connection is good for another one.
        is_expired: The time is over.
    """

    __slots__ = (
        "_beside_bytes",
        "_parser",
        "_pieces",
        "_room_bytes",
        "_waits_for",
        "answered_at",
        "headers",
        "is_complete",
        "is_expired",
        "keeps_alive",
        "status_code",
    )

    def __init__(self) -> None:
        self.status_code = 0
        self.headers: dict[str, str] = {}
        self.answered_at = 0.0
        self.is_complete = False
        self.keeps_alive = False
        self.is_expired = False
        self._waits_for: Cancellable | None = None
        self._beside_bytes = 0
        self._pieces: list[bytes] = []
        self._room_bytes = RESPONSE_LIMIT_BYTES
        self._parser = HttpResponseParser(self)
        # As tolerant as other clients: some receivers end their lines by hand.
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )

    @property
    def is_heard(self) -> bool:
        return self._beside_bytes > 0

    @property
    def body(self) -> bytes:
        """The beginning of the body: `RESPONSE_LIMIT_BYTES` of it, or all."""
        return b"".join(self._pieces)

    def waits_for(self, future: Cancellable) -> None:
        """Say what is awaited now; it is cancelled when the time is over, at once if it is over already."""
        self._waits_for = future
        if self.is_expired:
            future.cancel()

    def expire(self) -> None:
        """The time is over."""
        self.is_expired = True
        if self._waits_for is not None:
            self._waits_for.cancel()

    def feed(self, data: bytes) -> bool:
        """Read on; say whether enough has come: the whole response, or all of its body that is kept.

        Raises:
            NotHTTP: It cannot be read any further.
        """
        self._beside_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.is_complete:
                raise NotHTTP(str(error)) from None
            self.keeps_alive = False  # what follows a complete response is nobody's
        if self._beside_bytes > BESIDE_LIMIT_BYTES:
            raise NotHTTP("too much beside its body")
        return self.is_complete or self._room_bytes <= 0

    def close(self) -> None:
        """Nothing more comes: the connection is done with it."""
        del self._parser  # which holds us: without the circle, memory is free at once

    def ends_with_the_connection(self) -> bool:
        """Whether a response of this kind is complete when the connection is closed."""
        return (
            bool(self.status_code)
            and "content-length" not in self.headers
            and "chunked" not in self.headers.get("transfer-encoding", "").lower()
        )

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise NotHTTP("a second response")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status_code:  # else it is a trailer
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status_code = self._parser.get_status_code()
        if status_code >= FIRST_FINAL_STATUS or status_code == SWITCHING_PROTOCOLS:
            self.status_code = status_code
            self.answered_at = perf_counter()
        else:
            self.headers.clear()

    def on_body(self, piece: bytes) -> None:
        self._beside_bytes -= len(piece)
        if self._room_bytes > 0:
            self._pieces.append(piece[: self._room_bytes])
            self._room_bytes -= len(piece)

    def on_message_complete(self) -> None:
        if self.status_code:
            self.is_complete = True
            self.keeps_alive = self._parser.should_keep_alive() and self.status_code != SWITCHING_PROTOCOLS
