"""Transactional batches."""

from typing import Any

import pytest
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError

PK = "acme|1"


def message(name: str = "one", **properties: object) -> dict[str, Any]:
    return {"id": name, "pk": PK, **properties}


async def ids(container: ContainerProxy) -> list[str]:
    return sorted([one["id"] async for one in container.read_all_items()])


async def test_all_of_a_batch_is_done_in_its_order(container: ContainerProxy) -> None:
    await container.create_item(message("old"))

    results = await container.execute_item_batch(
        [
            ("create", (message("one", n=1),)),
            ("upsert", (message("one", n=2),)),
            ("patch", ("one", [{"op": "incr", "path": "/n", "value": 2}])),
            ("read", ("one",)),
            ("replace", ("one", message("one", n=7))),
            ("delete", ("old",)),
        ],
        PK,
    )

    assert [one["statusCode"] for one in results] == [201, 200, 200, 200, 200, 204]
    assert results[3]["resourceBody"]["n"] == 4
    assert results[4]["eTag"] == (await container.read_item("one", PK))["_etag"]
    assert all(one["requestCharge"] > 0 for one in results)
    assert await ids(container) == ["one"]


async def test_nothing_of_a_batch_is_done_if_one_part_is_refused(container: ContainerProxy) -> None:
    before = await container.create_item(message("taken", n=1))
    await container.create_item(message("kept"))

    with pytest.raises(CosmosBatchOperationError) as error:
        await container.execute_item_batch(
            [
                ("create", (message("new"),)),
                ("patch", ("taken", [{"op": "set", "path": "/n", "value": 2}])),
                ("delete", ("kept",)),
                ("create", (message("taken"),)),
                ("create", (message("other"),)),
            ],
            PK,
        )

    assert error.value.status_code == 409
    assert error.value.error_index == 3
    assert [one["statusCode"] for one in error.value.operation_responses] == [424, 424, 424, 409, 424]
    assert await ids(container) == ["kept", "taken"]
    assert dict(await container.read_item("taken", PK)) == dict(before)


@pytest.mark.parametrize(
    ("part", "status"),
    [
        (("replace", ("one", message("one")), {"if_match_etag": "other"}), 412),
        (("delete", ("one",), {"if_match_etag": "other"}), 412),
        (
            (
                "patch",
                ("one", [{"op": "set", "path": "/n", "value": 2}]),
                {"filter_predicate": "from c where c.n = 9"},
            ),
            412,
        ),
        (("read", ("missing",)), 404),
        (("create", ({"pk": PK},)), 400),
        (("create", ({"id": "x", "pk": "other"},)), 400),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_part_is_refused_as_the_operation_alone_would_be(
    container: ContainerProxy, part: tuple[Any, ...], status: int
) -> None:
    await container.create_item(message("one", n=1))

    with pytest.raises(CosmosBatchOperationError) as error:
        await container.execute_item_batch([("create", (message("new"),)), part], PK)

    assert (error.value.status_code, error.value.error_index) == (status, 1)
    assert await ids(container) == ["one"]


async def test_a_part_is_done_in_the_state_that_it_names(container: ContainerProxy) -> None:
    etag = (await container.create_item(message("one", n=1)))["_etag"]

    results = await container.execute_item_batch(
        [("replace", ("one", message("one", n=2)), {"if_match_etag": etag})], PK
    )

    assert results[0]["resourceBody"]["n"] == 2


@pytest.mark.filterwarnings("ignore:Sending a large body")  # of aiohttp, which would like a file
async def test_a_batch_has_a_hundred_parts_and_two_megabytes_at_most(container: ContainerProxy) -> None:
    await container.execute_item_batch([("upsert", (message(f"m{n}"),)) for n in range(100)], PK)

    with pytest.raises(CosmosHttpResponseError) as error:
        await container.execute_item_batch([("upsert", (message(f"m{n}"),)) for n in range(101)], PK)
    assert error.value.status_code == 400

    half = "x" * 1024 * 1024
    with pytest.raises(CosmosHttpResponseError) as error:
        await container.execute_item_batch(
            [("upsert", (message(f"m{n}", payload=half),)) for n in range(2)], PK
        )
    assert error.value.status_code == 413
