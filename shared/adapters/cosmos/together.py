"""Writes on one partition that come at the same time, as one batch: five answers cost one operation.

The first that comes waits for nobody but those who come in the same turn of the event loop; who comes while
it is on its way goes with the next. If one of a batch is refused, the service does none of it, and all of
them hear of it: whoever is refused has to look what is there anyway. If the store is out of reach, those that
wait hear of it, too: else they would wait for each other, the more of them the longer it lasts.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from shared.adapters.cosmos.container import Container, Operation
from shared.adapters.cosmos.records import BATCH_MOST
from shared.domain.errors import Unavailable

CHARACTER_BYTES = 6
"""What a character takes at most on its way."""

BATCH_BYTES = 1_000_000
"""The service takes 2 MB, and what we know of our own sizes is a guess."""


@dataclass
class _Write:
    operations: Sequence[Operation]
    size_bytes: int
    done: asyncio.Future[None]


class Together:
    """See the module."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._waiting: dict[str, list[_Write]] = defaultdict(list)
        self._lanes: set[asyncio.Task[None]] = set()

    async def write(self, pk: str, operations: Sequence[Operation], size_bytes: int) -> None:
        """Do several operations on one partition, all or none.

        Args:
            pk: The partition.
            operations: As of a batch.
            size_bytes: How much they may be.

        Raises:
            Refused: One of them was refused, or one that went with them, and none was done.
            Unavailable: The store is out of reach.
        """
        loop = asyncio.get_running_loop()
        write = _Write(operations, size_bytes, loop.create_future())
        is_open = pk in self._waiting
        self._waiting[pk].append(write)
        if not is_open:
            lane = loop.create_task(self._drain(pk))
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        await write.done

    async def _drain(self, pk: str) -> None:
        """Write what waits for a partition until nothing does."""
        while waiting := self._waiting[pk]:
            some = waiting[: _fitting(waiting)]
            del waiting[: len(some)]
            wrong = await self._write(pk, some)
            if isinstance(wrong, Unavailable):
                some += waiting
                waiting.clear()
            for write in some:
                _end(write, wrong)
        del self._waiting[pk]

    async def _write(self, pk: str, some: Sequence[_Write]) -> Exception | None:
        """Write some as one batch; answer what was wrong, of which whoever waits has to hear."""
        try:
            await self._container.batch(pk, [one for write in some for one in write.operations])
        except Exception as wrong:  # noqa: BLE001 - see above
            return wrong
        return None


def _fitting(waiting: Sequence[_Write]) -> int:
    """How many of the first fit into one batch; one in any case."""
    operations = size_bytes = 0
    for count, write in enumerate(waiting):
        operations += len(write.operations)
        size_bytes += write.size_bytes
        if count and (operations > BATCH_MOST or size_bytes > BATCH_BYTES):
            return count
    return len(waiting)


def _end(write: _Write, wrong: Exception | None) -> None:
    if write.done.done():
        return  # whoever waited has gone away
    if wrong is None:
        write.done.set_result(None)
    else:
        write.done.set_exception(wrong)
