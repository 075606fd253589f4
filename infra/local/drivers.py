"""What the host drives besides the server: the function app's queue, timer and durable functions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import function_app
from infra.local import registrations
from infra.local.durable.driver import Durable, close_client
from infra.local.durable.surroundings import Surroundings
from infra.local.pump import Pump
from infra.local.registrations import Registrations
from infra.local.server import HttpServer
from infra.local.timers import FileRuns, Timer
from shared.wiring import Service

__all__ = ["close_client", "drivers", "drivers_of"]


def drivers(parts: Service, env: Mapping[str, str], database: Path) -> Sequence[HttpServer | Pump | Timer]:
    """Make the drivers of all that the function app registers.

    Args:
        parts: What the functions work with.
        env: Where `%SETTING%` in a registration is looked up.
        database: The file beside which it is kept when a timer ran last.

    Raises:
        Undrivable: A registered function cannot be driven here.
        CannotListen: The durable client cannot be served.
    """
    return drivers_of(registrations.read(function_app.app, env), parts, database)


def drivers_of(
    registered: Registrations, parts: Service, database: Path
) -> Sequence[HttpServer | Pump | Timer]:
    """Make the drivers of these functions.

    Raises:
        CannotListen: The durable client cannot be served.
    """
    runs = FileRuns(database.with_name(f"{database.name}.timers"))
    durable: Sequence[HttpServer | Pump] = ()
    if registered.is_durable:
        histories = parts.store.histories()
        around = Surroundings(histories.orchestrations, parts.clock, parts.dice, parts.journal)
        driven = Durable.on(registered, histories.consumer, around)
        registered, durable = driven.registered, driven.drivers
    return [
        *durable,
        *(Pump(function, parts.store.consumer, parts.clock, parts.journal) for function in registered.queues),
        *(Timer(function, runs, parts.clock, parts.journal) for function in registered.timers),
    ]
