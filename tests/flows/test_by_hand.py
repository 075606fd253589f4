"""What people have sent by hand: exactly one attempt, and automatic retries that do what one expects."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.application import Application
from shared.domain.attempt import Attempt, Status, Trigger
from shared.domain.endpoint import Endpoint
from shared.domain.errors import EndpointDisabled, NoExample, PayloadGone, Unknown
from shared.domain.event_type import NewEventType
from shared.domain.message import Message
from shared.domain.work import RETRY_QUEUE
from tests.flows.walk import Walk, answer
from tests.makers import ORG

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


async def sends_again(walk: Walk, application: Application, message: Message, endpoint: Endpoint) -> None:
    """Ask for an attempt, and have it made."""
    await walk.service.send_again(application, message.id, endpoint.id)
    await walk.works()


async def by_hand(walk: Walk, message: Message) -> list[Attempt]:
    """The manual attempts on a message."""
    return [one for one in await walk.attempts(message) if one.trigger is Trigger.MANUAL]


async def test_a_delivered_message_is_sent_once_more(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application)
    message = await walk.posts(application)
    walk.clock.move(SECOND)
    await sends_again(walk, application, message, endpoint)

    assert walk.receiver.got == [message.id, message.id]
    (attempt,) = await by_hand(walk, message)
    assert (attempt.number, attempt.status, attempt.next_attempt_at) == (0, Status.SUCCESS, None)
    assert attempt.timestamp == walk.clock.now()


async def test_what_fails_by_hand_is_not_repeated(walk: Walk, application: Application) -> None:
    """Nor does it count among the failures for which an endpoint is disabled."""
    endpoint = await walk.has_endpoint(application)
    message = await walk.posts(application)
    walk.receiver.goes_down()
    await sends_again(walk, application, message, endpoint)
    await walk.passes(HOUR)

    (attempt,) = await by_hand(walk, message)
    assert (attempt.status, attempt.next_attempt_at) == (Status.FAIL, None)
    assert len(walk.receiver.got) == 2
    assert (await walk.service.endpoints.get(application.id, endpoint.id)).failing_since is None


async def test_an_endpoint_gets_by_hand_what_it_filters_out(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application, event_types=None, channels=frozenset({"eu"}))
    message = await walk.posts(application)
    assert walk.receiver.got == []
    await sends_again(walk, application, message, endpoint)
    assert walk.receiver.got == [message.id]


async def test_automatic_retries_go_on_when_an_attempt_by_hand_fails(
    walk: Walk, application: Application
) -> None:
    """Whoever presses the button while the receiver is still down must not lose the message by it."""
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)
    (first,) = await walk.attempts(message)
    walk.clock.move(SECOND)
    await sends_again(walk, application, message, endpoint)

    (manual,) = await by_hand(walk, message)
    assert manual.next_attempt_at == first.next_attempt_at
    walk.receiver.comes_back()
    await walk.passes(HOUR)
    assert [(one.number, one.status) for one in await walk.attempts(message)] == [
        (0, Status.FAIL),
        (1, Status.FAIL),
        (2, Status.SUCCESS),
    ]


@pytest.mark.parametrize(
    "came", [answer(200), answer(500, webhook_delivery="abort-message"), answer(410)], ids=str
)
async def test_automatic_retries_end_visibly_when_an_attempt_by_hand_settles_it(
    walk: Walk, application: Application, came: object
) -> None:
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)
    walk.receiver.always = came  # type: ignore[assignment]
    walk.clock.move(SECOND)
    await sends_again(walk, application, message, endpoint)
    assert all(one.next_attempt_at is None for one in await walk.attempts(message))

    await walk.passes(HOUR)
    assert len(walk.receiver.got) == 2


async def test_an_attempt_by_hand_handed_over_again_is_made_once(
    walk: Walk, application: Application
) -> None:
    """We died between recording and settling. The end of the automatic retries is made up for."""
    endpoint = await walk.has_endpoint(application)
    walk.receiver.first.append(answer(500))
    message = await walk.posts(application)
    await walk.service.send_again(application, message.id, endpoint.id)
    (delivery,) = await walk.takes(RETRY_QUEUE)
    await walk.does(replace(delivery, sequence=-1))  # done, but not settled
    await walk.does(delivery)
    await walk.passes(HOUR)

    assert len(walk.receiver.got) == 2
    assert len(await by_hand(walk, message)) == 1


@pytest.mark.parametrize("change", ["removed", "disabled", "erased"])
async def test_what_cannot_be_sent_any_more_when_its_turn_comes_is_told(
    walk: Walk, application: Application, change: str
) -> None:
    endpoint = await walk.has_endpoint(application)
    message = await walk.posts(application)
    await walk.service.send_again(application, message.id, endpoint.id)
    now = walk.clock.now()
    if change == "removed":
        await walk.service.catalogue.remove_endpoint(application, endpoint.id)
    elif change == "disabled":
        await walk.service.endpoints.disable(application.id, endpoint.id, at=now)
        walk.service.directory.forget_targets(application.id)
    else:
        await walk.service.messages.erase_payloads(expired_at=now + timedelta(days=91), limit=10)
    await walk.works()

    assert len(walk.receiver.got) == 1
    assert len(walk.journal.of("resend.skipped")) == 1


async def test_nothing_is_queued_that_cannot_be_sent(walk: Walk, application: Application) -> None:
    """The caller hears at once what is in the way, and what it is first."""
    endpoint = await walk.has_endpoint(application)
    message = await walk.posts(application)
    again = walk.service.send_again
    with pytest.raises(Unknown, match="message"):
        await again(application, "msg_none", "ep_none")
    with pytest.raises(Unknown, match="endpoint"):
        await again(application, message.id, "ep_none")
    await walk.service.endpoints.disable(application.id, endpoint.id, at=walk.clock.now())
    with pytest.raises(EndpointDisabled):
        await again(application, message.id, endpoint.id)
    await walk.service.messages.erase_payloads(expired_at=walk.clock.now() + timedelta(days=91), limit=10)
    with pytest.raises(PayloadGone):
        await again(application, message.id, "ep_none")
    assert await walk.takes(RETRY_QUEUE) == []


async def test_an_example_reaches_its_endpoint_and_no_other(walk: Walk, application: Application) -> None:
    """Also one that filters it out, and also when it has to be repeated."""
    await walk.has_endpoint(application, url="https://other.example/")
    endpoint = await walk.has_endpoint(application, channels=frozenset({"eu"}))
    walk.receiver.first.append(answer(500))
    message = await walk.service.send_example(application, endpoint.id, "svix.ping", 0)
    await walk.works()
    await walk.passes(HOUR)

    assert [outgoing.url for outgoing in walk.receiver.sent] == [endpoint.url, endpoint.url]
    assert {outgoing.body for outgoing in walk.receiver.sent} == {b'{"success": true}'}
    assert [one.number for one in await walk.attempts(message)] == [1, 2]


@pytest.mark.parametrize(
    ("schemas", "index", "body"),
    [
        pytest.param('{"1": {"examples": [{"n": 1.10}, {"n": 2}]}}', 0, b'{"n": 1.10}', id="the first"),
        pytest.param('{"1": {"examples": [{"n": 1}, {"n": 2}]}}', 1, b'{"n": 2}', id="another"),
        pytest.param('{"1": {"examples": [{"n": 1}]}}', 1, None, id="there are not so many"),
        pytest.param('{"1": {"examples": [7]}}', 0, None, id="it is no object"),
        pytest.param('{"1": {"examples": 7}}', 0, None, id="there is no list"),
        pytest.param('{"1": {}}', 0, None, id="there is none"),
        pytest.param('{"2": {"examples": [{}]}}', 0, None, id="of another version"),
        pytest.param(None, 0, None, id="there is no schema"),
    ],
)
async def test_the_example_is_the_one_of_the_schema(
    walk: Walk, application: Application, schemas: str | None, index: int, body: bytes | None
) -> None:
    endpoint = await walk.has_endpoint(application)
    await walk.service.catalogue.add_event_type(ORG, NewEventType("user.made", "", schemas=schemas))
    example = walk.service.send_example(application, endpoint.id, "user.made", index)
    if body is None:
        with pytest.raises(NoExample):
            await example
        return
    await example
    await walk.works()
    assert [outgoing.body for outgoing in walk.receiver.sent] == [body]


async def test_an_example_for_a_disabled_endpoint_is_refused(walk: Walk, application: Application) -> None:
    endpoint = await walk.has_endpoint(application, disabled=True)
    with pytest.raises(EndpointDisabled):
        await walk.service.send_example(application, endpoint.id, "svix.ping", 0)
