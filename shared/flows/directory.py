"""Who is who and what holds for whom, as every message needs it, out of a short-lived cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.application import Application
from shared.domain.endpoint import Endpoint
from shared.domain.errors import Unknown
from shared.domain.policy import Policy
from shared.domain.signature import Secret, parse_secret
from shared.domain.throttle import Limit, limit_of
from shared.flows.cache import Cache
from shared.flows.policies import Policies
from shared.ports.applications import Applications
from shared.ports.clock import Clock
from shared.ports.endpoints import Endpoints
from shared.ports.secrets import Secrets

KEEP = timedelta(seconds=5)
"""How long another process's changes may go unseen; changes made in this process are seen at once."""

SIZE = 4096
"""Policies kept at most, as many applications, and as many lists of endpoints: some 10 KB each with a few
endpoints."""


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint as deliveries need it.

    Attributes:
        keys: Its signing keys opened, the current one first, each with its end.
        limits: What its deliveries are held to, in the order in which turns are taken; None if by nothing.
    """

    endpoint: Endpoint
    keys: Sequence[tuple[Secret, datetime | None]]
    limits: Sequence[Limit] | None = None

    def keys_at(self, now: datetime) -> Sequence[Secret]:
        """The keys that sign at an instant: the current one and every one that has not expired."""
        return [key for key, expires_at in self.keys if expires_at is None or expires_at > now]


class Directory:
    """Policies, applications and targets by key, cached; every edit in this process calls `forget…`."""

    def __init__(
        self,
        policies: Policies,
        applications: Applications,
        endpoints: Endpoints,
        secrets: Secrets,
        clock: Clock,
    ) -> None:
        self._read_policy = policies.of
        self._read_application = applications.get
        self._read_endpoints = endpoints.of_application
        self._open = secrets.open
        self._policies: Cache[str, Policy] = Cache(clock, keep=KEEP, size=SIZE)
        self._applications: Cache[tuple[str, str], Application] = Cache(clock, keep=KEEP, size=SIZE)
        self._found: Cache[tuple[str, str], Application | None] = Cache(clock, keep=KEEP, size=SIZE)
        self._targets: Cache[str, Sequence[Target]] = Cache(clock, keep=KEEP, size=SIZE)

    async def policy(self, org_id: str) -> Policy:
        """What holds for an organization.

        Raises:
            Unavailable: The store is out of reach.
        """
        return await self._policies.get(org_id, lambda: self._read_policy(org_id))

    async def application(self, org_id: str, key: str) -> Application:
        """An application by id or uid.

        Raises:
            Unknown: The organization has none, or it was removed.
            Unavailable: The store is out of reach.
        """
        return await self._applications.get((org_id, key), lambda: self._read_application(org_id, key))

    async def find_application(self, org_id: str, key: str) -> Application | None:
        """The same, for whom it matters little: that there is none is kept as long as everything else.

        Raises:
            Unavailable: The store is out of reach.
        """
        return await self._found.get((org_id, key), lambda: self._find_application(org_id, key))

    async def targets(self, org_id: str, app_id: str) -> Sequence[Target]:
        """Every endpoint of an application, disabled ones too; none if the application was removed.

        Raises:
            Unavailable: The store is out of reach, or a signing key cannot be opened.
        """
        return await self._targets.get(app_id, lambda: self._read_targets(org_id, app_id))

    def forget_policy(self, org_id: str) -> None:
        """What holds for an organization was changed: read it anew."""
        self._policies.forget(org_id)

    def forget(self, application: Application) -> None:
        """An application or its endpoints were changed: read them anew."""
        keys = (application.id,) if application.uid is None else (application.id, application.uid)
        places = [(application.org_id, key) for key in keys]
        self._applications.forget(*places)
        self._found.forget(*places)
        self._targets.forget(application.id)

    def forget_targets(self, app_id: str) -> None:
        """An application's endpoints were changed: read them anew."""
        self._targets.forget(app_id)

    async def _find_application(self, org_id: str, key: str) -> Application | None:
        try:
            return await self._read_application(org_id, key)
        except Unknown:
            return None

    async def _read_targets(self, org_id: str, app_id: str) -> Sequence[Target]:
        try:
            application = await self._read_application(org_id, app_id)
        except Unknown:
            return []
        by_application = limit_of(application)
        return [
            await self._target(endpoint, by_application) for endpoint in await self._read_endpoints(app_id)
        ]

    async def _target(self, endpoint: Endpoint, by_application: Limit | None) -> Target:
        keys = [(parse_secret(await self._open(key.sealed)), key.expires_at) for key in endpoint.keys]
        limits = [limit for limit in (limit_of(endpoint), by_application) if limit is not None]
        return Target(endpoint, keys, limits or None)
