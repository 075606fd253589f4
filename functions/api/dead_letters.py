"""Work that was given up, because a part of ours failed on it for too long or nobody could read it."""

from typing import Annotated

import msgspec

from functions.api import atoms
from functions.api.answers import Answer, json_answer
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import DeadLetterIterator, Limit, NoQuery, QueueName
from shared.domain.errors import Invalid
from shared.domain.paging import DEFAULT_LIMIT
from shared.domain.timestamps import to_wire
from shared.domain.work import QUEUES
from shared.flows.dead_letters import FIRST, GivenUp, Place


class DeadLetterOut(msgspec.Struct, kw_only=True, rename="camel"):
    """A piece of queued work that nobody does any more, without its payload.

    Attributes:
        queue: Where it was queued.
        why: What is to be mended before it is redriven.
        died_at: When it was given up; null if the queue does not know.
        org_id: Whose it is; this and what it is about are null where they cannot be read.
    """

    id: str
    queue: str
    why: str
    died_at: atoms.Instant | None
    org_id: str | None
    app_id: str | None
    msg_id: str | None
    endpoint_id: str | None
    task_id: str | None


class DeadLettersOut(msgspec.Struct):
    """One page of dead letters.

    Attributes:
        iterator: Where the next page begins; null if there is no more.
        done: There is no more.
    """

    data: list[DeadLetterOut]
    iterator: str | None
    done: bool


class DeadLettersQuery(msgspec.Struct, frozen=True):
    """Which to list.

    Attributes:
        queue: Of this queue alone.
        iterator: That of the page before.
    """

    queue: QueueName | None = None
    limit: Limit = DEFAULT_LIMIT
    iterator: DeadLetterIterator | None = None


class RedriveIn(msgspec.Struct, frozen=True, kw_only=True):
    """What to redrive.

    Attributes:
        queue: `dispatch`, `retry`, `events` or `tasks`; all of them if absent.
    """

    queue: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(QUEUES)})] | None = None


class RedrivenOut(msgspec.Struct):
    """How many dead letters of a queue will be handed over again."""

    queue: str
    count: int


class RedriveOut(msgspec.Struct):
    """How many dead letters will be handed over again."""

    data: list[RedrivenOut]


async def list_all(call: Call[DeadLettersQuery, NoBody]) -> Answer:
    """List the organization's work that was given up; the management organization sees everybody's.

    It stands in the order of the queues, and of each the oldest first.

    Raises:
        Invalid: The iterator is none of this list.
        Unavailable: A queue is out of reach.
    """
    query = call.query
    start = _place(query.iterator)
    if query.limit == 0:
        return json_answer(200, DeadLettersOut([], query.iterator, done=False))
    try:
        found = await call.service.look_at_given_up(
            call.token.org_id, start, limit=query.limit, only=query.queue
        )
    except ValueError as wrong:
        raise Invalid(("query", "iterator", "__all__"), str(wrong)) from wrong
    following = None if found.next is None else f"{found.next.queue}:{found.next.id}"
    return json_answer(200, DeadLettersOut([_out(row) for row in found.rows], following, following is None))


async def redrive(call: Call[NoQuery, RedriveIn]) -> Answer:
    """Have everything done that was given up, whosever it is; what is done already is not done twice.

    Raises:
        Invalid: There is no such queue.
        Unavailable: A queue is out of reach; calling again goes on where this ended.
    """
    queue = call.body.queue
    if queue not in (None, *QUEUES):
        raise Invalid(("body", "queue"), f"write one of {', '.join(QUEUES)}, or leave it out for all of them")
    counts = await call.service.redrive(QUEUES if queue is None else (queue,))
    return json_answer(200, RedriveOut([RedrivenOut(name, count) for name, count in counts.items()]))


def _place(iterator: str | None) -> Place:
    if iterator is None:
        return FIRST
    queue, _, letter_id = iterator.partition(":")
    return Place(queue, letter_id)


def _out(row: GivenUp) -> DeadLetterOut:
    letter, subject = row.letter, row.subject
    return DeadLetterOut(
        id=letter.id,
        queue=letter.queue,
        why=letter.reason,
        died_at=None if letter.died_at is None else to_wire(letter.died_at),
        org_id=subject.org_id,
        app_id=subject.app_id,
        msg_id=subject.message_id,
        endpoint_id=subject.endpoint_id,
        task_id=subject.task_id,
    )


OPERATIONS = (
    operation(
        "v1.dead-letter.list",
        "GET /diagnostics/dead-letters",
        Access.ORGANIZATION,
        list_all,
        {200: DeadLettersOut},
    ),
    operation(
        "v1.dead-letter.redrive",
        "POST /diagnostics/dead-letters/redrive",
        Access.ORGANIZATION,
        redrive,
        {200: RedriveOut},
    ),
)
