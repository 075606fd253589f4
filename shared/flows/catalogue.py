"""Edits of the catalogue: applications, event types, endpoints. Each is seen by the next message."""

from dataclasses import dataclass

from shared.domain import ids
from shared.domain.application import Application, NewApplication
from shared.domain.endpoint import Endpoint, NewEndpoint, SealedKey
from shared.domain.errors import Invalid
from shared.domain.event_type import EventType, NewEventType
from shared.domain.signature import SignatureType, exposed_key, generate_secret, parse_secret
from shared.flows.directory import Directory
from shared.ports.applications import Applications
from shared.ports.clock import Clock
from shared.ports.dice import Dice
from shared.ports.endpoints import Endpoints
from shared.ports.event_types import EventTypes
from shared.ports.secrets import Secrets


@dataclass(frozen=True)
class Catalogue:
    """Makes and removes what messages are sent to. Every error of the stores passes through."""

    applications: Applications
    event_types: EventTypes
    endpoints: Endpoints
    secrets: Secrets
    directory: Directory
    clock: Clock
    dice: Dice
    signature_type: SignatureType

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
            feature_flag=new.feature_flag,
            created_at=now,
            updated_at=now,
        )
        await self.event_types.add(event_type)
        return event_type

    async def remove_event_type(self, org_id: str, name: str, *, expunge: bool) -> None:
        """Archive an event type, or remove it for good.

        Raises:
            Unknown: There is none of this name.
        """
        if expunge:
            await self.event_types.remove(org_id, name)
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
        secret = new.secret or self._new_secret()
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
        return endpoint

    async def remove_endpoint(self, application: Application, key: str) -> None:
        """Remove an endpoint by id or uid; its uid is free again.

        Raises:
            Unknown: The application has none.
        """
        endpoint = await self.endpoints.get(application.id, key)
        await self.endpoints.remove(application.id, endpoint.id, at=self.clock.now())
        self.directory.forget_targets(application.id)

    async def exposed_key(self, application: Application, key: str) -> str:
        """What a receiver verifies an endpoint's signatures with: `whsec_…`, or the public `whpk_…`.

        Raises:
            Unknown: The application has no such endpoint.
        """
        endpoint = await self.endpoints.get(application.id, key)
        return exposed_key(parse_secret(await self.secrets.open(endpoint.keys[0].sealed)))

    def _new_secret(self) -> str:
        kind = self.signature_type
        return generate_secret(kind, self.dice.octets(kind.dice_bytes)).text

    async def _check_event_types(self, org_id: str, names: frozenset[str] | None) -> None:
        missing = await self.event_types.missing(org_id, names) if names else frozenset[str]()
        if missing:
            listed = ", ".join(sorted(missing))
            raise Invalid(("body", "eventTypes"), f"The following event types don't exist: {listed}")
