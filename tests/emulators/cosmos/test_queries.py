"""Queries: within a partition, within a range, and across all of them by the plan that the SDK asks for."""

from collections.abc import Mapping
from typing import Any

import pytest
import pytest_asyncio
from azure.core.exceptions import AzureError
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, DatabaseProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

from tests.emulators.cosmos import CosmosEmulator

PK = "acme|1"
PARTITIONS = [f"acme|{shard}" for shard in range(8)]


async def rows(container: ContainerProxy, query: str, **options: Any) -> list[Any]:  # noqa: ANN401  # of the SDK
    """All that a query finds; `parameters` are given as one object."""
    given = [{"name": f"@{name}", "value": value} for name, value in options.pop("given", {}).items()]
    return [one async for one in container.query_items(query, parameters=given, **options)]


async def ids(container: ContainerProxy, query: str, **options: Any) -> list[str]:  # noqa: ANN401  # of the SDK
    return [one["id"] for one in await rows(container, query, **options)]


async def refusal(container: ContainerProxy, query: str, **options: Any) -> int | None:  # noqa: ANN401  # of the SDK
    with pytest.raises(CosmosHttpResponseError) as error:
        await rows(container, query, **options)
    return error.value.status_code


DOCUMENTS: list[dict[str, Any]] = [
    {"id": "a", "state": "due", "due": 3, "tags": ["x", "y"], "inner": {"deep": 1}},
    {"id": "b", "state": "due", "due": 1, "tags": [], "ended": None},
    {"id": "c", "state": "done", "due": 2, "tags": ["x"], "ended": "2026"},
    {"id": "d", "state": "done", "due": 2.5, "flag": True, "odd name": 1},
    {"id": "e", "state": "ended", "due": "late", "flag": False},
]


@pytest_asyncio.fixture
async def few(container: ContainerProxy) -> ContainerProxy:
    """A few documents in one partition, and one in another."""
    await container.execute_item_batch([("create", ({**one, "pk": PK},)) for one in DOCUMENTS], PK)
    await container.create_item({"id": "elsewhere", "pk": "acme|2", "state": "due", "due": 9})
    return container


@pytest_asyncio.fixture
async def many(container: ContainerProxy) -> ContainerProxy:
    """Forty documents over eight partitions and all ranges: m00 to m39."""
    for pk in PARTITIONS:
        numbers = range(PARTITIONS.index(pk), 40, len(PARTITIONS))
        await container.execute_item_batch(
            [
                (
                    "create",
                    ({"id": f"m{n:02}", "pk": pk, "n": n, "state": "odd" if n % 2 else "even", "due": n},),
                )
                for n in numbers
            ],
            pk,
        )
    return container


