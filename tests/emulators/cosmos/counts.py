"""How often the emulator was asked for what.

A request counts once, as one operation on its container, whatever it was answered: also when it was refused,
throttled by a fault or sent once more by the SDK. A query is a request for each page and each range.
A transactional batch is one request and counts as one `batch`; what is in it counts apart, as `batch.create`,
`batch.patch` and so on, and is left out of `operations`.
"""

from collections import Counter
from collections.abc import Iterator

DOCUMENT_OPERATIONS = ("batch", "create", "delete", "feed", "patch", "query", "read", "replace", "upsert")
"""What the budget of a message is counted in. `query_plan` and what concerns databases, containers and
ranges, which a client asks for once, is not among it."""


class Counts:
    """Requests by operation and container; what concerns no container has an empty name there."""

    def __init__(self) -> None:
        self._of: Counter[tuple[str, str]] = Counter()

    def add(self, operation: str, container: str, times: int = 1) -> None:
        """Count."""
        self._of[operation, container] += times

    def of(self, *operations: str, container: str | None = None) -> int:
        """How often one of these was asked for, on one container or on all together."""
        return sum(
            times
            for (operation, name), times in self._of.items()
            if operation in operations and container in {None, name}
        )

    def operations(self, container: str | None = None) -> int:
        """How many operations on documents there were."""
        return self.of(*DOCUMENT_OPERATIONS, container=container)

    def clear(self) -> None:
        """Begin at nothing."""
        self._of.clear()

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        """Operation, container and how often."""
        return ((*key, times) for key, times in sorted(self._of.items()))
