"""Probation: an endpoint that was disabled because it failed for too long is pinged until a ping arrives.

A ping is signed as every message is, and it is none: no producer has posted it. So it is in no list, is
counted nowhere and not repeated. The journal has what came of it, the background task how many there were.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec

from shared.domain import ids
from shared.domain.background_task import BackgroundTask, Probation, Recovery, Replay
from shared.domain.endpoint import Endpoint
from shared.domain.policy import Policy
from shared.domain.retry import JITTER_SHARE, longest_chain
from shared.domain.timestamps import to_wire

PING = "heliograph.ping"
"""The type that a ping names in its payload."""

FIRST_REST = timedelta(minutes=5)
"""Before the first ping; each rest is twice the one before."""

LONGEST_REST = timedelta(hours=4)
"""So a receiver that is back is found within a working day, for six requests a day."""

LONGEST = timedelta(days=14)
"""No longer is an endpoint on probation: messages older than that are not recovered by a person either."""

SETTLING = timedelta(seconds=10)
"""From a ping's arrival until what was missed is sent: longer than other processes take the endpoint for
disabled, so that nothing falls between what is sent again and what is delivered as ever."""

WAITED = timedelta(days=1)
"""So long a message may have waited for its turn, or for a busy receiver, before it was attempted first: what
has failed is looked for from so much earlier on."""


def rest_before(ping: int, dice: float) -> timedelta:
    """How long to rest before a ping.

    Args:
        ping: Which it is, counted from 1.
        dice: A number in [0, 1), thrown by the caller, so that what was disabled together is not pinged
            together.
    """
    rest = min(FIRST_REST * (1 << min(ping - 1, 30)), LONGEST_REST)
    return rest * (1 - JITTER_SHARE + 2 * JITTER_SHARE * dice)


def payload_of_ping(wanted: Probation, switched_off_at: datetime) -> bytes:
    """What a ping says; the same whenever it is sent."""
    facts = {"endpointId": wanted.endpoint_id, "disabledAt": to_wire(switched_off_at)}
    return msgspec.json.encode({"type": PING, "data": facts})


def probation_of(endpoint: Endpoint, policy: Policy, since: datetime, now: datetime) -> BackgroundTask:
    """The task of an endpoint that is to be disabled: the same whoever of several asks for it.

    It is as if it had been asked for when the time was over that endpoints may fail for.

    Args:
        endpoint: It.
        policy: What holds for its organization.
        since: When its messages began to be given up, in UTC.
        now: The present, in UTC.
    """
    asked_at = since + policy.disable_after
    longest = max(map(longest_chain, (policy.retry_schedule, *policy.event_type_schedules.values())))
    return BackgroundTask(
        id=_task_id(asked_at, f"{endpoint.id} {since.isoformat()}"),
        org_id=endpoint.org_id,
        app_id=endpoint.app_id,
        # What was given up first had been attempted before. What came before the endpoint is not for it.
        arguments=Probation(endpoint.id, max(since - longest, endpoint.created_at)),
        asked_at=asked_at,
        updated_at=now,
    )


def missed(task: BackgroundTask, wanted: Probation) -> Iterator[BackgroundTask]:
    """The tasks that send what an endpoint has missed: the same whenever they are asked for."""
    answered_at = wanted.answered_at or task.updated_at
    until = answered_at + SETTLING
    failed = Recovery(wanted.endpoint_id, wanted.since - WAITED, until)
    untried = Replay(wanted.endpoint_id, wanted.since, until)
    for arguments in (failed, untried):
        yield BackgroundTask(
            id=_task_id(answered_at, f"{task.id} {type(arguments).__name__}"),
            org_id=task.org_id,
            app_id=task.app_id,
            arguments=arguments,
            asked_at=answered_at,
            updated_at=answered_at,
        )


def _task_id(at: datetime, what: str) -> str:
    return ids.new_id(ids.BACKGROUND_TASK, at, blake2b(what.encode(), digest_size=ids.DICE_BYTES).digest())
