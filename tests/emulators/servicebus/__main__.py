"""The emulator as a program of its own, which can be killed.

    python -m tests.emulators.servicebus --port 5672 --file queues.db dispatch retry events tasks
    python -m tests.emulators.servicebus --config infra/local/servicebus.json

It says its connection string on the first line of standard output as soon as it serves, and on SIGUSR1 in one
line of JSON how often it was asked for each operation since the last time.
"""

import argparse
import asyncio
import json
import signal
import sys
from datetime import timedelta
from pathlib import Path

from tests.emulators.servicebus.faults import Operation
from tests.emulators.servicebus.server import Server
from tests.emulators.servicebus.settings import QueueSettings, read


async def serve(server: Server) -> None:
    """Serve until told to end; SIGUSR1 has it print what it has counted, and count from nothing."""

    def tell() -> None:
        counts = {operation: server.faults.of(operation) for operation in Operation}
        server.faults.counts.clear()
        sys.stdout.write(f"{json.dumps(counts)}\n")
        sys.stdout.flush()

    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with server:
        loop.add_signal_handler(signal.SIGUSR1, tell)
        sys.stdout.write(f"{server.connection_string}\n")
        sys.stdout.flush()
        await ended.wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.servicebus", description=__doc__)
    parser.add_argument("queues", nargs="*", help="the names of the queues")
    parser.add_argument("--config", type=Path, help="more of them, as the emulator of Microsoft is told")
    parser.add_argument("--port", type=int, default=5672, help="0 takes a free one")
    parser.add_argument("--file", type=Path, help="where the queues survive the process; nowhere by default")
    parser.add_argument("--lock", type=float, default=60, help="of a message, in seconds")
    asked = parser.parse_args()
    if not asked.queues and asked.config is None:
        parser.error("name queues, or a file that does, with --config")
    settings = QueueSettings(lock=timedelta(seconds=asked.lock))
    queues = {**dict.fromkeys(asked.queues, settings), **(read(asked.config) if asked.config else {})}
    asyncio.run(serve(Server(queues, file=asked.file, port=asked.port)))


if __name__ == "__main__":
    main()
