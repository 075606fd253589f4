"""What the catalogue on Cosmos DB does besides what its ports promise: processes, partitions, and costs."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import pytest

from shared.adapters.cosmos.applications import CosmosApplications
from shared.adapters.cosmos.container import ID_MAX_BYTES
from shared.adapters.cosmos.containers import CATALOGUE
from shared.adapters.cosmos.endpoints import read_every
from shared.adapters.cosmos.records import RECORD_MAX_BYTES, TRIES, Record, Records
from shared.adapters.cosmos.throttles import CosmosThrottles
from shared.domain.application import Application
from shared.domain.background_task import SubscriptionCensus, Usage, Worked, advanced
from shared.domain.endpoint import Endpoint
from shared.domain.errors import Invalid, Unavailable, Unknown
from shared.domain.paging import Scan
from shared.domain.throttle import Limit
from shared.ports.applications import ApplicationFilter
from shared.ports.endpoints import EndpointHealth, Watched
from shared.ports.event_types import EventTypeFilter
from tests.clock import NOON, MovedClock
from tests.contracts.adapters import Stores
from tests.contracts.cosmos import Deployment
from tests.contracts.scans import EVERYTHING
from tests.emulators.cosmos import CosmosEmulator
from tests.makers import ORG, a_task, an_application, an_endpoint, an_event_type

SECOND = timedelta(seconds=1)
LATER = NOON + timedelta(hours=1)
LIMIT = Limit("ep_1@1", SECOND)
WITH_ENDPOINTS = ApplicationFilter(without_endpoints=False)

Begin = Callable[..., Stores]


# Several processes.


@pytest.mark.parametrize("interval", [SECOND, SECOND / 5])
async def test_no_two_processes_give_one_turn(begin: Begin, interval: timedelta) -> None:
    processes = [begin() for _ in range(3)]
    limit = Limit("ep_1@1", interval)

    taken = await asyncio.gather(
        *(process.throttles.take("app_1", [limit], now=NOON) for process in processes * 20)
    )

    assert taken.count(None) == 1
    assert len({turn.at for turn in taken if turn is not None}) == 59


async def test_who_sends_much_takes_turns_ahead_for_a_second_at_most(
    emulator: CosmosEmulator, begin: Begin
) -> None:
    """So a rate costs a write a second, however high it is; the other process waits no longer than that."""
    process, other = begin(), begin()
    fast = Limit("ep_1@1", SECOND / 100)
    emulator.counts.clear()

    last = None
    for _ in range(1000):
        last = await process.throttles.take("app_1", [fast], now=NOON) or last

    assert last is not None
    assert last.at == NOON + 999 * fast.interval
    assert emulator.counts.operations() <= 20
    assert await process.throttles.next_turns("app_1", [fast], now=NOON) == [last.at + fast.interval]
    its = await other.throttles.take("app_1", [fast], now=NOON)
    assert its is not None
    assert last.at < its.at <= last.at + SECOND


async def test_who_sends_little_takes_no_turn_from_others(begin: Begin) -> None:
    """Four processes that together send four fifths of the rate never wait for each other's turns."""
    processes = [begin() for _ in range(4)]
    limit = Limit("ep_1@1", SECOND / 10)

    for number in range(40):
        now = NOON + number * SECOND / 8
        assert await processes[number % 4].throttles.take("app_1", [limit], now=now) is None


async def test_all_who_come_at_once_share_a_write(emulator: CosmosEmulator, process: Stores) -> None:
    emulator.counts.clear()

    await asyncio.gather(*(process.throttles.take("app_1", [LIMIT], now=NOON) for _ in range(50)))

    assert emulator.counts.operations() == 2


async def test_lines_whose_turns_are_past_are_forgotten(clock: MovedClock, records: Records) -> None:
    """In this process, and on the service by themselves."""
    crowded = CosmosThrottles(records, lines_kept=2)
    for number in range(9):
        await crowded.take("app_1", [Limit(f"ep_{number}", SECOND)], now=NOON + 2 * number * SECOND)

    assert len(crowded._lines) < 5
    assert await records.read("app_1", "line:ep_8") is not None
    clock.move(timedelta(minutes=2))
    assert await records.read("app_1", "line:ep_8") is None


async def test_changes_made_by_two_processes_at_once_are_both_kept(begin: Begin) -> None:
    processes = [begin(), begin()]
    application = an_application()
    await processes[0].applications.add(application)

    def note(key: str) -> Callable[[Application], Application]:
        return lambda now: replace(now, metadata={**now.metadata, key: ""})

    await asyncio.gather(
        *(
            process.applications.update(ORG, application.id, note(f"{place}{number}"))
            for place, process in enumerate(processes)
            for number in range(5)
        )
    )

    assert len((await processes[0].applications.get(ORG, application.id)).metadata) == 10


