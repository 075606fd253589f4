"""A process that accepts messages until it is killed, and says which are accepted.

python -m tests.contracts.owner <path>
"""

import asyncio
import sys
from pathlib import Path

from shared.adapters.sqlite.store import SqliteStore
from tests.clock import MovedClock
from tests.makers import a_dispatch, a_message


async def accept_for_ever(path: Path) -> None:
    """Accept as fast as it goes; one line with the ids of application and message for each."""
    store = SqliteStore.open(path, MovedClock())

    async def one() -> None:
        message = a_message()
        await store.outbox.accept(message, a_dispatch(message), None)
        sys.stdout.write(f"{message.app_id} {message.id}\n")
        sys.stdout.flush()

    while True:
        await asyncio.gather(*(one() for _ in range(10)))


if __name__ == "__main__":
    asyncio.run(accept_for_ever(Path(sys.argv[1])))
