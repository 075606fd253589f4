"""The lists that are measured are full: a filter that finds nothing is fast and proves nothing."""

import asyncio
from pathlib import Path

from shared.adapters.sqlite.store import SqliteStore
from shared.domain.attempt import Status
from shared.domain.paging import Scan
from shared.domain.work import RETRY_QUEUE
from shared.ports.attempts import AttemptFilter
from shared.ports.destinations import AttemptedMessageFilter
from shared.ports.messages import MessageFilter
from tests.bench import lists
from tests.bench.service import ORGANIZATION
from tests.clock import MovedClock

COUNT = 600
EVERYTHING = Scan(None, None, descending=True, limit=COUNT)


async def test_what_is_made_is_what_the_service_lists(tmp_path: Path) -> None:
    database = tmp_path / "heliograph.db"
    await asyncio.to_thread(lists.fill, database, COUNT)
    store = SqliteStore.open(database, MovedClock())
    application = await store.applications.get(ORGANIZATION, lists.APPLICATION_UID)
    endpoint = await store.endpoints.get(application.id, lists.ENDPOINT_UID)

    messages = await store.messages.scan(application.id, EVERYTHING, MessageFilter())
    attempts = await store.attempts.of_endpoint(endpoint.app_id, endpoint.id, EVERYTHING, AttemptFilter())
    of_endpoint = await store.destinations.messages_at(
        application.id, endpoint.id, EVERYTHING, AttemptedMessageFilter()
    )
    assert len(messages) == len(attempts) == len(of_endpoint) == COUNT
    assert [row.message.id for row in of_endpoint] == [message.id for message in messages]
    failed = await store.attempts.of_endpoint(
        endpoint.app_id, endpoint.id, EVERYTHING, AttemptFilter(status=Status.FAIL)
    )
    on_channel = await store.messages.scan(application.id, EVERYTHING, MessageFilter(channel="common"))
    tagged = await store.messages.scan(application.id, EVERYTHING, MessageFilter(tag="common"))
    both = MessageFilter(tag="common", channel="common")
    assert 0 < len(failed) < COUNT / 10
    assert 0 < len(on_channel) < COUNT / 4
    assert 0 < len(tagged) < COUNT / 4
    assert await store.messages.scan(application.id, EVERYTHING, both)
    assert (await store.queue.backlog(RETRY_QUEUE)).scheduled == COUNT / lists.RETRY_EACH
    await store.close()
