"""Edits of the catalogue: settings, applications, event types, endpoints. The next message sees each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from msgspec import UNSET

from shared.domain import application as applications
from shared.domain import endpoint as endpoints
from shared.domain import event_type as event_types
from shared.domain import ids
from shared.domain import organization as organizations
from shared.domain.application import Application, ApplicationEdit, NewApplication
from shared.domain.endpoint import Endpoint, EndpointEdit, NewEndpoint, SealedKey
from shared.domain.errors import Invalid, Unknown
from shared.domain.event_type import EventType, EventTypeEdit, NewEventType
from shared.domain.operational import Kind
from shared.domain.organization import OrganizationSettings, OrganizationSettingsEdit
from shared.domain.signature import exposed_key, generate_secret, parse_secret
from shared.flows.directory import Directory
from shared.flows.operational import OperationalWebhooks
from shared.ports.applications import Applications
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.endpoints import Endpoints
from shared.ports.event_types import EventTypes
from shared.ports.organizations import Organizations
from shared.ports.secrets import Secrets


@dataclass(frozen=True)
class Catalogue:
    """Makes, changes and removes what messages are sent to. Every error of the stores passes through."""

    organizations: Organizations
    applications: Applications
    event_types: EventTypes
    endpoints: Endpoints
    secrets: Secrets
    directory: Directory
    clock: Clock
    dice: Dice
    operational: OperationalWebhooks

    async def edit_settings(self, org_id: str, said: OrganizationSettingsEdit) -> OrganizationSettings:
        """Change what an organization sets for itself."""
        after = await self.organizations.update(org_id, lambda present: organizations.edited(present, said))
        self.directory.forget_policy(org_id)
        return after

    async def add_application(self, org_id: str, new: NewApplication) -> Application:
        """Make an application.

        Raises:
            UidTaken: A live application of the organization has its uid.
        """
        now = self.clock.now()
        application = Application(
            id=ids.new_id(ids.APPLICATION, now, self.dice.octets(ids.DICE_BYTES)),
            org_id=org_id,
            name=new.name,
            uid=new.uid,
            throttle_rate=new.throttle_rate,
            metadata=new.metadata,
            created_at=now,
            updated_at=now,
        )
        await self.applications.add(application)
        self.directory.forget(application)
        return application

    async def edit_application(
        self, org_id: str, key: str, said: ApplicationEdit | NewApplication
    ) -> Application:
        """Change an application, by id or uid.

        Raises:
            Unknown: The organization has none.
            UidTaken: Another live application of the organization has its new uid.
        """
        now = self.clock.now()
        before, after = await self.applications.update(
            org_id, key, lambda present: applications.edited(present, said, now)
        )
        self.directory.forget(before)
        self.directory.forget(after)
        return after

    async def put_application(self, org_id: str, key: str, new: NewApplication) -> tuple[Application, bool]:
        """Make an application what `new` says; if there is none of this id or uid, make another.

        Returns:
            The application, and whether it was made.

        Raises:
            UidTaken: Another live application of the organization has its new uid.
        """
        try:
            return await self.edit_application(org_id, key, new), False
        except Unknown:
            return await self.add_application(org_id, new), True

    async def end_tokens(
        self, application: Application, session_ids: Sequence[str] | None, after: timedelta
    ) -> None:
        """Have the portal tokens of an application end before their time.

        Args:
            application: Whose tokens.
            session_ids: Only those of these sessions; None or empty means all.
            after: How long they stay good.

        Raises:
            Unknown: It was removed.
        """
        now, sessions = self.clock.now(), session_ids or (None,)
        await self.applications.update(
            application.org_id,
            application.id,
            lambda present: applications.with_tokens_ended(present, sessions, after, now),
        )
        self.directory.forget(application)

    async def remove_application(self, application: Application) -> None:
        """Remove an application; its uid is free again.

        Raises:
            Unknown: It was removed already.
        """
        try:
            await self.applications.remove(application.org_id, application.id, at=self.clock.now())
        finally:
            self.directory.forget(application)

    async def add_event_type(self, org_id: str, new: NewEventType) -> EventType:
        """Make an event type, or bring an archived one back with these values.

        Raises:
            EventTypeTaken: There is a live one of this name.
        """
        now = self.clock.now()
        event_type = EventType(
            org_id=org_id,
            name=new.name,
            description=new.description,
            archived=new.archived,
            deprecated=new.deprecated,
            schemas=new.schemas,
            group_name=new.group_name,
            feature_flags=new.feature_flags,
            created_at=now,
            updated_at=now,
        )
        await self.event_types.add(event_type)
        self.directory.forget_policy(org_id)
        return event_type

    async def edit_event_type(self, org_id: str, name: str, said: EventTypeEdit | NewEventType) -> EventType:
        """Change an event type, archived or not.

        Raises:
            Unknown: There is none of this name.
        """
        now = self.clock.now()
        after = await self.event_types.update(
            org_id, name, lambda present: event_types.edited(present, said, now)
        )
        self.directory.forget_policy(org_id)
        return after

    async def put_event_type(self, org_id: str, new: NewEventType) -> tuple[EventType, bool]:
        """Make the event type of a name what `new` says, whether there is one or not.

        Returns:
            The event type, and whether it was made.

        Raises:
            EventTypeTaken: Somebody else made it at the same moment.
        """
        try:
            return await self.edit_event_type(org_id, new.name, new), False
        except Unknown:
            return await self.add_event_type(org_id, new), True

    async def remove_event_type(self, org_id: str, name: str, *, expunge: bool) -> None:
        """Archive an event type, or remove it for good.

        Raises:
            Unknown: There is none of this name.
        """
        if expunge:
            await self.event_types.remove(org_id, name)
            self.directory.forget_policy(org_id)
        else:
            await self.event_types.archive(org_id, name, at=self.clock.now())

    async def add_endpoint(self, application: Application, new: NewEndpoint) -> Endpoint:
        """Make an endpoint, with a signing key of its own unless one was given.

        Raises:
            Invalid: It names event types that do not exist.
            UidTaken: A live endpoint of the application has its uid.
        """
        await self._check_event_types(application.org_id, new.event_types)
        now = self.clock.now()
        secret = new.secret or await self._new_secret(application.org_id)
        endpoint = Endpoint(
            id=ids.new_id(ids.ENDPOINT, now, self.dice.octets(ids.DICE_BYTES)),
            app_id=application.id,
            org_id=application.org_id,
            url=new.url,
            description=new.description,
            version=new.version,
            disabled=new.disabled,
            uid=new.uid,
            throttle_rate=new.throttle_rate,
            event_types=new.event_types,
            channels=new.channels,
            metadata=new.metadata,
            headers=new.headers,
            keys=(SealedKey(await self.secrets.seal(secret), expires_at=None),),
            failing_since=None,
            created_at=now,
            updated_at=now,
        )
        await self.endpoints.add(endpoint)
        self.directory.forget_targets(application.id)
        self.operational.edited(Kind.ENDPOINT_CREATED, endpoint)
        return endpoint

    async def edit_endpoint(self, application: Application, key: str, said: EndpointEdit) -> Endpoint:
        """Change an endpoint, by id or uid; its headers and keys stay.

        Raises:
            Invalid: It is to want event types that do not exist.
            Unknown: The application has none.
            UidTaken: Another live endpoint of the application has its new uid.
        """
        wanted = said.event_types
        await self._check_event_types(application.org_id, None if wanted is UNSET else wanted)
        now = self.clock.now()
        before, after = await self._change(
            application, key, lambda present: endpoints.edited(present, said, now)
        )
        self.operational.edited(Kind.ENDPOINT_UPDATED, after)
        if before.disabled and not after.disabled:
            self.operational.edited(Kind.ENDPOINT_ENABLED, after)
        return after

    async def put_endpoint(
        self, application: Application, key: str, new: NewEndpoint
    ) -> tuple[Endpoint, bool]:
        """Make an endpoint what `new` says, but for headers and keys; if there is none, make another.

        Returns:
            The endpoint, and whether it was made.

        Raises:
            Invalid: It is to want event types that do not exist.
            UidTaken: Another live endpoint of the application has its new uid.
        """
        try:
            return await self.edit_endpoint(application, key, EndpointEdit.to_become(new)), False
        except Unknown:
            return await self.add_endpoint(application, new), True

    async def change_headers(
        self, application: Application, key: str, changes: Mapping[str, str | None], *, keep: bool
    ) -> Endpoint:
        """Change the extra request headers of an endpoint.

        Args:
            application: Whose it is.
            key: Its id or uid.
            changes: The headers to be set; None takes one away.
            keep: Whether the headers that `changes` does not name stay.

        Raises:
            Unknown: The application has no such endpoint.
        """
        now = self.clock.now()
        _, after = await self._change(
            application, key, lambda present: endpoints.with_headers(present, changes, now, keep=keep)
        )
        return after

    async def rotate_key(
        self, application: Application, key: str, secret: str | None, grace: timedelta
    ) -> str:
        """Have an endpoint's messages signed with another key.

        Args:
            application: Whose it is.
            key: Its id or uid.
            secret: `whsec_…` or `whsk_…`; None has one made.
            grace: For how long the present key goes on signing beside it.

        Returns:
            What a receiver verifies signatures with from now on.

        Raises:
            Unknown: The application has no such endpoint.
            TooManyKeys: Too many old keys would go on signing.
        """
        secret = secret or await self._new_secret(application.org_id)
        sealed = await self.secrets.seal(secret)
        now = self.clock.now()
        _, after = await self._change(
            application, key, lambda present: endpoints.rotated(present, sealed, grace, now)
        )
        self.operational.edited(Kind.ENDPOINT_UPDATED, after)
        return exposed_key(parse_secret(secret))

    async def remove_endpoint(self, application: Application, key: str) -> None:
        """Remove an endpoint by id or uid; its uid is free again.

        Raises:
            Unknown: The application has none.
        """
        endpoint = await self.endpoints.get(application.id, key)
        await self.endpoints.remove(application.id, endpoint.id, at=self.clock.now())
        self.directory.forget_targets(application.id)
        self.operational.edited(Kind.ENDPOINT_DELETED, endpoint)

    async def exposed_key(self, application: Application, key: str) -> str:
        """What a receiver verifies an endpoint's signatures with: `whsec_…`, or the public `whpk_…`.

        Raises:
            Unknown: The application has no such endpoint.
        """
        endpoint = await self.endpoints.get(application.id, key)
        return exposed_key(parse_secret(await self.secrets.open(endpoint.keys[0].sealed)))

    async def _change(
        self, application: Application, key: str, change: Callable[[Endpoint], Endpoint]
    ) -> tuple[Endpoint, Endpoint]:
        """Change an endpoint; say what it was and what it is."""
        changed = await self.endpoints.update(application.id, key, change)
        self.directory.forget_targets(application.id)
        return changed

    async def _new_secret(self, org_id: str) -> str:
        kind = (await self.directory.policy(org_id)).signature_type
        return generate_secret(kind, self.dice.octets(kind.dice_bytes)).text

    async def _check_event_types(self, org_id: str, names: frozenset[str] | None) -> None:
        missing = await self.event_types.missing(org_id, names) if names else frozenset[str]()
        if missing:
            listed = ", ".join(sorted(missing))
            raise Invalid(("body", "eventTypes"), f"The following event types don't exist: {listed}")