CONDITIONS = {
    "c.state = 'due'": "ab",
    'c.state = "due"': "ab",
    "c.state != 'due'": "cde",
    "c.state <> 'due'": "cde",
    "c.due < 2": "b",
    "c.due <= 2": "bc",
    "c.due > 2": "ad",
    "c.due >= 2": "acd",
    "c.due > -1": "abcd",
    "c.due = 2.5": "d",
    "c.due = 'late'": "e",
    "c.id > 'b' AND c.id <= 'd'": "cd",
    "c.state = 'due' OR c.due = 2": "abc",
    "c.state = 'due' and (c.due = 3 or c.due = 2)": "a",
    "c.state = 'due' OR c.state = 'done' AND c.due = 2": "abc",
    "NOT c.state = 'due'": "cde",
    "NOT (c.state = 'due' OR c.state = 'done')": "e",
    "c.state IN ('due', 'ended')": "abe",
    "c.state NOT IN ('due', 'ended')": "cd",
    "c.due BETWEEN 2 AND 2.5": "cd",
    "c.due NOT BETWEEN 2 AND 2.5": "ab",
    "IS_DEFINED(c.ended)": "bc",
    "NOT IS_DEFINED(c.ended)": "ade",
    "is_null(c.ended)": "b",
    "c.ended = null": "b",
    "IS_STRING(c.ended)": "c",
    "IS_NUMBER(c.due)": "abcd",
    "IS_BOOL(c.flag)": "de",
    "IS_ARRAY(c.tags)": "abc",
    "IS_OBJECT(c.inner)": "a",
    "c.flag": "d",
    "c.flag = true": "d",
    "NOT c.flag": "e",
    "c.flag = false": "e",
    "ARRAY_CONTAINS(c.tags, 'x')": "ac",
    "ARRAY_CONTAINS(['b', 'e'], c.id)": "be",
    "ARRAY_LENGTH(c.tags) = 0": "b",
    "STARTSWITH(c.state, 'd')": "abcd",
    "STARTSWITH(c.state, 'D')": "",
    "STARTSWITH(c.state, 'D', true)": "abcd",
    "ENDSWITH(c.state, 'ed')": "e",
    "CONTAINS(c.state, 'on')": "cd",
    "LENGTH(c.state) = 3": "ab",
    "UPPER(c.state) = 'DUE'": "ab",
    "LOWER('DUE') = c.state": "ab",
    "c.inner.deep = 1": "a",
    'c["inner"]["deep"] = 1': "a",
    "c['odd name'] = 1": "d",
    "IS_DEFINED(c['by'])": "",
    "c.inner.deep.deeper = 1": "",
    "c.tags = ['x']": "c",
    "c.missing = 1": "",
    "c.missing != 1": "",
    "NOT c.missing = 1": "",
    "c.due > 'a'": "e",
    "c.state = 1": "",
    "c.state != 1": "",
    "c.missing = 1 OR c.id = 'a'": "a",
    "NOT (c.missing = 1 AND c.id = 'a')": "bcde",
}


async def test_a_condition_selects_what_it_is_true_of(few: ContainerProxy) -> None:
    """A comparison with a value of another kind, or with what is not there, is neither true nor false."""
    found = {
        condition: "".join(await ids(few, f"SELECT * FROM c WHERE {condition}", partition_key=PK))  # noqa: S608
        for condition in CONDITIONS
    }

    assert found == CONDITIONS


async def test_parameters_stand_for_values_of_every_kind(few: ContainerProxy) -> None:
    query = "SELECT * FROM c WHERE c.state = @state AND c.due > @due AND ARRAY_CONTAINS(@ids, c.id)"
    given = {"state": "due", "due": 0, "ids": ["a", "z"]}

    assert await ids(few, query, given=given, partition_key=PK) == ["a"]


async def test_texts_mean_what_they_say(few: ContainerProxy) -> None:
    strange = 'it\'s "so" \\ ä\n'
    await few.create_item({"id": "strange", "pk": PK, "state": strange})

    for query, given in (
        ("SELECT * FROM c WHERE c.state = @state", {"state": strange}),
        (r"""SELECT * FROM c WHERE c.state = 'it\'s "so" \\ \u00e4\n'""", {}),
    ):
        assert await ids(few, query, given=given, partition_key=PK) == ["strange"]


