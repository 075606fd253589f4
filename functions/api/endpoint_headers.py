"""The extra request headers that an endpoint's messages carry. What looks like a secret is never shown."""

from collections.abc import Mapping

import msgspec

from functions.api.answers import NO_CONTENT, Answer, json_answer
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from functions.api.request_headers import is_sensitive, request_headers
from shared.domain.endpoint import Endpoint


class EndpointHeadersIn(msgspec.Struct, frozen=True):
    """All headers that are to go along with every delivery; the casing of the names is kept."""

    headers: dict[str, str]


class EndpointHeadersPatchIn(msgspec.Struct, frozen=True, rename="camel"):
    """What is to be changed of the headers.

    Attributes:
        headers: To be set, or with null to be taken away. The casing of a name matters.
        delete_headers: Names to be taken away.
    """

    headers: dict[str, str | None]
    delete_headers: list[str] | None = None

    def checked(self) -> Mapping[str, str | None]:
        """What it asks for: a value for each name, or None to take it away.

        Raises:
            Invalid: A name or value breaks a rule.
        """
        return {**request_headers(self.headers), **dict.fromkeys(self.delete_headers or ())}


class EndpointHeadersOut(msgspec.Struct):
    """The headers.

    Attributes:
        sensitive: Names of headers that are set and whose values are not shown.
    """

    headers: dict[str, str]
    sensitive: list[str]


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Get the request headers of an endpoint."""
    endpoint = await call.service.endpoints.get(call.application.id, call.path["endpoint_id"])
    return json_answer(200, EndpointHeadersOut(shown(endpoint), sensitive(endpoint)))


async def put(call: Call[NoQuery, EndpointHeadersIn]) -> Answer:
    """Set the request headers of an endpoint, instead of all that there are."""
    changes = request_headers(call.body.headers)
    await call.service.catalogue.change_headers(
        call.application, call.path["endpoint_id"], changes, keep=False
    )
    return NO_CONTENT


async def patch(call: Call[NoQuery, EndpointHeadersPatchIn]) -> Answer:
    """Set or take away some request headers of an endpoint."""
    changes = call.body.checked()
    await call.service.catalogue.change_headers(
        call.application, call.path["endpoint_id"], changes, keep=True
    )
    return NO_CONTENT


def shown(endpoint: Endpoint) -> dict[str, str]:
    """The headers of an endpoint whose values may be seen."""
    return {name: value for name, value in endpoint.headers.items() if not is_sensitive(name)}


def sensitive(endpoint: Endpoint) -> list[str]:
    """The names of the others."""
    return [name for name in endpoint.headers if is_sensitive(name)]


_PATH = "/app/{app_id}/endpoint/{endpoint_id}/headers"

OPERATIONS = (
    operation("v1.endpoint.get-headers", f"GET {_PATH}", Access.APPLICATION, get, {200: EndpointHeadersOut}),
    operation("v1.endpoint.set-headers", f"PUT {_PATH}", Access.APPLICATION, put, {204: None}),
    operation("v1.endpoint.patch-headers", f"PATCH {_PATH}", Access.APPLICATION, patch, {204: None}),
)
