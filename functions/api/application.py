"""Applications: the customers of an organization."""

from typing import Annotated

import msgspec

from functions.api import atoms
from functions.api.answers import NO_CONTENT, Answer, json_answer
from functions.api.operations import APP_ID, Access, Call, NoBody, operation
from functions.api.queries import AppIterator, Flag, Limit, NoQuery, Order
from functions.api.shapes import ListResponse, list_answer
from shared.domain import ids
from shared.domain.application import Application, ApplicationEdit, NewApplication
from shared.domain.errors import Invalid, UidTaken, Unknown
from shared.domain.paging import DEFAULT_LIMIT, page_of, scan_by_key
from shared.domain.timestamps import to_wire
from shared.ports.applications import ApplicationFilter
from shared.wiring import Service

Name = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1})]


class ApplicationIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An application to be made.

    Attributes:
        rate_limit: The old name of `throttleRate`, which goes before it.
    """

    name: Name
    throttle_rate: atoms.Rate | None = None
    rate_limit: atoms.Rate | None = None
    uid: atoms.Limited | None = None
    metadata: atoms.Metadata | None = None

    def checked(self, *where: str) -> NewApplication:
        """What it asks for.

        Args:
            where: The path to it in the request.

        Raises:
            Invalid: A value breaks a rule.
        """
        return NewApplication(
            name=atoms.printable_name(self.name, *where, "name"),
            uid=atoms.uid(self.uid, ids.APPLICATION, *where, "uid"),
            throttle_rate=atoms.throttle_rate(self.throttle_rate, self.rate_limit, *where),
            metadata=atoms.metadata(self.metadata, *where, "metadata"),
        )


class ApplicationPatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is to be changed of an application; what is absent stays.

    Attributes:
        rate_limit: The old name of `throttleRate`, which goes before it.
        metadata: Instead of all that there is.
    """

    name: Name | msgspec.UnsetType = msgspec.UNSET
    throttle_rate: atoms.Rate | msgspec.UnsetType | None = msgspec.UNSET
    rate_limit: atoms.Rate | msgspec.UnsetType | None = msgspec.UNSET
    uid: atoms.Limited | msgspec.UnsetType | None = msgspec.UNSET
    metadata: atoms.Metadata | msgspec.UnsetType | None = msgspec.UNSET

    def checked(self) -> ApplicationEdit:
        """What it asks for.

        Raises:
            Invalid: A value breaks a rule.
        """
        return ApplicationEdit(
            name=atoms.given(self.name, lambda name: atoms.printable_name(name, "body", "name")),
            uid=atoms.given(self.uid, lambda uid: atoms.uid(uid, ids.APPLICATION, "body", "uid")),
            throttle_rate=atoms.patched_rate(self.throttle_rate, self.rate_limit),
            metadata=atoms.given(self.metadata, lambda pairs: atoms.metadata(pairs, "body", "metadata")),
        )


class ApplicationOut(msgspec.Struct, kw_only=True, rename="camel"):
    """An application. `uid` and `rateLimit` are absent when they are not set."""

    uid: str | msgspec.UnsetType = msgspec.UNSET
    name: str
    rate_limit: int | msgspec.UnsetType = msgspec.UNSET
    throttle_rate: int | None
    id: str
    created_at: atoms.Instant
    updated_at: atoms.Instant
    metadata: atoms.Metadata


class ListResponseApplicationOut(ListResponse[ApplicationOut]):
    """One page of applications."""


class CreateQuery(msgspec.Struct, frozen=True):
    """How to make an application."""

    get_if_exists: Flag = False


class ListQuery(msgspec.Struct, frozen=True):
    """Which applications to list.

    Attributes:
        exclude_apps_with_no_endpoints: Leave out those that have no endpoint.
        exclude_apps_with_disabled_endpoints: Leave out those that have only disabled endpoints.
    """

    limit: Limit = DEFAULT_LIMIT
    iterator: AppIterator | None = None
    order: Order = "ascending"
    exclude_apps_with_no_endpoints: Flag = False
    exclude_apps_with_disabled_endpoints: Flag = False


