"""Endpoints: where an application wants its messages, and which of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, TypeVar

import msgspec

from functions.api import atoms
from functions.api.answers import NO_CONTENT, Answer, json_answer
from functions.api.bodies import ROOT
from functions.api.errors import JSON_DECODE
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import EndpointIterator, Limit, NoQuery, Order
from functions.api.request_headers import request_headers
from functions.api.shapes import ListResponse, list_answer
from shared.domain import ids
from shared.domain.endpoint import Endpoint, EndpointEdit, NewEndpoint
from shared.domain.errors import Invalid
from shared.domain.paging import DEFAULT_LIMIT, page_of, scan_by_key
from shared.domain.timestamps import to_wire

OldNames = Annotated[atoms.Names, msgspec.Meta(extra_json_schema={atoms.OLD_NAME: True})]


class AnyEndpointIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What may be said of an endpoint whatever its messages are."""

    url: atoms.Url
    description: str | None = None
    throttle_rate: atoms.Rate | None = None
    rate_limit: atoms.Rate | None = None
    uid: atoms.Limited | None = None
    disabled: bool | None = None
    event_types: atoms.Names | msgspec.UnsetType | None = msgspec.UNSET
    filter_types: OldNames | msgspec.UnsetType | None = msgspec.UNSET
    metadata: atoms.Metadata | None = None

    def checked(self, *, https_only: bool) -> NewEndpoint:
        """What it asks for.

        Args:
            https_only: Whether the URL must be https.

        Raises:
            Invalid: A value breaks a rule.
        """
        wanted = _wanted(self)
        return NewEndpoint(
            url=atoms.url(self.url, https_only=https_only),
            description=atoms.printable(self.description or "", "body", "description"),
            disabled=bool(self.disabled),
            uid=atoms.uid(self.uid, ids.ENDPOINT, "body", "uid"),
            throttle_rate=atoms.throttle_rate(self.throttle_rate, self.rate_limit, "body"),
            event_types=atoms.event_types(None if wanted is msgspec.UNSET else wanted),
            metadata=atoms.metadata(self.metadata, "body", "metadata"),
        )


class EndpointUpsertIn(AnyEndpointIn, frozen=True, kw_only=True, rename="camel"):
    """What an endpoint is to be; its secret and headers stay.

    Attributes:
        rate_limit: The old name of `throttleRate`, which goes before it.
        event_types: The types that it wants; absent or null means every one.
        filter_types: The old name of `eventTypes`; only one of the two may be given.
        channels: It wants messages on one of these; absent or null means on any channel or none.
    """

    version: atoms.Rate | None = None
    channels: atoms.EndpointChannels | None = None

    def checked(self, *, https_only: bool) -> NewEndpoint:
        """What it asks for, version and channels included.

        Raises:
            Invalid: A value breaks a rule.
        """
        version = atoms.at_least_one(self.version, "body", "version")
        return replace(
            super().checked(https_only=https_only),
            version=1 if version is None else version,
            channels=atoms.channels(self.channels, atoms.ENDPOINT_CHANNELS_MAX),
        )


class EndpointIn(EndpointUpsertIn, frozen=True, kw_only=True, rename="camel"):
    """An endpoint to be made.

    Attributes:
        rate_limit: The old name of `throttleRate`, which goes before it.
        event_types: The types that it wants; absent or null means every one.
        filter_types: The old name of `eventTypes`; only one of the two may be given.
        channels: It wants messages on one of these; absent or null means on any channel or none.
        secret: What signs its messages: `whsec_` and the base64 of 24 to 75 bytes, or `whsk_` and that of an
            ed25519 key pair. One is made if it is absent.
        headers: Extra request headers; the casing of the names is kept.
    """

    secret: str | None = None
    headers: dict[str, str] | None = None

    def checked(self, *, https_only: bool) -> NewEndpoint:
        """What it asks for, as for an endpoint that is there already, with headers and secret.

        Raises:
            Invalid: A value breaks a rule.
        """
        return replace(
            super().checked(https_only=https_only),
            headers=request_headers(self.headers),
            secret=atoms.secret(self.secret, "body", "secret"),
        )


class EndpointPatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is to be changed of an endpoint; what is absent stays.

    Attributes:
        rate_limit: The old name of `throttleRate`, which goes before it.
        event_types: The types that it wants; null means every one.
        filter_types: The old name of `eventTypes`; only one of the two may be given.
        channels: It wants messages on one of these; null means on any channel or none.
        metadata: Instead of all that there is.
    """

    url: atoms.Url | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    throttle_rate: atoms.Rate | msgspec.UnsetType | None = msgspec.UNSET
    rate_limit: atoms.Rate | msgspec.UnsetType | None = msgspec.UNSET
    uid: atoms.Limited | msgspec.UnsetType | None = msgspec.UNSET
    version: atoms.Rate | msgspec.UnsetType = msgspec.UNSET
    disabled: bool | msgspec.UnsetType = msgspec.UNSET
    event_types: atoms.Names | msgspec.UnsetType | None = msgspec.UNSET
    filter_types: OldNames | msgspec.UnsetType | None = msgspec.UNSET
    channels: atoms.EndpointChannels | msgspec.UnsetType | None = msgspec.UNSET
    metadata: atoms.Metadata | msgspec.UnsetType | None = msgspec.UNSET

    def checked(self, *, https_only: bool) -> EndpointEdit:
        """What it asks for.

        Args:
            https_only: Whether the URL must be https.

        Raises:
            Invalid: A value breaks a rule.
        """
        return EndpointEdit(
            url=atoms.given(self.url, lambda url: atoms.url(url, https_only=https_only)),
            description=atoms.given(
                self.description, lambda text: atoms.printable(text, "body", "description")
            ),
            version=atoms.given(self.version, lambda version: atoms.at_least_one(version, "body", "version")),
            disabled=self.disabled,
            uid=atoms.given(self.uid, lambda uid: atoms.uid(uid, ids.ENDPOINT, "body", "uid")),
            throttle_rate=atoms.patched_rate(self.throttle_rate, self.rate_limit),
            event_types=atoms.given(_wanted(self), atoms.event_types),
            channels=atoms.given(
                self.channels, lambda names: atoms.channels(names, atoms.ENDPOINT_CHANNELS_MAX)
            ),
            metadata=atoms.given(self.metadata, lambda pairs: atoms.metadata(pairs, "body", "metadata")),
        )


def _wanted(body: AnyEndpointIn | EndpointPatch) -> list[str] | msgspec.UnsetType | None:
    """The event types by either name.

    Raises:
        Invalid: Both names are given.
    """
    if body.event_types is msgspec.UNSET:
        return body.filter_types
    if body.filter_types is not msgspec.UNSET:
        raise Invalid(ROOT, "duplicate field `eventTypes`", JSON_DECODE)
    return body.event_types


class AnyEndpointOut(msgspec.Struct, kw_only=True, rename="camel"):
    """What every endpoint shows, whoever it belongs to.

    Attributes:
        rate_limit: The old name of `throttleRate`.
        filter_types: The old name of `eventTypes`.
    """

    id: str
    description: str
    url: str
    disabled: bool
    uid: str | None
    rate_limit: int | None
    throttle_rate: int | None
    event_types: list[str] | None
    filter_types: list[str] | None
    created_at: atoms.Instant
    updated_at: atoms.Instant
    metadata: atoms.Metadata


Shown = TypeVar("Shown", bound=AnyEndpointOut)


class EndpointOut(AnyEndpointOut, kw_only=True):
    """An endpoint, without its secret and headers.

    Attributes:
        rate_limit: The old name of `throttleRate`.
        filter_types: The old name of `eventTypes`.
    """

    version: int
    channels: list[str] | None


class ListResponseEndpointOut(ListResponse[EndpointOut]):
    """One page of endpoints."""


class ListQuery(msgspec.Struct, frozen=True):
    """Which endpoints to list."""

    limit: Limit = DEFAULT_LIMIT
    iterator: EndpointIterator | None = None
    order: Order = "descending"


async def list_all(call: Call[ListQuery, NoBody]) -> Answer:
    """List the application's endpoints."""
    query = call.query
    scan = scan_by_key(query.limit, query.iterator, descending=query.order == "descending")
    page = page_of(await call.service.endpoints.scan(call.application.id, scan), scan, lambda row: row.id)
    return list_answer(ListResponseEndpointOut, page, endpoint_out)


