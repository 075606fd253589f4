"""Queued work keeps its meaning between processes and releases."""

import pytest

from shared.domain.work import SCHEMA, Dispatch, Retry, dispatch_from, retry_from, to_body

DISPATCH = Dispatch("org_1", "app_1", "msg_1", "order.paid", frozenset({"eu"}), '{"a": 1}')
RETRY = Retry("org_1", "app_1", "msg_1", "ep_1", number=2)


def test_work_reads_back_as_it_was_written() -> None:
    assert dispatch_from(to_body(DISPATCH)) == DISPATCH
    assert retry_from(to_body(RETRY)) == RETRY


def test_fields_of_a_later_release_are_passed_over() -> None:
    body = to_body(RETRY)[:-1] + b',"mood":"good"}'
    assert retry_from(body) == RETRY


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"number":"two"}', b"\xff"])
def test_what_is_no_work_of_ours_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(ValueError, match="not queued work of ours"):
        retry_from(body)


def test_work_of_a_newer_schema_is_left_to_the_newer_release() -> None:
    body = to_body(RETRY).replace(f'"schema":{SCHEMA}'.encode(), b'"schema":99')
    with pytest.raises(ValueError, match="queued by a newer release: schema 99"):
        retry_from(body)
