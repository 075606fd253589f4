"""How things stand, as whoever is on call sees it."""

from datetime import timedelta
from typing import Any

from shared.domain.application import Application
from shared.domain.attempt import Trigger
from shared.domain.endpoint import Endpoint, EndpointEdit
from shared.domain.health import FAILING_FOR
from shared.domain.work import DISPATCH_QUEUE, QUEUES, RETRY_QUEUE
from shared.flows.diagnose import COUNTED_AT_MOST, TOP, Diagnosis, Top
from tests.clock import NOON
from tests.flows.walk import Walk, answer
from tests.makers import ORG, OTHER_ORG, an_attempt, an_endpoint

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
NOTHING: Top[Any] = Top([], complete=True)


async def looked(walk: Walk) -> Diagnosis:
    return await walk.service.diagnose(ORG)


async def given_up(walk: Walk, application: Application) -> None:
    """Post a message and let its retries run out."""
    await walk.posts(application)
    for _ in range(3):
        await walk.passes(HOUR)


async def test_a_service_at_rest_has_nothing_to_tell(walk: Walk) -> None:
    found = await looked(walk)

    assert (found.at, list(found.queues)) == (NOON, list(QUEUES))
    assert {(one.due, one.scheduled, one.due_since, one.dead) for one in found.queues.values()} == {
        (0, 0, None, 0)
    }
    assert (found.failing, found.switched_off, found.throttled) == (NOTHING, NOTHING, NOTHING)


async def test_queues_say_what_is_due_since_when_and_what_waits(walk: Walk, application: Application) -> None:
    """They are the deployment's: another organization's work is among it."""
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await walk.posts(application)
    walk.clock.move(SECOND)
    await walk.accepts(application)
    await walk.service.queue.reject("events", b"{}", reason="a test")
    walk.clock.move(SECOND)

    for org_id in (ORG, OTHER_ORG):
        queues = (await walk.service.diagnose(org_id)).queues
        assert (queues[DISPATCH_QUEUE].due, queues[DISPATCH_QUEUE].due_since) == (1, NOON + SECOND)
        assert (queues[RETRY_QUEUE].due, queues[RETRY_QUEUE].scheduled) == (0, 1)
        assert queues["events"].dead == 1
    assert COUNTED_AT_MOST == 10_000


async def test_an_endpoint_that_gives_messages_up_is_failing_until_one_arrives(
    walk: Walk, application: Application
) -> None:
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await given_up(walk, application)
    since = (await walk.service.endpoints.get(application.id, endpoint.id)).failing_since

    (failing,) = (await looked(walk)).failing.rows
    assert (failing.endpoint.id, failing.app_uid, failing.since) == (endpoint.id, application.uid, since)
    assert (await walk.service.diagnose(OTHER_ORG)).failing == NOTHING

    walk.receiver.comes_back()
    await walk.posts(application)
    assert (await looked(walk)).failing == NOTHING


async def test_an_endpoint_that_refuses_everything_from_the_first_day_is_failing_within_minutes(
    walk: Walk, application: Application
) -> None:
    """Its first message is given up a day later, and so few failures open no circuit."""
    given_up = await walk.has_endpoint(application, channels=frozenset({"other"}))
    await walk.service.endpoints.begin_failing(application.id, given_up.id, at=NOON + SECOND)
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await walk.posts(application)
    assert [row.endpoint.id for row in (await looked(walk)).failing.rows] == [given_up.id]

    await walk.passes(FAILING_FOR)
    first, second = (await looked(walk)).failing.rows
    assert (first.endpoint.id, first.app_uid, first.since) == (endpoint.id, application.uid, NOON)
    assert second.endpoint.id == given_up.id
    assert (await walk.service.diagnose(OTHER_ORG)).failing == NOTHING

    walk.receiver.comes_back()
    await walk.posts(application)
    assert [row.endpoint.id for row in (await looked(walk)).failing.rows] == [given_up.id]


async def test_an_endpoint_at_which_another_process_had_a_success_since_is_not_failing(
    walk: Walk, application: Application
) -> None:
    """Several share the attempts, and each remembers its own."""
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    sent = await walk.posts(application)
    await walk.passes(FAILING_FOR)
    assert (await looked(walk)).failing != NOTHING

    by_another = an_attempt(sent, endpoint, number=0, trigger=Trigger.MANUAL, timestamp=NOON + SECOND)
    await walk.service.store.outbox.record(by_another, None)

    assert (await looked(walk)).failing == NOTHING


async def test_what_was_edited_since_it_failed_gets_another_chance(
    walk: Walk, application: Application
) -> None:
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await walk.posts(application)
    walk.clock.move(FAILING_FOR)

    edit = EndpointEdit(description="mended")
    await walk.service.catalogue.edit_endpoint(application, endpoint.id, edit)

    assert (await looked(walk)).failing == NOTHING


async def test_an_endpoint_that_was_switched_off_is_told_until_it_is_enabled(
    walk: Walk, application: Application
) -> None:
    """One that a person has disabled is nobody's concern."""
    endpoint = await walk.has_endpoint(application, uid="here")
    await walk.has_endpoint(application, disabled=True)
    walk.receiver.first.append(answer(410))
    await walk.posts(application)
    (off,) = (await looked(walk)).switched_off.rows
    assert (off.endpoint.id, off.since) == (endpoint.id, NOON)

    catalogue = walk.service.catalogue
    await catalogue.edit_endpoint(application, "here", EndpointEdit(disabled=False))
    assert (await looked(walk)).switched_off == NOTHING
    await catalogue.edit_endpoint(application, "here", EndpointEdit(disabled=True))
    assert (await looked(walk)).switched_off == NOTHING


async def test_of_very_many_the_first_are_told(walk: Walk, application: Application) -> None:
    added = [
        an_endpoint(application, failing_since=NOON + number * SECOND) for number in reversed(range(TOP + 1))
    ]
    for endpoint in added:
        await walk.service.endpoints.add(endpoint)

    found = (await looked(walk)).failing

    assert [row.endpoint.id for row in found.rows] == [one.id for one in reversed(added)][:TOP]
    assert not found.complete


async def test_where_messages_wait_for_their_turn_is_told_with_how_many_and_until_when(
    walk: Walk, application: Application
) -> None:
    slow, slower, quick = [
        await walk.has_endpoint(application, throttle_rate=rate, channels=frozenset({f"rate-{rate}"}))
        for rate in (2, 1, 50)
    ]

    async def posted(endpoint: Endpoint, count: int) -> None:
        for _ in range(count):
            await walk.accepts(application, channels=endpoint.channels)

    await posted(slow, 4)
    await posted(slower, 5)
    await posted(quick, 1)
    await walk.works()

    found = (await looked(walk)).throttled

    assert found.complete
    assert [(row.endpoint.id, row.waiting, row.until - NOON) for row in found.rows] == [
        (slower.id, 4, 4 * SECOND),
        (slow.id, 3, 1.5 * SECOND),
    ]
    assert {row.app_uid for row in found.rows} == {application.uid}
    for _ in range(10):
        await walk.passes(SECOND / 2)
    assert (await looked(walk)).throttled == NOTHING
