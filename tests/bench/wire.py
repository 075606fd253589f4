"""HTTP/1.1 as bytes: requests to send, and whatever comes back, for a load that must cost next to nothing.

No library: one that parses every header into objects costs more than the exchange itself. What is read here
is what HTTP allows an honest peer to answer: interim answers, a length, chunks, or no body at all.
"""

import json
from dataclasses import dataclass
from typing import NamedTuple

HEAD_END = b"\r\n\r\n"
LINE_END = b"\r\n"
MARKER_DIGITS = 12
MARKER_KEY = b'"marker":"'
# Stands in a template where the number goes; a NUL appears in no valid JSON text and in no valid header.
HOLE = b"\0"
BODILESS = (b"204", b"304")


class BrokenWire(Exception):
    """The peer sent something that is not HTTP/1.1 as we know it; the connection is of no more use."""


class Frame(NamedTuple):
    """One whole request or answer."""

    head: bytes
    """Start line and headers as they came, without the empty line."""
    lowered: bytes
    """The same in lower case: a header's name may come in any."""
    body: bytes
    size_bytes: int
    """How much of the buffer the frame took."""

    @property
    def status(self) -> int:
        """The status code, when the frame is an answer.

        Raises:
            BrokenWire: The start line is none of an answer.
        """
        if not self.head.startswith(b"HTTP/1.") or not self.head[9:12].isdigit():
            raise BrokenWire(f"not a status line: {self.head[:40]!r}")
        return int(self.head[9:12])

    @property
    def closes(self) -> bool:
        """Whether the peer ends the connection after this frame."""
        return header(self, b"connection").lower() == b"close"


def header(frame: Frame, name: bytes) -> bytes:
    """The value of the first header called `name` (lower case), or nothing."""
    return _value(frame.head, frame.lowered, name)


def first_frame(buffer: bytes) -> Frame | None:
    """The first whole request or answer in a buffer, or None while some of it is missing.

    Raises:
        BrokenWire: An answer has a body and no way to tell its end, or a length or chunk is no number.
    """
    end = buffer.find(HEAD_END)
    if end < 0:
        return None
    head = buffer[:end]
    lowered = head.lower()
    start = end + len(HEAD_END)
    length = _value(head, lowered, b"content-length")
    if length:
        stop = start + _number(length, 10)
        return Frame(head, lowered, buffer[start:stop], stop) if len(buffer) >= stop else None
    if _value(head, lowered, b"transfer-encoding").lower() == b"chunked":
        return _chunked(head, lowered, buffer, start)
    if lowered.startswith(b"http/") and not _is_bodiless(lowered[9:12]):
        raise BrokenWire(f"an answer without an end: {head[:60]!r}")
    return Frame(head, lowered, b"", start)


def _value(head: bytes, lowered: bytes, name: bytes) -> bytes:
    at = lowered.find(LINE_END + name + b":")
    if at < 0:
        return b""
    at += len(name) + 3
    stop = head.find(LINE_END, at)
    return head[at : stop if stop >= 0 else None].strip()


def _number(text: bytes, base: int) -> int:
    try:
        return int(text, base)
    except ValueError as wrong:
        raise BrokenWire(f"not a length: {text[:20]!r}") from wrong


def _is_bodiless(status: bytes) -> bool:
    return status in BODILESS or status.startswith(b"1")


def _chunked(head: bytes, lowered: bytes, buffer: bytes, at: int) -> Frame | None:
    pieces: list[bytes] = []
    while True:
        line_end = buffer.find(LINE_END, at)
        if line_end < 0:
            return None
        size = _number(buffer[at:line_end].partition(b";")[0], 16)
        at = line_end + len(LINE_END)
        if size == 0:
            return _trailed(head, lowered, buffer, at, b"".join(pieces))
        if len(buffer) < at + size + len(LINE_END):
            return None
        pieces.append(buffer[at : at + size])
        at += size + len(LINE_END)


def _trailed(head: bytes, lowered: bytes, buffer: bytes, at: int, body: bytes) -> Frame | None:
    # What follows the last chunk is trailers, if any, and an empty line.
    if buffer.startswith(LINE_END, at):
        return Frame(head, lowered, body, at + len(LINE_END))
    end = buffer.find(HEAD_END, at)
    return Frame(head, lowered, body, end + len(HEAD_END)) if end >= 0 else None


@dataclass(frozen=True, slots=True)
class Posting:
    """The request that posts a message, complete but for the message's number."""

    pieces: tuple[bytes, ...]

    def numbered(self, number: int) -> bytes:
        """The bytes to send for one message."""
        return (b"%0*d" % (MARKER_DIGITS, number)).join(self.pieces)


@dataclass(frozen=True, slots=True)
class Target:
    """Where messages are posted, and how."""

    host: str
    port: int
    path: str
    token: str
    with_idempotency_key: bool = False


def posting(target: Target, payload_bytes: int) -> Posting:
    """Build the request once; each message then costs one join."""
    body = b'{"eventType":"bench.event","payload":%s}' % payload(payload_bytes)
    length = len(body) - len(HOLE) + MARKER_DIGITS
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.host}:{target.port}",
        f"Authorization: Bearer {target.token}",
        "User-Agent: heliograph-bench",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    if target.with_idempotency_key:
        lines.append(f"Idempotency-Key: bench-{HOLE.decode()}")
    head = "\r\n".join(lines).encode() + HEAD_END
    return Posting(tuple((head + body).split(HOLE)))


def payload(size_bytes: int) -> bytes:
    """A payload as a shop might send it, of exactly this size once its number is filled in.

    The size is the size of the JSON text; one below about 70 bytes gives the smallest payload there is.
    """
    lines: list[dict[str, object]] = []
    whole = _payload_text(lines, note="")
    line = {"sku": "AB-1027-XL", "quantity": 3, "price": "19.90", "currency": "EUR"}
    while len(_payload_text([*lines, line], note="")) <= size_bytes:
        lines.append(line)
        whole = _payload_text(lines, note="")
    note = "x" * (size_bytes - len(whole))
    text = _payload_text(lines, note=note).encode()
    return text.replace(b"0" * MARKER_DIGITS, HOLE, 1)


def _payload_text(lines: list[dict[str, object]], note: str) -> str:
    whole = {"marker": "0" * MARKER_DIGITS, "lines": lines, "note": note}
    return json.dumps(whole, separators=(",", ":"))


def number_in(body: bytes) -> int:
    """The number of the message whose payload is delivered here.

    Raises:
        BrokenWire: The payload is none of ours.
    """
    at = body.find(MARKER_KEY) + len(MARKER_KEY)
    digits = body[at : at + MARKER_DIGITS]
    if at < len(MARKER_KEY) or not digits.isdigit():
        raise BrokenWire(f"a delivery that nobody posted: {body[:60]!r}")
    return int(digits)


def id_in(body: bytes) -> str:
    """The message id in the answer to a post, or nothing when it names none."""
    at = body.find(b'"id":"') + 6
    if at >= 6:
        return body[at : body.index(b'"', at)].decode()
    answer = json.loads(body)
    return str(answer.get("id", "")) if isinstance(answer, dict) else ""
