"""Counts, faults and the clock of an emulator that runs as a program of its own, at `/_emulator/`.

| request | body | answer |
| --- | --- | --- |
| `GET` or `DELETE /_emulator/counts` | | `[[operation, container, times], …]`; begins at nothing again |
| `POST /_emulator/faults` | the fields of a `Fault`; durations as in `PT0.5S` | |
| `GET` or `DELETE /_emulator/faults` | | the faults with how often they struck; has no more of them |
| `POST /_emulator/clock` | `{"seconds": 3600}` | moves the time on by so much |

It asks for no key: it is for tests, and listens on this machine alone.
"""

from dataclasses import asdict
from datetime import timedelta

import aiohttp
import msgspec

from tests.emulators.cosmos.clock import Clock
from tests.emulators.cosmos.counts import Counts
from tests.emulators.cosmos.faults import Fault, Faults
from tests.emulators.cosmos.wire import Answer, Request

PREFIX = "/_emulator/"


class _Pause(msgspec.Struct):
    seconds: float


class Admin:
    """The emulator's side."""

    def __init__(self, counts: Counts, faults: Faults, clock: Clock) -> None:
        self._counts = counts
        self._faults = faults
        self._clock = clock

    def answer(self, request: Request) -> Answer:
        """Do what is asked."""
        name = f"{request.method} {request.target.decode().removeprefix(PREFIX)}"
        try:
            return Answer(200, body=msgspec.json.encode(self._done(name, request.body)))
        except (msgspec.ValidationError, msgspec.DecodeError, LookupError) as error:
            return Answer(400, body=msgspec.json.encode({"message": str(error)}))

    def _done(self, name: str, body: bytes) -> object:
        result: object = None
        match name:
            case "GET counts":
                result = list(self._counts)
            case "DELETE counts":
                self._counts.clear()
            case "GET faults":
                result = [asdict(fault) for fault in self._faults]
            case "POST faults":
                self._faults.inject(msgspec.json.decode(body, type=Fault))
            case "DELETE faults":
                self._faults.clear()
            case "POST clock":
                self._clock.move(timedelta(seconds=msgspec.json.decode(body, type=_Pause).seconds))
            case _:
                raise LookupError(f"The emulator cannot be asked to {name}")
        return result


class RemoteEmulator:
    """The side of a test or benchmark whose emulator is another process.

    Args:
        endpoint: Where it is.
        session: Of aiohttp, which its owner closes.
    """

    def __init__(self, endpoint: str, session: aiohttp.ClientSession) -> None:
        self._start = endpoint.rstrip("/") + PREFIX
        self._session = session

    async def counts(self) -> Counts:
        """How often it was asked for what."""
        counts = Counts()
        for operation, container, times in msgspec.json.decode(
            await self._ask("GET", "counts"), type=list[tuple[str, str, int]]
        ):
            counts.add(operation, container, times)
        return counts

    async def clear_counts(self) -> None:
        """Have it count from nothing."""
        await self._ask("DELETE", "counts")

    async def inject(self, fault: Fault) -> None:
        """Put a fault in force."""
        await self._ask("POST", "faults", msgspec.json.encode(fault))

    async def faults(self) -> list[Fault]:
        """The faults in force, with how often they have struck."""
        return msgspec.json.decode(await self._ask("GET", "faults"), type=list[Fault])

    async def clear_faults(self) -> None:
        """Have no more faults."""
        await self._ask("DELETE", "faults")

    async def move_clock(self, by: timedelta) -> None:
        """Let time pass at once."""
        await self._ask("POST", "clock", msgspec.json.encode({"seconds": by.total_seconds()}))

    async def _ask(self, method: str, name: str, body: bytes = b"") -> bytes:
        async with self._session.request(method, self._start + name, data=body) as answer:
            answer.raise_for_status()
            return await answer.read()
