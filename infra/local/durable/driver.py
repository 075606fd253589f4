"""Durable Functions as the host drives them: two pumps, and the server that the durable client talks to."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from infra.local.durable.activities import Activities
from infra.local.durable.decisions import Names
from infra.local.durable.management import Management, binding
from infra.local.durable.orchestrators import Orchestrators
from infra.local.durable.surroundings import Surroundings
from infra.local.pump import Pump
from infra.local.registrations import Call, QueueFunction, Registrations
from infra.local.server import HttpServer, listen
from shared.ports.orchestrations import ACTIVITY_QUEUE, ORCHESTRATOR_QUEUE
from shared.ports.queue import Consumer

LOOPBACK = "127.0.0.1"

ORCHESTRATORS_AT_ONCE = 8
"""Instances that take a step at once. A step is a replay: the processor's time, and no waiting."""

ACTIVITIES_AT_ONCE = 32
"""Activities that run at once, over all instances: they share the machine with the deliveries."""

KEY_BYTES = 16

_CLIENT = "azure.durable_functions.models.utils.http_utils"


@dataclass(frozen=True)
class Durable:
    """See the module.

    Attributes:
        registered: The functions, those that have a durable client with what the client needs.
        drivers: What the host runs.
    """

    registered: Registrations
    drivers: Sequence[HttpServer | Pump]

    @classmethod
    def on(cls, registered: Registrations, consumer: Consumer, around: Surroundings) -> Self:
        """Prepare to drive the durable functions among those that are registered.

        Raises:
            CannotListen: No port of the loopback interface can be had.
        """
        key = around.dice.octets(KEY_BYTES).hex()
        listener = listen(LOOPBACK, 0)
        port = listener.getsockname()[1]
        registered = registered.with_client(binding(f"http://{LOOPBACK}:{port}/{key}/durabletask/"))
        replays = {function.name: function.replay for function in registered.orchestrators}
        functions = {function.name: function for function in registered.activities}
        names = Names(frozenset(replays), frozenset(functions))
        management = Management(names, around).router(f"/{key}/durabletask")

        def pump(queue: str, call: Call, calls: int) -> Pump:
            function = QueueFunction(queue, queue, "message", call)
            # An instance whose message is given up would stand still for ever, and look as if it ran.
            return Pump(function, consumer, around.clock, around.journal, calls=calls, gives_up=False)

        return cls(
            registered,
            [
                HttpServer(management, listener),
                pump(ORCHESTRATOR_QUEUE, Orchestrators(replays, names, around).wake, ORCHESTRATORS_AT_ONCE),
                pump(ACTIVITY_QUEUE, Activities(functions, around).call, ACTIVITIES_AT_ONCE),
            ],
        )


async def close_client() -> None:
    """Close the connections that the client keeps for the process, if it was ever used."""
    client = sys.modules.get(_CLIENT)
    if client is not None:
        await client._close_session()  # noqa: SLF001  the package closes them nowhere
