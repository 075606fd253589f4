"""Where queues outlive a test, nothing is left in them for the next."""

from datetime import UTC, datetime, timedelta

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from tests.emulators.servicebus.elsewhere import QUEUES, WITH_SESSIONS, emptied
from tests.emulators.servicebus.server import Server

Q = "dispatch"


async def test_everything_is_taken_out_of_the_queues() -> None:
    later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251  the service's clock is the machine's
    async with Server(QUEUES) as server:
        async with (
            ServiceBusClient.from_connection_string(server.connection_string) as client,
            client.get_queue_sender(Q) as sender,
            client.get_queue_receiver(Q) as receiver,
            client.get_queue_sender(WITH_SESSIONS) as talker,
        ):
            await sender.send_messages([ServiceBusMessage(b"%d" % number) for number in range(3)])
            dead, deferred = await receiver.receive_messages(2, max_wait_time=5)
            await receiver.dead_letter_message(dead)
            await receiver.defer_message(deferred)
            await sender.schedule_messages(ServiceBusMessage(b"later"), later)
            await talker.send_messages(ServiceBusMessage(b"a", session_id="1"))
        lie_there = [queue.path for queue in server.broker.queues.values() for _ in queue.messages]
        assert sorted(lie_there) == [Q, Q, Q, f"{Q}/$deadletterqueue", WITH_SESSIONS]

        await emptied(server.connection_string, [Q, WITH_SESSIONS])

        assert not any(queue.messages for queue in server.broker.queues.values())
