"""Another Service Bus to run these tests against, such as Microsoft's emulator.

It has the queues of `infra/local/servicebus.json` and keeps what a test has left in them. It cannot be told
to fail, to count, or what time it is. Microsoft's takes ten connections at once, and every link is one.
"""

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusMessageState,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import MessageNotFoundError, OperationTimeoutError

from tests.emulators.servicebus.settings import read

SERVICE_BUS = os.environ.get("HELIOGRAPH_TEST_SERVICE_BUS")
"""Its connection string; None has every test run on an emulator of its own."""

QUEUES = read(Path(__file__).parents[3] / "infra" / "local" / "servicebus.json")
WITH_SESSIONS = "test-sessions"

WHY = "only our own emulator can be told to fail, to count, or what time it is"
ON_OURS = pytest.mark.skipif(SERVICE_BUS is not None, reason=WHY)

TOGETHER = 100
MOMENT_SECONDS = 1
LOCKS_END_SECONDS = 90
"""By then every lock has ended that a test before may have left."""


async def emptied(connection_string: str, queues: Iterable[str]) -> None:
    """Take everything out of a few queues and their dead letters, and wait for what is locked.

    Raises:
        TimeoutError: Somebody else is using a queue.
    """
    async with (
        asyncio.timeout(LOCKS_END_SECONDS),
        ServiceBusClient.from_connection_string(connection_string, retry_total=0) as client,
    ):
        emptying = [
            _empty_sessions(client) if one == WITH_SESSIONS else _empty(client, one) for one in queues
        ]
        dead = ServiceBusSubQueue.DEAD_LETTER
        await asyncio.gather(*emptying, *(_empty(client, one, sub_queue=dead) for one in queues))


async def _empty(client: ServiceBusClient, queue: str, **options: Any) -> None:  # noqa: ANN401  the client's
    """Empty a queue, its dead letters, or a session."""
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    async with client.get_queue_receiver(queue, receive_mode=mode, **options) as receiver:
        while found := await receiver.peek_messages(TOGETHER, sequence_number=1):
            numbers: dict[ServiceBusMessageState, list[int]] = {}
            for one in found:
                numbers.setdefault(one.state, []).append(one.sequence_number or 0)
            if scheduled := numbers.pop(ServiceBusMessageState.SCHEDULED, None):
                with suppress(MessageNotFoundError):  # it has come in between
                    async with client.get_queue_sender(queue) as sender:
                        await sender.cancel_scheduled_messages(scheduled)
            if deferred := numbers.pop(ServiceBusMessageState.DEFERRED, None):
                await receiver.receive_deferred_messages(deferred)
            if numbers:
                await receiver.receive_messages(TOGETHER, max_wait_time=MOMENT_SECONDS)


async def _empty_sessions(client: ServiceBusClient) -> None:
    with suppress(OperationTimeoutError):
        while True:
            await _empty(
                client, WITH_SESSIONS, session_id=NEXT_AVAILABLE_SESSION, max_wait_time=MOMENT_SECONDS
            )
