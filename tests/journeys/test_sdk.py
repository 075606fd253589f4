"""The main job, by the SDK that people already use, against the running service."""

import json
from collections.abc import Mapping

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from svix.api import (
    ApplicationIn,
    EndpointIn,
    EventTypeIn,
    MessageAttemptListByMsgOptions,
    MessageAttemptOut,
    MessageCreateOptions,
    MessageIn,
    MessageListOptions,
    SvixAsync,
)
from svix.exceptions import HttpError
from svix.webhooks import Webhook as SvixWebhook

from tests.journeys.running import Running, eventually
from tests.receivers import Receiver


@pytest.fixture
def settings() -> Mapping[str, str]:
    return {"retry_schedule": ",".join(["200ms"] * 30)}


async def test_one_event_arrives_signed_and_is_recorded(svix: SvixAsync, receiver: Receiver) -> None:
    app = await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    await svix.event_type.create(EventTypeIn(name="order.paid", description="An order was paid"))
    endpoint = await svix.endpoint.create("acme", EndpointIn(url=receiver.url, event_types=["order.paid"]))

    sent = await svix.message.create(
        "acme", MessageIn(event_type="order.paid", event_id="order-1", payload={"b": 1, "a": "ü"})
    )

    (received,) = await receiver.got(1)
    secret = (await svix.endpoint.get_secret("acme", endpoint.id)).key
    headers = {name.lower(): value for name, value in received.headers}
    StandardWebhook(secret).verify(received.body, headers)
    SvixWebhook(secret).verify(received.body, headers)
    assert json.loads(received.body) == {"b": 1, "a": "ü"}
    assert headers["webhook-id"] == sent.id
    assert headers["content-type"] == "application/json"

    attempt = await one_attempt(svix, "acme", sent.id)
    assert (attempt.status, attempt.response_status_code, attempt.endpoint_id) == (0, 204, endpoint.id)
    by_endpoint = await svix.message_attempt.list_by_endpoint(app.id, endpoint.id)
    assert [row.id for row in by_endpoint.data] == [attempt.id]
    assert (await svix.message.get("acme", "order-1")).id == sent.id
    listed = await svix.message.list("acme", MessageListOptions(event_types=["order.paid"]))
    assert [row.id for row in listed.data] == [sent.id]


async def test_a_receiver_that_hangs_holds_up_no_other(
    service: Running, svix: SvixAsync, receiver: Receiver
) -> None:
    """One customer's dead server must not be everybody's outage; each of its requests hangs for 30 s."""
    async with Receiver() as dead:
        dead.never_answers()
        await svix.application.create(ApplicationIn(name="Dead", uid="dead"))
        endpoint = await svix.endpoint.create("dead", EndpointIn(url=dead.url))
        await with_endpoint(svix, receiver)
        await service.posts("dead", 400)

        await svix.message.create("acme", MessageIn(event_type="order.paid", payload={}))

        assert len(await receiver.got(1)) == 1
        await svix.endpoint.delete("dead", endpoint.id)  # the next service is not to go on with it
        await service.killed()  # a graceful stop would wait for the dead one


async def test_a_receiver_that_comes_back_gets_the_event(svix: SvixAsync, receiver: Receiver) -> None:
    """An outage costs the customer a wait, and nothing else."""
    await with_endpoint(svix, receiver)
    await receiver.goes_down()
    sent = await svix.message.create("acme", MessageIn(event_type="order.paid", payload={}))
    failed = await one_attempt(svix, "acme", sent.id)

    await receiver.comes_back()
    (received, *_) = await receiver.got(1)

    assert received.header("webhook-id") == sent.id
    assert failed.response_status_code == 0
    assert failed.response.startswith("error making request")


async def test_a_repeated_key_is_answered_and_not_sent_again(
    service: Running, svix: SvixAsync, receiver: Receiver
) -> None:
    """A producer that lost the answer may ask again, also after our restart."""
    await with_endpoint(svix, receiver)
    message = MessageIn(event_type="order.paid", payload={"id": 1})
    first = await svix.message.create("acme", message, MessageCreateOptions(idempotency_key="once"))
    await one_attempt(svix, "acme", first.id)
    await service.killed()
    await service.starts()
    again = await svix.message.create("acme", message, MessageCreateOptions(idempotency_key="once"))
    other = await svix.message.create("acme", message)

    assert again == first
    received = await receiver.got(2)
    assert [request.header("webhook-id") for request in received] == [first.id, other.id]


async def test_a_private_address_is_never_called(svix: SvixAsync) -> None:
    """The cloud's metadata service must not be reachable through a customer's endpoint."""
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    await svix.endpoint.create("acme", EndpointIn(url="http://169.254.169.254/latest/meta-data"))
    sent = await svix.message.create("acme", MessageIn(event_type="order.paid", payload={}))

    attempt = await one_attempt(svix, "acme", sent.id)

    assert attempt.response_status_code == 0
    assert attempt.response == "requests to this IP range are blocked (see the server configuration)"


async def test_a_receiver_that_is_gone_for_good_is_left_alone(svix: SvixAsync, receiver: Receiver) -> None:
    """410 says: no more of these."""
    endpoint_id = await with_endpoint(svix, receiver)
    receiver.answers_with(410)
    await svix.message.create("acme", MessageIn(event_type="order.paid", payload={}))
    await receiver.got(1)
    await eventually(lambda: svix.endpoint.get("acme", endpoint_id), until=lambda endpoint: endpoint.disabled)
    unsent = await svix.message.create("acme", MessageIn(event_type="order.paid", payload={}))

    assert await attempts_of(svix, "acme", unsent.id) == []


async def test_an_implicit_application_needs_no_call_before(svix: SvixAsync) -> None:
    message = MessageIn(
        event_type="order.paid", payload={}, application=ApplicationIn(name="New", uid="newcomer")
    )
    await svix.message.create("newcomer", message)
    assert (await svix.application.get("newcomer")).name == "New"


async def test_an_event_id_is_taken_once(svix: SvixAsync) -> None:
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    message = MessageIn(event_type="order.paid", event_id="order-1", payload={})
    await svix.message.create("acme", message)
    with pytest.raises(HttpError) as refused:
        await svix.message.create("acme", message)
    assert refused.value.status_code == 409


async def test_large_and_odd_payloads_arrive_byte_for_byte(svix: SvixAsync, receiver: Receiver) -> None:
    """Beyond what travels with the queued work, the payload is read from the store."""
    await with_endpoint(svix, receiver)
    payload = {"text": "ü" * 200_000, "n": 12345678901234567890, "f": 1.10}
    await svix.message.create("acme", MessageIn(event_type="order.paid", payload=payload))
    (received,) = await receiver.got(1)
    assert json.loads(received.body) == payload


async def with_endpoint(svix: SvixAsync, receiver: Receiver) -> str:
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    return (await svix.endpoint.create("acme", EndpointIn(url=receiver.url))).id


async def attempts_of(svix: SvixAsync, app: str, message_id: str) -> list[MessageAttemptOut]:
    options = MessageAttemptListByMsgOptions(with_content=True)
    return (await svix.message_attempt.list_by_msg(app, message_id, options)).data


async def one_attempt(svix: SvixAsync, app: str, message_id: str) -> MessageAttemptOut:
    """The first attempt on a message, as soon as it is recorded."""
    return (await eventually(lambda: attempts_of(svix, app, message_id), until=bool))[-1]
