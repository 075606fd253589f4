"""Documents, one at a time."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from tests.clock import MovedClock
from tests.emulators.cosmos import CosmosEmulator


def message(name: str = "one", **properties: object) -> dict[str, Any]:
    return {"id": name, "pk": "acme|1", **properties}


async def refused(awaitable: Awaitable[object]) -> tuple[int | None, int]:
    """Status and sub-status of what must fail."""
    with pytest.raises(CosmosHttpResponseError) as error:
        await awaitable
    return error.value.status_code, int(error.value.sub_status or 0)


async def test_what_was_created_is_read_with_what_the_service_adds(container: ContainerProxy) -> None:
    created = await container.create_item(message(text="ä☃", numbers=[1, 2.5, None, True]))

    read = await container.read_item("one", "acme|1")

    assert dict(read) == dict(created)
    assert read["numbers"] == [1, 2.5, None, True]
    assert {"_rid", "_self", "_etag", "_ts", "_attachments"} <= read.keys()


async def test_an_answer_says_its_charge_etag_and_session(container: ContainerProxy) -> None:
    headers = (await container.create_item(message())).get_response_headers()

    assert float(headers["x-ms-request-charge"]) > 0
    assert headers["etag"]
    assert "-1#" in headers["x-ms-session-token"]


async def test_an_account_with_sessions_serves_what_the_client_has_seen_and_nothing_from_ahead(
    cosmos: CosmosEmulator, connection: tuple[str, str], database: DatabaseProxy, container: ContainerProxy
) -> None:
    cosmos.gateway.consistency = "Session"
    async with CosmosClient(*connection, transport=AioHttpTransport(use_env_settings=False)) as client:
        messages = client.get_database_client(database.id).get_container_client(container.id)
        seen = (await messages.create_item(message())).get_response_headers()["x-ms-session-token"]

        assert (await messages.read_item("one", "acme|1"))["id"] == "one"
        with pytest.raises(CosmosHttpResponseError, match="read session"):
            await messages.read_item("one", "acme|1", session_token=seen + "0")


async def test_the_same_id_is_taken_once_in_a_partition(container: ContainerProxy) -> None:
    await container.create_item(message())
    await container.create_item(message() | {"pk": "acme|2"})

    with pytest.raises(CosmosResourceExistsError):
        await container.create_item(message())


async def test_a_missing_document_is_missing_for_every_operation(container: ContainerProxy) -> None:
    for operation in (
        container.read_item("one", "acme|1"),
        container.replace_item("one", message()),
        container.delete_item("one", "acme|1"),
        container.patch_item("one", "acme|1", [{"op": "set", "path": "/n", "value": 1}]),
    ):
        with pytest.raises(CosmosResourceNotFoundError):
            await operation


async def test_upsert_creates_and_then_replaces(container: ContainerProxy) -> None:
    first = await container.upsert_item(message(n=1))
    second = await container.upsert_item(message(m=2))

    assert first["_etag"] != second["_etag"]
    assert first["_rid"] == second["_rid"]
    assert "n" not in await container.read_item("one", "acme|1")


async def test_replace_and_delete_heed_the_etag(container: ContainerProxy) -> None:
    old = await container.create_item(message(n=1))
    new = await container.replace_item(
        "one", message(n=2), etag=old["_etag"], match_condition=MatchConditions.IfNotModified
    )

    for stale in (
        container.replace_item(
            "one", message(n=3), etag=old["_etag"], match_condition=MatchConditions.IfNotModified
        ),
        container.upsert_item(message(n=3), etag=old["_etag"], match_condition=MatchConditions.IfNotModified),
        container.delete_item(
            "one", "acme|1", etag=old["_etag"], match_condition=MatchConditions.IfNotModified
        ),
    ):
        with pytest.raises(CosmosAccessConditionFailedError):
            await stale

    assert (await container.read_item("one", "acme|1"))["n"] == 2
    await container.delete_item(
        "one", "acme|1", etag=new["_etag"], match_condition=MatchConditions.IfNotModified
    )


async def test_a_read_of_a_known_state_brings_nothing(container: ContainerProxy) -> None:
    known = await container.create_item(message())

    again = await container.read_item(
        "one", "acme|1", etag=known["_etag"], match_condition=MatchConditions.IfModified
    )

    assert dict(again) == {}


async def test_a_write_can_go_without_its_answer(container: ContainerProxy) -> None:
    assert dict(await container.create_item(message(), no_response=True)) == {}
    assert (await container.read_item("one", "acme|1"))["id"] == "one"


async def test_an_item_that_is_given_whole_is_found_by_its_own_link(container: ContainerProxy) -> None:
    whole = await container.create_item(message(n=1))

    assert (await container.replace_item(whole, message(n=2)))["n"] == 2
    await container.delete_item(whole, "acme|1")

    assert await refused(container.read_item("one", "acme|1")) == (404, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pk": "acme|1"},
        {"id": "", "pk": "acme|1"},
        {"id": 7, "pk": "acme|1"},
        {"id": "a/b", "pk": "acme|1"},
        {"id": "x" * 1024, "pk": "acme|1"},
        {"id": "one", "pk": "acme|1", "ttl": 0},
        {"id": "one", "pk": "acme|1", "ttl": "1"},
    ],
    ids=str,
)
async def test_a_document_that_the_service_would_not_take_is_refused(
    cosmos: CosmosEmulator, container: ContainerProxy, wrong: dict[str, Any]
) -> None:
    with pytest.raises((CosmosHttpResponseError, ValueError, TypeError)) as error:
        await container.create_item(wrong)

    assert getattr(error.value, "status_code", 400) == 400


@pytest.mark.filterwarnings("ignore:Sending a large body")  # of aiohttp, which would like a file
async def test_a_document_of_more_than_two_megabytes_is_too_large(container: ContainerProxy) -> None:
    assert (await refused(container.create_item(message(payload="x" * 2 * 1024 * 1024))))[0] == 413


async def test_patch_changes_single_properties(container: ContainerProxy) -> None:
    await container.create_item(message(n=1, old=True, list=[1, 3], inner={"a": 1}, from_="here"))

    patched = await container.patch_item(
        "one",
        "acme|1",
        [
            {"op": "add", "path": "/list/1", "value": 2},
            {"op": "add", "path": "/list/-", "value": 4},
            {"op": "set", "path": "/list/0", "value": 0},
            {"op": "set", "path": "/inner/b", "value": {"deep": [1]}},
            {"op": "replace", "path": "/inner/a", "value": 2},
            {"op": "remove", "path": "/old"},
            {"op": "incr", "path": "/n", "value": 2},
            {"op": "incr", "path": "/fresh", "value": 0.5},
            {"op": "move", "from": "/from_", "path": "/to"},
        ],
    )

    assert {name: value for name, value in patched.items() if not name.startswith("_")} == {
        "id": "one",
        "pk": "acme|1",
        "n": 3,
        "fresh": 0.5,
        "to": "here",
        "list": [0, 2, 3, 4],
        "inner": {"a": 2, "b": {"deep": [1]}},
    }


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "set", "path": "/id", "value": "two"},
        {"op": "set", "path": "/pk", "value": "acme|2"},
        {"op": "set", "path": "/_etag", "value": "x"},
        {"op": "set", "path": "/missing/deep", "value": 1},
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "remove", "path": "/missing"},
        {"op": "set", "path": "/list/9", "value": 1},
        {"op": "incr", "path": "/text", "value": 1},
        {"op": "incr", "path": "/n", "value": "1"},
        {"op": "multiply", "path": "/n", "value": 2},
    ],
    ids=str,
)
async def test_a_patch_that_cannot_be_made_changes_nothing(
    container: ContainerProxy, operation: dict[str, Any]
) -> None:
    before = await container.create_item(message(n=1, text="x", list=[1]))

    operations = [{"op": "set", "path": "/n", "value": 5}, operation]

    assert (await refused(container.patch_item("one", "acme|1", operations)))[0] == 400
    assert dict(await container.read_item("one", "acme|1")) == dict(before)


async def test_a_patch_has_ten_operations_at_most(container: ContainerProxy) -> None:
    await container.create_item(message())
    operations = [{"op": "set", "path": f"/n{number}", "value": number} for number in range(11)]

    await container.patch_item("one", "acme|1", operations[:10])

    assert (await refused(container.patch_item("one", "acme|1", operations)))[0] == 400


async def test_a_patch_is_made_only_if_its_condition_is_true(container: ContainerProxy) -> None:
    await container.create_item(message(state="due", lease={"owner": "a'b"}))
    release = [{"op": "set", "path": "/state", "value": "free"}]
    condition = "from c where c.state = 'due' and c.lease.owner = \"a'b\" and not is_defined(c.ended)"

    await container.patch_item("one", "acme|1", release, filter_predicate=condition)

    with pytest.raises(CosmosAccessConditionFailedError) as error:
        await container.patch_item("one", "acme|1", release, filter_predicate=condition)
    assert error.value.sub_status == 1110


async def test_a_patch_heeds_the_etag(container: ContainerProxy) -> None:
    old = await container.create_item(message(n=1))
    change = [{"op": "incr", "path": "/n", "value": 1}]
    matching = {"etag": old["_etag"], "match_condition": MatchConditions.IfNotModified}

    assert (await container.patch_item("one", "acme|1", change, **matching))["n"] == 2
    assert (await refused(container.patch_item("one", "acme|1", change, **matching)))[0] == 412


async def test_a_document_ends_when_its_time_is_over(
    cosmos: CosmosEmulator, container: ContainerProxy, clock: MovedClock
) -> None:
    await container.create_item(message("short", ttl=10))
    await container.create_item(message("long"))

    clock.move(timedelta(seconds=9))
    await container.read_item("short", "acme|1")
    clock.move(timedelta(seconds=1))

    assert await refused(container.read_item("short", "acme|1")) == (404, 0)
    assert [one["id"] async for one in container.read_all_items()] == ["long"]
    await container.create_item(message("short", ttl=-1))


async def test_what_is_over_is_forgotten_when_somebody_looks(
    cosmos: CosmosEmulator, container: ContainerProxy, clock: MovedClock
) -> None:
    await container.create_item({"id": "one", "pk": "acme|1", "ttl": 1})
    clock.move(timedelta(seconds=1))

    assert [one async for one in container.query_items("SELECT * FROM c", partition_key="acme|1")] == []

    [database] = cosmos.gateway.account.databases.values()
    assert all(not one.documents for one in database.containers["messages"].partitions.values())


async def test_a_change_begins_the_time_anew(
    cosmos: CosmosEmulator, container: ContainerProxy, clock: MovedClock
) -> None:
    await container.create_item(message(ttl=10))
    clock.move(timedelta(seconds=9))
    await container.patch_item("one", "acme|1", [{"op": "set", "path": "/n", "value": 1}])
    clock.move(timedelta(seconds=9))

    assert (await container.read_item("one", "acme|1"))["n"] == 1


async def test_the_containers_own_time_counts_for_documents_without_one(
    cosmos: CosmosEmulator, database: DatabaseProxy
) -> None:
    short = await database.create_container("short", PartitionKey("/pk"), default_ttl=60)
    forever = await database.create_container("forever", PartitionKey("/pk"))
    await short.create_item(message())
    await short.create_item(message("longer", ttl=61))
    await forever.create_item(message(ttl=1))

    cosmos.clock.move(timedelta(seconds=60))

    assert [one["id"] async for one in short.read_all_items()] == ["longer"]
    assert [one["id"] async for one in forever.read_all_items()] == ["one"]


async def test_a_number_that_the_service_would_round_is_refused(
    cosmos: CosmosEmulator, impatient: ContainerProxy
) -> None:
    await impatient.create_item(message(n=2**53, text=":1234567890123456789", half=0.1234567890123456789))

    for wrong in (2**53 + 1, [{"deep": -(2**60)}]):
        assert (await refused(impatient.create_item(message("two", n=wrong))))[0] == 501


async def test_what_the_emulator_does_not_know_it_refuses(
    cosmos: CosmosEmulator, impatient: ContainerProxy
) -> None:
    container = impatient
    etag = (await container.create_item(message()))["_etag"]
    unknown: list[Awaitable[object]] = [
        container.create_item(message("two"), pre_trigger_include="trigger"),
        container.upsert_item(message("two"), etag=etag, match_condition=MatchConditions.IfNotModified),
        container.upsert_item(message(), match_condition=MatchConditions.IfMissing),
        container.get_throughput(),
        container.delete_all_items_by_partition_key("acme|1"),
        anext(container.query_items_change_feed(start_time="Beginning")),
        anext(container.query_conflicts("SELECT * FROM c")),
    ]

    for operation in unknown:
        assert (await refused(operation))[0] == 501
