"""A timeline as a person reads it."""

from functions.api.attempt import MessageAttemptTriggerType, MessageStatus, MessageStatusText
from functions.api.timeline import (
    MessageTimelineOut,
    TimelineAttemptOut,
    TimelineStationOut,
)
from infra.local.timelines import lines
from shared.domain.timeline import StationKind

AT = "2026-01-01T00:00:00.000000Z"


def test_an_attempt_that_nobody_answered_says_why() -> None:
    """A status of 0 would be taken for something that the receiver said."""
    attempt = TimelineAttemptOut(
        id="atmpt_1",
        number=1,
        trigger_type=MessageAttemptTriggerType.SCHEDULED,
        status=MessageStatus.FAIL,
        status_text=MessageStatusText.FAIL,
        response_status_code=0,
        failure="connection refused",
        response_duration_ms=2,
        next_attempt=None,
    )
    station = TimelineStationOut(
        at=AT, kind=StationKind.ATTEMPTED, planned=False, endpoint_id="ep_1", attempt=attempt
    )

    printed = lines(
        MessageTimelineOut(
            msg_id="msg_1",
            event_id=None,
            event_type="order.paid",
            trace_id="1" * 32,
            at=AT,
            stations=[station],
            endpoints=[],
            complete=True,
        )
    )

    assert f"{AT} delivery.attempted ep_1 attempt 1: fail connection refused after 2 ms" in list(printed)
