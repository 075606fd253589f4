"""Every adapter of every port. A suite runs once for each."""

import io
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.adapters.cosmos.account import BOUND
from shared.adapters.cosmos.documents import Kept
from shared.adapters.cosmos.stores import cosmos_stores
from shared.adapters.key_vault import KeyVaultSecrets
from shared.adapters.sealing import AesSecrets
from shared.adapters.sqlite.orchestrations import SqliteOrchestrations
from shared.adapters.sqlite.store import SqliteStore
from shared.adapters.system import SystemClock, SystemDice
from shared.adapters.telemetry.lines import JsonLines
from shared.adapters.telemetry.several import Several
from shared.adapters.telemetry.tally import Tally
from shared.ports.answers import Answers
from shared.ports.applications import Applications
from shared.ports.attempts import Attempts
from shared.ports.background_tasks import BackgroundTasks
from shared.ports.clock import Clock
from shared.ports.destinations import Destinations
from shared.ports.dice import Dice
from shared.ports.endpoints import Endpoints
from shared.ports.event_types import EventTypes
from shared.ports.journal import Journal
from shared.ports.messages import Messages
from shared.ports.orchestrations import Orchestrations
from shared.ports.organizations import Organizations
from shared.ports.outbox import Outbox
from shared.ports.queue import Consumer, DeadLetters, Queue
from shared.ports.secrets import Secrets
from shared.ports.throttles import Throttles
from tests.clock import MovedClock
from tests.contracts.cosmos import Deployment
from tests.dice import LoadedDice
from tests.key_vault import KeyVault, Token

ATTEMPTS_KEPT = timedelta(days=90)
"""After the last one on their message, as an adapter is told whose attempts go by themselves."""

MESSAGES_KEPT = timedelta(days=120)
"""After they were accepted, as an adapter is told whose messages go by themselves."""


KEPT = Kept(MESSAGES_KEPT, ATTEMPTS_KEPT)


@dataclass(frozen=True)
class Stores:
    """The stores and queues of one deployment.

    Attributes:
        clock: What they measure leases and due times by.
        close: End it in good order.
        reborn: Another process's view of the same, after this one has died without a word.
    """

    clock: MovedClock
    organizations: Organizations
    applications: Applications
    event_types: EventTypes
    endpoints: Endpoints
    messages: Messages
    attempts: Attempts
    destinations: Destinations
    background_tasks: BackgroundTasks
    answers: Answers
    outbox: Outbox
    throttles: Throttles
    queue: Queue
    consumer: Consumer
    dead_letters: DeadLetters
    orchestrations: Orchestrations
    close: Callable[[], Awaitable[None]]
    reborn: Callable[[], Awaitable["Stores"]]


async def sqlite(folder: Path, clock: MovedClock) -> Stores:
    """On one SQLite file."""
    store = SqliteStore.open(folder / "heliograph.db", clock)

    async def reborn() -> Stores:
        # The files as they lie there at this moment are what a killed process leaves behind.
        elsewhere = folder / "reborn"
        shutil.copytree(folder, elsewhere)
        return await sqlite(elsewhere, clock)

    return Stores(
        clock=clock,
        organizations=store.organizations,
        applications=store.applications,
        event_types=store.event_types,
        endpoints=store.endpoints,
        messages=store.messages,
        attempts=store.attempts,
        destinations=store.destinations,
        background_tasks=store.background_tasks,
        answers=store.answers,
        outbox=store.outbox,
        throttles=store.throttles,
        queue=store.queue,
        consumer=store.queue,
        dead_letters=store.dead_letters,
        orchestrations=SqliteOrchestrations(store.writer, store.readers, store.lines, clock),
        close=store.close,
        reborn=reborn,
    )


async def cosmos(folder: Path, clock: MovedClock) -> Stores:
    """On Cosmos DB, and on SQLite what has no adapter for it."""
    deployment = Deployment(clock)
    await deployment.begin()
    stores = on_cosmos(deployment, await sqlite(folder, clock))

    async def close() -> None:
        await stores.close()
        await deployment.end()

    return replace(stores, close=close)


def on_cosmos(deployment: Deployment, others: Stores, bound: timedelta = BOUND) -> Stores:
    """What one process has of a deployment, and the rest from `others`."""
    account, send = deployment.account(bound), others.queue.send
    stores = cosmos_stores(account, deployment.bodies, send, others.clock, KEPT)

    async def close() -> None:
        await stores["outbox"].close()
        await account.close()
        await others.close()

    async def reborn() -> Stores:
        return on_cosmos(deployment, await others.reborn(), bound)

    return replace(others, **stores, close=close, reborn=reborn)


Open = Callable[[Path, MovedClock], Awaitable[Stores]]

STORES = [pytest.param(sqlite, id="sqlite")]
STORES_ON_AZURE = [pytest.param(cosmos, id="cosmos")]
ON_AZURE = frozenset(
    {
        "answers",
        "applications",
        "attempts",
        "background_tasks",
        "destinations",
        "endpoints",
        "event_types",
        "messages",
        "organizations",
        "outbox",
        "throttles",
    }
)
"""The ports that have an adapter for Azure: their suites run on it, too."""


@dataclass(frozen=True)
class Told:
    """A journal, and what it has told.

    Attributes:
        read: End the journal and read every line.
    """

    journal: Journal
    read: Callable[[], Sequence[Mapping[str, object]]]


def json_lines() -> Told:
    """On a text stream."""
    stream = io.StringIO()
    journal = JsonLines(stream, MovedClock())

    def read() -> Sequence[Mapping[str, object]]:
        journal.close()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    return Told(journal, read)


def several() -> Told:
    """On a text stream, among others."""
    told = json_lines()
    assert isinstance(told.journal, JsonLines)
    journal = Several([Tally(), told.journal, Tally()])

    def read() -> Sequence[Mapping[str, object]]:
        journal.close()
        return told.read()

    return Told(journal, read)


JOURNALS = [pytest.param(json_lines, id="lines"), pytest.param(several, id="several")]


def loaded_dice() -> Dice:
    """The tests' own."""
    return LoadedDice()


DICE = [pytest.param(SystemDice, id="system"), pytest.param(loaded_dice, id="loaded")]


@asynccontextmanager
async def aes(key: bytes, folder: Path) -> AsyncIterator[Secrets]:
    """AES-256-GCM."""
    del folder
    yield AesSecrets(key)


@asynccontextmanager
async def key_vault(key: bytes, folder: Path) -> AsyncIterator[Secrets]:
    """Under a key of a vault; the same key is another process's view of the same vault."""
    async with KeyVault(folder, seed=key.hex()) as vault:
        secrets = KeyVaultSecrets(vault.key_url, Token(), MovedClock(), **vault.options)
        yield secrets
        await secrets.close()


MakeSecrets = Callable[[bytes, Path], AbstractAsyncContextManager[Secrets]]

SECRETS = [pytest.param(aes, id="aes"), pytest.param(key_vault, id="key vault")]


@dataclass(frozen=True)
class Ticking:
    """A clock, and how its time passes.

    Attributes:
        move: Let time pass if it does not do so by itself.
    """

    clock: Clock
    move: Callable[[timedelta], None]


def system_clock() -> Ticking:
    """The machine's, which moves by itself."""
    return Ticking(SystemClock(), lambda _: None)


def moved_clock() -> Ticking:
    """The tests' own."""
    clock = MovedClock()
    return Ticking(clock, clock.move)


CLOCKS = [pytest.param(system_clock, id="system"), pytest.param(moved_clock, id="moved")]
