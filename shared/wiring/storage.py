"""Where a process keeps everything: one SQLite file, or Azure's services."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.adapters.sqlite.orchestrations import SqliteOrchestrations
from shared.adapters.sqlite.store import SqliteStore
from shared.config import Settings
from shared.ports.answers import Answers
from shared.ports.applications import Applications
from shared.ports.attempts import Attempts
from shared.ports.background_tasks import BackgroundTasks
from shared.ports.clock import Clock
from shared.ports.destinations import Destinations
from shared.ports.endpoints import Endpoints
from shared.ports.event_types import EventTypes
from shared.ports.messages import Messages
from shared.ports.orchestrations import Orchestrations
from shared.ports.organizations import Organizations
from shared.ports.outbox import Outbox
from shared.ports.queue import Consumer, DeadLetters, Queue
from shared.ports.throttles import Throttles

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Histories:
    """What the embedded host keeps of orchestrations. Azure's own host has a place of its own for it.

    Attributes:
        consumer: Of the queues in which orchestrations and activities are woken.
    """

    orchestrations: Orchestrations
    consumer: Consumer


@dataclass(frozen=True, slots=True)
class Storage:
    """Every store and every queue of a process.

    Attributes:
        consumer: Of the queues that the function app's triggers name, for a host that drives them itself.
        histories: Opens what the embedded host keeps of orchestrations; Azure's host never asks.
        open: Begin to open what the first message would wait for, within an event loop; it fails nothing.
        check: Writes and reads a little; raises `Unavailable` if the store is out of reach.
        check_queue: The same of the queues.
        close: Write what is waiting, refuse what comes after.
    """

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
    histories: Callable[[], Histories]
    open: Callable[[], None]
    check: Act
    check_queue: Act
    close: Act


def storage(settings: Settings, clock: Clock, credential: "AsyncTokenCredential | None") -> Storage:
    """What the settings ask for.

    Raises:
        CannotOpen: The file cannot be created, read or written, or another process has it.
    """
    if settings.azure is None:
        return on_sqlite(settings, clock)
    from shared.wiring.azure import on_azure  # noqa: PLC0415 - half a second of imports, only on Azure

    return on_azure(settings, settings.azure, clock, credential)


def on_sqlite(settings: Settings, clock: Clock) -> Storage:
    """Everything in one file.

    Raises:
        CannotOpen: It cannot be created, read or written, or another process has it.
    """
    store = SqliteStore.open(settings.database, clock)
    orchestrations = SqliteOrchestrations(store.writer, store.readers, store.lines, clock)
    return Storage(
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
        histories=lambda: Histories(orchestrations, store.queue),
        open=lambda: None,
        check=store.check,
        check_queue=store.check,
        close=store.close,
    )