async def test_who_is_always_overtaken_hears_that_in_the_end(deployment: Deployment, process: Stores) -> None:
    application = an_application()
    await process.applications.add(application)
    tries = 0

    class Overtaken(Records):
        async def read(self, pk: str, record_id: str) -> Record | None:
            nonlocal tries
            tries += 1
            found = await super().read(pk, record_id)
            await process.applications.update(ORG, application.id, lambda now: now)
            return found

    account = deployment.account()
    overtaken = CosmosApplications(Overtaken(account.container(CATALOGUE)))
    with pytest.raises(Unavailable, match="others have changed"):
        await overtaken.update(ORG, application.id, lambda now: replace(now, name="never"))

    await account.close()
    assert tries >= TRIES
    assert await process.applications.get(ORG, application.id) == application


# What lies in several partitions.


async def test_an_endpoint_of_an_application_that_was_removed_is_looked_at_once_more(
    emulator: CosmosEmulator, process: Stores
) -> None:
    """It lies elsewhere, and stays. Whoever watches finds it there the first time, and never again."""
    gone, live = an_application(), an_application()
    for application in (gone, live):
        await process.applications.add(application)
        for _ in range(3):
            await process.endpoints.add(an_endpoint(application, disabled=True, switched_off_at=NOON))
    await process.applications.remove(ORG, gone.id, at=NOON)
    assert await process.endpoints.health() == EndpointHealth(disabled=6, failing=0)

    found = await process.endpoints.watched(ORG, Watched.SWITCHED_OFF, limit=9)

    assert [endpoint.app_id for endpoint in found] == [live.id] * 3
    assert await process.endpoints.health() == EndpointHealth(disabled=3, failing=0)
    emulator.counts.clear()
    assert len(await process.endpoints.watched(ORG, Watched.SWITCHED_OFF, limit=2)) == 2
    assert emulator.counts.of("patch") == 0


@pytest.mark.parametrize("descending", [False, True])
async def test_a_list_by_endpoints_goes_on_until_it_is_full(
    emulator: CosmosEmulator,
    process: Stores,
    descending: bool,  # noqa: FBT001 - a row of a table
) -> None:
    """Endpoints lie elsewhere: a page of applications is read, and then all their endpoints at once."""
    every = [an_application(id=f"app_{number:02d}") for number in range(20)]
    for number, application in enumerate(every):
        await process.applications.add(application)
        if number % 5 == 0:
            await process.endpoints.add(an_endpoint(application))
    emulator.counts.clear()

    scan = Scan(None, None, descending=descending, limit=3)
    found = await process.applications.scan(ORG, scan, WITH_ENDPOINTS)

    shown = [application.id for application in sorted(every[::5], key=lambda one: one.id, reverse=descending)]
    assert [application.id for application in found] == shown
    assert emulator.counts.operations() == 2 * 2


async def test_nothing_is_missing_where_pages_are_short_or_empty_and_tokens_long(
    emulator: CosmosEmulator, process: Stores
) -> None:
    """The service ends a page when it likes; only the end of all pages is the end."""
    emulator.gateway.page_rows, emulator.gateway.empty_pages, emulator.gateway.long_tokens = 1, True, True
    every = [an_application() for _ in range(3)]
    for application in every:
        await process.applications.add(application)
        for _ in range(2):
            await process.endpoints.add(an_endpoint(application, failing_since=NOON, throttle_rate=1))
    names = [f"name-{number}" for number in range(3)]
    for name in names:
        await process.event_types.add(an_event_type(name=name, retry_schedule=()))

    scan = Scan(None, None, descending=False, limit=1)
    assert await process.applications.scan(ORG, EVERYTHING, ApplicationFilter()) == every
    assert await process.applications.scan(ORG, scan, ApplicationFilter()) == every[:2]
    assert await process.applications.scan(ORG, EVERYTHING, WITH_ENDPOINTS) == every
    assert len(await process.endpoints.of_application(every[0].id)) == 2
    assert await process.endpoints.health() == EndpointHealth(disabled=0, failing=6)
    for which in (Watched.FAILING, Watched.RATED):
        assert len(await process.endpoints.watched(ORG, which, limit=9)) == 6
        assert len(await process.endpoints.watched(ORG, which, limit=2)) == 2
    assert len(await process.event_types.scan(ORG, EVERYTHING, EventTypeFilter())) == 3
    assert await process.event_types.missing(ORG, names) == frozenset()
    assert list(await process.event_types.schedules(ORG)) == names
    await process.endpoints.erase(every[0].id)
    assert await process.endpoints.of_application(every[0].id) == []


