"""The queues of one file, by name."""

from collections.abc import Iterator, Mapping

from shared.adapters.sqlite.hand import NOWHERE, Place
from shared.adapters.sqlite.line import Line
from shared.adapters.sqlite.writer import Writer
from shared.ports.clock import Clock


class Lines:
    """The queues of one file, each made when it is first named."""

    def __init__(
        self, writer: Writer, clock: Clock, sequences: Iterator[int], first_waiting: Mapping[str, Place]
    ) -> None:
        """Take the queues over.

        Args:
            writer: Of the file.
            clock: What leases and due times are measured by.
            sequences: Where the next sequence comes from, whatever its queue.
            first_waiting: Of the first work of each queue that waits in the file, or a place before it.
        """
        self._writer = writer
        self._clock = clock
        self._sequences = sequences
        self._first_waiting = first_waiting
        self._lines: dict[str, Line] = {}

    def of(self, queue: str) -> Line:
        """The queue of a name."""
        line = self._lines.get(queue)
        if line is None:
            next_waiting = self._first_waiting.get(queue, NOWHERE)
            line = self._lines[queue] = Line(queue, self._writer, self._clock, self._sequences, next_waiting)
        return line

    def next_sequence(self) -> int:
        """A sequence that no work has had."""
        return next(self._sequences)

    def wake(self) -> None:
        """Have everybody who waits in a queue look again."""
        for line in self._lines.values():
            line.wake()
