"""The journal as JSON lines on a text stream, such as standard error.

Noting appends to a queue in memory; a thread of its own writes. If the stream is slow, the journal loses
lines rather than holding up deliveries, and says how many.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from threading import Event, Lock, Thread
from typing import TextIO

import msgspec

from shared.ports.clock import Clock
from shared.ports.journal import Fact

LINES_KEPT = 10_000
"""How many lines may wait to be written."""

LAST_WORDS = timedelta(seconds=1)
"""How long closing waits for a stream that takes nothing."""

REST_SECONDS = 0.05
"""How long the thread lets lines gather after it has written some."""

_encoder = msgspec.json.Encoder()
_Line = tuple[datetime, str, Mapping[str, Fact]]


class JsonLines:
    """See `shared.ports.journal.Journal`."""

    def __init__(self, stream: TextIO, clock: Clock, last_words: timedelta = LAST_WORDS) -> None:
        """Write to a stream, which stays open; when closing, wait for it no longer than `last_words`."""
        self._stream = stream
        self._now = clock.now
        self._lines: deque[_Line] = deque()
        self._last_words = last_words
        self._dropped = 0
        self._untold = 0
        self._something = Event()
        self._closing = Event()
        self._counting = Lock()
        self._thread = Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines were lost because the stream was slow or broken."""
        return self._dropped

    def note(self, event: str, **facts: Fact) -> None:
        self.take(event, facts)

    def take(self, event: str, facts: Mapping[str, Fact]) -> None:
        if len(self._lines) >= LINES_KEPT:
            self._lose(1)
            return
        self._lines.append((self._now(), event, facts))
        if not self._something.is_set():
            self._something.set()

    def close(self) -> None:
        """Write what is waiting, and end the thread. What is noted later is lost."""
        self._closing.set()
        self._something.set()
        # Whoever reads the stream may hang; that must not keep the process from ending.
        self._thread.join(self._last_words.total_seconds())

    def _run(self) -> None:
        while not self._closing.is_set():
            self._something.wait()
            self._something.clear()
            self._write()
            self._closing.wait(REST_SECONDS)
        self._write()

    def _write(self) -> None:
        lines, untold = list[_Line](), self._untold
        while self._lines:
            lines.append(self._lines.popleft())
        if not lines and not untold:
            return
        told: list[_Line] = [(self._now(), "journal.lines_dropped", {"lines": untold})] if untold else []
        try:
            self._stream.write(_text([*lines, *told]))
            self._stream.flush()
        except (OSError, ValueError):  # gone, full, or closed
            self._lose(len(lines))
        else:
            with self._counting:
                self._untold -= untold

    def _lose(self, lines: int) -> None:
        with self._counting:
            self._dropped += lines
            self._untold += lines


def _text(lines: Sequence[_Line]) -> str:
    written = [{"at": at, "event": event, **facts} for at, event, facts in lines]
    try:
        return _encoder.encode_lines(written).decode()
    except (UnicodeEncodeError, msgspec.MsgspecError, TypeError, OverflowError):
        # A fact is not what it should be; the lines are still worth having.
        return "".join(map(_guarded, written))


def _guarded(line: Mapping[str, Fact | datetime]) -> str:
    try:
        return _encoder.encode(line).decode() + "\n"
    except (UnicodeEncodeError, msgspec.MsgspecError, TypeError, OverflowError):
        return _encoder.encode({key: ascii(value) for key, value in line.items()}).decode() + "\n"
