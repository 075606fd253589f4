"""Operational webhooks: where an organization wants to be told what becomes of its endpoints and messages.

They are endpoints like any other, of an application in the management organization that is made with the
first of them.
"""

from dataclasses import replace

from functions.api import atoms
from functions.api.answers import NO_CONTENT, Answer, json_answer
from functions.api.application import found_or_made
from functions.api.bodies import Body
from functions.api.endpoint import AnyEndpointIn, AnyEndpointOut, ListQuery, any_endpoint_out
from functions.api.endpoint_headers import (
    EndpointHeadersIn,
    EndpointHeadersOut,
    EndpointHeadersPatchIn,
    sensitive,
    shown,
)
from functions.api.endpoint_secret import EndpointSecretOut, EndpointSecretRotateIn
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery, Query
from functions.api.request_headers import request_headers
from functions.api.shapes import ListResponse, list_answer
from shared.domain.application import Application, NewApplication
from shared.domain.endpoint import Endpoint, NewEndpoint
from shared.domain.errors import Unknown
from shared.domain.operational import MANAGEMENT_ORG
from shared.domain.paging import page_of, scan_by_key


class OperationalWebhookEndpointUpsertIn(AnyEndpointIn, frozen=True, kw_only=True, rename="camel"):
    """What an operational webhook endpoint is to be; its secret and headers stay.

    Attributes:
        rate_limit: The old name of `throttleRate`, which goes before it.
        event_types: What it is told of; absent or null means everything.
        filter_types: The old name of `eventTypes`; only one of the two may be given.
    """


class OperationalWebhookEndpointIn(AnyEndpointIn, frozen=True, kw_only=True, rename="camel"):
    """An operational webhook endpoint to be made.

    Attributes:
        rate_limit: The old name of `throttleRate`, which goes before it.
        event_types: What it is told of; absent or null means everything.
        filter_types: The old name of `eventTypes`; only one of the two may be given.
        secret: What signs its messages: `whsec_` and the base64 of 24 to 75 bytes, or `whsk_` and that of an
            ed25519 key pair. One is made if it is absent.
        headers: Extra request headers; the casing of the names is kept.
    """

    secret: str | None = None
    headers: dict[str, str] | None = None

    def checked(self, *, https_only: bool) -> NewEndpoint:
        """What it asks for, secret and headers included.

        Raises:
            Invalid: A value breaks a rule.
        """
        return replace(
            super().checked(https_only=https_only),
            headers=request_headers(self.headers),
            secret=atoms.secret(self.secret, "body", "secret"),
        )


class OperationalWebhookEndpointOut(AnyEndpointOut):
    """An operational webhook endpoint, without its secret and headers.

    Attributes:
        rate_limit: The old name of `throttleRate`.
        filter_types: The old name of `eventTypes`.
    """


class ListResponseOperationalWebhookEndpointOut(ListResponse[OperationalWebhookEndpointOut]):
    """One page of operational webhook endpoints."""


class OperationalWebhookEndpointSecretOut(EndpointSecretOut):
    """What a receiver verifies signatures with: `whsec_…`, or the public `whpk_…` of an ed25519 pair."""


class OperationalWebhookEndpointSecretIn(EndpointSecretRotateIn, frozen=True, rename="camel"):
    """How to exchange the key.

    Attributes:
        key: The new one: `whsec_` and the base64 of 24 to 75 bytes, or `whsk_` and that of an ed25519 key
            pair. One is made if it is absent.
        grace_period_seconds: How long messages are signed with the old key, too.
    """


class OperationalWebhookEndpointHeadersIn(EndpointHeadersIn, frozen=True):
    """All headers that are to go along with every delivery; the casing of the names is kept."""


class OperationalWebhookEndpointHeadersOut(EndpointHeadersOut):
    """The headers.

    Attributes:
        sensitive: Names of headers that are set and whose values are not shown.
    """


async def list_all(call: Call[ListQuery, NoBody]) -> Answer:
    """List the organization's operational webhook endpoints."""
    query, service = call.query, call.service
    scan = scan_by_key(query.limit, query.iterator, descending=query.order == "descending")
    try:
        rows = await service.endpoints.scan((await _application(call)).id, scan)
    except Unknown:
        rows = []
    page = page_of(rows, scan, lambda row: row.id)
    return list_answer(ListResponseOperationalWebhookEndpointOut, page, _out)


