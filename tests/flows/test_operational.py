"""Operational webhooks: an organization hears what becomes of its endpoints and messages."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.domain.application import Application, NewApplication
from shared.domain.attempt import Attempt
from shared.domain.endpoint import EndpointEdit
from shared.domain.errors import Unavailable
from shared.domain.event_type import EventTypeEdit
from shared.domain.message import Message
from shared.domain.operational import MANAGEMENT_ORG, Kind
from shared.domain.organization import OrganizationSettingsEdit
from shared.domain.paging import TimeQuery, scan_by_time
from shared.domain.timestamps import to_wire
from shared.domain.verdict import Answer
from shared.domain.work import DISPATCH_QUEUE, RETRY_QUEUE
from shared.flows.management import SeededEventTypes
from shared.flows.operational import AT_ONCE, RESTS, OperationalWebhooks
from shared.ports.event_types import EventTypeFilter
from shared.ports.messages import MessageFilter
from tests.contracts.scans import EVERYTHING
from tests.flows.walk import Walk, answer
from tests.makers import ORG, OTHER_ORG

LISTENER = "https://operations.example/"
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def listening(walk: Walk) -> Application:
    """The organization's application in the management organization, with an endpoint that wants all."""
    return await listens(walk, ORG)


async def listens(walk: Walk, org_id: str, **said: Any) -> Application:  # noqa: ANN401 - as has_endpoint
    new = NewApplication(name="Operations", uid=org_id)
    application = await walk.service.catalogue.add_application(MANAGEMENT_ORG, new)
    await walk.has_endpoint(application, url=LISTENER, **said)
    walk.receiver.at[LISTENER] = answer(200)
    return application


async def tries(walk: Walk, times: int) -> None:
    """Have the organization attempt each message so often, a second apart."""
    said = OrganizationSettingsEdit(retry_schedule=[SECOND] * (times - 1))
    await walk.service.catalogue.edit_settings(ORG, said)


def told(walk: Walk) -> list[tuple[str, dict[str, Any]]]:
    """What the organization has heard, in the order of arrival."""
    bodies = [msgspec.json.decode(sent.body) for sent in walk.receiver.sent if sent.url == LISTENER]
    return [(body["type"], body["data"]) for body in bodies]


def kinds(walk: Walk) -> list[str]:
    return [kind for kind, _ in told(walk)]


async def stored(walk: Walk, application: Application) -> Sequence[Message]:
    """The messages of an application."""
    scan = scan_by_time(TimeQuery(limit=250), "msg_", walk.clock.now())
    return await walk.service.messages.scan(application.id, scan, MessageFilter())


async def seconds_pass(walk: Walk, count: int) -> None:
    """Long enough for as many retries."""
    for _ in range(count):
        await walk.passes(2 * SECOND)


async def test_edits_of_endpoints_are_told(
    walk: Walk, application: Application, listening: Application
) -> None:
    catalogue = walk.service.catalogue
    endpoint = await walk.has_endpoint(application, uid="main")
    await walk.works()
    await catalogue.edit_endpoint(application, "main", EndpointEdit(description="New"))
    await walk.works()
    await catalogue.rotate_key(application, "main", None, timedelta(0))
    await walk.works()
    await catalogue.change_headers(application, "main", {"X-A": "1"}, keep=False)
    await walk.works()
    await catalogue.remove_endpoint(application, "main")
    await walk.works()

    assert kinds(walk) == ["endpoint.created", "endpoint.updated", "endpoint.updated", "endpoint.deleted"]
    about = {"appId": application.id, "appUid": "acme", "endpointId": endpoint.id, "endpointUid": "main"}
    assert [facts for _, facts in told(walk)] == [about] * 4
    assert {message.event_type for message in await stored(walk, listening)} == set(kinds(walk))


@pytest.mark.usefixtures("listening")
async def test_enabling_a_disabled_endpoint_is_told_beside_the_update(
    walk: Walk, application: Application
) -> None:
    endpoint = await walk.has_endpoint(application, disabled=True)
    await walk.works()
    walk.receiver.sent.clear()
    for _ in range(2):
        await walk.service.catalogue.edit_endpoint(application, endpoint.id, EndpointEdit(disabled=False))
        await walk.works()

    assert sorted(kinds(walk)) == ["endpoint.enabled", "endpoint.updated", "endpoint.updated"]


