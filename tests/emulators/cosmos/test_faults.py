"""Faults, and what the SDK makes of them: the behaviour that adapters must be right under."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceExistsError

from tests.emulators.cosmos import CLOSE, CosmosEmulator, Fault

MOMENT = timedelta(milliseconds=1)


def message(name: str = "one", **properties: object) -> dict[str, Any]:
    return {"id": name, "pk": "acme|1", **properties}


@pytest_asyncio.fixture
async def container(cosmos: CosmosEmulator) -> AsyncIterator[ContainerProxy]:
    """Of a client that has asked for everything that it asks for once."""
    transport = AioHttpTransport(use_env_settings=False)
    async with CosmosClient(cosmos.endpoint, cosmos.key, transport=transport) as client:
        database = await client.create_database("heliograph")
        container = await database.create_container("messages", PartitionKey("/pk"))
        await container.upsert_item(message("warm"))
        await container.read_item("warm", "acme|1")
        cosmos.counts.clear()
        yield container


async def test_a_throttled_request_is_sent_again_after_the_rest_it_was_given(
    cosmos: CosmosEmulator, container: ContainerProxy
) -> None:
    fault = cosmos.inject(Fault("create", answer=429, retry_after=MOMENT, times=3))

    await container.create_item(message())

    assert fault.struck == 3
    assert cosmos.counts.of("create") == 4


async def test_a_batch_that_is_throttled_is_sent_again_whole(
    cosmos: CosmosEmulator, container: ContainerProxy
) -> None:
    cosmos.inject(Fault("batch", answer=429, retry_after=MOMENT))

    await container.execute_item_batch([("create", (message(),))], "acme|1")

    assert cosmos.counts.of("batch") == 2


async def test_throttling_that_does_not_end_reaches_the_caller(
    cosmos: CosmosEmulator, container: ContainerProxy
) -> None:
    cosmos.inject(Fault(answer=429, retry_after=MOMENT, times=None))

    with pytest.raises(CosmosHttpResponseError) as error:
        await container.read_item("warm", "acme|1")

    assert error.value.status_code == 429


@pytest.mark.parametrize(("status", "sub_status"), [(449, None), (403, 5300), (500, None), (408, None)])
async def test_any_status_can_be_had_instead_of_a_write(
    cosmos: CosmosEmulator, container: ContainerProxy, status: int, sub_status: int | None
) -> None:
    cosmos.inject(Fault("create", answer=status, sub_status=sub_status or 0))

    with pytest.raises(CosmosHttpResponseError) as error:
        await container.create_item(message())

    assert (error.value.status_code, error.value.sub_status) == (status, sub_status)
    assert [one["id"] async for one in container.read_all_items()] == ["warm"]


async def test_a_connection_that_closes_before_the_effect_is_tried_again(
    cosmos: CosmosEmulator, container: ContainerProxy
) -> None:
    cosmos.inject(Fault("create", answer=CLOSE))

    await container.create_item(message())

    assert cosmos.counts.of("create") == 2


async def test_a_write_whose_answer_is_lost_is_sent_again_and_meets_itself(
    cosmos: CosmosEmulator, container: ContainerProxy
) -> None:
    cosmos.inject(Fault("create", answer=CLOSE, applied=True))

    with pytest.raises(CosmosResourceExistsError):
        await container.create_item(message())

    assert (await container.read_item("one", "acme|1"))["id"] == "one"


async def test_a_client_without_retries_hears_of_a_lost_answer(
    cosmos: CosmosEmulator, container: ContainerProxy
) -> None:
    cosmos.inject(Fault("patch", answer=CLOSE, applied=True))
    transport = AioHttpTransport(use_env_settings=False)
    async with CosmosClient(
        cosmos.endpoint, cosmos.key, transport=transport, retry_connect=0, retry_read=0
    ) as client:
        careful = client.get_database_client("heliograph").get_container_client("messages")

        with pytest.raises(ServiceRequestError):
            await careful.patch_item("warm", "acme|1", [{"op": "incr", "path": "/n", "value": 1}])

    assert (await container.read_item("warm", "acme|1"))["n"] == 1


async def test_an_effect_can_come_with_an_error(cosmos: CosmosEmulator, container: ContainerProxy) -> None:
    cosmos.inject(Fault("create", answer=500, applied=True))

    with pytest.raises(CosmosHttpResponseError):
        await container.create_item(message())

    assert (await container.read_item("one", "acme|1"))["id"] == "one"


@pytest.mark.parametrize("applied", [False, True])
async def test_an_answer_can_be_slower_than_the_client_waits(
    cosmos: CosmosEmulator, container: ContainerProxy, *, applied: bool
) -> None:
    cosmos.inject(Fault("create", delay=timedelta(seconds=5), applied=applied))
    transport = AioHttpTransport(use_env_settings=False)
    async with CosmosClient(
        cosmos.endpoint, cosmos.key, transport=transport, retry_connect=0, retry_read=0
    ) as client:
        hasty = client.get_database_client("heliograph").get_container_client("messages")
        await hasty.read_item("warm", "acme|1")

        with pytest.raises(ServiceResponseError):
            await hasty.create_item(message(), read_timeout=0.05)

    stored = [one["id"] async for one in container.read_all_items()]
    assert stored == (["warm", "one"] if applied else ["warm"])


async def test_a_slow_answer_comes(cosmos: CosmosEmulator, container: ContainerProxy) -> None:
    fault = cosmos.inject(Fault("read", delay=MOMENT))

    assert (await container.read_item("warm", "acme|1"))["id"] == "warm"
    assert fault.struck == 1


async def test_a_fault_strikes_what_it_names_as_often_as_it_says(
    cosmos: CosmosEmulator, container: ContainerProxy
) -> None:
    fault = cosmos.inject(Fault("create", container="messages", skips=1, times=1, answer=403))
    cosmos.inject(Fault("create", container="others", answer=403))
    cosmos.inject(Fault("batch", answer=403))

    await container.create_item(message("first"))
    with pytest.raises(CosmosHttpResponseError):
        await container.create_item(message("second"))
    await container.create_item(message("third"))

    assert fault.struck == 1
    cosmos.faults.clear()
    await container.execute_item_batch([("create", (message("fourth"),))], "acme|1")


async def test_a_fault_without_a_name_strikes_no_other_than_operations_on_documents(
    cosmos: CosmosEmulator, container: ContainerProxy
) -> None:
    cosmos.inject(Fault(answer=403, times=None))

    await container.read()

    with pytest.raises(CosmosHttpResponseError):
        await container.read_item("warm", "acme|1")


async def test_an_item_that_is_given_whole_counts_for_its_container(
    cosmos: CosmosEmulator, container: ContainerProxy
) -> None:
    fault = cosmos.inject(Fault("replace", container="messages", answer=429, retry_after=MOMENT))
    whole = await container.read_item("warm", "acme|1")

    await container.replace_item(whole, message("warm", n=1))

    assert fault.struck == 1
    assert cosmos.counts.of("replace", container="messages") == 2


async def test_operations_are_counted_by_kind_and_container(
    cosmos: CosmosEmulator, container: ContainerProxy
) -> None:
    await container.create_item(message())
    await container.read_item("one", "acme|1")
    await container.read_item("one", "acme|1")
    await container.execute_item_batch(
        [("upsert", (message("two"),)), ("upsert", (message("three"),)), ("read", ("one",))], "acme|1"
    )
    [_ async for _ in container.query_items("SELECT TOP 1 * FROM c", partition_key="acme|1")]

    assert list(cosmos.counts) == [
        *(("batch", "messages", 1), ("batch.read", "messages", 1), ("batch.upsert", "messages", 2)),
        *(("create", "messages", 1), ("query", "messages", 1), ("read", "messages", 2)),
    ]
    assert cosmos.counts.operations() == cosmos.counts.operations("messages") == 5
    assert cosmos.counts.of("read", "query") == 3
    assert cosmos.counts.operations("others") == 0
