"""What the host does when one of its parts fails."""

import asyncio

from infra.local import host
from tests.host.fakes import KeptLines, fails


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_part_that_fails_stops_the_service_instead_of_leaving_half_of_it() -> None:
    """A service whose queue nobody drives looks well from outside, and delivers nothing."""
    journal = KeptLines()
    running = [asyncio.create_task(_for_ever()), asyncio.create_task(fails(None))]

    is_told = await host._first_of(asyncio.Event(), running, journal)

    running[0].cancel()
    assert is_told is False
    assert [facts["why"] for facts in journal.of("host.failed")] == ["the disk is full"]


async def test_a_signal_is_no_fault() -> None:
    journal = KeptLines()
    running = [asyncio.create_task(_for_ever())]
    stop = asyncio.Event()
    stop.set()

    is_told = await host._first_of(stop, running, journal)

    running[0].cancel()
    assert is_told is True
    assert journal.lines == []
