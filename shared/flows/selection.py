"""Which messages are sent to an endpoint once more, a page at a time, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from msgspec import structs

from shared.domain import ids
from shared.domain.attempt import Status
from shared.domain.background_task import BulkReplay, Recovery, Replay, Resending
from shared.domain.endpoint import Endpoint
from shared.domain.matching import wants
from shared.domain.message import Message
from shared.domain.paging import Scan
from shared.flows.resend import PING
from shared.ports.attempts import Attempts
from shared.ports.clock import Clock
from shared.ports.destinations import AttemptedMessageFilter, Destinations
from shared.ports.endpoints import Endpoints
from shared.ports.messages import MessageFilter, Messages
from shared.several import with_each

PAGE = 100
"""Messages of one step, and those that are looked through at once."""

LOOKS = 50
"""Pages that are looked through in one step at most, though nothing is found in them."""

READS_AT_ONCE = 25

NOTICED_WITHIN = timedelta(seconds=30)
"""Longer than it takes until every process sends by what an endpoint has become."""

LOST_AFTER = timedelta(hours=1)
"""What an endpoint wanted all the time and was not tried with for so long may have come to nothing, such as
among the dead letters. If it only waits, it is sent once all the same: what comes second sees it arrived."""

PREVIEWED_MAX = 10_000
"""Messages that a preview looks through at most: somebody waits for it."""

PREVIEWED_IDS = 10

MISSED = (Status.FAIL, Status.SENDING)
"""How a message stands that failed at the endpoint and has not arrived, whether retries follow or not."""

TRIED = (*MISSED, Status.SUCCESS)
"""How a message stands that was attempted at the endpoint."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page.

    Attributes:
        message_ids: In order.
        scanned: The message up to which all were looked through; None if there is nothing after the page.
    """

    message_ids: Sequence[str]
    scanned: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent.

    Attributes:
        message_ids: The first of them, no more than `PREVIEWED_IDS`.
        is_complete: False if there may be more than were counted.
    """

    count: int
    message_ids: Sequence[str]
    is_complete: bool


@dataclass(frozen=True)
class Select:
    """Find the messages that somebody wants to be sent to an endpoint once more, in order of id.

    What was attempted before is found by how it stands at the endpoint. What never was is the rest of all
    messages of the time, less those that the endpoint would not get now, those whose time is still to come,
    those that are on their way to it, the pings of other endpoints, and those so old that the attempts on
    them may be forgotten.

    Attributes:
        attempts_kept: How long attempts are kept at least.
    """

    messages: Messages
    destinations: Destinations
    attempts: Attempts
    endpoints: Endpoints
    attempts_kept: timedelta
    clock: Clock

    async def __call__(
        self, app_id: str, wanted: Resending, after: str | None, *, looks: int = LOOKS
    ) -> Found:
        """The next page after a message; None is the first.

        Args:
            app_id: Of the endpoint.
            wanted: What is wanted.
            after: The message after which it begins.
            looks: How many pages to look through at most, though nothing is found in them.

        Raises:
            Unknown: The endpoint was removed.
            Unavailable: A store of ours is out of reach.
        """
        if isinstance(wanted, Recovery):
            scan = _rest(wanted, after)
            missed = await self.destinations.standing_at(app_id, wanted.endpoint_id, scan, MISSED)
            return Found(missed[:PAGE], missed[PAGE - 1] if len(missed) > PAGE else None)
        if isinstance(wanted, Replay):
            known_since = self.clock.now() - self.attempts_kept
            wanted = structs.replace(wanted, since=max(wanted.since, known_since))
            look = partial(self._untried, await self.endpoints.get(app_id, wanted.endpoint_id))
        else:
            look = partial(self._attempted, app_id, wanted)
        for _ in range(looks):
            found, after = await look(_rest(wanted, after))
            if found or after is None:
                return Found(found, after)
        return Found((), after)

    async def count(self, app_id: str, wanted: Resending) -> int | None:
        """How many there are; None if that is not known without finding them all."""
        if not isinstance(wanted, Recovery):
            return None
        scan = _rest(wanted, None)
        return await self.destinations.count_standing_at(app_id, wanted.endpoint_id, scan, MISSED)

    async def preview(self, app_id: str, wanted: Resending) -> Preview:
        """Count what would be sent, and say what comes first.

        Raises:
            Unknown: The endpoint was removed.
            Unavailable: A store of ours is out of reach.
        """
        message_ids = list[str]()
        after = None
        for _ in range(PREVIEWED_MAX // PAGE):
            found = await self(app_id, wanted, after, looks=1)
            message_ids += found.message_ids
            after = found.scanned
            if after is None:
                break
        return Preview(len(message_ids), message_ids[:PREVIEWED_IDS], after is None)

    async def _untried(self, endpoint: Endpoint, scan: Scan) -> tuple[Sequence[str], str | None]:
        found = await self.messages.scan(endpoint.app_id, scan, MessageFilter(payloads=False))
        looked_at = found[:PAGE]
        # No more of them than of all messages: those among the page come first.
        tried = frozenset(await self.destinations.standing_at(endpoint.app_id, endpoint.id, scan, TRIED))
        untried = [
            message.id
            for message in looked_at
            if message.id not in tried and self._is_missing(endpoint, message)
        ]
        return untried, looked_at[-1].id if len(found) > PAGE else None

    def _is_missing(self, endpoint: Endpoint, message: Message) -> bool:
        if message.event_type == PING or not wants(endpoint, message.event_type, message.channels):
            return False
        now, due_at = self.clock.now(), message.deliver_at or message.created_at
        # If the endpoint is as it was then, the message is on its way to it, or waits for a turn.
        was_missed = due_at <= endpoint.updated_at + NOTICED_WITHIN
        return due_at <= now and (was_missed or due_at <= now - LOST_AFTER)

    async def _attempted(
        self, app_id: str, wanted: BulkReplay, scan: Scan
    ) -> tuple[Sequence[str], str | None]:
        only = AttemptedMessageFilter(
            wanted.status, wanted.channel, wanted.event_types, wanted.tag, payloads=False
        )
        found = await self.destinations.messages_at(app_id, wanted.endpoint_id, scan, only)
        attempted = [row.message.id for row in found[:PAGE]]
        scanned = attempted[-1] if len(found) > PAGE else None
        if wanted.status_code_class is None:
            return attempted, scanned

        async def answered(message_id: str) -> bool:
            newest = (await self.attempts.at_endpoint(app_id, message_id, wanted.endpoint_id))[-1]
            return newest.response_status_code // 100 * 100 == wanted.status_code_class

        are_wanted = await with_each(attempted, answered, at_once=READS_AT_ONCE)
        return [one for one, is_wanted in zip(attempted, are_wanted, strict=True) if is_wanted], scanned


def _rest(wanted: Resending, after: str | None) -> Scan:
    """What is left of the window. It begins after the least id of its first instant, which no message has."""
    first, end = (ids.start_id(ids.MESSAGE, ids.clamp(at)) for at in (wanted.since, wanted.until))
    return Scan(after or first, end, descending=False, limit=PAGE)
