"""What the host does when one of its parts fails."""

import asyncio
from pathlib import Path

from infra.local import host, registrations
from infra.local.drivers import close_client, drivers_of
from tests.flows.walk import Walk
from tests.host.durable.functions import Clients, Effects, app
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


async def test_durable_functions_are_driven_beside_the_others(tmp_path: Path) -> None:
    """From a queue's message to the end of the orchestration that its function starts with the client."""
    walk, effects, clients = Walk.on(tmp_path), Effects(), Clients()
    drivers = drivers_of(registrations.read(app(effects, clients), {}), walk.service, tmp_path / "db")
    running = [asyncio.create_task(driver.run()) for driver in drivers]
    await walk.service.queue.send("asks", b"")
    await clients.came.wait()
    assert clients.client is not None

    await clients.client.start_new("sequence", None, ["Ada"])
    await effects.have(1)

    assert effects.of("echo") == [{"name": "Ada"}]
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    await asyncio.gather(*(driver.release() for driver in drivers))
    await close_client()
    await walk.service.close()
