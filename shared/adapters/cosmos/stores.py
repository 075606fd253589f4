"""Every store of a process on Cosmos DB."""

from functools import partial
from typing import TypedDict

from shared.adapters.cosmos.account import Account
from shared.adapters.cosmos.answers import CosmosAnswers
from shared.adapters.cosmos.applications import CosmosApplications
from shared.adapters.cosmos.attempts import CosmosAttempts
from shared.adapters.cosmos.background_tasks import CosmosBackgroundTasks
from shared.adapters.cosmos.containers import ANSWERS, CATALOGUE, MESSAGES
from shared.adapters.cosmos.destinations import CosmosDestinations
from shared.adapters.cosmos.documents import Kept
from shared.adapters.cosmos.endpoints import CosmosEndpoints, read_every
from shared.adapters.cosmos.event_types import CosmosEventTypes
from shared.adapters.cosmos.messages import CosmosMessages
from shared.adapters.cosmos.organizations import CosmosOrganizations
from shared.adapters.cosmos.outbox import CosmosOutbox
from shared.adapters.cosmos.records import Records
from shared.adapters.cosmos.throttles import CosmosThrottles
from shared.adapters.cosmos.unqueued import Send
from shared.ports.bodies import Bodies
from shared.ports.clock import Clock


class CosmosStores(TypedDict):
    """Each under the name of its port. The outbox wants to be closed, before its account is."""

    organizations: CosmosOrganizations
    applications: CosmosApplications
    event_types: CosmosEventTypes
    endpoints: CosmosEndpoints
    messages: CosmosMessages
    attempts: CosmosAttempts
    destinations: CosmosDestinations
    background_tasks: CosmosBackgroundTasks
    answers: CosmosAnswers
    outbox: CosmosOutbox
    throttles: CosmosThrottles


def cosmos_stores(account: Account, bodies: Bodies, send: Send, clock: Clock, kept: Kept) -> CosmosStores:
    """Every store in an account. It hears nothing before something is asked of one.

    Args:
        account: Where they are.
        bodies: Where large bodies lie.
        send: Queues work, as `shared.ports.queue.Queue.send`.
        clock: What times to live are measured by.
        kept: How long messages and attempts are.
    """
    records, container = Records(account.container(CATALOGUE)), account.container(MESSAGES)
    messages = CosmosMessages(container, bodies, clock)
    return CosmosStores(
        organizations=CosmosOrganizations(records),
        applications=CosmosApplications(records),
        event_types=CosmosEventTypes(records),
        endpoints=CosmosEndpoints(records),
        messages=messages,
        attempts=CosmosAttempts(container, clock, kept),
        destinations=CosmosDestinations(container, messages, partial(read_every, records)),
        background_tasks=CosmosBackgroundTasks(records, send),
        answers=CosmosAnswers(account.container(ANSWERS), bodies, clock),
        outbox=CosmosOutbox(container, bodies, send, clock, kept),
        throttles=CosmosThrottles(records),
    )
