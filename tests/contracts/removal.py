"""Removing old things a few at a time, until none is left."""

from collections.abc import Awaitable, Callable

from shared.ports.removal import Removed


async def all_gone(some: Callable[[str], Awaitable[Removed]], *, limit: int) -> int:
    """Call `some` again and again from where it has ended, and say how many went in all."""
    gone, removed = 0, Removed(0, rest="")
    while removed.rest is not None:
        removed = await some(removed.rest)
        assert removed.count <= limit
        gone += removed.count
    return gone
