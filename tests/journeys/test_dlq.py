"""From work that was given up to work that is done, by the command line against the running service."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from svix.api import ApplicationIn, EndpointIn

from shared.adapters.sqlite.store import SqliteStore
from shared.adapters.system import SystemClock
from shared.domain.work import DISPATCH_QUEUE, EVENTS_QUEUE, Dispatch, to_body
from tests.emulators.azure import Azure
from tests.journeys.running import JWT_SECRET, Running, eventually
from tests.makers import a_message, an_application
from tests.receivers import Receiver

WHY = "the store was down"
UNREADABLE = b"{"


@pytest.fixture
async def running(tmp_path: Path, profile: Azure | None) -> AsyncIterator[Running]:
    async with Running(tmp_path, azure=profile, jwt_secret=JWT_SECRET) as running:
        running.knows_nobody()
        yield running


async def give_up_on_sqlite(running: Running, dispatch: bytes) -> None:
    store = SqliteStore.open(running.folder / "heliograph.db", SystemClock())
    await store.queue.reject(DISPATCH_QUEUE, dispatch, reason=WHY)
    await store.queue.send(EVENTS_QUEUE, UNREADABLE)
    await store.close()


async def give_up_on_service_bus(azure: Azure, dispatch: bytes) -> None:
    async with ServiceBusClient.from_connection_string(azure.settings["ServiceBus"]) as client:
        for queue, body in ((DISPATCH_QUEUE, dispatch), (EVENTS_QUEUE, UNREADABLE)):
            async with client.get_queue_sender(queue) as sender:
                await sender.send_messages(ServiceBusMessage(body))
        async with client.get_queue_receiver(DISPATCH_QUEUE) as receiver:
            async for message in receiver:
                if b"".join(message.body) == dispatch:
                    await receiver.dead_letter_message(message, reason=WHY)
                    return


async def test_who_is_on_call_reads_what_was_given_up_and_has_it_done(
    running: Running, profile: Azure | None, receiver: Receiver
) -> None:
    """Of two, one is what the service itself gives up: an event that cannot be accepted."""
    svix = running.svix()
    app = await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    await svix.endpoint.create("acme", EndpointIn(url=receiver.url))
    await running.stopped()
    message = a_message(an_application(id=app.id))
    dispatch = to_body(
        Dispatch(running.organization, app.id, message.id, "invoice.paid", payload='{"amount": 1200}')
    )
    if profile is None:
        await give_up_on_sqlite(running, dispatch)
    else:
        await give_up_on_service_bus(profile, dispatch)
    await running.starts()

    await eventually(running.queues, until=lambda queues: queues[EVENTS_QUEUE]["deadLetters"] == 1)
    given_up, refused = (await running.run("dlq", "list")).splitlines()
    redriven = await running.run("dlq", "redrive", "dispatch")

    # Service Bus does not say when.
    assert given_up.startswith("dispatch 20" if profile is None else "dispatch some time ")
    assert given_up.endswith(f" {running.organization} {app.id} {message.id}: {WHY}")
    assert refused.startswith("events   20")
    assert refused.endswith(" (unreadable): body: Input data was truncated")
    assert redriven == "dispatch: 1 will be handed over again"
    (arrived,) = await receiver.got(1)
    assert (arrived.header("webhook-id"), arrived.body) == (message.id, b'{"amount": 1200}')
    assert await running.run("dlq", "redrive", "dispatch", "--url", running.url) == "Nothing was given up."