async def create(call: Call[NoQuery, EndpointIn]) -> Answer:
    """Create an endpoint."""
    new = call.body.checked(https_only=(await call.policy()).endpoint_https_only)
    return json_answer(201, endpoint_out(await call.service.catalogue.add_endpoint(call.application, new)))


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Get an endpoint by its id or uid."""
    endpoint = await call.service.endpoints.get(call.application.id, call.path["endpoint_id"])
    return json_answer(200, endpoint_out(endpoint))


async def upsert(call: Call[NoQuery, EndpointUpsertIn]) -> Answer:
    """Update an endpoint, or create one with an id and a secret of its own if there is none."""
    new = call.body.checked(https_only=(await call.policy()).endpoint_https_only)
    endpoint, is_made = await call.service.catalogue.put_endpoint(
        call.application, call.path["endpoint_id"], new
    )
    return json_answer(201 if is_made else 200, endpoint_out(endpoint))


async def patch(call: Call[NoQuery, EndpointPatch]) -> Answer:
    """Change parts of an endpoint."""
    said = call.body.checked(https_only=(await call.policy()).endpoint_https_only)
    key = call.path["endpoint_id"]
    return json_answer(
        200, endpoint_out(await call.service.catalogue.edit_endpoint(call.application, key, said))
    )


async def delete(call: Call[NoQuery, NoBody]) -> Answer:
    """Delete an endpoint; its uid is free again."""
    await call.service.catalogue.remove_endpoint(call.application, call.path["endpoint_id"])
    return NO_CONTENT


def endpoint_out(endpoint: Endpoint) -> EndpointOut:
    """An endpoint as the API shows it."""
    channels = atoms.sorted_names(endpoint.channels)
    return any_endpoint_out(EndpointOut, endpoint, version=endpoint.version, channels=channels)


def any_endpoint_out(shape: Callable[..., Shown], endpoint: Endpoint, **besides: object) -> Shown:
    """An endpoint in a shape of its owner's, with what that shape has besides."""
    event_types = atoms.sorted_names(endpoint.event_types)
    return shape(
        id=endpoint.id,
        description=endpoint.description,
        url=endpoint.url,
        disabled=endpoint.disabled,
        uid=endpoint.uid,
        rate_limit=endpoint.throttle_rate,
        throttle_rate=endpoint.throttle_rate,
        event_types=event_types,
        filter_types=event_types,
        created_at=to_wire(endpoint.created_at),
        updated_at=to_wire(endpoint.updated_at),
        metadata=dict(endpoint.metadata),
        **besides,
    )


_ALL = "/app/{app_id}/endpoint"
_ONE = _ALL + "/{endpoint_id}"

OPERATIONS = (
    operation(
        "v1.endpoint.list", f"GET {_ALL}", Access.APPLICATION, list_all, {200: ListResponseEndpointOut}
    ),
    operation("v1.endpoint.create", f"POST {_ALL}", Access.APPLICATION, create, {201: EndpointOut}),
    operation("v1.endpoint.get", f"GET {_ONE}", Access.APPLICATION, get, {200: EndpointOut}),
    operation(
        "v1.endpoint.upsert",
        f"PUT {_ONE}",
        Access.APPLICATION,
        upsert,
        {200: EndpointOut, 201: EndpointOut},
    ),
    operation("v1.endpoint.patch", f"PATCH {_ONE}", Access.APPLICATION, patch, {200: EndpointOut}),
    operation("v1.endpoint.delete", f"DELETE {_ONE}", Access.APPLICATION, delete, {204: None}),
)
