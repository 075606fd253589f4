"""Faults that tests inject: what the emulator does wrong on purpose, how often and for which operations."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tests.emulators.cosmos.counts import DOCUMENT_OPERATIONS

CLOSE = "close"
THROTTLED = 429


@dataclass
class Fault:
    """One fault.

    Attributes:
        operation: What it strikes, in the words of the counts; None strikes every operation on documents.
        container: On which container; None on all.
        skips: How many requests that it would strike it lets pass first.
        times: How many it strikes; None strikes for ever.
        answer: A status instead of the answer, or `close`: the connection ends without an answer.
        sub_status: Of that status.
        retry_after: How long a refused client is asked to rest.
        applied: Whether the operation takes effect all the same.
        delay: How long everything takes: before the effect, or after it if `applied`.
        struck: How many requests it has struck.
    """

    operation: str | None = None
    container: str | None = None
    skips: int = 0
    times: int | None = 1
    answer: int | str | None = None
    sub_status: int = 0
    retry_after: timedelta | None = None
    applied: bool = False
    delay: timedelta = timedelta()
    struck: int = 0

    def strikes(self, operation: str, container: str) -> bool:
        """Whether it strikes this request; if so, that is counted."""
        if self.container not in {None, container} or self.times == self.struck:
            return False
        if operation not in (DOCUMENT_OPERATIONS if self.operation is None else (self.operation,)):
            return False
        if self.skips:
            self.skips -= 1
            return False
        self.struck += 1
        return True


class Faults:
    """The faults in force, in the order in which they were injected. Only the first that strikes does."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def inject(self, fault: Fault) -> Fault:
        """Put a fault in force."""
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Have no more faults."""
        self._faults.clear()

    def striking(self, operation: str, container: str) -> Fault | None:
        """The fault that strikes a request, if one does."""
        if not self._faults:
            return None
        return next((fault for fault in self._faults if fault.strikes(operation, container)), None)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)
