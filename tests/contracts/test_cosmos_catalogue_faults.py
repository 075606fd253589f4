"""The catalogue on Cosmos DB under faults: nothing is done twice, nothing is refused that was done."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.cosmos.background_tasks import CosmosBackgroundTasks
from shared.adapters.cosmos.records import Records
from shared.domain.background_task import Worked, advanced
from shared.domain.errors import EventTypeTaken, Unavailable, Unknown
from shared.domain.organization import OrganizationSettings
from shared.domain.throttle import Limit, Turn
from shared.ports.applications import ApplicationFilter
from tests.clock import NOON
from tests.contracts.adapters import Stores
from tests.contracts.faults import BOUND, HEARD, MOMENT, UNHEARD
from tests.contracts.scans import EVERYTHING
from tests.emulators.cosmos import CLOSE, CosmosEmulator, Fault
from tests.makers import ORG, a_task, an_application, an_endpoint, an_event_type

SECOND = timedelta(seconds=1)
LATER = NOON + timedelta(hours=1)
Begin = Callable[..., Stores]


@pytest.mark.parametrize("fault", UNHEARD)
async def test_an_application_is_made_once(emulator: CosmosEmulator, process: Stores, fault: Fault) -> None:
    application = an_application(uid="acme")
    emulator.inject(replace(fault, operation="batch"))

    await process.applications.add(application)

    assert await process.applications.scan(ORG, EVERYTHING, ApplicationFilter()) == [application]
    assert await process.applications.get(ORG, "acme") == application


@pytest.mark.parametrize("fault", UNHEARD)
async def test_an_endpoint_is_disabled_once_and_who_did_it_knows(
    emulator: CosmosEmulator, process: Stores, fault: Fault
) -> None:
    """Else the customer would not be told, or twice."""
    endpoint = an_endpoint()
    await process.endpoints.add(endpoint)
    emulator.inject(replace(fault, operation="patch"))

    assert await process.endpoints.disable(endpoint.app_id, endpoint.id, at=LATER)
    assert not await process.endpoints.disable(endpoint.app_id, endpoint.id, at=LATER)

    assert (await process.endpoints.get(endpoint.app_id, endpoint.id)).switched_off_at == LATER


@pytest.mark.parametrize("fault", HEARD)
async def test_what_cannot_be_done_is_unavailable_and_can_be_done_later(
    emulator: CosmosEmulator, begin: Begin, fault: Fault
) -> None:
    process = begin(BOUND)
    application, endpoint = an_application(uid="acme"), an_endpoint()
    await process.endpoints.add(endpoint)
    for operation in ("batch", "patch"):
        emulator.inject(replace(fault, operation=operation))

    with pytest.raises(Unavailable) as unavailable:
        await process.applications.add(application)
    with pytest.raises(Unavailable):
        await process.endpoints.disable(endpoint.app_id, endpoint.id, at=LATER)

    assert unavailable.value.wait == (MOMENT if fault.answer == 429 else None)
    emulator.faults.clear()
    await process.applications.add(application)
    assert await process.endpoints.disable(endpoint.app_id, endpoint.id, at=LATER)


@pytest.mark.parametrize("answer", [401, 403])
async def test_whoever_is_refused_hears_what_the_identity_needs(
    emulator: CosmosEmulator, process: Stores, answer: int
) -> None:
    emulator.inject(Fault("batch", answer=answer))

    with pytest.raises(Unavailable, match="the role Cosmos DB Built-in Data Contributor"):
        await process.applications.add(an_application())


@pytest.fixture
def lose(emulator: CosmosEmulator) -> Callable[[], None]:
    """Loses the reply to the next write."""

    def lose() -> None:
        emulator.faults.clear()
        for operation in ("batch", "patch"):
            emulator.inject(Fault(operation, answer=CLOSE, applied=True))

    return lose


async def test_edits_of_applications_whose_replies_are_lost_are_done_once(
    lose: Callable[[], None], process: Stores
) -> None:
    """Azure's client sends each again by itself, and hears that somebody else was quicker."""
    application = an_application(uid="a")
    await process.applications.add(application)

    lose()
    updated = await process.applications.update(ORG, "a", lambda present: replace(present, uid="b"))
    assert updated == (application, replace(application, uid="b"))
    lose()
    await process.applications.remove(ORG, application.id, at=NOON)
    lose()
    await process.applications.erase(ORG, application.id)

    await process.applications.add(replace(application, uid="b"))