SELECTIONS: Mapping[str, list[Any]] = {
    "SELECT c.id, c.due FROM c WHERE c.id = 'a'": [{"id": "a", "due": 3}],
    "SELECT c.id AS name, c.inner.deep FROM c WHERE c.id = 'a'": [{"name": "a", "deep": 1}],
    "SELECT c.id, c.ended FROM c WHERE c.id = 'a'": [{"id": "a"}],
    "SELECT VALUE c.id FROM c": ["a", "b", "c", "d", "e"],
    "SELECT VALUE c.ended FROM c": [None, "2026"],
    "SELECT VALUE c.inner FROM c": [{"deep": 1}],
    "SELECT VALUE [c.id, c.due] FROM c WHERE c.id = 'b'": [["b", 1]],
    "SELECT TOP 2 VALUE c.id FROM c": ["a", "b"],
    "SELECT VALUE m.id FROM messages AS m WHERE m.id < 'c'": ["a", "b"],
    "SELECT VALUE m.id FROM c m WHERE m.id < 'c'": ["a", "b"],
    "SELECT VALUE c.id FROM c ORDER BY c.id DESC": ["e", "d", "c", "b", "a"],
    "SELECT VALUE c.id FROM c WHERE c.due < 9 ORDER BY c.due": ["b", "c", "d", "a"],
    "SELECT VALUE c.id FROM c WHERE c.due < 9 ORDER BY c.due ASC": ["b", "c", "d", "a"],
    "SELECT VALUE c.id FROM c WHERE c.due < 9 ORDER BY c.state, c.due DESC": ["d", "c", "a", "b"],
    "SELECT VALUE c.id FROM c WHERE c.due < 9 ORDER BY c.state DESC, c.due": ["b", "a", "c", "d"],
    "SELECT VALUE c.id FROM c ORDER BY c.id OFFSET 1 LIMIT 2": ["b", "c"],
    "SELECT VALUE c.id FROM c ORDER BY c.id OFFSET 4 LIMIT 9": ["e"],
    "SELECT VALUE c.id FROM c ORDER BY c.id OFFSET 9 LIMIT 9": [],
    "SELECT VALUE COUNT(1) FROM c": [5],
    "SELECT VALUE COUNT(1) FROM c WHERE c.state = 'nothing'": [0],
    "SELECT VALUE COUNT(c.ended) FROM c": [2],
    "SELECT VALUE SUM(c.due) FROM c WHERE c.due < 9": [8.5],
    "SELECT VALUE MIN(c.id) FROM c": ["a"],
    "SELECT VALUE MAX(c.due) FROM c WHERE c.due < 9": [3],
}


async def test_a_query_selects_and_sorts(few: ContainerProxy) -> None:
    assert {query: await rows(few, query, partition_key=PK) for query in SELECTIONS} == SELECTIONS


REFUSED = {
    "SELECT DISTINCT c.id FROM c": 501,
    "SELECT c.state, COUNT(1) AS n FROM c GROUP BY c.state": 501,
    "SELECT VALUE c.id FROM c GROUP BY c.id": 501,
    "SELECT VALUE t FROM c JOIN t IN c.tags": 501,
    "SELECT VALUE t FROM t IN c.tags": 501,
    "SELECT VALUE AVG(c.due) FROM c": 501,
    "SELECT * FROM c WHERE c.state LIKE 'd%'": 501,
    "SELECT * FROM c WHERE c.ended != null": 501,
    "SELECT * FROM c WHERE c.tags[0] = 'x'": 501,
    "SELECT * FROM c WHERE REGEXMATCH(c.id, 'a')": 501,
    "SELECT * FROM c WHERE udf.mine(c.id)": 400,
    "SELECT c.due + 1 AS n FROM c": 400,
    "SELECT UPPER(c.id) FROM c": 501,
    "SELECT * FROM c ORDER BY c.missing": 501,
    "SELECT * FROM c ORDER BY c.tags": 501,
    "SELECT * FROM c WHERE": 400,
    "SELECT * FROM c WHERE c.id =": 400,
    "SELECT * FROM c WHERE c.id = 'a' 'b'": 400,
    "SELECT * FROM c WHERE x.id = 'a'": 400,
    "SELECT * FROM c WHERE c.id = @missing": 400,
    "SELECT * FROM c WHERE STARTSWITH(c.id)": 400,
    "SELECT * FROM c WHERE c.id = §": 400,
    "SELECT * FROM c WHERE c.by = 1": 400,
    "SELECT c.Order FROM c": 400,
    "SELECT c.id AS value FROM c": 400,
    "SELECT TOP 1 * FROM c OFFSET 1 LIMIT 1": 400,
    "SELECT * FROM c OFFSET 1": 400,
    "SELECT *": 400,
    "DELETE FROM c": 400,
    "SELECT * FROM c ORDER BY c.due, c.state": 400,
    "SELECT * FROM c ORDER BY c.state, c.due": 400,
    "SELECT * FROM c ORDER BY c.payload.size": 400,
    "SELECT * FROM c WHERE c.payload = 1": 400,
    "SELECT * FROM c WHERE ARRAY_CONTAINS(c.payload.list, 1)": 400,
}


