"""An application: one customer of an organization, with endpoints and messages of its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType

from shared.domain.edits import said_in


@dataclass(frozen=True, slots=True)
class TokenEnd:
    """The end of portal tokens that were out at some instant.

    Attributes:
        session_id: Only tokens of this session; None means all.
        made_until: Only tokens made up to this instant, in UTC.
        ends_at: From when on they are no good, in UTC.
    """

    session_id: str | None
    made_until: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Application:
    """One customer of an organization.

    Attributes:
        id: `app_…`, from the same instant as `created_at`.
        uid: The organization's own name for it, unique among its live applications.
        throttle_rate: Deliveries per second, or None for no limit.
        metadata: The organization's own notes.
        created_at: UTC, in whole microseconds.
        updated_at: UTC, in whole microseconds.
        token_ends: Portal tokens that end before their time.
        throttled_since: When `throttle_rate` was changed last, in UTC; None if never.
    """

    id: str
    org_id: str
    name: str
    uid: str | None
    throttle_rate: int | None
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    token_ends: Sequence[TokenEnd] = ()
    throttled_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewApplication:
    """What a caller says of an application to be made; checked at the edge."""

    name: str
    uid: str | None = None
    throttle_rate: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApplicationEdit:
    """What a caller says of an application to be changed; checked at the edge."""

    name: str | UnsetType = UNSET
    uid: str | UnsetType | None = UNSET
    throttle_rate: int | UnsetType | None = UNSET
    metadata: Mapping[str, str] | UnsetType = UNSET


def edited(application: Application, said: ApplicationEdit | NewApplication, at: datetime) -> Application:
    """An application after an edit, which as a `NewApplication` is about every part."""
    after = replace(application, **said_in(said), updated_at=at)
    return after if after.throttle_rate == application.throttle_rate else replace(after, throttled_since=at)


def with_tokens_ended(
    application: Application, session_ids: Iterable[str | None], after: timedelta, at: datetime
) -> Application:
    """An application whose portal tokens of today end before their time.

    Args:
        application: It.
        session_ids: Of which sessions; None means of all.
        after: How long they stay good.
        at: Now, in UTC.
    """
    new = [TokenEnd(session_id, at, at + after) for session_id in session_ids]
    # An earlier end says nothing more if a new one ends as much and no later.
    kept = [end for end in application.token_ends if not any(_covers(one, end) for one in new)]
    return replace(application, token_ends=(*kept, *new))


def is_ended(
    application: Application, session_id: str | None, made_at: datetime | None, at: datetime
) -> bool:
    """Whether a portal token was ended before its time.

    Args:
        application: Whose token it is.
        session_id: Of which session, if of any.
        made_at: When it was made; None if it does not say, which counts as long ago.
        at: Now, in UTC.
    """
    return any(
        end.ends_at <= at
        and end.session_id in (None, session_id)
        and (made_at is None or made_at <= end.made_until)
        for end in application.token_ends
    )


def _covers(one: TokenEnd, other: TokenEnd) -> bool:
    return one.session_id in (None, other.session_id) and one.ends_at <= max(other.ends_at, one.made_until)