@pytest.mark.usefixtures("listening")
async def test_a_message_that_fails_is_told_at_the_fourth_attempt_and_when_it_arrives(
    walk: Walk, application: Application
) -> None:
    await tries(walk, 7)
    endpoint = await walk.has_endpoint(application, event_types=None)
    await walk.works()
    walk.receiver.sent.clear()
    walk.receiver.always = answer(503)
    message = await walk.posts(application, event_id="order-1")
    await seconds_pass(walk, 2)
    assert told(walk) == []

    await seconds_pass(walk, 1)
    fourth = (await walk.attempts(message))[-1]
    assert told(walk) == [("message.attempt.failing", about(application, message, fourth, 503))]

    walk.receiver.comes_back()
    await seconds_pass(walk, 5)
    fifth = (await walk.attempts(message))[-1]
    assert told(walk)[1:] == [("message.attempt.recovered", about(application, message, fifth, 200))]
    assert fifth.endpoint_id == endpoint.id


def about(application: Application, message: Message, attempt: Attempt, status_code: int) -> dict[str, Any]:
    last = {"id": attempt.id, "responseStatusCode": status_code, "timestamp": to_wire(attempt.timestamp)}
    return {
        "appId": application.id,
        "appUid": application.uid,
        "msgId": message.id,
        "msgEventId": message.event_id,
        "endpointId": attempt.endpoint_id,
        "lastAttempt": last,
    }


@pytest.mark.usefixtures("listening")
async def test_the_end_of_a_schedule_is_told_once(walk: Walk, application: Application) -> None:
    """The schedule of these tests has four attempts: the fourth is the last, and nothing more will follow."""
    await walk.has_endpoint(application)
    await walk.works()
    walk.receiver.sent.clear()
    walk.receiver.goes_down()
    message = await walk.posts(application)
    for _ in range(4):
        await walk.passes(HOUR)

    last = (await walk.attempts(message))[-1]
    assert told(walk) == [("message.attempt.exhausted", about(application, message, last, 0))]


@pytest.mark.usefixtures("listening")
async def test_what_people_send_by_hand_is_not_told(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application)
    message = await walk.posts(application)
    walk.receiver.sent.clear()
    walk.receiver.goes_down()
    await walk.service.send_again(application, message.id, endpoint.id)
    await walk.works()

    assert told(walk) == []


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("came", [answer(410), answer(500, webhook_delivery="disable")])
async def test_an_endpoint_that_its_receiver_disables_is_told(
    walk: Walk, application: Application, came: Answer
) -> None:
    endpoint = await walk.has_endpoint(application, uid="main")
    await walk.works()
    walk.receiver.sent.clear()
    walk.receiver.always = came
    await walk.posts(application)

    (facts,) = [facts for kind, facts in told(walk) if kind == "endpoint.disabled"]
    assert facts == {
        "appId": application.id,
        "appUid": "acme",
        "endpointId": endpoint.id,
        "endpointUid": "main",
        "failSince": to_wire(walk.clock.now()),
    }


@pytest.mark.usefixtures("listening")
async def test_an_endpoint_that_fails_for_too_long_is_told_with_the_beginning(
    walk: Walk, application: Application
) -> None:
    """Windows are as short as one likes: tests of integrations use fractions of a second."""
    said = OrganizationSettingsEdit(retry_schedule=[], disable_after=timedelta(milliseconds=250))
    await walk.service.catalogue.edit_settings(ORG, said)
    endpoint = await walk.has_endpoint(application)
    await walk.works()
    walk.receiver.goes_down()
    began_at = walk.clock.now()
    for milliseconds in (0, 250, 1):
        await walk.passes(timedelta(milliseconds=milliseconds))
        assert "endpoint.disabled" not in kinds(walk)
        await walk.posts(application)

    (facts,) = [facts for kind, facts in told(walk) if kind == "endpoint.disabled"]
    assert (facts["endpointId"], facts["failSince"]) == (endpoint.id, to_wire(began_at))
    assert kinds(walk).count("message.attempt.exhausted") == 3


@pytest.mark.usefixtures("listening")
async def test_nothing_of_the_management_organization_is_told(walk: Walk, application: Application) -> None:
    """A listener that fails must not be told of its own failures, which would fail in turn."""
    meta = await listens(walk, MANAGEMENT_ORG)
    walk.receiver.at[LISTENER] = answer(500, webhook_delivery="disable")
    await walk.has_endpoint(application)
    for _ in range(4):
        await walk.passes(HOUR)

    assert kinds(walk) == ["endpoint.created"]
    assert await stored(walk, meta) == []


