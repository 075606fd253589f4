"""Runs the function app on this machine, from the first import to the last message.

Start
1. Open the store.
2. Take the address and serve: what is accepted is stored and queued, and waits. Open the way into the queue.
3. Read the registrations, which imports as much again; whatever cannot be driven stops the service.
4. Drive the queue functions, the timer functions and the durable functions.

Stop, on SIGTERM or SIGINT, within ten seconds
5. Take nothing new: no connection, no message, no run of a timer.
6. Let what is in flight come to its end, for `GRACE`; a second signal ends the waiting.
7. Break off the rest. Its messages are handed over again after the next start.
8. Close the store.
"""

import asyncio
import gc
import importlib
import logging
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

import uvloop

from functions.http import asgi
from infra.local.lines import LibraryLog, facts_of
from infra.local.metrics import Metrics
from infra.local.server import CONNECTIONS_AT_ONCE, HttpServer, listen
from shared.config import Settings
from shared.ports.journal import Journal
from shared.wiring import Service, compose, install

GRACE = timedelta(seconds=8)
BREAKING_OFF = timedelta(seconds=1)
"""Together less than the ten seconds that container platforms wait, so that the store is closed in time."""

SWITCH_INTERVAL = timedelta(milliseconds=1)
"""How long the event loop may keep the interpreter lock from a thread that waits for it."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

OPEN_FILES = 65_536
"""Each connection is an open file; callers and receivers together soon reach the usual limit of 1,024."""

YOUNG_OBJECTS = 20_000
"""More than what is in flight under full load, so that the collector does not follow each message about. With
Python's own 700 it took a twelfth of the processor's time; what waits for it is a few megabytes at most."""


FUNCTIONS = "infra.local.drivers"
"""Imported in a thread, for it brings in everything that the triggers other than HTTP need."""


class Driver(Protocol):
    """Calls what is registered: the server, a pump or a timer."""

    async def run(self) -> None:
        """Take on work until cancelled; what is in flight goes on."""
        ...

    async def drain(self) -> None:
        """Wait until nothing is in flight."""
        ...

    async def release(self) -> None:
        """Break off what is in flight."""
        ...


def run(settings: Settings, env: Mapping[str, str], announce: Callable[[int], None]) -> bool:
    """Run the service until a signal stops it.

    Args:
        settings: What the service is made from.
        env: Where `%SETTING%` in a registration is looked up.
        announce: Called with the port as soon as requests are taken.

    Returns:
        Whether it stopped because it was told to; False after a fault, which the journal tells about.

    Raises:
        Undrivable: A registered function cannot be driven here.
        HeliographError: The store cannot be opened.
        CannotListen: The address cannot be had.
    """
    return uvloop.run(_run(settings, env, announce))


async def _run(settings: Settings, env: Mapping[str, str], announce: Callable[[int], None]) -> bool:
    stops = _Stops()
    # 1.
    parts = compose(settings)
    install(parts)
    try:
        _log_into(parts.journal)
        _take_turns_often()
        # 2.
        server, port = _server(settings, parts)
        serving = asyncio.create_task(server.run())
        parts.store.open()
        ready = asyncio.create_task(server.ready.wait())
        await asyncio.wait([ready, serving], return_when=asyncio.FIRST_COMPLETED)
        announce(port)
        # 3.
        functions = await asyncio.to_thread(importlib.import_module, FUNCTIONS)
        others: Sequence[Driver] = functions.drivers(parts, env, settings.database)
        # 4.
        drivers = [server, *others]
        running = [serving, *(asyncio.create_task(driver.run()) for driver in others)]
        _collect_garbage_seldom()
        parts.journal.note("host.started", functions=len(drivers))
        is_told = await _first_of(stops.first, running, parts.journal)
        await _stop(drivers, running, stops.second, parts.journal)
        await functions.close_client()
    finally:
        # 8.
        await parts.close()
    return is_told


def _server(settings: Settings, parts: Service) -> tuple[HttpServer, int]:
    """The server of the API, and the port that it has taken.

    Raises:
        CannotListen: The address cannot be had.
    """
    files = _allow_many_connections()
    listener = listen(settings.host, settings.port)
    # The other half is for receivers: a delivery must not fail because producers have taken all.
    server = HttpServer(Metrics(asgi, parts), listener, connections=min(CONNECTIONS_AT_ONCE, files // 2))
    return server, listener.getsockname()[1]


class _Stops:
    """The signals that stop: the first asks for it, the second is impatient, the third is not caught."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            self._loop.add_signal_handler(number, self._come)

    def _come(self) -> None:
        if not self.first.is_set():
            self.first.set()
            return
        self.second.set()
        for number in STOP_SIGNALS:
            self._loop.remove_signal_handler(number)


async def _first_of(stop: asyncio.Event, running: Sequence[asyncio.Task[None]], journal: Journal) -> bool:
    """Wait for the signal to stop, or for a driver that ends by itself, which is a fault: then False."""
    told = asyncio.create_task(stop.wait())
    ended, _ = await asyncio.wait([told, *running], return_when=asyncio.FIRST_COMPLETED)
    if told in ended:
        return True
    told.cancel()
    for driver in ended:
        error = driver.exception() or RuntimeError("it ended by itself")
        journal.note("host.failed", **facts_of(error))
    return False


async def _stop(
    drivers: Sequence[Driver],
    running: Sequence[asyncio.Task[None]],
    hurry: asyncio.Event,
    journal: Journal,
) -> None:
    """Steps 5 to 7."""
    journal.note("host.stop_began")
    # 5.
    for driving in running:
        driving.cancel()
    await asyncio.wait(running)
    # 6.
    drained: asyncio.Task[bool] = asyncio.create_task(_drain(drivers))
    hurried: asyncio.Task[bool] = asyncio.create_task(hurry.wait())
    awaited: set[asyncio.Task[bool]] = {drained, hurried}
    await asyncio.wait(awaited, timeout=GRACE.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
    is_drained = drained.done()
    for task in awaited:
        task.cancel()
    # 7.
    if not is_drained:
        with suppress(TimeoutError):
            async with asyncio.timeout(BREAKING_OFF.total_seconds()):
                await asyncio.gather(*(driver.release() for driver in drivers))
    journal.note("host.stopped", broke_off=not is_drained)


async def _drain(drivers: Sequence[Driver]) -> bool:
    await asyncio.gather(*(driver.drain() for driver in drivers))
    return True


def _log_into(journal: Journal) -> None:
    root = logging.getLogger()
    root.handlers = [LibraryLog(journal)]
    root.setLevel(logging.WARNING)


def _take_turns_often() -> None:
    # The store's writer needs the interpreter lock at every step of every statement, and by default waits
    # 5 ms for it while the event loop is busy, with a commit in hand that many wait for.
    sys.setswitchinterval(SWITCH_INTERVAL.total_seconds())


def _collect_garbage_seldom() -> None:
    # What was made so far stays: looking it through again and again holds up everything for tens of
    # milliseconds at a time.
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    gc.enable()


def _allow_many_connections() -> int:
    """Raise the limit of open files as far as we may and need, and say where it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        soft = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return OPEN_FILES if soft == resource.RLIM_INFINITY else soft
