"""What a message may say about its delivery: what it is delivered as, and when."""

from datetime import timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from shared.domain.application import Application
from shared.domain.attempt import Status
from shared.domain.endpoint import EndpointEdit
from shared.domain.message import DELIVER_AHEAD_MAX
from shared.domain.paging import Scan
from shared.domain.work import INLINE_PAYLOAD_LIMIT_BYTES
from shared.ports.destinations import AttemptedMessageFilter
from tests.clock import NOON
from tests.flows.walk import Walk, header

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CSV = "text/csv; charset=utf-8"
ROWS = "id;amount\r\n1;ü\r\n"
SMALL, LARGE = ROWS, ROWS * INLINE_PAYLOAD_LIMIT_BYTES
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("text", [SMALL, LARGE, ""], ids=["small", "large", "empty"])
async def test_any_text_is_delivered_as_what_it_is_in_every_attempt(
    walk: Walk, application: Application, text: str
) -> None:
    """The first, the repeated one and one by hand, whether the text travelled with the work or not."""
    endpoint = await walk.has_endpoint(application, secret=SECRET)
    walk.receiver.goes_down()
    message = await walk.posts(application, payload=text, content_type=CSV)
    walk.receiver.comes_back()
    await walk.passes(timedelta(seconds=6))
    await walk.service.send_again(application, message.id, endpoint.id)
    await walk.works()

    assert len(walk.receiver.sent) == 3
    for outgoing in walk.receiver.sent:
        assert outgoing.body == text.encode()
        assert [value for name, value in outgoing.headers if name.lower() == "content-type"] == [CSV]
        at = NOON if outgoing is walk.receiver.sent[0] else NOON + timedelta(seconds=6)
        signed = Webhook(SECRET).sign(message.id, at, text)
        assert header(outgoing, "webhook-signature") == signed


async def test_what_says_nothing_of_it_is_delivered_as_json(walk: Walk, application: Application) -> None:
    await walk.has_endpoint(application)
    await walk.posts(application)
    assert header(walk.receiver.sent[0], "content-type") == "application/json"


async def test_attempts_are_found_by_the_tags_of_their_message(walk: Walk, application: Application) -> None:
    """Those that were repeated and those by hand, too."""
    tags = frozenset({"user/42"})
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application, tags=tags)
    await walk.passes(timedelta(seconds=6))
    await walk.service.send_again(application, message.id, endpoint.id)
    await walk.works()

    assert [attempt.tags for attempt in await walk.attempts(message)] == [tags, tags, tags]


async def test_a_message_is_delivered_when_it_was_told_and_not_before(
    walk: Walk, application: Application
) -> None:
    """Neither a restart nor the sweep changes that."""
    await walk.has_endpoint(application)
    message = await walk.posts(application, deliver_at=NOON + DELIVER_AHEAD_MAX)

    await walk.passes(DELIVER_AHEAD_MAX / 2)
    await walk.restarts()
    assert await walk.service.sweep() == 0
    await walk.passes(DELIVER_AHEAD_MAX / 2 - timedelta(microseconds=1))
    assert walk.receiver.got == []

    await walk.passes(timedelta(microseconds=1))
    assert walk.receiver.got == [message.id]
    (attempt,) = await walk.attempts(message)
    assert attempt.timestamp == NOON + DELIVER_AHEAD_MAX


async def test_it_goes_to_whoever_wants_it_at_that_time(walk: Walk, application: Application) -> None:
    before = await walk.has_endpoint(application, url="https://disabled.example/")
    message = await walk.posts(application, deliver_at=NOON + HOUR)

    await walk.service.catalogue.edit_endpoint(application, before.id, EndpointEdit(disabled=True))
    await walk.has_endpoint(application, url="https://new.example/")
    await walk.passes(HOUR)

    assert [outgoing.url for outgoing in walk.receiver.sent] == ["https://new.example/"]
    assert len(await walk.attempts(message)) == 1


@pytest.mark.parametrize("text", ['{"n": 1}', LARGE], ids=["small", "large"])
async def test_it_is_called_off_by_erasing_its_payload(
    walk: Walk, application: Application, text: str
) -> None:
    await walk.has_endpoint(application)
    message = await walk.posts(application, payload=text, content_type=CSV, deliver_at=NOON + HOUR)

    await walk.service.erase.payload(application, message.id)
    await walk.restarts()
    await walk.passes(HOUR)

    assert walk.receiver.sent == []
    (skipped,) = walk.journal.of("delivery.skipped")
    assert (skipped["message_id"], skipped["why"]) == (message.id, "the payload is gone")


async def test_it_is_called_off_by_disabling_its_endpoint(walk: Walk, application: Application) -> None:
    """It stays called off when the endpoint is enabled later."""
    endpoint = await walk.has_endpoint(application)
    await walk.posts(application, deliver_at=NOON + HOUR)
    catalogue = walk.service.catalogue

    await catalogue.edit_endpoint(application, endpoint.id, EndpointEdit(disabled=True))
    await walk.passes(HOUR)
    await catalogue.edit_endpoint(application, endpoint.id, EndpointEdit(disabled=False))
    await walk.passes(HOUR)

    assert walk.receiver.sent == []


async def test_it_is_not_sent_to_whom_it_has_reached_by_hand(walk: Walk, application: Application) -> None:
    reached = await walk.has_endpoint(application, url="https://reached.example/")
    await walk.has_endpoint(application, url="https://other.example/")
    message = await walk.posts(application, deliver_at=NOON + HOUR)

    await walk.service.send_again(application, message.id, reached.id)
    await walk.works()
    await walk.passes(HOUR)

    assert [outgoing.url for outgoing in walk.receiver.sent] == [
        "https://reached.example/",
        "https://other.example/",
    ]


async def test_what_failed_by_hand_before_its_time_stands_as_its_own_attempt_says(
    walk: Walk, application: Application
) -> None:
    endpoint = await walk.has_endpoint(application)
    message = await walk.posts(application, deliver_at=NOON + HOUR)
    walk.receiver.goes_down()
    await walk.service.send_again(application, message.id, endpoint.id)
    await walk.works()
    walk.receiver.comes_back()
    await walk.passes(HOUR)

    scan = Scan(None, None, descending=True, limit=10)
    failed = AttemptedMessageFilter(status=Status.FAIL)
    destinations = walk.service.destinations
    assert await destinations.messages_at(application.id, endpoint.id, scan, failed) == []
    (row,) = await destinations.messages_at(application.id, endpoint.id, scan, AttemptedMessageFilter())
    assert row.status is Status.SUCCESS
    assert len(await walk.attempts(message)) == 2