async def test_nothing_is_stored_for_an_organization_that_does_not_listen(
    walk: Walk, application: Application
) -> None:
    await listens(walk, OTHER_ORG)
    narrow = await walk.service.catalogue.add_application(MANAGEMENT_ORG, NewApplication("Narrow", uid=ORG))
    await walk.has_endpoint(narrow, url=LISTENER, event_types=frozenset({Kind.ENDPOINT_DELETED.value}))
    await walk.has_endpoint(application, uid="main")
    await walk.works()
    assert await stored(walk, narrow) == []

    await walk.service.catalogue.remove_endpoint(application, "main")
    await walk.works()
    assert kinds(walk) == ["endpoint.deleted"]
    assert [message.event_type for message in await stored(walk, narrow)] == ["endpoint.deleted"]


async def test_an_organization_can_ask_not_to_be_told(
    walk: Walk, application: Application, listening: Application
) -> None:
    await walk.service.catalogue.edit_settings(ORG, OrganizationSettingsEdit(operational_webhooks=False))
    await walk.has_endpoint(application)
    await walk.works()
    assert await stored(walk, listening) == []

    await walk.service.catalogue.edit_settings(ORG, OrganizationSettingsEdit(operational_webhooks=True))
    await walk.has_endpoint(application)
    await walk.works()
    assert kinds(walk) == ["endpoint.created"]


async def test_who_begins_to_listen_hears_the_next_news(walk: Walk, application: Application) -> None:
    """That nobody listens is remembered, but no longer than until somebody does."""
    await walk.has_endpoint(application, uid="early")
    await walk.works()
    await listens(walk, ORG)
    await walk.has_endpoint(application, uid="late")
    await walk.works()

    assert [facts["endpointUid"] for _, facts in told(walk)] == ["late"]


@pytest.mark.usefixtures("listening")
async def test_work_that_is_handed_over_again_tells_what_may_not_have_been_told(
    walk: Walk, application: Application
) -> None:
    """A process that ended after the record and before the news does not take the news with it."""
    await tries(walk, 5)
    await walk.has_endpoint(application)
    walk.receiver.always = answer(503)
    message = await walk.posts(application)
    await seconds_pass(walk, 2)
    walk.clock.move(2 * SECOND)
    (delivery,) = await walk.takes(RETRY_QUEUE)
    service = walk.service
    walk.makes_attempts_with("reattempt", operational=Silent.of(walk))
    await walk.does(delivery)
    walk.service = service
    await walk.service.queue.send(RETRY_QUEUE, delivery.body)
    (again,) = await walk.takes(RETRY_QUEUE)
    for _ in range(2):
        await walk.does(replace(again, delivery_count=2))
        await walk.works()

    assert kinds(walk).count("message.attempt.failing") == 1
    assert [attempt.number for attempt in await walk.attempts(message)][:4] == [1, 2, 3, 4]


async def test_a_first_attempt_that_was_the_last_is_told_when_it_is_handed_over_again(
    walk: Walk, application: Application, listening: Application
) -> None:
    await tries(walk, 1)
    await walk.has_endpoint(application)
    walk.receiver.always = answer(503)
    await walk.accepts(application)
    (delivery,) = [one for one in await walk.takes(DISPATCH_QUEUE) if application.id.encode() in one.body]
    service = walk.service
    walk.makes_attempts_with("deliver", operational=Silent.of(walk))
    await walk.does(delivery)
    walk.service = service
    await walk.does(replace(delivery, delivery_count=2))
    await walk.works()

    assert [one.event_type for one in await stored(walk, listening)].count("message.attempt.exhausted") == 1


class Silent(OperationalWebhooks):
    """It ends before it has told anything."""

    @classmethod
    def of(cls, walk: Walk) -> "Silent":
        told_by = walk.service.operational
        return cls(told_by.directory, told_by.messages, told_by.accept, told_by.clock, told_by.journal)

    def attempted(self, attempt: Attempt) -> None:
        """Tell nothing."""


class Full:
    """An outbox that takes nothing so many times."""

    def __init__(self, walk: Walk, times: int) -> None:
        self._accept = walk.service.store.outbox.accept
        self._times = times

    async def accept(self, *given: Any) -> object:  # noqa: ANN401 - handed through
        """Accept a message, if there is room."""
        self._times -= 1
        if self._times >= 0:
            raise Unavailable("store", "the disk is full")
        return await self._accept(*given)


