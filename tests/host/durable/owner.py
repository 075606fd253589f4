"""A process that drives one orchestration until it ends or the process is killed, and says what it does.

python -m tests.host.durable.owner <folder>
"""

import asyncio
import json
import sys
from pathlib import Path

from tests.clock import MovedClock
from tests.host.durable.functions import Effects
from tests.host.durable.world import World

INSTANCE = "family"
CHILDREN = 40


class Told(Effects):
    """Effects that are told about on standard output: one line with the input for each call."""

    async def behave(self, name: str, given: object) -> object:
        """As any, and tell."""
        sys.stdout.write(f"{given}\n")
        sys.stdout.flush()
        return await super().behave(name, given)


async def drive(folder: Path) -> None:
    """Start the orchestration, or go on with it; in the end one line with its output as JSON."""
    world = await World(folder, MovedClock(), Told()).starts()
    if not await world.client.get_status(INSTANCE):
        await world.client.start_new("parent", INSTANCE, list(range(CHILDREN)))
    status = await world.status(INSTANCE)
    sys.stdout.write(f"{json.dumps(status.output)}\n")
    await world.stops()


if __name__ == "__main__":
    asyncio.run(drive(Path(sys.argv[1])))