async def list_all(call: Call[ListQuery, NoBody]) -> Answer:
    """List the organization's applications."""
    query = call.query
    scan = scan_by_key(query.limit, query.iterator, descending=query.order == "descending")
    only = ApplicationFilter(
        without_endpoints=not query.exclude_apps_with_no_endpoints,
        all_disabled=not query.exclude_apps_with_disabled_endpoints,
    )
    rows = await call.service.applications.scan(call.token.org_id, scan, only)
    page = page_of(rows, scan, lambda row: row.id)
    return list_answer(ListResponseApplicationOut, page, _out)


async def create(call: Call[CreateQuery, ApplicationIn]) -> Answer:
    """Create an application.

    Raises:
        UidTaken: Another one has this uid, and the caller did not ask for that one.
    """
    new = call.body.checked("body")
    org_id = call.token.org_id
    try:
        return json_answer(201, _out(await call.service.catalogue.add_application(org_id, new)))
    except UidTaken as taken:
        if not call.query.get_if_exists:
            raise
        return json_answer(200, _out(await call.service.applications.get(org_id, taken.uid)))


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Get an application by its id or uid."""
    # Not the directory's copy, which may be some seconds behind an edit that another process made.
    found = call.application
    return json_answer(200, _out(await call.service.applications.get(found.org_id, found.id)))


async def upsert(call: Call[NoQuery, ApplicationIn]) -> Answer:
    """Update an application, or create one with an id of its own if there is none."""
    new = call.body.checked("body")
    application, is_made = await call.service.catalogue.put_application(
        call.token.org_id, call.path[APP_ID], new
    )
    return json_answer(201 if is_made else 200, _out(application))


async def patch(call: Call[NoQuery, ApplicationPatch]) -> Answer:
    """Change parts of an application."""
    said, found = call.body.checked(), call.application
    return json_answer(200, _out(await call.service.catalogue.edit_application(found.org_id, found.id, said)))


async def delete(call: Call[NoQuery, NoBody]) -> Answer:
    """Delete an application; its uid is free again."""
    await call.service.catalogue.remove_application(call.application)
    return NO_CONTENT


async def found_or_made(service: Service, org_id: str, key: str, new: NewApplication | None) -> Application:
    """The application that a path names; made if there is none and the body describes it.

    Raises:
        Unknown: There is none, and the body describes none.
        Invalid: There is none, and the one described is another.
    """
    try:
        return await service.directory.application(org_id, key)
    except Unknown:
        if new is None:
            raise
    where = ("body", "application", "uid")
    if new.uid is None:
        raise Invalid(
            where, "Application uid is required to make the application.", "application_uid_missing"
        )
    if new.uid != key:
        raise Invalid(where, "Application uid does not match the path.", "application_uid_mismatch")
    try:
        return await service.catalogue.add_application(org_id, new)
    except UidTaken:  # by another request, in between
        return await service.directory.application(org_id, key)


def _out(application: Application) -> ApplicationOut:
    return ApplicationOut(
        uid=msgspec.UNSET if application.uid is None else application.uid,
        name=application.name,
        rate_limit=msgspec.UNSET if application.throttle_rate is None else application.throttle_rate,
        throttle_rate=application.throttle_rate,
        id=application.id,
        created_at=to_wire(application.created_at),
        updated_at=to_wire(application.updated_at),
        metadata=dict(application.metadata),
    )


OPERATIONS = (
    operation(
        "v1.application.list", "GET /app", Access.ORGANIZATION, list_all, {200: ListResponseApplicationOut}
    ),
    operation(
        "v1.application.create",
        "POST /app",
        Access.ORGANIZATION,
        create,
        {200: ApplicationOut, 201: ApplicationOut},
    ),
    operation("v1.application.get", "GET /app/{app_id}", Access.APPLICATION, get, {200: ApplicationOut}),
    operation(
        "v1.application.upsert",
        "PUT /app/{app_id}",
        Access.ORGANIZATION,
        upsert,
        {200: ApplicationOut, 201: ApplicationOut},
        finds_application=False,
    ),
    operation(
        "v1.application.patch", "PATCH /app/{app_id}", Access.ORGANIZATION, patch, {200: ApplicationOut}
    ),
    operation("v1.application.delete", "DELETE /app/{app_id}", Access.ORGANIZATION, delete, {204: None}),
)
