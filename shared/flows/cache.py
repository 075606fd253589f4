"""A small cache of things that are read for every message and change seldom."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from shared.ports.clock import Clock

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """Keeps what was read for a while, at most `size` of them, the least recently used going first.

    Callers that want the same thing at once share one read. What is forgotten while it is being read is not
    kept, so a write followed by `forget` is seen by every later call. A read that failed is not kept.
    """

    def __init__(self, clock: Clock, *, keep: timedelta, size: int) -> None:
        self._clock = clock
        self._keep = keep
        self._size = size
        self._entries: OrderedDict[Key, tuple[datetime, asyncio.Future[Value]]] = OrderedDict()

    async def get(self, key: Key, read: Callable[[], Awaitable[Value]]) -> Value:
        """The cached thing, or what `read` returns; errors of `read` pass through."""
        entry = self._entries.get(key)
        if entry is not None and entry[0] > self._clock.now():
            self._entries.move_to_end(key)
            reading = entry[1]
            if reading.done():
                return reading.result()
        else:
            reading = asyncio.ensure_future(read())
            reading.add_done_callback(partial(self._drop_failed, key))
            self._entries[key] = (self._clock.now() + self._keep, reading)
            self._entries.move_to_end(key)  # it may have stood there already
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)
        # One caller that goes away must not take the read from the others.
        return await asyncio.shield(reading)

    def forget(self, *keys: Key) -> None:
        """Read these anew the next time."""
        for key in keys:
            self._entries.pop(key, None)

    def _drop_failed(self, key: Key, reading: asyncio.Future[Value]) -> None:
        if not reading.cancelled() and reading.exception() is None:
            return
        entry = self._entries.get(key)
        if entry is not None and entry[1] is reading:
            del self._entries[key]
