"""What is done with many messages, by the SDK that people already use, against the running service."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from svix.api import (
    ApplicationIn,
    BackgroundTaskListOptions,
    EndpointIn,
    EndpointOut,
    MessageAttemptListByEndpointOptions,
    MessageGetOptions,
    MessageIn,
    MessageOut,
    MessagePrecheckIn,
    RecoverIn,
    SvixAsync,
)
from svix.models import (
    BackgroundTaskOut,
    BackgroundTaskStatus,
    BackgroundTaskType,
    BulkExpungeContentsIn,
    BulkReplayIn,
    MessageStatus,
    ReplayIn,
    StatusCodeClass,
)

from tests.journeys.running import Running, eventually
from tests.receivers import Receiver

MISSED = 250
"""Three pages of a recovery."""


@pytest.fixture
def settings() -> Mapping[str, str]:
    """What fails is repeated after an hour: nothing automatic comes between."""
    return {"retry_schedule": "1h"}


async def test_an_outage_is_made_up_for_by_one_call(
    service: Running, svix: SvixAsync, receiver: Receiver, endpoint: EndpointOut
) -> None:
    """The receiver was down for 250 messages; each gets one more attempt, and the task says how it went."""
    since = datetime.now(UTC)
    missed = await outage(service, receiver, MISSED)
    began = await svix.endpoint.recover("acme", endpoint.id, RecoverIn(since=since))
    assert (began.status, began.task) == (BackgroundTaskStatus.RUNNING, BackgroundTaskType.ENDPOINT_RECOVER)

    task = await ended(svix, began.id)
    assert task.status == BackgroundTaskStatus.FINISHED
    assert (task.data["total"], task.data["done"], task.data["failed"]) == (MISSED, MISSED, 0)
    assert await manual_attempts(svix) == Counter(missed)
    assert {request.header("webhook-id") for request in await receiver.got(2 * MISSED)} == missed

    of_type = BackgroundTaskListOptions(task=BackgroundTaskType.ENDPOINT_RECOVER, limit=1)
    listed = await svix.background_task.list(of_type)
    assert (listed.data, listed.done, listed.iterator) == ([task], True, task.id)
    running = BackgroundTaskListOptions(status=BackgroundTaskStatus.RUNNING)
    assert (await svix.background_task.list(running)).data == []


async def test_a_recovery_goes_on_where_a_kill_has_ended_it(
    service: Running, svix: SvixAsync, receiver: Receiver, endpoint: EndpointOut
) -> None:
    """Killed five times in the middle, it attempts each message once all the same."""
    since = datetime.now(UTC)
    missed = await outage(service, receiver, MISSED)
    receiver.answers_with(204, delay=timedelta(milliseconds=20))
    began = await svix.endpoint.recover("acme", endpoint.id, RecoverIn(since=since))
    for arrived in (20, 70, 120, 170, 220):
        await receiver.got(MISSED + arrived)
        await service.killed()
        await service.starts()

    task = await ended(svix, began.id)
    assert task.status == BackgroundTaskStatus.FINISHED
    assert (task.data["total"], task.data["done"], task.data["failed"]) == (MISSED, MISSED, 0)
    assert await manual_attempts(svix) == Counter(missed)


async def test_what_was_never_sent_is_sent_and_what_was_is_sent_again(
    svix: SvixAsync, receiver: Receiver
) -> None:
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    async with Receiver() as elsewhere:
        await svix.endpoint.create("acme", EndpointIn(url=elsewhere.url, uid="elsewhere"))
        early = await post(svix, "early")
        await elsewhere.got(1)
        await svix.endpoint.delete("acme", "elsewhere")
    endpoint = await svix.endpoint.create("acme", EndpointIn(url=receiver.url, uid="here"))
    late = await post(svix, "late")
    await receiver.got(1)

    began = await svix.endpoint.replay_missing("acme", endpoint.id, ReplayIn(since=early.timestamp))
    assert began.task == BackgroundTaskType.ENDPOINT_REPLAY
    task = await ended(svix, began.id)
    assert (task.status, task.data["messagesSent"]) == (BackgroundTaskStatus.FINISHED, 1)
    assert [one.header("webhook-id") for one in await receiver.got(2)] == [late.id, early.id]

    wanted = BulkReplayIn(
        since=early.timestamp,
        event_types=["order.paid"],
        status=MessageStatus.SUCCESS,
        status_code_class=StatusCodeClass.CODE2XX,
    )
    began = await svix.endpoint.bulk_replay("acme", endpoint.id, wanted)
    assert began.task == BackgroundTaskType.ENDPOINT_BULK_REPLAY
    task = await ended(svix, began.id)
    assert (task.status, task.data["messagesSent"]) == (BackgroundTaskStatus.FINISHED, 2)
    assert {one.header("webhook-id") for one in (await receiver.got(4))[2:]} == {late.id, early.id}


async def test_retries_are_called_off(
    service: Running, svix: SvixAsync, receiver: Receiver, endpoint: EndpointOut
) -> None:
    """No SDK has a method for it; plain HTTP does it, and no SDK's list is in its way."""
    await outage(service, receiver, 3)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {service.token}"}) as session:
        cancel = f"{service.url}/api/v1/app/acme/endpoint/here/cancel-msgs"
        async with session.post(cancel) as answer:
            assert answer.status == 202

    rows = await eventually(
        lambda: svix.message_attempt.list_attempted_messages("acme", "here"),
        until=lambda page: all(row.status_text == "fail" for row in page.data),
    )
    assert [row.next_attempt for row in rows.data] == [None] * 3
    assert (await svix.background_task.list()).data == []


