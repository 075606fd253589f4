"""Killed between any two steps: an orchestration comes to the same end, and every activity took effect."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.pump import LAST_DELIVERY, rest_before
from shared.domain.errors import Unavailable
from shared.ports.orchestrations import Orchestrations, Step
from tests.clock import MovedClock
from tests.host.durable import owner
from tests.host.durable.functions import Effects
from tests.host.durable.world import World

WRITES = ("commit", "finish", "start", "tell")
READS = ("load", "call")

OUTPUT = ["first", [0, 1, 2, 3], 42, "flaky", "lift-off"]
EFFECTS = [("echo", "first"), *(("echo", number) for number in (0, 1, 2, 3, 42, 2, 1, 0)), ("flaky", "flaky")]


class Mortal:
    """A store whose process is killed at its n-th write, before or after it; from then on nothing happens."""

    def __init__(self, write: int, *, is_kept: bool) -> None:
        self.died = asyncio.Event()
        self._left = write
        self._is_kept = is_kept

    def before(self, store: Orchestrations) -> Orchestrations:
        """Stand before this store."""
        self._store = store
        return cast("Orchestrations", self)

    def __getattr__(self, name: str) -> object:
        method: Callable[..., Awaitable[object]] = getattr(self._store, name)
        if name in WRITES:
            return lambda *values, **named: self._write(lambda: method(*values, **named))
        if name in READS:
            return lambda *values, **named: self._read(lambda: method(*values, **named))
        return method

    async def _read(self, read: Callable[[], Awaitable[object]]) -> object:
        result = await read()
        await self._stay_dead()
        return result

    async def _write(self, write: Callable[[], Awaitable[object]]) -> object:
        await self._stay_dead()
        self._left -= 1
        if self._left:
            return await write()
        if self._is_kept:
            await write()
        self.died.set()
        await self._stay_dead()
        return None

    async def _stay_dead(self) -> None:
        if self.died.is_set():
            await asyncio.Event().wait()


Cut = tuple[int, bool]


async def _live(folder: Path, cuts: Sequence[Cut]) -> tuple[object, list[tuple[str, object]]]:
    """Run `everything` through these deaths; its status, and what its activities did."""
    effects = Effects()
    effects.failures["flaky"] = 2
    first = world = World(folder, MovedClock(), effects)
    try:
        await world.starts()
        instance_id = await world.client.start_new("everything")
        for write, is_kept in cuts:
            mortal = Mortal(write, is_kept=is_kept)
            world = await world.dies(through=mortal.before)
            while not await _ends(world, mortal, instance_id):
                world.clock.move(timedelta(hours=12))
            if not mortal.died.is_set():
                break
        world = await world.dies()
        while (status := await world.status(instance_id)).runtime_status.value != "Completed":
            world.clock.move(timedelta(hours=12))
        return status.output, effects.calls
    finally:
        await first.stops()


async def _ends(world: World, mortal: Mortal, instance_id: str) -> bool:
    """Wait until the process is dead or there is nothing to do; whether it is dead or all is done."""
    settled = asyncio.create_task(world.settles())
    died = asyncio.create_task(mortal.died.wait())
    await asyncio.wait({settled, died}, return_when=asyncio.FIRST_COMPLETED)
    settled.cancel()
    died.cancel()
    if mortal.died.is_set():
        return True
    instance = await world.orchestrations.get(instance_id)
    return instance is not None and instance.status.is_final


@settings(max_examples=12)
@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=6))
def test_a_killed_process_costs_nothing_but_time(cuts: Sequence[Cut]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "first")
        place.mkdir()
        output, calls = asyncio.run(_live(place, cuts))

    assert output == OUTPUT
    for effect in EFFECTS:
        assert effect in calls
    # Twice at the most for each death: what had begun, and what was kept and not told.
    assert len(calls) <= len(EFFECTS) + 2 + 8 * len(cuts)


def _runs_until_killed(folder: Path, after: int) -> list[str]:
    """What a process said until it was killed, which it is after so many lines; 0 is never."""
    command = [sys.executable, "-m", "tests.host.durable.owner", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  one of ours
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if len(lines) == after:
                process.kill()
        assert after or process.wait() == 0
    return lines


def test_a_process_that_is_killed_again_and_again_comes_to_the_end(tmp_path: Path) -> None:
    """The same with real processes and a real signal."""
    lines = [line for after in (1, 7, 13, 29, 0) for line in _runs_until_killed(tmp_path, after)]

    children = range(owner.CHILDREN)
    expected = [{"doubled": 2 * child, "parent": owner.INSTANCE} for child in children]
    # A process may come to the end before the signal reaches it, and then the next one says the same.
    outputs = [json.loads(line) for line in lines if line.startswith("[")]
    assert outputs
    assert all(output == expected for output in outputs)
    assert {int(line) for line in lines if not line.startswith("[")} == {2 * child for child in children}


class Full:
    """A store that keeps no step for so many times."""

    def __init__(self, times: int) -> None:
        self._times = times

    def before(self, store: Orchestrations) -> Orchestrations:
        """Stand before this store."""
        self._store = store
        return cast("Orchestrations", self)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def commit(self, step: Step) -> bool:
        """Keep a step, or not.

        Raises:
            Unavailable: Not.
        """
        self._times -= 1
        if self._times >= 0:
            raise Unavailable("store", "the disk is full")
        return await self._store.commit(step)


async def test_an_instance_whose_step_cannot_be_kept_for_long_goes_on_afterwards(world: World) -> None:
    """Its queue message is not given up, or nobody would look at it again."""
    later = await world.dies(through=Full(LAST_DELIVERY).before)
    instance_id = await later.client.start_new("plain", None, "text")
    for times in range(1, LAST_DELIVERY + 1):
        await later.journal.has("function.failed", times=times)
        later.clock.move(rest_before(times))

    status = await later.status(instance_id)
    assert (status.runtime_status.value, status.output) == ("Completed", "text")