async def test_what_is_wrong_or_not_known_is_refused(
    cosmos: CosmosEmulator, few: ContainerProxy, impatient: ContainerProxy
) -> None:
    """Also what the indexes do not serve, which the service would do at a price."""
    found = {query: await refusal(impatient, query, partition_key=PK) for query in REFUSED}

    assert found == REFUSED


async def test_pages_neither_repeat_nor_leave_out_what_others_change(few: ContainerProxy) -> None:
    pages = few.query_items("SELECT * FROM c ORDER BY c.id", partition_key=PK, max_item_count=2).by_page()
    first = [one["id"] async for one in await anext(pages)]
    await few.delete_item("a", PK)
    await few.create_item({"id": "aa", "pk": PK})
    await few.create_item({"id": "cc", "pk": PK})

    rest = [one["id"] async for page in pages async for one in page]

    assert first == ["a", "b"]
    assert rest == ["c", "cc", "d", "e"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM c",
        "SELECT * FROM c ORDER BY c.id DESC",
        "SELECT * FROM c WHERE c.due < 9 ORDER BY c.state, c.due DESC",
        "SELECT TOP 3 * FROM c ORDER BY c.id",
        "SELECT * FROM c ORDER BY c.id OFFSET 1 LIMIT 3",
    ],
)
async def test_a_continuation_goes_on_where_the_page_ended(few: ContainerProxy, query: str) -> None:
    whole = await ids(few, query, partition_key=PK)
    found: list[str] = []
    token: str | None = None
    while True:
        pages: Any = few.query_items(query, partition_key=PK, max_item_count=2).by_page(token)
        page = [one["id"] async for one in await anext(pages)]
        assert len(page) <= 2
        found += page
        token = pages.continuation_token
        if token is None:
            break

    assert found == whole


async def test_a_continuation_of_another_query_is_refused(
    cosmos: CosmosEmulator, few: ContainerProxy
) -> None:
    pages: Any = few.query_items("SELECT * FROM c", partition_key=PK, max_item_count=2).by_page()
    await anext(pages)
    other = few.query_items("SELECT * FROM c WHERE c.due > 0", partition_key=PK, max_item_count=2)

    for token in (pages.continuation_token, "nonsense"):
        with pytest.raises(CosmosHttpResponseError, match="continuation token"):
            await anext(other.by_page(token))


async def test_pages_can_be_made_small_and_empty(cosmos: CosmosEmulator, few: ContainerProxy) -> None:
    cosmos.gateway.page_rows = 2
    cosmos.gateway.empty_pages = True
    cosmos.counts.clear()

    query = "SELECT * FROM c ORDER BY c.id OFFSET 1 LIMIT 3"
    assert await ids(few, query, partition_key=PK) == ["b", "c", "d"]
    assert cosmos.counts.of("query") == 3
    assert len(await ids(few, "SELECT * FROM c")) == 6


async def test_continuations_can_be_made_longer_than_the_client_takes(
    cosmos: CosmosEmulator, few: ContainerProxy
) -> None:
    cosmos.gateway.long_tokens = True
    cosmos.gateway.page_rows = 2

    with pytest.raises(AzureError, match="8190 bytes"):
        await ids(few, "SELECT * FROM c", partition_key=PK)
    limited = {"partition_key": PK, "continuation_token_limit": 1}
    assert await ids(few, "SELECT * FROM c", **limited) == ["a", "b", "c", "d", "e"]


