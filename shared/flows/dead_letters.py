"""What was given up: whose work it was, and having it done after all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.operational import MANAGEMENT_ORG
from shared.domain.work import QUEUES, Subject, subject_of
from shared.ports.queue import DeadLetter, DeadLetters

LOOKED_AT = 1_000
"""So many dead letters are looked at for one page, whosever they are."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A dead letter, and what its work was about."""

    letter: DeadLetter
    subject: Subject


@dataclass(frozen=True, slots=True)
class Place:
    """Behind which dead letter a page begins.

    Attributes:
        queue: Its queue.
        id: Its id there; None is before the first.
    """

    queue: str
    id: str | None = None


FIRST = Place(QUEUES[0])


@dataclass(frozen=True, slots=True)
class GivenUpPage:
    """Some of what was given up.

    Attributes:
        next: Where the next page begins; None if there is no more.
    """

    rows: Sequence[GivenUp]
    next: Place | None


@dataclass(frozen=True)
class LookAtGivenUp:
    """Find what was given up of an organization's work.

    1. Go through the queues in their order, each from its first dead letter.
    2. Keep what is the organization's; the management organization gets also what nobody can read.
    3. End when the page is full, or when enough was looked at.
    """

    dead_letters: DeadLetters
    looked_at: int = LOOKED_AT

    async def __call__(
        self, org_id: str, start: Place, *, limit: int, only: str | None = None
    ) -> GivenUpPage:
        """One page.

        Args:
            org_id: Whose.
            start: Where it begins.
            limit: How many at most, above 0.
            only: Of this queue alone.

        Raises:
            ValueError: `start` is nowhere.
            Unavailable: A queue is out of reach.
        """
        rows: list[GivenUp] = []
        looked_at = 0
        for queue in QUEUES[QUEUES.index(start.queue) :]:  # (1)
            after = start.id if queue == start.queue else None
            while only in (None, queue):
                letters = await self.dead_letters.page(queue, after=after, limit=limit)
                for letter in letters:
                    after = letter.id
                    looked_at += 1
                    subject = subject_of(queue, letter.body)
                    if org_id in (MANAGEMENT_ORG, subject.org_id):  # (2)
                        rows.append(GivenUp(letter, subject))
                    if len(rows) == limit or looked_at == self.looked_at:  # (3)
                        return GivenUpPage(rows, Place(queue, after))
                if len(letters) < limit:
                    break
        return GivenUpPage(rows, None)


@dataclass(frozen=True)
class Redrive:
    """Have what was given up handed over again, whosever it is: what is done already is not done twice."""

    dead_letters: DeadLetters

    async def __call__(self, queues: Sequence[str]) -> Mapping[str, int]:
        """Do so with some queues.

        Returns:
            How many of each.

        Raises:
            Unavailable: A queue is out of reach; calling again goes on where this ended.
        """
        return {queue: await self.dead_letters.redrive(queue) for queue in queues}
