"""Tags, raw payloads, times to be delivered and hours of retention, by the SDK."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook
from svix.api import (
    ApplicationIn,
    MessageAttemptListAttemptedMessagesOptions,
    MessageAttemptListByEndpointOptions,
    MessageAttemptListByMsgOptions,
    MessageCreateOptions,
    MessageGetOptions,
    MessageIn,
    MessageListOptions,
    SvixAsync,
)
from svix.api.message import message_in_raw
from svix.exceptions import HTTPValidationError

from tests.journeys.running import Running
from tests.journeys.test_sdk import one_attempt, with_endpoint
from tests.receivers import Receiver

WITH_CONTENT = MessageCreateOptions(with_content=True)
XML = '<?xml version="1.0"?>\r\n<paid amount="1200" by="Ünal"/>\n'


@pytest.fixture
def settings() -> Mapping[str, str]:
    return {"retry_schedule": "200ms,200ms"}


async def test_messages_and_attempts_are_found_by_tag(svix: SvixAsync, receiver: Receiver) -> None:
    endpoint_id = await with_endpoint(svix, receiver)
    tagged = MessageIn(event_type="order.paid", payload={}, tags=["user/42", "vip"])
    sent = await svix.message.create("acme", tagged)
    other = await svix.message.create("acme", MessageIn(event_type="order.paid", payload={}))
    for message in (sent, other):
        await one_attempt(svix, "acme", message.id)

    assert (sent.tags, other.tags, other.deliver_at) == (["user/42", "vip"], None, None)
    listed = await svix.message.list("acme", MessageListOptions(tag="user/42"))
    at_endpoint = await svix.message_attempt.list_attempted_messages(
        "acme", endpoint_id, MessageAttemptListAttemptedMessagesOptions(tag="user/42")
    )
    attempts = await svix.message_attempt.list_by_endpoint(
        "acme", endpoint_id, MessageAttemptListByEndpointOptions(tag="user/42")
    )
    on_other = await svix.message_attempt.list_by_msg(
        "acme", other.id, MessageAttemptListByMsgOptions(tag="user/42")
    )
    assert [(row.id, row.tags) for row in listed.data] == [(sent.id, sent.tags)]
    assert [(row.id, row.tags) for row in at_endpoint.data] == [(sent.id, sent.tags)]
    assert [row.msg_id for row in attempts.data] == [sent.id]
    assert on_other.data == []


async def test_a_raw_payload_arrives_byte_for_byte_and_verifies(svix: SvixAsync, receiver: Receiver) -> None:
    """Also when it is sent again; and it can be read by a model that knows objects only."""
    endpoint_id = await with_endpoint(svix, receiver)
    sent = await svix.message.create(
        "acme", message_in_raw("order.paid", XML, "application/xml"), WITH_CONTENT
    )
    await one_attempt(svix, "acme", sent.id)
    await svix.message_attempt.resend("acme", sent.id, endpoint_id)

    secret = (await svix.endpoint.get_secret("acme", endpoint_id)).key
    for received in await receiver.got(2):
        assert received.body == XML.encode()
        assert received.header("content-type") == "application/xml"
        # Verifying checks the signature and then reads JSON, which this is not.
        headers = {name.lower(): value for name, value in received.headers}
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        assert Webhook(secret).sign(sent.id, at, XML) == headers["webhook-signature"]
    got = await svix.message.get("acme", sent.id, MessageGetOptions(with_content=True))
    assert got.payload == sent.payload == {"rawPayload": XML}


async def test_raw_json_is_shown_as_what_it_is(svix: SvixAsync, receiver: Receiver) -> None:
    """Several SDKs send every payload raw."""
    await with_endpoint(svix, receiver)
    text = '{ "b": 1.10, "a": 1 }'
    sent = await svix.message.create("acme", message_in_raw("order.paid", text), WITH_CONTENT)
    (received,) = await receiver.got(1)
    assert (received.body, received.header("content-type")) == (text.encode(), "application/json")
    assert sent.payload == {"a": 1, "b": 1.1}


async def test_a_message_for_later_waits_through_a_restart(
    service: Running, svix: SvixAsync, receiver: Receiver
) -> None:
    await with_endpoint(svix, receiver)
    later = datetime.now(UTC) + timedelta(hours=1)
    waits = await svix.message.create(
        "acme",
        MessageIn(event_type="order.paid", payload={}, deliver_at=later, payload_retention_hours=2),
    )
    await service.killed()
    await service.starts()
    at_once = await svix.message.create("acme", MessageIn(event_type="order.paid", payload={}))
    await one_attempt(svix, "acme", at_once.id)

    (received,) = await receiver.got(1)
    assert received.header("webhook-id") == at_once.id
    assert waits.deliver_at == later
    assert (await svix.message.get("acme", waits.id)).deliver_at == later


async def test_a_time_out_of_range_is_explained(svix: SvixAsync) -> None:
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    too_soon = MessageIn(event_type="a", payload={}, deliver_at=datetime.now(UTC))
    with pytest.raises(HTTPValidationError) as refused:
        await svix.message.create("acme", too_soon)
    assert "at least 1 minute" in refused.value.detail[0].msg


async def test_what_was_called_off_stays_in_the_lists(svix: SvixAsync) -> None:
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    later = datetime.now(UTC) + timedelta(minutes=2)
    sent = await svix.message.create("acme", MessageIn(event_type="a", payload={}, deliver_at=later))
    await svix.message.expunge_content("acme", sent.id)
    listed = await svix.message.list("acme", MessageListOptions(with_content=True))
    assert [(row.id, row.payload, row.deliver_at) for row in listed.data] == [
        (sent.id, {"expired": True}, later)
    ]
