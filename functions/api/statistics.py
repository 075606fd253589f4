"""What the applications of an organization use: background tasks that find it out."""

from datetime import datetime

import msgspec

from functions.api import atoms
from functions.api.answers import Answer, json_answer
from functions.api.background_task import TaskOut, begun, head
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from shared.domain.errors import Invalid

APP_IDS_MAX = 1_000
"""Applications that one request may name; to count more, leave their ids out."""

_WHERE = ("body", "appIds")


class AppUsageStatsIn(msgspec.Struct, frozen=True, rename="camel"):
    """Of which time to count, and for which applications.

    Attributes:
        since: Messages from this instant on.
        until: Messages before this instant.
        app_ids: Ids or uids of applications, at most 1,000; all of the organization's if it is absent.
    """

    since: atoms.Instant
    until: atoms.Instant
    app_ids: list[str] | None = None

    def span(self) -> tuple[datetime, datetime]:
        """From when until when.

        Raises:
            Invalid: One is no instant, or the end is not after the beginning.
        """
        since = atoms.instant(self.since, "body", "since")
        until = atoms.instant(self.until, "body", "until")
        if until <= since:
            raise Invalid(("body", "until"), "write an instant after 'since'")
        return since, until

    def keys(self) -> list[str] | None:
        """What is named, each once.

        Raises:
            Invalid: It is nothing, or too much.
        """
        if self.app_ids is None:
            return None
        if not 1 <= len(self.app_ids) <= APP_IDS_MAX:
            why = f"name 1 to {APP_IDS_MAX} applications, or leave this out to count for all"
            raise Invalid(_WHERE, why)
        return list(dict.fromkeys(self.app_ids))


class AppUsageStatsOut(TaskOut, kw_only=True, rename="camel"):
    """The background task that counts.

    Attributes:
        unresolved_app_ids: What was named and is no application's id or uid.
    """

    unresolved_app_ids: list[str]


class AggregateEventTypesOut(TaskOut):
    """The background task that gathers event types."""


async def aggregate_app_stats(call: Call[NoQuery, AppUsageStatsIn]) -> Answer:
    """Count for each application at how many endpoints its messages were attempted.

    A message counts once for each endpoint, however often it was attempted there, as long as attempts are
    kept. When the background task has finished, its `data` has them as `appStats`: `[{"appId": …, "appUid":
    …, "messageDestinations": …}]`.

    Raises:
        Invalid: None of the applications that are named is there.
    """
    since, until = call.body.span()
    keys = call.body.keys()
    task, unknown = await call.service.begin_task.usage(call.token.org_id, since, until, keys)
    if task is None:
        raise Invalid(_WHERE, "there is none of these applications; name ids or uids of the organization's")
    return json_answer(202, AppUsageStatsOut(**head(task), unresolved_app_ids=list(unknown)))


async def aggregate_event_types(call: Call[NoQuery, NoBody]) -> Answer:
    """Gather for each application the event types that its endpoints ask for, disabled ones among them.

    When the background task has finished, its `data` has `event_types`: `[{"appId": …,
    "explicitlySubscribedEventTypes": […], "hasCatchAllEndpoint": …}]`.
    """
    return begun(AggregateEventTypesOut, await call.service.begin_task.subscriptions(call.token.org_id))


OPERATIONS = (
    operation(
        "v1.statistics.aggregate-app-stats",
        "POST /stats/usage/app",
        Access.ORGANIZATION,
        aggregate_app_stats,
        {202: AppUsageStatsOut},
    ),
    operation(
        "v1.statistics.aggregate-event-types",
        "PUT /stats/usage/event-types",
        Access.ORGANIZATION,
        aggregate_event_types,
        {202: AggregateEventTypesOut},
    ),
)
