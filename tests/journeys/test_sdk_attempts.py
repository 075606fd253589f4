"""Attempts seen and made by hand, by the SDK that people already use, against the running service."""

from collections.abc import Mapping

import pytest
from svix.api import (
    EndpointIn,
    EndpointOut,
    EventExampleIn,
    EventTypeIn,
    MessageAttemptListAttemptedDestinationsOptions,
    MessageAttemptListAttemptedMessagesOptions,
    MessageAttemptListByEndpointOptions,
    MessageAttemptListByMsgOptions,
    MessageIn,
    MessageOut,
    SvixAsync,
)
from svix.exceptions import HttpError
from svix.models import MessageStatus

from tests.journeys.running import eventually
from tests.receivers import Receiver


@pytest.fixture
def settings() -> Mapping[str, str]:
    """What fails is repeated after an hour: nothing automatic comes between."""
    return {"retry_schedule": "1h"}


async def test_a_failure_is_found_and_sent_again(
    svix: SvixAsync, receiver: Receiver, endpoint: EndpointOut
) -> None:
    """What support does when a customer calls: find what failed, send it again, see that it arrived."""
    receiver.answers_with(500)
    sent = await posted(svix, "order.paid")
    sending = MessageAttemptListAttemptedMessagesOptions(status=MessageStatus.SENDING)
    (failed,) = (
        await eventually(
            lambda: svix.message_attempt.list_attempted_messages("acme", "here", sending),
            until=lambda page: page.data,
        )
    ).data
    assert (failed.id, failed.status_text) == (sent.id, "sending")
    assert failed.next_attempt is not None

    receiver.answers_with(204)
    await svix.message_attempt.resend("acme", sent.id, endpoint.id)

    delivered = MessageAttemptListAttemptedMessagesOptions(status=MessageStatus.SUCCESS, with_content=True)
    (row,) = (
        await eventually(
            lambda: svix.message_attempt.list_attempted_messages("acme", "here", delivered),
            until=lambda page: page.data,
        )
    ).data
    assert (row.id, row.payload, row.next_attempt) == (sent.id, {"n": 1}, None)
    assert (await svix.message_attempt.list_attempted_messages("acme", "here", sending)).data == []
    attempts = (await svix.message_attempt.list_by_msg("acme", sent.id)).data
    assert sorted((one.trigger_type, one.status) for one in attempts) == [(0, 2), (1, 0)]
    assert [request.header("webhook-id") for request in await receiver.got(2)] == [sent.id, sent.id]


async def test_a_message_tells_where_it_went(
    svix: SvixAsync, receiver: Receiver, endpoint: EndpointOut
) -> None:
    gone = await svix.endpoint.create("acme", EndpointIn(url=receiver.url, throttle_rate=9))
    sent = await posted(svix, "order.paid")
    await receiver.got(2)
    rows = (
        await eventually(
            lambda: svix.message_attempt.list_attempted_destinations("acme", sent.id),
            until=lambda page: len(page.data) == 2,
        )
    ).data
    await svix.endpoint.delete("acme", gone.id)

    assert [row.id for row in rows] == sorted([endpoint.id, gone.id])
    assert {(row.status, row.next_attempt) for row in rows} == {(MessageStatus.SUCCESS, None)}
    rest = MessageAttemptListAttemptedDestinationsOptions(iterator=rows[0].id, limit=1)
    (row,) = (await svix.message_attempt.list_attempted_destinations("acme", sent.id, rest)).data
    assert row == rows[1]


async def test_every_filter_of_the_sdk_is_heard(
    svix: SvixAsync, receiver: Receiver, endpoint: EndpointOut
) -> None:
    sent = await posted(svix, "order.paid", channels=["eu"])
    await posted(svix, "order.refunded")
    await receiver.got(2)
    by_endpoint = MessageAttemptListByEndpointOptions(
        channel="eu", event_types=["order.paid", "x"], status=MessageStatus.SUCCESS, with_msg=True
    )
    (attempt,) = (
        await eventually(
            lambda: svix.message_attempt.list_by_endpoint("acme", endpoint.id, by_endpoint),
            until=lambda page: page.data,
        )
    ).data
    assert attempt.msg is not None
    assert (attempt.msg_id, attempt.msg.id, attempt.msg.channels) == (sent.id, sent.id, ["eu"])
    by_message = MessageAttemptListByMsgOptions(endpoint_id="here", channel="eu", before=attempt.timestamp)
    assert (await svix.message_attempt.list_by_msg("acme", sent.id, by_message)).data == []
    of_endpoint = MessageAttemptListAttemptedMessagesOptions(channel="eu", event_types=["order.paid"])
    (row,) = (await svix.message_attempt.list_attempted_messages("acme", "here", of_endpoint)).data
    assert row.id == sent.id
    assert (await svix.message_attempt.get("acme", sent.id, attempt.id)).id == attempt.id


async def test_an_example_shows_what_will_come(
    svix: SvixAsync, receiver: Receiver, endpoint: EndpointOut
) -> None:
    schemas = {"1": {"type": "object", "examples": [{"id": 7}]}}
    await svix.event_type.create(EventTypeIn(name="user.made", description="", schemas=schemas))
    sent = await svix.endpoint.send_example("acme", endpoint.id, EventExampleIn(event_type="user.made"))
    (received,) = await receiver.got(1)
    assert (received.header("webhook-id"), received.body) == (sent.id, b'{"id":7}')

    with pytest.raises(HttpError) as refused:
        await svix.endpoint.send_example("acme", endpoint.id, EventExampleIn(event_type="none"))
    assert refused.value.status_code == 404


async def posted(svix: SvixAsync, event_type: str, channels: list[str] | None = None) -> MessageOut:
    message = MessageIn(event_type=event_type, payload={"n": 1}, channels=channels)
    return await svix.message.create("acme", message)
