"""Query strings: read strictly, in every form that clients send."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api import application, attempt, endpoint, event_type, message
from functions.api.errors import UnreadableQuery
from functions.api.queries import QueryReader
from shared.domain.errors import Invalid
from shared.domain.paging import TimeQuery, scan_by_time

messages = QueryReader(message.ListQuery)
attempts = QueryReader(attempt.ByMessageQuery)
READERS: list[QueryReader[Any]] = [
    messages,
    attempts,
    QueryReader(application.ListQuery),
    QueryReader(application.CreateQuery),
    QueryReader(endpoint.ListQuery),
    QueryReader(event_type.ListQuery),
    QueryReader(event_type.DeleteQuery),
]
ID = "msg_1srOrr5WjKyYWLajIlnglfBaJQu"


def test_nothing_asked_means_the_defaults() -> None:
    assert messages.read(b"") == message.ListQuery(
        limit=50, before=None, after=None, iterator=None, channel=None, event_types=None, with_content=True
    )


@pytest.mark.parametrize("limit", [0, 1, 250])
def test_a_limit_may_be_anything_up_to_250(limit: int) -> None:
    assert messages.read(f"limit={limit}".encode()).limit == limit


@pytest.mark.parametrize("limit", ["251", "1000000", str(2**64 - 1)])
def test_a_limit_over_250_breaks_a_rule(limit: str) -> None:
    with pytest.raises(Invalid) as broken:
        messages.read(f"limit={limit}".encode())
    assert broken.value.where == ("query", "limit", "limit")
    assert broken.value.why == "Given limit must not exceed 250"


@pytest.mark.parametrize(
    "query_string",
    [
        "limit=",
        "limit=-1",
        "limit=1.0",
        "limit=ten",
        "limit=1&limit=2",
        f"limit={2**64}",
        "limit=" + "9" * 5000,
        "limit=٣",
        "with_content=1",
        "with_content=True",
        "with_content=",
        "with_content=true&with_content=true",
        "before=yesterday",
        "after=2026-11-23",
        "before=0001-01-01T00:00:00%2B23:59",
    ],
)
def test_what_cannot_be_read_is_refused(query_string: str) -> None:
    with pytest.raises(UnreadableQuery) as refused:
        messages.read(query_string.encode())
    assert refused.value.code == "generic_error"
    assert refused.value.detail.startswith("Failed to deserialize query string: ")


@pytest.mark.parametrize("query_string", ["order=up", "order=ASCENDING", "order="])
def test_an_order_has_two_names(query_string: str) -> None:
    with pytest.raises(UnreadableQuery):
        QueryReader(application.ListQuery).read(query_string.encode())


@pytest.mark.parametrize("query_string", ["status=4", "status=success", "status_code_class=100000"])
def test_statuses_are_a_few_numbers(query_string: str) -> None:
    with pytest.raises(UnreadableQuery):
        attempts.read(query_string.encode())


@pytest.mark.parametrize(
    ("query_string", "where"),
    [
        (f"iterator={ID[:-1]}", ("query", "iterator", "__all__")),
        ("iterator=BAD-$$$ITERATOR", ("query", "iterator", "__all__")),
        ("iterator=msg_%24%24%24", ("query", "iterator", "__all__")),
        ("iterator=", ("query", "iterator", "__all__")),
        ("iterator=--" + ID, ("query", "iterator", "__all__")),
        ("channel=", ("query", "channel", "__all__")),
        ("channel=a%20b", ("query", "channel", "__all__")),
        ("channel=" + "a" * 257, ("query", "channel", "__all__")),
        ("tag=", ("query", "tag", "__all__")),
        ("tag=a%20b", ("query", "tag", "__all__")),
        ("tag=" + "a" * 129, ("query", "tag", "__all__")),
        ("event_types=", ("query", "event_types", "__all__")),
        ("event_types=a,,b", ("query", "event_types", "__all__")),
        ("event_types=a&event_types[]=", ("query", "event_types", "__all__")),
    ],
)
def test_what_can_be_read_and_breaks_a_rule_says_where(query_string: str, where: tuple[str, ...]) -> None:
    with pytest.raises(Invalid) as broken:
        messages.read(query_string.encode())
    assert broken.value.where == where


def test_a_tag_may_look_like_a_path() -> None:
    assert messages.read(b"tag=user/42%5Ca%23b-_.").tag == r"user/42\a#b-_."


@pytest.mark.parametrize("iterator", [ID, "-" + ID])
def test_an_iterator_is_an_id_of_the_list(iterator: str) -> None:
    assert messages.read(f"iterator={iterator}".encode()).iterator == iterator


@pytest.mark.parametrize(
    "query_string",
    [
        "event_types=a&event_types=b",
        "event_types=a,b",
        "event_types=a%2Cb",
        "event_types[]=a&event_types[]=b",
        "event_types%5B%5D=a&event_types%5B%5D=b",
        "event_types[0]=a&event_types[1]=b",
        "event_types[0]=a,b&event_types=b",
    ],
)
def test_event_types_come_in_every_form_that_clients_send(query_string: str) -> None:
    """SDKs in ten languages write lists in four ways."""
    assert messages.read(query_string.encode()).event_types == frozenset({"a", "b"})


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T22:14:02.094123Z",
        "2026-11-23T22:14:02.094123+00:00",
        "2026-11-23 22:14:02.094123456 UTC",
        "2026-11-23t23:14:02.094123+0100",
    ],
)
def test_instants_come_in_every_form_that_clients_send(text: str) -> None:
    assert messages.read(f"before={quote(text)}".encode()).before == datetime(
        2026, 11, 23, 22, 14, 2, 94123, tzinfo=UTC
    )


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_instants_at_the_ends_of_the_calendar_have_windows(text: str) -> None:
    """Someone who asks for everything since the year 1 wants a list and not a 500."""
    query = messages.read(f"before={text}&after={text}".encode())
    scan = scan_by_time(query.window(None), "msg_", datetime(2026, 11, 24, tzinfo=UTC))
    assert query.window(None) == TimeQuery(50, None, query.before, query.after)
    assert scan.limit == 50


def test_unknown_parameters_are_ignored() -> None:
    assert messages.read(b"expanded_statuses=maybe&mood=&limit=7&limit[]=8&&=") == messages.read(b"limit=7")


@given(st.integers(0, len(READERS) - 1), st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(reader: int, query_string: bytes) -> None:
    try:
        READERS[reader].read(query_string)
    except (Invalid, UnreadableQuery):
        return


NAMES = st.sampled_from(
    ["limit", "iterator", "before", "after", "channel", "event_types", "with_content", "status"]
)


@given(st.integers(0, len(READERS) - 1), st.dictionaries(NAMES, st.text(max_size=40)))
def test_any_values_are_read_or_refused(reader: int, asked: dict[str, str]) -> None:
    query_string = "&".join(f"{name}={quote(text, errors='replace')}" for name, text in asked.items())
    try:
        READERS[reader].read(query_string.encode())
    except (Invalid, UnreadableQuery):
        return
