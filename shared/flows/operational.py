"""Telling an organization what becomes of its endpoints and deliveries: operational webhooks."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec import structs

from shared.domain.application import Application
from shared.domain.attempt import Attempt
from shared.domain.endpoint import Endpoint
from shared.domain.errors import EventIdTaken, Unavailable
from shared.domain.matching import wants
from shared.domain.message import NewMessage
from shared.domain.operational import (
    MANAGEMENT_ORG,
    AttemptFacts,
    DisabledEndpointFacts,
    EndpointFacts,
    Facts,
    Kind,
    LastAttemptFacts,
    event_id_of,
    kind_after,
    payload_of,
)
from shared.domain.timestamps import to_wire
from shared.flows.accept import Accept
from shared.flows.directory import Directory
from shared.ports.clock import Clock
from shared.ports.journal import Journal
from shared.ports.messages import Messages

RESTS = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30))
"""Between tries while a store or queue of ours is out of reach."""

AT_ONCE = 10_000
"""Pieces of news that may be under way: some 4 KB each. What comes beyond is lost, and noted."""

LAST_WORD = timedelta(milliseconds=500)
"""How long the end of the process waits for what is under way. A host has ten seconds for its end, and gives
nine of them to requests and deliveries."""


@dataclass(frozen=True, slots=True)
class _News:
    """One thing to be told.

    Attributes:
        org_id: Whom.
        facts: What is known at once. Uids and eventIds are found out when somebody wants to know.
        event_id: Tells it from all other news, where it may be found out twice.
    """

    org_id: str
    kind: Kind
    facts: Facts
    event_id: str | None = None


@dataclass(frozen=True)
class OperationalWebhooks:
    """Tells organizations what happened, after it happened, and holds up or fails nothing that it tells of.

    1. Nothing of the management organization is told, so that no news is news in turn.
    2. Look whether anybody wants to know: the organization, and an endpoint of its application in the
       management organization. All of it is cached; if nobody does, nothing more is done.
    3. Accept a message there, as for any application.
    4. If a part of ours is out of reach, rest and try again; what is given up is noted.
    """

    directory: Directory
    messages: Messages
    accept: Accept
    clock: Clock
    journal: Journal
    at_once: int = AT_ONCE
    _under_way: set[asyncio.Task[None]] = field(default_factory=set, init=False, repr=False)

    def edited(self, kind: Kind, endpoint: Endpoint) -> None:
        """Tell that somebody has edited an endpoint."""
        facts = EndpointFacts(app_id=endpoint.app_id, endpoint_id=endpoint.id, endpoint_uid=endpoint.uid)
        self._begin(_News(endpoint.org_id, kind, facts))

    def disabled(self, endpoint: Endpoint, fail_since: datetime) -> None:
        """Tell that we have disabled an endpoint, whose messages have failed since an instant."""
        facts = DisabledEndpointFacts(
            app_id=endpoint.app_id,
            endpoint_id=endpoint.id,
            endpoint_uid=endpoint.uid,
            fail_since=to_wire(fail_since),
        )
        self._begin(_News(endpoint.org_id, Kind.ENDPOINT_DISABLED, facts))

    def attempted(self, attempt: Attempt) -> None:
        """Tell what an attempt means for its message, if that is news; again does no harm."""
        kind = kind_after(attempt)
        if kind is None:
            return
        at = to_wire(attempt.timestamp)
        facts = AttemptFacts(
            app_id=attempt.app_id,
            msg_id=attempt.message_id,
            endpoint_id=attempt.endpoint_id,
            last_attempt=LastAttemptFacts(attempt.id, attempt.response_status_code, at),
        )
        self._begin(_News(attempt.org_id, kind, facts, event_id_of(kind, attempt)))

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def close(self) -> None:
        """Tell what is under way if that can be done soon; what cannot is lost, and noted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD.total_seconds()):
                await self.settled()
        for telling in self._under_way:
            telling.cancel()
        await self.settled()

    def _begin(self, news: _News) -> None:
        if news.org_id == MANAGEMENT_ORG:  # (1)
            return
        if len(self._under_way) >= self.at_once:
            self._lose(news, f"{self.at_once} others are under way")
            return
        telling = asyncio.get_running_loop().create_task(self._carry(news))
        self._under_way.add(telling)
        telling.add_done_callback(self._under_way.discard)

    async def _carry(self, news: _News) -> None:
        try:
            for rest in RESTS:  # (4)
                with suppress(Unavailable):
                    await self._tell(news)
                    return
                await self.clock.sleep(rest)
            await self._tell(news)
        except asyncio.CancelledError:
            self._lose(news, "the process ended")
            raise
        except Exception as wrong:  # noqa: BLE001 - nobody else would hear of it
            self._lose(news, f"{type(wrong).__name__}: {wrong}")

    async def _tell(self, news: _News) -> None:
        application = await self._listening(news)  # (2)
        if application is None:
            return
        payload = payload_of(news.kind, await self._found_out(news))
        new = NewMessage(news.kind.value, payload, news.event_id)
        with suppress(EventIdTaken):  # it was told before
            await self.accept(self.accept.prepare(application, new))  # (3)

    async def _listening(self, news: _News) -> Application | None:
        """The application that the news is for; None if nobody wants to know."""
        policy = await self.directory.policy(news.org_id)
        if not policy.operational_webhooks:
            return None
        application = await self.directory.find_application(MANAGEMENT_ORG, news.org_id)
        if application is None:
            return None
        targets = await self.directory.targets(MANAGEMENT_ORG, application.id)
        is_wanted = any(wants(target.endpoint, news.kind, None) for target in targets)
        return application if is_wanted else None

    async def _found_out(self, news: _News) -> Facts:
        """The facts, with what was not known at once."""
        facts = news.facts
        application = await self.directory.find_application(news.org_id, facts.app_id)
        if application is not None:
            facts = structs.replace(facts, app_uid=application.uid)
        if isinstance(facts, AttemptFacts):
            found = await self.messages.several(facts.app_id, [facts.msg_id], payloads=False)
            event_ids = [message.event_id for message in found.values()]
            facts = structs.replace(facts, msg_event_id=next(iter(event_ids), None))
        return facts

    def _lose(self, news: _News, why: str) -> None:
        self.journal.note("operational.lost", org_id=news.org_id, event_type=news.kind.value, why=why)