def with_outbox(walk: Walk, outbox: Full, at_once: int = AT_ONCE) -> OperationalWebhooks:
    """The same telling, on another outbox, in the catalogue's hands."""
    accept = replace(walk.service.accept, outbox=outbox)  # type: ignore[arg-type]
    telling = replace(walk.service.operational, accept=accept, at_once=at_once)
    catalogue = replace(walk.service.catalogue, operational=telling)
    walk.service = replace(walk.service, operational=telling, catalogue=catalogue)
    return telling


@pytest.mark.usefixtures("listening")
async def test_news_waits_while_a_store_is_out_of_reach_and_the_edit_does_not(
    walk: Walk, application: Application
) -> None:
    with_outbox(walk, Full(walk, times=3))
    await walk.has_endpoint(application)
    for rest in RESTS:
        await walk.clock.asleep()
        walk.clock.move(rest)
    await walk.works()

    assert kinds(walk) == ["endpoint.created"]
    assert walk.journal.of("operational.lost") == []


@pytest.mark.usefixtures("listening")
async def test_news_that_is_given_up_is_noted_and_fails_nothing(walk: Walk, application: Application) -> None:
    with_outbox(walk, Full(walk, times=len(RESTS) + 1))
    endpoint = await walk.has_endpoint(application)
    for rest in RESTS:
        await walk.clock.asleep()
        walk.clock.move(rest)
    await walk.works()

    assert kinds(walk) == []
    assert walk.journal.of("operational.lost") == [
        {
            "org_id": ORG,
            "event_type": "endpoint.created",
            "why": "Unavailable: the store is unavailable: the disk is full",
        }
    ]
    assert (await walk.service.endpoints.get(application.id, endpoint.id)).url == endpoint.url


@pytest.mark.usefixtures("listening")
async def test_an_end_that_cannot_wait_notes_what_it_loses(walk: Walk, application: Application) -> None:
    telling = with_outbox(walk, Full(walk, times=9))
    await walk.has_endpoint(application)
    await walk.clock.asleep()
    await telling.close()

    assert [line["why"] for line in walk.journal.of("operational.lost")] == ["the process ended"]


@pytest.mark.usefixtures("listening")
async def test_an_end_in_good_order_tells_everything(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    await walk.restarts()
    await walk.works()
    assert kinds(walk) == ["endpoint.created"]


@pytest.mark.usefixtures("listening")
async def test_too_much_at_once_is_noted_and_not_kept(walk: Walk, application: Application) -> None:
    """Memory has an end, too."""
    with_outbox(walk, Full(walk, times=1), at_once=1)
    for _ in range(2):
        await walk.has_endpoint(application)
    await walk.clock.asleep()
    walk.clock.move(HOUR)
    await walk.works()

    assert kinds(walk) == ["endpoint.created"]
    assert [line["why"] for line in walk.journal.of("operational.lost")] == ["1 others are under way"]


async def test_the_management_organization_has_its_event_types(walk: Walk) -> None:
    found = await walk.service.event_types.scan(MANAGEMENT_ORG, EVERYTHING, EventTypeFilter())
    assert {event_type.name for event_type in found} == set(Kind)
    assert await walk.service.event_types.scan(ORG, EVERYTHING, EventTypeFilter()) == []


async def test_processes_that_start_at_once_make_its_event_types_once(walk: Walk) -> None:
    processes = [SeededEventTypes(walk.service.store.event_types, walk.clock) for _ in range(5)]
    found = await asyncio.gather(*(one.missing(MANAGEMENT_ORG, set(Kind)) for one in processes))
    assert found == [frozenset()] * 5


async def test_what_somebody_changes_of_its_event_types_stays_so(walk: Walk) -> None:
    kept, catalogue = walk.service.store.event_types, walk.service.catalogue
    await catalogue.edit_event_type(MANAGEMENT_ORG, Kind.ENDPOINT_CREATED, EventTypeEdit(description="Ours"))
    await catalogue.remove_event_type(MANAGEMENT_ORG, Kind.ENDPOINT_DELETED, expunge=False)

    next_process = SeededEventTypes(kept, walk.clock)
    assert (await next_process.get(MANAGEMENT_ORG, Kind.ENDPOINT_CREATED)).description == "Ours"
    assert (await next_process.get(MANAGEMENT_ORG, Kind.ENDPOINT_DELETED)).archived