async def test_a_uid_that_looks_like_an_id_is_found(process: Stores) -> None:
    application = an_application(uid="app_of_mine")
    await process.applications.add(application)

    assert await process.applications.get(ORG, "app_of_mine") == application


NO_IDS = ["", ".", "..", "a/b", "a?b", "a#b", "a\\b", "a ", "\N{SNOWMAN}", "a" * (ID_MAX_BYTES + 1)]


@pytest.mark.parametrize("key", NO_IDS)
async def test_what_can_be_the_id_of_nothing_is_unknown_and_nobody_is_asked_for_it(
    process: Stores, key: str
) -> None:
    """In the path of a request it would mean something else: `..` is the container itself."""
    ports: Sequence[Callable[[str], Awaitable[object]]] = [
        partial(process.applications.get, ORG),
        partial(process.endpoints.get, "app_1"),
        partial(process.event_types.get, ORG),
        partial(process.background_tasks.get, ORG),
        partial(process.messages.get, "app_1"),
    ]
    for get in ports:
        for prefix in ("", "app_", "ep_", "msg_"):
            with pytest.raises(Unknown):
                await get(prefix + key)


async def test_what_a_task_has_found_is_no_task(process: Stores) -> None:
    task = a_task(arguments=SubscriptionCensus())
    await process.background_tasks.begin(task)
    await process.background_tasks.advance(task, advanced(task, Worked(), NOON), [Usage("app_1", None, 1)])

    with pytest.raises(Unknown):
        await process.background_tasks.get(ORG, f"{task.id}.00000000")


@pytest.mark.parametrize("letter", ["a", "\N{SNOWMAN}"])
async def test_what_the_service_does_not_take_is_refused_with_how_long_it_may_be(
    process: Stores, letter: str
) -> None:
    """A request may be longer than a document may be."""
    application = an_application(uid="acme")
    await process.applications.add(application)
    size = len(json.dumps(letter)) - 2

    def noted(letters: int) -> Callable[[Application], Application]:
        return lambda now: replace(now, metadata={"note": letter * letters})

    with pytest.raises(Invalid, match="at most 1000000"):
        await process.applications.update(ORG, "acme", noted(RECORD_MAX_BYTES // size))
    assert await process.applications.get(ORG, "acme") == application
    await process.applications.update(ORG, "acme", noted((RECORD_MAX_BYTES - 1000) // size))


async def test_endpoints_that_were_removed_can_still_be_told_of(process: Stores, records: Records) -> None:
    """Lists of attempts show where they went."""
    application = an_application()
    first, second, third = (
        an_endpoint(application, id=f"ep_{number}", uid=f"{number}") for number in range(3)
    )
    for endpoint in (third, second, first):
        await process.endpoints.add(endpoint)
    await process.endpoints.remove(application.id, first.id, at=NOON)

    found = await read_every(records, application.id, [third.id, first.id, "ep_none"])

    assert found == [replace(first, uid=None), third]


# What it costs.


@dataclass(frozen=True)
class Cost:
    """What something may cost in operations."""

    at_most: int
    of: Callable[[Stores, Endpoint], Awaitable[object]]


COSTS = {
    "an application by id": Cost(1, lambda process, endpoint: process.applications.get(ORG, endpoint.app_id)),
    "an application by uid": Cost(2, lambda process, _: process.applications.get(ORG, "acme")),
    "its endpoints": Cost(1, lambda process, endpoint: process.endpoints.of_application(endpoint.app_id)),
    "settings": Cost(1, lambda process, _: process.organizations.settings(ORG)),
    "schedules": Cost(1, lambda process, _: process.event_types.schedules(ORG)),
    "a list": Cost(1, lambda process, _: process.applications.scan(ORG, EVERYTHING, ApplicationFilter())),
    "a new application": Cost(1, lambda process, _: process.applications.add(an_application(uid="new"))),
    "disabling": Cost(1, lambda process, one: process.endpoints.disable(one.app_id, one.id, at=NOON)),
    "an edit": Cost(2, lambda process, one: process.endpoints.update(one.app_id, one.id, lambda now: now)),
    "one that fails still": Cost(
        1, lambda process, one: process.endpoints.begin_failing(one.app_id, one.id, at=LATER)
    ),
}


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
async def test_nothing_costs_more_operations_than_it_has_to(
    emulator: CosmosEmulator, process: Stores, cost: Cost
) -> None:
    application = an_application(uid="acme")
    endpoint = an_endpoint(application, failing_since=NOON)
    await process.applications.add(application)
    await process.endpoints.add(endpoint)
    emulator.counts.clear()

    await cost.of(process, endpoint)

    assert emulator.counts.operations() <= cost.at_most