async def test_the_documents_of_all_partitions_come_in_no_order_to_rely_upon(
    cosmos: CosmosEmulator, many: ContainerProxy
) -> None:
    found = await ids(many, "SELECT * FROM c WHERE c.n < 30")

    assert sorted(found) == [f"m{n:02}" for n in range(30)]
    assert found != sorted(found)
    assert sorted([one["id"] async for one in many.read_all_items()]) == [f"m{n:02}" for n in range(40)]


ACROSS: Mapping[str, list[Any]] = {
    "SELECT VALUE c.id FROM c WHERE c.n < 3 ORDER BY c.id": ["m00", "m01", "m02"],
    "SELECT TOP 3 VALUE c.n FROM c ORDER BY c.n DESC": [39, 38, 37],
    "SELECT TOP 2 c.id FROM c WHERE c.n > 7 ORDER BY c.n": [{"id": "m08"}, {"id": "m09"}],
    "SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 5 LIMIT 3": [5, 6, 7],
    "SELECT VALUE c.n FROM c WHERE c.n > 35 ORDER BY c.state, c.due DESC": [38, 36, 39, 37],
    "SELECT VALUE COUNT(1) FROM c WHERE c.state = 'odd'": [20],
    "SELECT VALUE SUM(c.n) FROM c": [780],
}


async def test_the_sdk_puts_together_what_the_ranges_give(many: ContainerProxy) -> None:
    assert {query: await rows(many, query) for query in ACROSS} == ACROSS
    assert {query: await rows(many, query, max_item_count=1) for query in ACROSS} == ACROSS


async def test_a_query_across_ranges_costs_one_for_each_and_a_plan(
    cosmos: CosmosEmulator, many: ContainerProxy
) -> None:
    cosmos.counts.clear()

    await rows(many, "SELECT TOP 1 * FROM c ORDER BY c.id")

    assert cosmos.counts.of("query_plan") == 1
    assert cosmos.counts.of("query") == 5


async def test_a_container_has_four_ranges_and_each_answers_for_its_own(
    cosmos: CosmosEmulator, many: ContainerProxy
) -> None:
    ranges = [one async for one in many.read_feed_ranges()]

    found = [await ids(many, "SELECT * FROM c ORDER BY c.id", feed_range=one) for one in ranges]
    counts = [await rows(many, "SELECT VALUE COUNT(1) FROM c", feed_range=one) for one in ranges]

    assert len(ranges) == 4
    assert sorted(one for part in found for one in part) == [f"m{n:02}" for n in range(40)]
    assert all(part == sorted(part) for part in found)
    assert [len(part) for part in found] == [one[0] for one in counts]
    assert max(map(len, found)) < 40


async def test_several_items_are_read_in_one_call(many: ContainerProxy) -> None:
    found = await many.read_items([("m03", "acme|3"), ("m04", "acme|4"), ("missing", "acme|4")])

    assert sorted(one["id"] for one in found) == ["m03", "m04"]


async def test_a_partition_is_asked_by_its_name_across_all(many: ContainerProxy) -> None:
    assert await rows(many, "SELECT VALUE COUNT(1) FROM c WHERE c.pk = 'acme|3'") == [5]


@pytest_asyncio.fixture
async def levels(database: DatabaseProxy) -> ContainerProxy:
    container = await database.create_container("levels", PartitionKey(["/app", "/shard"]))
    for n in range(12):
        await container.create_item({"id": f"m{n:02}", "app": f"app{n % 2}", "shard": n % 3})
    return container


async def test_keys_of_several_levels_are_read_whole_and_asked_by_their_beginning(
    levels: ContainerProxy,
) -> None:
    assert (await levels.read_item("m03", ["app1", 0]))["id"] == "m03"
    assert await ids(levels, "SELECT * FROM c ORDER BY c.id", partition_key=["app1", 0]) == ["m03", "m09"]
    assert sorted(await ids(levels, "SELECT * FROM c", partition_key=["app1"])) == [
        *("m01", "m03", "m05", "m07", "m09", "m11")
    ]
    with pytest.raises(CosmosHttpResponseError) as error:
        await levels.read_item("m03", ["app1"])
    assert error.value.status_code == 400
