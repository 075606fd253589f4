"""What is done with many messages at once, and what one asks before sending many."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec

from functions.api import atoms
from functions.api.answers import Answer, json_answer
from functions.api.background_task import TaskOut, begun
from functions.api.operations import APP_ID, Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from shared.domain.attempt import Status
from shared.domain.background_task import BulkReplay, Replay, Resending
from shared.domain.errors import Invalid
from shared.domain.matching import wants

SPAN = timedelta(days=14)
REPLAYED_SPAN = timedelta(days=90)
"""As long as a payload is kept at most."""
TOLERANCE = timedelta(minutes=5)
"""Clients reckon with their own clocks."""

EXPUNGED_AT_ONCE_MAX = 500
"""Messages of one bulk expunge: their payloads go in one write, which holds up others as little as that."""

STATUSES = (0, 1, 2, 3)
STATUS_CODE_CLASSES = (0, 100, 200, 300, 400, 500)
RawStatus = Annotated[int, msgspec.Meta(extra_json_schema={"enum": list(STATUSES)})]
RawStatusCodeClass = Annotated[int, msgspec.Meta(extra_json_schema={"enum": list(STATUS_CODE_CLASSES)})]

Keys = Annotated[
    list[str], msgspec.Meta(extra_json_schema={"maxItems": EXPUNGED_AT_ONCE_MAX, "uniqueItems": True})
]


ReplayKind = TypeVar("ReplayKind", bound="ReplayIn")


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
        return _span(self.since, self.until, now, longest=SPAN, doing="recover")


class ReplayIn(msgspec.Struct, frozen=True, rename="camel"):
    """Of which time to send what the endpoint was never tried with, at most 90 days.

    Attributes:
        since: Messages from this instant on.
        until: Messages before this instant; now if it is absent.
        dry_run: Send nothing, and answer with what would be sent.
    """

    since: atoms.Instant
    until: atoms.Instant | None = None
    dry_run: bool = False

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """From when until when.

        Raises:
            Invalid: One is no instant, or it is too long.
        """
        return _span(self.since, self.until, now, longest=REPLAYED_SPAN, doing="replay")


class BulkReplayIn(ReplayIn, frozen=True, rename="camel"):
    """Which messages that the endpoint was tried with to send again, whether they arrived or not.

    Attributes:
        event_types: Messages of one of these types.
        channel: Messages with this channel.
        tag: Messages with this tag.
        status: How they stand at the endpoint: 0 arrived, 2 failed for good, 3 failed and to be retried.
        status_code_class: Of the newest response: 400 is 400 to 499; 0 is none.
    """

    event_types: atoms.Names | None = None
    channel: atoms.Limited | None = None
    tag: atoms.TagName | None = None
    status: RawStatus | None = None
    status_code_class: RawStatusCodeClass | None = None

    def wanted(self, endpoint_key: str, now: datetime) -> BulkReplay:
        """The same, checked.

        Raises:
            Invalid: Some part is not what it should be.
        """
        since, until = self.span(now)
        types = None
        if self.event_types is not None:
            types = frozenset(atoms.limited(one, "body", "event_types") for one in self.event_types)
        if self.status is not None and self.status not in STATUSES:
            raise Invalid(("body", "status"), f"write one of {', '.join(map(str, STATUSES))}")
        if self.status_code_class is not None and self.status_code_class not in STATUS_CODE_CLASSES:
            classes = ", ".join(map(str, STATUS_CODE_CLASSES))
            raise Invalid(("body", "status_code_class"), f"write one of {classes}")
        return BulkReplay(
            endpoint_key,
            since,
            until,
            types,
            None if self.channel is None else atoms.limited(self.channel, "body", "channel"),
            None if self.tag is None else atoms.tag(self.tag, "body", "tag"),
            None if self.status is None else Status(self.status),
            self.status_code_class,
        )


class ReplayOut(TaskOut):
    """The background task that sends the messages."""


class ReplayPreviewOut(msgspec.Struct, rename="camel"):
    """What would be sent; nothing was.

    Attributes:
        count: How many messages, those among them whose payload is gone, which cannot be sent.
        complete: False if there may be more, which were not counted.
        message_ids: The first of them.
    """

    dry_run: bool
    count: int
    complete: bool
    message_ids: list[str]


class RecoverOut(TaskOut):
    """The background task that sends what the endpoint has missed."""


class CancelMessagesOut(TaskOut):
    """The background task that ends the retries."""


class ExpungeAllContentsOut(TaskOut):
    """The background task that erases the payloads."""


class ApplicationEraseOut(TaskOut):
    """The background task that erases the application."""


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


def _span(
    since: str, until: str | None, now: datetime, *, longest: timedelta, doing: str
) -> tuple[datetime, datetime]:
    """From when until when.

    Raises:
        Invalid: One is no instant, or it is too long.
    """
    first = atoms.instant(since, "body", "since")
    end = now if until is None else atoms.instant(until, "body", "until")
    if end - first > longest + TOLERANCE:
        raise Invalid(("body", "since"), f"Cannot {doing} more than {longest.days} days of messages")
    return first, end


async def recover(call: Call[NoQuery, RecoverIn]) -> Answer:
    """Send every message once more that failed at an endpoint and never arrived."""
    since, until = call.body.span(call.service.clock.now())
    begin = call.service.begin_task.recovery
    return begun(RecoverOut, await begin(call.application, call.path["endpoint_id"], since, until))


async def replay_missing(call: Call[NoQuery, ReplayIn]) -> Answer:
    """Send every message that the endpoint was never tried with, and would get now."""
    since, until = call.body.span(call.service.clock.now())
    return await _replayed(call, Replay(call.path["endpoint_id"], since, until))


async def bulk_replay(call: Call[NoQuery, BulkReplayIn]) -> Answer:
    """Send messages again that the endpoint was tried with, whether they arrived or not."""
    wanted = call.body.wanted(call.path["endpoint_id"], call.service.clock.now())
    return await _replayed(call, wanted)


async def _replayed(call: Call[NoQuery, ReplayKind], wanted: Resending) -> Answer:
    begin_task, application = call.service.begin_task, call.application
    if not call.body.dry_run:
        return begun(ReplayOut, await begin_task.resending(application, wanted))
    preview = await call.service.select.preview(application.id, await begin_task.checked(application, wanted))
    out = ReplayPreviewOut(
        dry_run=True,
        count=preview.count,
        complete=preview.is_complete,
        message_ids=list(preview.message_ids),
    )
    return json_answer(200, out)


async def cancel_messages(call: Call[NoQuery, NoBody]) -> Answer:
    """End the retries of the messages that an endpoint is still to get."""
    begin = call.service.begin_task.cancellation
    return begun(CancelMessagesOut, await begin(call.application, call.path["endpoint_id"]))


async def expunge_all_contents(call: Call[NoQuery, NoBody]) -> Answer:
    """Erase the payloads of all messages of an application for good; the messages stay."""
    return begun(ExpungeAllContentsOut, await call.service.begin_task.purge(call.application))


async def erase(call: Call[NoQuery, NoBody]) -> Answer:
    """Remove an application for good: its messages, attempts, endpoints and secrets, and all that it says.

    From the beginning on it is not there for any other call. Only its background tasks stay, as long as tasks
    are kept. One that was removed before is named by its id.
    """
    task = await call.service.begin_task.erasure(call.token.org_id, call.path[APP_ID])
    return begun(ApplicationEraseOut, task)


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
        "v1.endpoint.replay-missing",
        "POST /app/{app_id}/endpoint/{endpoint_id}/replay-missing",
        Access.ATTEMPT,
        replay_missing,
        {200: ReplayPreviewOut, 202: ReplayOut},
    ),
    operation(
        "v1.endpoint.bulk-replay",
        "POST /app/{app_id}/endpoint/{endpoint_id}/bulk-replay",
        Access.ATTEMPT,
        bulk_replay,
        {200: ReplayPreviewOut, 202: ReplayOut},
    ),
    operation(
        "v1.endpoint.cancel-messages",
        "POST /app/{app_id}/endpoint/{endpoint_id}/cancel-msgs",
        Access.APPLICATION,
        cancel_messages,
        {202: CancelMessagesOut},
    ),
    operation(
        "v1.application.erase",
        "POST /app/{app_id}/erase",
        Access.ORGANIZATION,
        erase,
        {202: ApplicationEraseOut},
        finds_application=False,
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