async def create(call: Call[NoQuery, OperationalWebhookEndpointIn]) -> Answer:
    """Create an operational webhook endpoint."""
    new = call.body.checked(https_only=(await call.policy()).endpoint_https_only)
    application = await _application_made(call)
    return json_answer(201, _out(await call.service.catalogue.add_endpoint(application, new)))


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Get an operational webhook endpoint by its id or uid."""
    return json_answer(200, _out(await _endpoint(call)))


async def upsert(call: Call[NoQuery, OperationalWebhookEndpointUpsertIn]) -> Answer:
    """Update an operational webhook endpoint, or create one with an id and a secret of its own."""
    new = call.body.checked(https_only=(await call.policy()).endpoint_https_only)
    application = await _application_made(call)
    endpoint, is_made = await call.service.catalogue.put_endpoint(application, _key(call), new)
    return json_answer(201 if is_made else 200, _out(endpoint))


async def delete(call: Call[NoQuery, NoBody]) -> Answer:
    """Delete an operational webhook endpoint; its uid is free again."""
    await call.service.catalogue.remove_endpoint(await _application(call), _key(call))
    return NO_CONTENT


async def get_secret(call: Call[NoQuery, NoBody]) -> Answer:
    """Get what the receiver verifies signatures with."""
    key = await call.service.catalogue.exposed_key(await _application(call), _key(call))
    return json_answer(200, OperationalWebhookEndpointSecretOut(key))


async def rotate_secret(call: Call[NoQuery, OperationalWebhookEndpointSecretIn]) -> Answer:
    """Sign with another key, and for a while with the old one, too."""
    secret, grace = atoms.secret(call.body.key, "body", "key"), call.body.grace()
    await call.service.catalogue.rotate_key(await _application(call), _key(call), secret, grace)
    return NO_CONTENT


async def get_headers(call: Call[NoQuery, NoBody]) -> Answer:
    """Get the request headers of an operational webhook endpoint."""
    endpoint = await _endpoint(call)
    return json_answer(200, OperationalWebhookEndpointHeadersOut(shown(endpoint), sensitive(endpoint)))


async def set_headers(call: Call[NoQuery, OperationalWebhookEndpointHeadersIn]) -> Answer:
    """Set the request headers of an operational webhook endpoint, instead of all that there are."""
    changes, application = request_headers(call.body.headers), await _application(call)
    await call.service.catalogue.change_headers(application, _key(call), changes, keep=False)
    return NO_CONTENT


async def patch_headers(call: Call[NoQuery, EndpointHeadersPatchIn]) -> Answer:
    """Set or take away some request headers of an operational webhook endpoint."""
    changes, application = call.body.checked(), await _application(call)
    await call.service.catalogue.change_headers(application, _key(call), changes, keep=True)
    return NO_CONTENT


def _key(call: Call[Query, Body]) -> str:
    return call.path["endpoint_id"]


async def _application(call: Call[Query, Body]) -> Application:
    """The application whose endpoints they are.

    Raises:
        Unknown: The organization has had no such endpoint yet.
    """
    try:
        return await call.service.directory.application(MANAGEMENT_ORG, call.token.org_id)
    except Unknown as none_yet:
        raise Unknown("endpoint", call.path.get("endpoint_id", "")) from none_yet


async def _application_made(call: Call[Query, Body]) -> Application:
    """The same, made if there is none yet."""
    org_id = call.token.org_id
    new = NewApplication(name=org_id, uid=org_id)
    return await found_or_made(call.service, MANAGEMENT_ORG, org_id, new)


async def _endpoint(call: Call[Query, Body]) -> Endpoint:
    """The endpoint that the path names.

    Raises:
        Unknown: The organization has none.
    """
    return await call.service.endpoints.get((await _application(call)).id, _key(call))


def _out(endpoint: Endpoint) -> OperationalWebhookEndpointOut:
    return any_endpoint_out(OperationalWebhookEndpointOut, endpoint)


_NAME = "v1.operational-webhook.endpoint"
_ALL = "/operational-webhook/endpoint"
_ONE = f"{_ALL}/{{endpoint_id}}"
_BY = Access.ORGANIZATION

OPERATIONS = (
    operation(
        f"{_NAME}.list", f"GET {_ALL}", _BY, list_all, {200: ListResponseOperationalWebhookEndpointOut}
    ),
    operation(f"{_NAME}.create", f"POST {_ALL}", _BY, create, {201: OperationalWebhookEndpointOut}),
    operation(f"{_NAME}.get", f"GET {_ONE}", _BY, get, {200: OperationalWebhookEndpointOut}),
    operation(
        f"{_NAME}.upsert",
        f"PUT {_ONE}",
        _BY,
        upsert,
        {200: OperationalWebhookEndpointOut, 201: OperationalWebhookEndpointOut},
    ),
    operation(f"{_NAME}.delete", f"DELETE {_ONE}", _BY, delete, {204: None}),
    operation(
        f"{_NAME}.get-secret",
        f"GET {_ONE}/secret",
        _BY,
        get_secret,
        {200: OperationalWebhookEndpointSecretOut},
    ),
    operation(f"{_NAME}.rotate-secret", f"POST {_ONE}/secret/rotate", _BY, rotate_secret, {204: None}),
    operation(
        f"{_NAME}.get-headers",
        f"GET {_ONE}/headers",
        _BY,
        get_headers,
        {200: OperationalWebhookEndpointHeadersOut},
    ),
    operation(f"{_NAME}.set-headers", f"PUT {_ONE}/headers", _BY, set_headers, {204: None}),
    operation(f"{_NAME}.patch-headers", f"PATCH {_ONE}/headers", _BY, patch_headers, {204: None}),
)
