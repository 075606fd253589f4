"""A backend that sends its events as queue messages, by Azure's own SDK, against the running service."""

import json

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from svix.api import EndpointOut, SvixAsync

from shared.domain.work import EVENTS_QUEUE
from tests.emulators.azure import Azure
from tests.journeys.running import Running, eventually
from tests.receivers import Receiver

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("profile", ["azure"], indirect=True)
async def test_events_that_were_sent_while_nobody_was_there_arrive_once_each(
    service: Running, profile: Azure, svix: SvixAsync, receiver: Receiver, endpoint: EndpointOut
) -> None:
    """The second is sent twice, as by a backend that did not hear that it was taken the first time."""
    del endpoint
    await service.killed()
    async with (
        ServiceBusClient.from_connection_string(profile.settings["ServiceBus"]) as client,
        client.get_queue_sender(EVENTS_QUEUE) as sender,
    ):
        for number in (1, 2, 2):
            await sender.send_messages(event(service.organization, number))
    await service.starts()

    received = await receiver.got(2)
    await eventually(service.queues, until=lambda queues: queues[EVENTS_QUEUE]["due"] == 0)
    listed = (await svix.message.list("acme")).data
    assert sorted(one.body for one in received) == [b'{"n": 1}', b'{"n": 2}']
    assert {one.header("webhook-id") for one in received} == {message.id for message in listed}
    assert {(one.header("traceparent") or "")[:35] for one in received} == {PARENT[:35]}


def event(org_id: str, number: int) -> ServiceBusMessage:
    message = {"eventType": "order.paid", "payload": {"n": number}}
    return ServiceBusMessage(
        json.dumps({"orgId": org_id, "appId": "acme", "message": message}),
        message_id=f"order-{number}",
        application_properties={"traceparent": PARENT},
    )
