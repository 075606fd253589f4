"""The one place where ports meet adapters.

`service()` is the process's own, made when it is first asked for. A host that owns the process may make it
with `compose` and put it in place with `install`; so do tests.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from shared.adapters.outbound.http_sender import HttpSender
from shared.adapters.sealing import AesSecrets
from shared.adapters.sqlite.orchestrations import SqliteOrchestrations
from shared.adapters.sqlite.store import SqliteStore
from shared.adapters.system import SystemClock, SystemDice
from shared.adapters.telemetry.lines import JsonLines
from shared.config import Settings
from shared.domain.errors import Unavailable
from shared.domain.policy import Policy
from shared.flows.accept import Accept
from shared.flows.attempt import MakeAttempt
from shared.flows.cancel import Cancel
from shared.flows.catalogue import Catalogue
from shared.flows.deliver import AttemptByHand, Deliver, Reattempt
from shared.flows.directory import Directory
from shared.flows.erase import Erase
from shared.flows.event_type_import import ImportEventTypes
from shared.flows.housekeeping import Retention, Sweep
from shared.flows.in_turn import AttemptInTurn
from shared.flows.management import SeededEventTypes
from shared.flows.operational import OperationalWebhooks
from shared.flows.policies import Policies
from shared.flows.purge import Purge
from shared.flows.recover import Recover
from shared.flows.resend import SendAgain, SendExample
from shared.flows.tasks import BeginTask, CarryOn
from shared.flows.throttle import Throttle
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
from shared.ports.queue import Consumer, Queue
from shared.ports.sender import Sender

try:
    VERSION = version("heliograph")
except PackageNotFoundError:  # Azure runs the sources without installing them
    VERSION = "0"


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that triggers may use: the flows, and the ports that they read from."""

    settings: Settings
    clock: Clock
    dice: Dice
    journal: Journal
    organizations: Organizations
    applications: Applications
    event_types: EventTypes
    endpoints: Endpoints
    messages: Messages
    attempts: Attempts
    destinations: Destinations
    background_tasks: BackgroundTasks
    answers: Answers
    queue: Queue
    consumer: Consumer
    policies: Policies
    orchestrations: Orchestrations
    directory: Directory
    catalogue: Catalogue
    import_event_types: ImportEventTypes
    accept: Accept
    operational: OperationalWebhooks
    deliver: Deliver
    reattempt: Reattempt
    erase: Erase
    attempt_by_hand: AttemptByHand
    send_again: SendAgain
    send_example: SendExample
    begin_task: BeginTask
    carry_on: CarryOn
    sweep: Sweep
    retention: Retention
    store: SqliteStore
    sender: Sender

    async def check(self) -> Mapping[str, bool]:
        """Whether each part does its work."""
        try:
            await self.store.check()
        except Unavailable:
            is_well = False
        else:
            is_well = True
        # The queue lies in the store's file, and the cache in this process.
        return {"database": is_well, "queue": is_well, "cache": True}

    async def close(self) -> None:
        """Give everything back: what is being written is written, connections are closed."""
        await self.operational.close()
        await self.sender.close()
        await self.store.close()
        self.journal.close()


def compose(
    settings: Settings,
    *,
    clock: Clock | None = None,
    dice: Dice | None = None,
    journal: Journal | None = None,
    sender: Sender | None = None,
) -> Service:
    """Put a service together; parts that are given stand in for the usual ones.

    Raises:
        CannotOpen: The database cannot be created, read or written, or another process has it.
    """
    clock = clock or SystemClock()
    dice = dice or SystemDice()
    journal = journal or JsonLines(sys.stderr, clock)
    sender = sender or HttpSender(user_agent=f"Heliograph/{VERSION}", allow=settings.allow_subnets)
    store = SqliteStore.open(settings.database, clock)
    secrets = AesSecrets(settings.encryption_key)
    policies = Policies(_policy(settings), store.organizations, store.event_types)
    directory = Directory(policies, store.applications, store.endpoints, secrets, clock)
    event_types = SeededEventTypes(store.event_types, clock)
    accept = Accept(store.outbox, clock, dice, journal)
    operational = OperationalWebhooks(directory, store.messages, accept, clock, journal)
    catalogue = Catalogue(
        store.organizations,
        store.applications,
        event_types,
        store.endpoints,
        secrets,
        directory,
        clock,
        dice,
        operational,
    )
    make_attempt = MakeAttempt(
        sender, store.outbox, store.endpoints, directory, clock, dice, journal, operational
    )
    throttle = Throttle(store.throttles, clock)
    attempt_in_turn = AttemptInTurn(make_attempt, throttle, store.queue, clock, dice, journal)
    attempt_by_hand = AttemptByHand(directory, store.messages, store.attempts, attempt_in_turn, journal)
    return Service(
        settings=settings,
        clock=clock,
        dice=dice,
        journal=journal,
        organizations=store.organizations,
        applications=store.applications,
        event_types=event_types,
        endpoints=store.endpoints,
        messages=store.messages,
        attempts=store.attempts,
        destinations=store.destinations,
        background_tasks=store.background_tasks,
        answers=store.answers,
        queue=store.queue,
        consumer=store.queue,
        policies=policies,
        orchestrations=SqliteOrchestrations(store.writer, store.readers, store.lines, clock),
        directory=directory,
        catalogue=catalogue,
        import_event_types=ImportEventTypes(catalogue, event_types),
        accept=accept,
        operational=operational,
        deliver=Deliver(directory, store.messages, store.attempts, attempt_in_turn, journal),
        reattempt=Reattempt(directory, store.messages, store.attempts, attempt_in_turn, journal),
        erase=Erase(store.messages, store.attempts, journal),
        attempt_by_hand=attempt_by_hand,
        send_again=SendAgain(store.messages, store.endpoints, store.queue, clock, dice),
        send_example=SendExample(event_types, store.endpoints, accept),
        begin_task=BeginTask(store.background_tasks, store.endpoints, clock, dice, journal),
        carry_on=CarryOn(
            store.background_tasks,
            Recover(directory, store.destinations, attempt_by_hand),
            Cancel(store.attempts, store.destinations),
            Purge(store.messages),
            clock,
            journal,
        ),
        sweep=Sweep(store.outbox, store.background_tasks, store.queue, clock, journal),
        retention=Retention(store.messages, store.answers, clock, journal),
        store=store,
        sender=sender,
    )


_service: Service | None = None


def service() -> Service:
    """The process's own service, composed from the environment when it is first asked for.

    Raises:
        WrongSettings: The environment says something that we cannot use.
        CannotOpen: The database cannot be created, read or written, or another process has it.
    """
    global _service  # noqa: PLW0603 - one a process, made when it is needed
    if _service is None:
        _service = compose(Settings.read(os.environ))
    return _service


def install(ready: Service | None) -> None:
    """Make `ready` the process's own service; None has the next call compose one."""
    global _service  # noqa: PLW0603 - see `service`
    _service = ready


def _policy(settings: Settings) -> Policy:
    """What holds for an organization that has set nothing for itself."""
    return Policy(
        retry_schedule=settings.retry_schedule,
        request_timeout=settings.request_timeout,
        disable_after=settings.endpoint_failure_disable_after,
        signature_type=settings.signature_type,
        signature_headers=settings.signature_headers,
        endpoint_https_only=settings.endpoint_https_only,
        operational_webhooks=True,
        user_agent=f"Heliograph/{VERSION}",
    )
