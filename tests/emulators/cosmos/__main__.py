"""The emulator as a program of its own: python -m tests.emulators.cosmos --port 8081 --file cosmos.db."""

import argparse
import asyncio
import signal
from pathlib import Path

import uvloop

from tests.emulators.cosmos.emulator import RANGES, CosmosEmulator


async def _serve(options: argparse.Namespace) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with CosmosEmulator(options.file, port=options.port, ranges=options.ranges) as emulator:
        print(f"AccountEndpoint={emulator.endpoint};AccountKey={emulator.key};", flush=True)  # noqa: T201  # says where
        await ended.wait()


def main() -> None:
    """Serve until told to end, and print a connection string first."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.cosmos", description=__doc__)
    parser.add_argument("--port", type=int, default=8081, help="where it listens; 0 takes a free port")
    parser.add_argument("--file", type=Path, help="what survives; without it nothing does")
    parser.add_argument("--ranges", type=int, default=RANGES, help="physical ranges of a new container")
    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
