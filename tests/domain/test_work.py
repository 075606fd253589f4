"""Queued work keeps its meaning between processes and releases."""

import pytest
from msgspec import structs

from shared.domain.throttle import Turn
from shared.domain.work import (
    SCHEMA,
    Dispatch,
    Resend,
    Retry,
    Subject,
    TaskStep,
    again_from,
    dispatch_from,
    step_from,
    subject_of,
    to_body,
)
from tests.clock import NOON

DISPATCH = Dispatch("org_1", "app_1", "msg_1", "order.paid", frozenset({"eu"}), '{"a": 1}')
RETRY = Retry("org_1", "app_1", "msg_1", "ep_1", number=2)
RESEND = Resend("org_1", "app_1", "msg_1", "ep_1", "atmpt_1", NOON)
STEP = TaskStep("org_1", "qtask_1", step=3)


def test_work_reads_back_as_it_was_written() -> None:
    assert dispatch_from(to_body(DISPATCH)) == DISPATCH
    assert again_from(to_body(RETRY)) == RETRY
    assert again_from(to_body(RESEND)) == RESEND
    waiting = structs.replace(RETRY, turn=Turn(NOON, "ep_1@50"))
    assert again_from(to_body(waiting)) == waiting
    assert step_from(to_body(STEP)) == STEP


def test_the_queued_form_is_what_other_releases_read() -> None:
    """Work that waits for days is read by the release after this one."""
    assert to_body(RETRY) == (
        b'{"kind":"retry","org_id":"org_1","app_id":"app_1","message_id":"msg_1","endpoint_id":"ep_1",'
        b'"number":2,"forced":false,"turn":null,"rests":0,"pauses":0,"schema":1}'
    )
    assert to_body(RESEND) == (
        b'{"kind":"resend","org_id":"org_1","app_id":"app_1","message_id":"msg_1","endpoint_id":"ep_1",'
        b'"attempt_id":"atmpt_1","asked_at":"2026-11-24T12:00:00Z","unless_arrived":false,"turn":null,"rests":0,"schema":1}'
    )
    assert to_body(STEP) == b'{"org_id":"org_1","task_id":"qtask_1","step":3,"schema":1}'


def test_fields_of_a_later_release_are_passed_over() -> None:
    body = to_body(RETRY)[:-1] + b',"mood":"good"}'
    assert again_from(body) == RETRY


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"number":"two"}', b"\xff"])
def test_what_is_no_work_of_ours_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(ValueError, match="not queued work of ours"):
        again_from(body)


def test_work_of_a_newer_schema_is_left_to_the_newer_release() -> None:
    body = to_body(RETRY).replace(f'"schema":{SCHEMA}'.encode(), b'"schema":99')
    with pytest.raises(ValueError, match="queued by a newer release: schema 99"):
        again_from(body)


@pytest.mark.parametrize(
    ("queue", "body", "subject"),
    [
        ("dispatch", to_body(DISPATCH), Subject("org_1", "app_1", "msg_1")),
        ("retry", to_body(RETRY), Subject("org_1", "app_1", "msg_1", "ep_1")),
        ("retry", to_body(RESEND), Subject("org_1", "app_1", "msg_1", "ep_1")),
        ("tasks", to_body(STEP), Subject("org_1", task_id="qtask_1")),
        ("events", b'{"orgId": "org_1", "appId": "acme", "message": 7}', Subject("org_1", "acme")),
        ("events", b'{"orgId": 7}', Subject()),
        ("dispatch", b'{"org_id": "org_1", "schema": 99}', Subject("org_1")),
        ("dispatch", b"\xff", Subject()),
        ("tasks", b"[]", Subject()),
    ],
)
def test_what_work_is_about_can_be_told_of_any_body(queue: str, body: bytes, subject: Subject) -> None:
    """Whoever looks at what was given up has to know whose it is, also if nobody can do it."""
    assert subject_of(queue, body) == subject