async def test_payloads_are_erased_in_bulk_and_all_together(
    svix: SvixAsync, receiver: Receiver, endpoint: EndpointOut
) -> None:
    posted = [await post(svix, event_id) for event_id in ("a", "b", "c")]
    await receiver.got(3)
    some = BulkExpungeContentsIn(ids=["a", posted[1].id, "nobody"])
    results = (await svix.message.bulk_expunge_content("acme", some)).results
    assert results == {"a": "expunged", posted[1].id: "expunged", "nobody": "not-found"}
    gone = {"expired": True}
    assert [await payload(svix, one.id) for one in posted] == [gone, gone, {"n": 1}]

    began = await svix.message.expunge_all_contents("acme")
    task = await ended(svix, began.id)
    assert (task.task, task.status) == ("application.purge_content", "finished")
    assert task.data["messagesPurged"] == 3
    assert await payload(svix, "c") == gone


async def test_one_asks_before_making_a_message_that_nobody_wants(
    svix: SvixAsync, receiver: Receiver, endpoint: EndpointOut
) -> None:
    asked = MessagePrecheckIn(event_type="order.paid", channels=["eu"])
    assert (await svix.message.precheck("acme", asked)).active
    await svix.endpoint.delete("acme", endpoint.id)
    assert not (await svix.message.precheck("acme", asked)).active


async def post(svix: SvixAsync, event_id: str) -> MessageOut:
    return await svix.message.create(
        "acme", MessageIn(event_type="order.paid", event_id=event_id, payload={"n": 1})
    )


async def payload(svix: SvixAsync, key: str) -> dict[str, Any]:
    return (await svix.message.get("acme", key, MessageGetOptions(with_content=True))).payload


async def outage(service: Running, receiver: Receiver, count: int) -> set[str]:
    """Messages that the receiver has answered with 503; from now on it takes them."""
    receiver.answers_with(503)
    posted = await service.posts("acme", count)
    await receiver.got(count)
    svix = service.svix()
    await eventually(lambda: recorded(svix), until=lambda attempts: len(attempts) == count)
    receiver.answers_with(204)
    return posted


async def ended(svix: SvixAsync, task_id: str) -> BackgroundTaskOut:
    """A task that runs no more."""
    return await eventually(
        lambda: svix.background_task.get(task_id),
        until=lambda task: task.status != BackgroundTaskStatus.RUNNING,
    )


async def recorded(svix: SvixAsync) -> list[tuple[str, int]]:
    """Message and trigger of every attempt at the endpoint."""
    found = list[tuple[str, int]]()
    iterator: str | None = None
    while True:
        options = MessageAttemptListByEndpointOptions(limit=250, iterator=iterator)
        page = await svix.message_attempt.list_by_endpoint("acme", "here", options)
        found += [(attempt.msg_id, attempt.trigger_type) for attempt in page.data]
        if page.done:
            return found
        iterator = page.iterator


async def manual_attempts(svix: SvixAsync) -> Counter[str]:
    """How many attempts by hand each message has had."""
    return Counter(message_id for message_id, trigger in await recorded(svix) if trigger == 1)
