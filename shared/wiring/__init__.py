"""The one place where ports meet adapters.

`service()` is the process's own, made when it is first asked for. A host that owns the process may make it
with `compose` and put it in place with `install`; so do tests.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from shared.adapters.outbound.http_sender import HttpSender
from shared.adapters.system import SystemClock, SystemDice
from shared.adapters.telemetry.application_insights import ApplicationInsights
from shared.adapters.telemetry.lines import JsonLines
from shared.adapters.telemetry.several import Listener, Several
from shared.adapters.telemetry.tally import Tally
from shared.config import Resource, Settings, Telemetry
from shared.config.azure import Identity
from shared.domain.policy import Policy
from shared.flows.accept import Accept
from shared.flows.attempt import MakeAttempt
from shared.flows.cancel import Cancel
from shared.flows.catalogue import Catalogue
from shared.flows.census import TakeCensus
from shared.flows.circuits import Circuits
from shared.flows.dead_letters import LookAtGivenUp, Redrive
from shared.flows.deliver import AttemptByHand, Deliver, Reattempt
from shared.flows.diagnose import Diagnose
from shared.flows.directory import Directory
from shared.flows.erase import Erase
from shared.flows.erase_application import EraseApplication
from shared.flows.event_type_import import ImportEventTypes
from shared.flows.gauges import Measure
from shared.flows.health import Check
from shared.flows.housekeeping import Keep, Retention, Sweep
from shared.flows.in_turn import AttemptInTurn
from shared.flows.management import SeededEventTypes
from shared.flows.operational import OperationalWebhooks
from shared.flows.outage import SitOut
from shared.flows.policies import Policies
from shared.flows.probation import Probe
from shared.flows.purge import Purge
from shared.flows.recover import Recover
from shared.flows.resend import SendAgain, SendExample
from shared.flows.selection import Select
from shared.flows.tasks import BeginTask, CancelTask, CarryOn
from shared.flows.throttle import Throttle
from shared.flows.timeline import LookBack
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
from shared.ports.organizations import Organizations
from shared.ports.queue import Queue
from shared.ports.sender import Sender
from shared.wiring.sealing import Sealing, sealing, sign_in
from shared.wiring.storage import Storage, storage

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from shared.adapters.telemetry.ingestion import Ingestion

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
    look_at_given_up: LookAtGivenUp
    redrive: Redrive
    policies: Policies
    directory: Directory
    catalogue: Catalogue
    import_event_types: ImportEventTypes
    accept: Accept
    operational: OperationalWebhooks
    deliver: Deliver
    reattempt: Reattempt
    sit_out: SitOut
    erase: Erase
    attempt_by_hand: AttemptByHand
    send_again: SendAgain
    send_example: SendExample
    select: Select
    begin_task: BeginTask
    carry_on: CarryOn
    look_back: LookBack
    diagnose: Diagnose
    cancel_task: CancelTask
    sweep: Sweep
    retention: Retention
    measure: Measure
    tally: Tally
    check_store: Check
    check_queue: Check
    store: Storage
    sealing: Sealing
    credential: "AsyncTokenCredential | None"
    sender: Sender

    async def check(self) -> Mapping[str, bool]:
        """Whether each part does its work."""
        database, queue = await asyncio.gather(self.check_store(), self.check_queue())
        # The cache lies in this process.
        return {"database": database, "queue": queue, "cache": True}

    async def close(self) -> None:
        """Give everything back: what is being written is written, connections are closed."""
        await self.operational.close()
        await self.sender.close()
        await self.store.close()
        await self.sealing.close()
        if self.credential is not None:
            await self.credential.close()
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
    tally = Tally()
    journal = journal or _journal(settings, clock, tally)
    sender = sender or HttpSender(user_agent=f"Heliograph/{VERSION}", allow=settings.allow_subnets)
    credential = sign_in(settings)
    store = storage(settings, clock, credential)
    sealed_by = sealing(settings, clock, credential)
    secrets = sealed_by.secrets
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
    circuits = Circuits(clock, dice, journal)
    make_attempt = MakeAttempt(
        sender,
        store.outbox,
        store.endpoints,
        directory,
        clock,
        dice,
        journal,
        operational,
        circuits,
        store.background_tasks,
    )
    throttle = Throttle(store.throttles, clock)
    attempt_in_turn = AttemptInTurn(make_attempt, circuits, throttle, store.queue, clock, dice, journal)
    attempt_by_hand = AttemptByHand(
        directory, store.messages, store.attempts, attempt_in_turn, clock, journal
    )
    select = Select(
        store.messages,
        store.destinations,
        store.attempts,
        store.endpoints,
        settings.attempt_retention,
        clock,
    )
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
        look_at_given_up=LookAtGivenUp(store.dead_letters),
        redrive=Redrive(store.dead_letters),
        policies=policies,
        directory=directory,
        catalogue=catalogue,
        import_event_types=ImportEventTypes(catalogue, event_types),
        accept=accept,
        operational=operational,
        deliver=Deliver(directory, store.messages, store.attempts, attempt_in_turn, clock, journal),
        reattempt=Reattempt(directory, store.messages, store.attempts, attempt_in_turn, clock, journal),
        sit_out=SitOut(store.queue, clock, journal),
        erase=Erase(store.messages, store.attempts, journal),
        attempt_by_hand=attempt_by_hand,
        send_again=SendAgain(store.messages, store.endpoints, store.queue, clock, dice),
        send_example=SendExample(event_types, store.endpoints, accept),
        select=select,
        begin_task=BeginTask(
            store.background_tasks, store.applications, store.endpoints, clock, dice, journal
        ),
        carry_on=CarryOn(
            store.background_tasks,
            Recover(directory, select, attempt_by_hand, clock),
            Cancel(store.attempts, store.destinations),
            Purge(store.messages),
            EraseApplication(store.applications, store.endpoints, store.messages, directory, clock),
            Probe(
                sender,
                store.endpoints,
                store.background_tasks,
                directory,
                operational,
                clock,
                dice,
                journal,
            ),
            TakeCensus(store.applications, store.endpoints, store.destinations),
            clock,
            journal,
        ),
        diagnose=Diagnose(
            store.queue, store.endpoints, store.attempts, store.throttles, circuits, directory, clock
        ),
        look_back=LookBack(
            store.messages, store.attempts, store.endpoints, circuits, settings.attempt_retention, clock
        ),
        cancel_task=CancelTask(store.background_tasks, clock, journal),
        sweep=Sweep(store.outbox, store.background_tasks, store.queue, clock, journal),
        retention=Retention(
            store.messages,
            store.answers,
            store.attempts,
            store.background_tasks,
            Keep(settings.message_retention, settings.attempt_retention, settings.task_retention),
            clock,
            journal,
        ),
        measure=Measure(store.queue, store.endpoints, circuits, store.check, clock, journal),
        tally=tally,
        check_store=Check(store.check, clock),
        check_queue=Check(store.check_queue, clock),
        store=store,
        sealing=sealed_by,
        credential=credential,
        sender=sender,
    )


def _journal(settings: Settings, clock: Clock, tally: Tally) -> Journal:
    """Everybody whom the settings want to be told, and the tally."""
    listeners: list[Listener] = [tally]
    lines = None
    if Telemetry.LINES in settings.telemetry:
        lines = JsonLines(sys.stderr, clock)
        listeners.append(lines)
    if Telemetry.APPLICATION_INSIGHTS in settings.telemetry and settings.application_insights is not None:
        identity = settings.identity if settings.application_insights_signs_in else None
        connect = partial(_ingestion, settings.application_insights, identity)
        listeners.append(
            ApplicationInsights(connect, clock, tally.counts, share=settings.telemetry_share, aside=lines)
        )
    return Several(listeners)


def _ingestion(resource: Resource, identity: Identity | None) -> "Ingestion":
    # Half a second of imports, which only this needs; it is called on a thread of its own.
    from shared.adapters.azure_identity import blocking_credential  # noqa: PLC0415
    from shared.adapters.telemetry.ingestion import Ingestion  # noqa: PLC0415

    credential = None if identity is None else blocking_credential(identity.client_id)
    return Ingestion(
        instrumentation_key=resource.instrumentation_key, endpoint=resource.endpoint, credential=credential
    )


_service: Service | None = None


def service() -> Service:
    """The process's own service, composed from the environment and opened when it is first asked for.

    Raises:
        WrongSettings: The environment says something that we cannot use.
        CannotOpen: The database cannot be created, read or written, or another process has it.
    """
    global _service  # noqa: PLW0603 - one a process, made when it is needed
    if _service is None:
        _service = compose(Settings.read(os.environ))
        _service.store.open()
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
        endpoint_probation=False,
        user_agent=f"Heliograph/{VERSION}",
    )
