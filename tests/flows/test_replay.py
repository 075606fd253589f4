"""Sending what an endpoint was never tried with, or once more what it was tried with."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec import structs

from shared.domain.application import Application
from shared.domain.attempt import Ended, Ending, Status, Trigger
from shared.domain.background_task import BackgroundTask, BulkReplay, Replay, Resending, TaskStatus
from shared.domain.endpoint import Endpoint, EndpointEdit
from shared.domain.errors import EndpointDisabled, Unknown
from shared.domain.message import Message
from shared.flows.selection import LOOKS, LOST_AFTER, PAGE, PREVIEWED_IDS, PREVIEWED_MAX
from tests.flows.walk import Walk, answer

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def endpoint(walk: Walk, application: Application) -> Endpoint:
    return await walk.has_endpoint(application, uid="here", channels=frozenset({"eu"}))


def missing(walk: Walk) -> Replay:
    """What `here` was never tried with in the last day."""
    return Replay("here", walk.clock.now() - DAY, walk.clock.now())


def tried(walk: Walk, **only: object) -> BulkReplay:
    """What `here` was tried with in the last day."""
    return structs.replace(BulkReplay("here", walk.clock.now() - DAY, walk.clock.now()), **only)


async def replayed(walk: Walk, application: Application, wanted: Resending) -> BackgroundTask:
    """Have it done, a second later."""
    walk.clock.move(SECOND)
    walk.receiver.sent.clear()
    wanted = structs.replace(wanted, until=walk.clock.now())
    task = await walk.service.begin_task.resending(application, wanted)
    await walk.works()
    return await walk.service.background_tasks.get(task.org_id, task.id)


def ids(messages: Sequence[Message]) -> list[str]:
    return sorted(message.id for message in messages)


async def test_what_came_before_the_endpoint_is_sent_to_it_once(walk: Walk, application: Application) -> None:
    """A page and a bit; what it has got by itself is not missing."""
    before = await asyncio.gather(*(walk.accepts(application) for _ in range(PAGE + 10)))
    await walk.works()
    await walk.has_endpoint(application, uid="here")
    await walk.posts(application)

    task = await replayed(walk, application, missing(walk))

    assert sorted(walk.receiver.got) == ids(before)
    assert (task.status, task.done, task.failed, task.total) == (TaskStatus.FINISHED, PAGE + 10, 0, None)
    for message in before[:3]:
        assert [one.trigger for one in await walk.attempts(message)] == [Trigger.MANUAL]
    assert (await replayed(walk, application, missing(walk))).done == 0


async def test_what_came_while_it_was_disabled_is_missing_and_what_failed_there_is_not(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    walk.receiver.first.append(answer(500))
    await walk.posts(application, channels=frozenset({"eu"}))
    await walk.service.catalogue.edit_endpoint(application, "here", EndpointEdit(disabled=True))
    missed = await walk.posts(application, channels=frozenset({"eu"}))
    await walk.service.catalogue.edit_endpoint(application, "here", EndpointEdit(disabled=False))
    await replayed(walk, application, missing(walk))
    assert walk.receiver.got == [missed.id]


async def test_only_what_the_endpoint_would_get_now_is_missing(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """By its channels as they are; nothing whose time is still to come, and no ping of another endpoint."""
    us = await walk.posts(application, channels=frozenset({"us"}))
    await walk.posts(application)
    other = await walk.has_endpoint(application, uid="there", url="https://there.example/")
    await walk.service.send_example(application, other.id, "svix.ping", 0)
    later = walk.clock.now() + timedelta(minutes=5)
    await walk.accepts(application, channels=frozenset({"us"}), deliver_at=later)
    channels = frozenset({"us"})
    await walk.service.catalogue.edit_endpoint(application, "here", EndpointEdit(channels=channels))
    await walk.works()
    task = await replayed(walk, application, missing(walk))
    assert (walk.receiver.got, task.done) == ([us.id], 1)


async def test_what_waits_for_its_turn_is_not_missing_until_it_may_be_lost(
    walk: Walk, application: Application
) -> None:
    """And then it is sent once all the same: what is sent later sees that it has arrived."""
    walk.clock.move(-HOUR)
    endpoint = await walk.has_endpoint(application, uid="here", throttle_rate=1)
    walk.clock.move(HOUR)
    messages = [await walk.accepts(application) for _ in range(3)]
    await walk.works()
    assert len(walk.receiver.got) == 1
    asked = Replay(endpoint.id, walk.clock.now() - HOUR, walk.clock.now() + HOUR)
    assert (await walk.service.select.preview(application.id, asked)).count == 0

    walk.clock.move(LOST_AFTER)
    asked = Replay(endpoint.id, walk.clock.now() - 2 * HOUR, walk.clock.now())
    assert (await walk.service.select.preview(application.id, asked)).count == 2
    await walk.service.begin_task.resending(application, asked)
    for _ in messages:
        await walk.passes(timedelta(seconds=1))
    assert sorted(walk.receiver.got) == sorted(message.id for message in messages)


async def test_a_preview_looks_through_only_so_much_though_it_finds_nothing(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    """None of these is for the endpoint, and who asks does not know whether one of the rest is."""
    await asyncio.gather(*(walk.accepts(application) for _ in range(PREVIEWED_MAX + 1)))
    walk.clock.move(SECOND)
    wanted = await walk.service.begin_task.checked(application, missing(walk))
    preview = await walk.service.select.preview(application.id, wanted)
    assert (preview.count, preview.is_complete) == (0, False)


async def test_a_step_looks_through_only_so_much_though_it_finds_nothing(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    looked_through = LOOKS * PAGE
    await asyncio.gather(*(walk.accepts(application) for _ in range(looked_through + 1)))
    wanted = await walk.service.begin_task.checked(application, missing(walk))
    walk.clock.move(SECOND)
    wanted = structs.replace(wanted, until=walk.clock.now())
    found = await walk.service.select(application.id, wanted, None)
    assert (found.message_ids, found.scanned is not None) == ((), True)
    found = await walk.service.select(application.id, wanted, found.scanned)
    assert (list(found.message_ids), found.scanned) == ([], None)


@pytest.fixture
async def attempted(walk: Walk, application: Application) -> dict[str, Message]:
    """Messages that `here` was tried with, by what came of them."""
    await walk.has_endpoint(application, uid="here")
    said = {"channels": frozenset({"eu"}), "tags": frozenset({"vip"})}
    arrived = await walk.posts(application, event_type="order.paid", **said)
    walk.receiver.first.append(answer(404))
    lost = await walk.posts(application, event_type="order.lost")
    walk.receiver.first.append(answer(503))
    down = await walk.posts(application, event_type="order.lost")
    here = await walk.service.endpoints.get(application.id, "here")
    ended = Ended(Ending.CANCELED, walk.clock.now())
    await walk.service.attempts.end_chain(down.app_id, down.id, here.id, ended)
    return {"arrived": arrived, "lost": lost, "down": down}


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ({}, ["arrived", "lost", "down"]),
        ({"status": Status.SUCCESS}, ["arrived"]),
        ({"status": Status.SENDING}, ["lost"]),
        ({"status": Status.FAIL}, ["down"]),
        ({"status": Status.PENDING}, []),
        ({"status_code_class": 400}, ["lost"]),
        ({"status_code_class": 500}, ["down"]),
        ({"status_code_class": 500, "event_types": frozenset({"order.paid"})}, []),
        pytest.param({"event_types": frozenset({"order.paid", "order.made"})}, ["arrived"], id="two types"),
        ({"channel": "eu"}, ["arrived"]),
        ({"tag": "vip"}, ["arrived"]),
        ({"tag": "vip", "channel": "us"}, []),
    ],
    ids=str,
)
async def test_what_was_tried_is_sent_again_as_far_as_it_is_wanted(
    walk: Walk,
    application: Application,
    attempted: dict[str, Message],
    only: dict[str, object],
    names: list[str],
) -> None:
    """Whether it has arrived or not; and a preview says the same beforehand."""
    wanted = tried(walk, **only)
    walk.clock.move(SECOND)
    checked = await walk.service.begin_task.checked(
        application, structs.replace(wanted, until=walk.clock.now())
    )
    preview = await walk.service.select.preview(application.id, checked)
    walk.receiver.sent.clear()
    task = await replayed(walk, application, wanted)
    expected = ids([attempted[name] for name in names])
    assert sorted(walk.receiver.got) == expected
    assert (task.status, task.done, task.failed) == (TaskStatus.FINISHED, len(names), 0)
    assert (preview.count, sorted(preview.message_ids), preview.is_complete) == (len(names), expected, True)


async def test_a_bulk_replay_of_several_pages_sends_each_message_once_more(
    walk: Walk, application: Application
) -> None:
    await walk.has_endpoint(application, uid="here")
    messages = await asyncio.gather(*(walk.accepts(application) for _ in range(PAGE + 10)))
    await walk.works()
    task = await replayed(walk, application, tried(walk, status_code_class=200))
    assert sorted(walk.receiver.got) == ids(messages)
    assert (task.status, task.done) == (TaskStatus.FINISHED, PAGE + 10)


async def test_a_preview_sends_nothing_and_shows_the_first(walk: Walk, application: Application) -> None:
    await asyncio.gather(*(walk.accepts(application) for _ in range(PREVIEWED_IDS + 1)))
    await walk.works()
    await walk.has_endpoint(application, uid="here")
    walk.clock.move(SECOND)
    wanted = await walk.service.begin_task.checked(application, missing(walk))
    preview = await walk.service.select.preview(application.id, wanted)
    assert (preview.count, len(preview.message_ids)) == (PREVIEWED_IDS + 1, PREVIEWED_IDS)
    await walk.works()
    assert walk.receiver.got == []


async def test_nothing_is_replayed_to_an_endpoint_that_gets_nothing(
    walk: Walk, application: Application, endpoint: Endpoint
) -> None:
    with pytest.raises(Unknown):
        await walk.service.begin_task.resending(application, structs.replace(missing(walk), endpoint_id="no"))
    await walk.service.endpoints.disable(application.id, endpoint.id, at=walk.clock.now())
    with pytest.raises(EndpointDisabled):
        await walk.service.begin_task.resending(application, missing(walk))
