"""What is done with many messages at once, and what one asks before sending many."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

import msgspec

from functions.api import atoms
from functions.api.answers import Answer, json_answer
from functions.api.background_task import TaskOut, begun
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from shared.domain.errors import Invalid
from shared.domain.matching import wants

SPAN = timedelta(days=14)
TOLERANCE = timedelta(minutes=5)
"""Clients reckon with their own clocks."""

EXPUNGED_AT_ONCE_MAX = 500
"""Messages of one bulk expunge: their payloads go in one write, which holds up others as little as that."""

Keys = Annotated[
    list[str], msgspec.Meta(extra_json_schema={"maxItems": EXPUNGED_AT_ONCE_MAX, "uniqueItems": True})
]


class RecoverIn(msgspec.Struct, frozen=True):
    """Of which time to send what the endpoint has missed, at most 14 days.

    Attributes:
        since: Messages from this instant on.
        until: Messages before this instant; now if it is absent.
    """

    since: atoms.Instant
    until: atoms.Instant | None = None

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """From when until when.

        Raises:
            Invalid: One is no instant, or it is too long.
        """
        since = atoms.instant(self.since, "body", "since")
        until = now if self.until is None else atoms.instant(self.until, "body", "until")
        if until - since > SPAN + TOLERANCE:
            raise Invalid(("body", "since"), f"Cannot recover more than {SPAN.days} days of messages")
        return since, until


class RecoverOut(TaskOut):
    """The background task that sends what the endpoint has missed."""


class CancelMessagesOut(TaskOut):
    """The background task that ends the retries."""


class ExpungeAllContentsOut(TaskOut):
    """The background task that erases the payloads."""


class BulkExpungeContentsIn(msgspec.Struct, frozen=True):
    """Whose payloads to erase.

    Attributes:
        ids: Ids or eventIds of messages.
    """

    ids: Keys | None = None


class BulkExpungeStatus(StrEnum):
    """What became of a payload."""

    EXPUNGED = "expunged"
    NOT_FOUND = "not-found"


class BulkExpungeContentsOut(msgspec.Struct):
    """What became of each payload, by the id or eventId that was given."""

    results: dict[str, BulkExpungeStatus]


class MessagePrecheckIn(msgspec.Struct, frozen=True, rename="camel"):
    """A message that could be sent."""

    event_type: atoms.EventTypeName
    channels: atoms.Names | None = None


class MessagePrecheckOut(msgspec.Struct):
    """Whether anybody would get it.

    Attributes:
        active: There is an enabled endpoint that wants such a message.
    """

    active: bool


async def recover(call: Call[NoQuery, RecoverIn]) -> Answer:
    """Send every message once more that failed at an endpoint and never arrived."""
    since, until = call.body.span(call.service.clock.now())
    begin = call.service.begin_task.recovery
    return begun(RecoverOut, await begin(call.application, call.path["endpoint_id"], since, until))


async def cancel_messages(call: Call[NoQuery, NoBody]) -> Answer:
    """End the retries of the messages that an endpoint is still to get."""
    begin = call.service.begin_task.cancellation
    return begun(CancelMessagesOut, await begin(call.application, call.path["endpoint_id"]))


async def expunge_all_contents(call: Call[NoQuery, NoBody]) -> Answer:
    """Erase the payloads of all messages of an application for good; the messages stay."""
    return begun(ExpungeAllContentsOut, await call.service.begin_task.purge(call.application))


async def bulk_expunge_content(call: Call[NoQuery, BulkExpungeContentsIn]) -> Answer:
    """Erase the payloads of some messages for good; the messages stay.

    Raises:
        Invalid: There are more than `EXPUNGED_AT_ONCE_MAX`.
    """
    keys = frozenset(call.body.ids or ())
    if len(keys) > EXPUNGED_AT_ONCE_MAX:
        raise Invalid(("body", "ids"), f"at most {EXPUNGED_AT_ONCE_MAX} at once; send the rest in another")
    erased = await call.service.erase.payloads(call.application, keys)
    results = {
        key: BulkExpungeStatus.EXPUNGED if key in erased else BulkExpungeStatus.NOT_FOUND
        for key in sorted(keys)
    }
    return json_answer(200, BulkExpungeContentsOut(results))


async def precheck(call: Call[NoQuery, MessagePrecheckIn]) -> Answer:
    """Tell whether a message would be sent to any endpoint."""
    event_type = atoms.limited(call.body.event_type, "body", "event_type")
    channels = atoms.channels(call.body.channels, atoms.MESSAGE_CHANNELS_MAX)
    application = call.application
    targets = await call.service.directory.targets(application.org_id, application.id)
    is_wanted = any(wants(target.endpoint, event_type, channels) for target in targets)
    return json_answer(200, MessagePrecheckOut(is_wanted))


OPERATIONS = (
    operation(
        "v1.endpoint.recover",
        "POST /app/{app_id}/endpoint/{endpoint_id}/recover",
        Access.ATTEMPT,
        recover,
        {202: RecoverOut},
    ),
    operation(
        "v1.endpoint.cancel-messages",
        "POST /app/{app_id}/endpoint/{endpoint_id}/cancel-msgs",
        Access.APPLICATION,
        cancel_messages,
        {202: CancelMessagesOut},
    ),
    operation(
        "v1.message.expunge-all-contents",
        "POST /app/{app_id}/msg/expunge-all-contents",
        Access.ORGANIZATION,
        expunge_all_contents,
        {202: ExpungeAllContentsOut},
    ),
    operation(
        "v1.message.bulk-expunge-content",
        "POST /app/{app_id}/msg/bulk-expunge",
        Access.ORGANIZATION,
        bulk_expunge_content,
        {200: BulkExpungeContentsOut},
    ),
    operation(
        "v1.message.precheck",
        "POST /app/{app_id}/msg/precheck/active",
        Access.ORGANIZATION,
        precheck,
        {200: MessagePrecheckOut},
    ),
)