async def test_edits_of_endpoints_whose_replies_are_lost_are_done_once(
    lose: Callable[[], None], process: Stores
) -> None:
    endpoint = an_endpoint(uid="a")
    where = (endpoint.app_id, endpoint.id)
    lose()
    await process.endpoints.add(endpoint)
    lose()
    assert await process.endpoints.begin_failing(*where, at=LATER) == LATER
    lose()
    await process.endpoints.end_failing(*where)
    assert await process.endpoints.get(*where) == endpoint
    lose()
    await process.endpoints.remove(*where, at=NOON)
    lose()
    await process.endpoints.erase(endpoint.app_id)

    await process.endpoints.add(endpoint)


async def test_edits_of_event_types_whose_replies_are_lost_are_done_once(
    lose: Callable[[], None], process: Stores
) -> None:
    event_type = an_event_type()
    lose()
    await process.event_types.add(event_type)
    lose()
    await process.event_types.archive(ORG, event_type.name, at=NOON)
    lose()
    await process.event_types.add(event_type)
    with pytest.raises(EventTypeTaken):
        await process.event_types.add(event_type)
    lose()
    await process.event_types.remove(ORG, event_type.name)

    with pytest.raises(Unknown):
        await process.event_types.get(ORG, event_type.name)


async def test_settings_whose_replies_are_lost_are_set_once(
    lose: Callable[[], None], process: Stores
) -> None:
    def one_more(present: OrganizationSettings) -> OrganizationSettings:
        return replace(present, retry_schedule=(*(present.retry_schedule or ()), SECOND))

    for number in range(1, 3):
        lose()
        after = await process.organizations.update(ORG, one_more)
        assert after == await process.organizations.settings(ORG)
        assert after.retry_schedule == (SECOND,) * number


async def test_a_task_whose_replies_are_lost_is_begun_and_advanced_once(
    lose: Callable[[], None], process: Stores
) -> None:
    task = a_task()
    after = advanced(task, Worked(["msg_1"]), LATER)
    lose()
    await process.background_tasks.begin(task)
    lose()
    assert await process.background_tasks.advance(task, after)
    assert not await process.background_tasks.advance(task, after)


async def test_turns_whose_replies_are_lost_are_given_all_the_same(
    lose: Callable[[], None], process: Stores
) -> None:
    limit = Limit("ep_1@1", SECOND)
    for number in range(3):
        lose()
        turn = await process.throttles.take("app_1", [limit], now=NOON)
        assert turn == (Turn(NOON + number * SECOND, limit.line) if number else None)


async def test_a_task_whose_step_cannot_be_queued_is_not_begun(process: Stores, others: Stores) -> None:
    """The caller is told so and asks again: it must not be done twice."""
    task = a_task()
    await others.close()  # which has the queue

    with pytest.raises(Unavailable):
        await process.background_tasks.begin(task)

    with pytest.raises(Unknown):
        await process.background_tasks.get(ORG, task.id)


async def test_a_task_is_not_taken_back_that_somebody_else_has_begun_too(
    process: Stores, records: Records
) -> None:
    """One process cannot queue its first step, and another has done so meanwhile."""
    task = a_task()

    async def cannot(queue: str, body: bytes) -> None:
        await process.background_tasks.begin(task)
        raise Unavailable("queue", f"{queue} takes no {len(body)} bytes")

    with pytest.raises(Unavailable):
        await CosmosBackgroundTasks(records, cannot).begin(task)

    assert await process.background_tasks.get(ORG, task.id) == task


async def test_what_is_erased_in_part_is_erased_whole_by_asking_again(
    emulator: CosmosEmulator, process: Stores
) -> None:
    application = an_application()
    endpoints = [an_endpoint(application, uid=f"{number}") for number in range(60)]
    for endpoint in endpoints:
        await process.endpoints.add(endpoint)
    limit = Limit("ep_1@1", SECOND)
    for _ in range(2):
        await process.throttles.take(application.id, [limit], now=NOON)
    emulator.inject(Fault("batch", answer=500, skips=1))
    with pytest.raises(Unavailable):
        await process.endpoints.erase(application.id)

    await process.endpoints.erase(application.id)

    assert await process.throttles.next_turns(application.id, [limit], now=NOON) == [NOON]
    for endpoint in endpoints:
        await process.endpoints.add(endpoint)
