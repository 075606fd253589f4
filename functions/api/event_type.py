"""Event types: the names that an organization's messages carry and its endpoints filter by."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from functions.api import atoms
from functions.api.answers import NO_CONTENT, Answer, json_answer
from functions.api.echo import compact
from functions.api.errors import JSON_DECODE
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import EventTypeIterator, Flag, Limit, NoQuery, Order
from functions.api.shapes import ListResponse, list_answer
from shared.domain.errors import Invalid, Unknown
from shared.domain.event_type import EventType, EventTypeEdit, NewEventType
from shared.domain.paging import DEFAULT_LIMIT, page_of, scan_by_key
from shared.domain.timestamps import to_wire
from shared.ports.event_types import EventTypeFilter

FEATURE_FLAGS_MAX = 25
"""Of an event type."""

FeatureFlags = Annotated[list[atoms.Limited], msgspec.Meta(extra_json_schema={"maxItems": FEATURE_FLAGS_MAX})]
Schemas = Annotated[dict[str, msgspec.Raw], msgspec.Meta(extra_json_schema={"additionalProperties": {}})]


class EventTypeIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An event type to be made.

    Attributes:
        schemas: By version, a JSON Schema (Draft 7).
        group_name: What it is shown under, together with others.
        feature_flags: Only portals whose token carries one of them see the event type.
        feature_flag: The old name of a single one of `featureFlags`, which goes before it.
    """

    name: atoms.EventTypeName
    description: str
    archived: bool | None = None
    deprecated: bool | None = None
    schemas: Schemas | None = None
    group_name: atoms.Limited | None = None
    feature_flags: FeatureFlags | None = None
    feature_flag: atoms.Limited | None = None

    async def checked(self) -> NewEventType:
        """What it asks for.

        Raises:
            Invalid: A value breaks a rule.
        """
        flags = _flags(self.feature_flags, self.feature_flag)
        return NewEventType(
            name=atoms.limited(self.name, "body", "name"),
            description=atoms.printable(self.description, "body", "description"),
            archived=bool(self.archived),
            deprecated=bool(self.deprecated),
            schemas=await _checked_schemas(self.schemas),
            group_name=checked_group(self.group_name, "body", "group_name"),
            feature_flags=flags,
        )


class EventTypeUpsertIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an event type is to be; the path has its name.

    Attributes:
        schemas: By version, a JSON Schema (Draft 7).
        group_name: What it is shown under, together with others.
        feature_flags: Only portals whose token carries one of them see the event type.
        feature_flag: The old name of a single one of `featureFlags`, which goes before it.
    """

    description: str
    archived: bool | None = None
    deprecated: bool | None = None
    schemas: Schemas | None = None
    group_name: atoms.Limited | None = None
    feature_flags: FeatureFlags | None = None
    feature_flag: atoms.Limited | None = None

    async def checked(self, name: str) -> NewEventType:
        """What it asks for.

        Raises:
            Invalid: A value breaks a rule.
        """
        flags = _flags(self.feature_flags, self.feature_flag)
        return NewEventType(
            name=atoms.limited(name, "path", "event_type_name"),
            description=atoms.printable(self.description, "body", "description"),
            archived=bool(self.archived),
            deprecated=bool(self.deprecated),
            schemas=await _checked_schemas(self.schemas),
            group_name=checked_group(self.group_name, "body", "group_name"),
            feature_flags=flags,
        )


class EventTypePatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is to be changed of an event type; what is absent stays.

    Attributes:
        schemas: By version, a JSON Schema (Draft 7), instead of all that there are.
        group_name: What it is shown under, together with others; null is under nothing.
        feature_flags: Only portals whose token carries one of them see the event type; null shows it to all.
        feature_flag: The old name of a single one of `featureFlags`, which goes before it.
    """

    description: str | msgspec.UnsetType = msgspec.UNSET
    archived: bool | msgspec.UnsetType = msgspec.UNSET
    deprecated: bool | msgspec.UnsetType = msgspec.UNSET
    schemas: Schemas | msgspec.UnsetType | None = msgspec.UNSET
    group_name: atoms.Limited | msgspec.UnsetType | None = msgspec.UNSET
    feature_flags: FeatureFlags | msgspec.UnsetType | None = msgspec.UNSET
    feature_flag: atoms.Limited | msgspec.UnsetType | None = msgspec.UNSET

    async def checked(self) -> EventTypeEdit:
        """What it asks for.

        Raises:
            Invalid: A value breaks a rule.
        """
        flags = self._patched_flags()
        return EventTypeEdit(
            description=atoms.given(
                self.description, lambda text: atoms.printable(text, "body", "description")
            ),
            archived=self.archived,
            deprecated=self.deprecated,
            schemas=msgspec.UNSET if self.schemas is msgspec.UNSET else await _checked_schemas(self.schemas),
            group_name=atoms.given(self.group_name, lambda name: checked_group(name, "body", "group_name")),
            feature_flags=flags,
        )

    def _patched_flags(self) -> frozenset[str] | msgspec.UnsetType | None:
        """The feature flags by either name.

        Raises:
            Invalid: They break a rule.
        """
        if self.feature_flags is not msgspec.UNSET:
            return _flags(self.feature_flags, None)
        return atoms.given(self.feature_flag, lambda flag: _flags(None, flag))


class EventTypeOut(msgspec.Struct, kw_only=True, rename="camel"):
    """An event type. `schemas` is null in lists that were not asked for content.

    Attributes:
        feature_flag: The first of `featureFlags`, for clients that know of one only.
    """

    name: str
    description: str
    archived: bool
    deprecated: bool
    schemas: Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object", "nullable": True})]
    created_at: atoms.Instant
    updated_at: atoms.Instant
    group_name: str | None
    feature_flags: list[str] | None
    feature_flag: str | None


class ListResponseEventTypeOut(ListResponse[EventTypeOut]):
    """One page of event types."""


class ListQuery(msgspec.Struct, frozen=True):
    """Which event types to list. The order is always that of their names."""

    limit: Limit = DEFAULT_LIMIT
    iterator: EventTypeIterator | None = None
    order: Order | None = None
    include_archived: Flag = False
    with_content: Flag = False


class DeleteQuery(msgspec.Struct, frozen=True):
    """How to remove an event type: hide it, or expunge it for good."""

    expunge: Flag = False


async def list_all(call: Call[ListQuery, NoBody]) -> Answer:
    """List the organization's event types."""
    query, token = call.query, call.token
    scan = scan_by_key(query.limit, query.iterator, descending=False)
    only = EventTypeFilter(archived=query.include_archived, feature_flags=token.feature_flags)
    rows = await call.service.event_types.scan(token.org_id, scan, only)
    out = _out if query.with_content else _out_without_schemas
    return list_answer(ListResponseEventTypeOut, page_of(rows, scan, lambda row: row.name), out)


async def create(call: Call[NoQuery, EventTypeIn]) -> Answer:
    """Create an event type, or bring an archived one back."""
    new = await call.body.checked()
    return json_answer(201, _out(await call.service.catalogue.add_event_type(call.token.org_id, new)))


async def get(call: Call[NoQuery, NoBody]) -> Answer:
    """Get an event type by its name, archived or not.

    Raises:
        Unknown: There is none, or this portal is not shown it.
    """
    token, name = call.token, call.path["event_type_name"]
    event_type = await call.service.event_types.get(token.org_id, name)
    if not event_type.is_shown(token.feature_flags):
        raise Unknown("event type", name)
    return json_answer(200, _out(event_type))


async def upsert(call: Call[NoQuery, EventTypeUpsertIn]) -> Answer:
    """Update an event type, or create it if there is none of this name."""
    new = await call.body.checked(call.path["event_type_name"])
    event_type, is_made = await call.service.catalogue.put_event_type(call.token.org_id, new)
    return json_answer(201 if is_made else 200, _out(event_type))


async def patch(call: Call[NoQuery, EventTypePatch]) -> Answer:
    """Change parts of an event type."""
    said, name = await call.body.checked(), call.path["event_type_name"]
    return json_answer(200, _out(await call.service.catalogue.edit_event_type(call.token.org_id, name, said)))


async def delete(call: Call[DeleteQuery, NoBody]) -> Answer:
    """Archive an event type, or expunge it for good."""
    name = call.path["event_type_name"]
    await call.service.catalogue.remove_event_type(call.token.org_id, name, expunge=call.query.expunge)
    return NO_CONTENT


def _flags(flags: Sequence[str] | None, old_name: str | None) -> frozenset[str] | None:
    """The feature flags by either name.

    Raises:
        Invalid: They break a rule.
    """
    if flags is None and old_name is not None:
        return checked_flags([old_name], "body", "featureFlag")
    return checked_flags(flags, "body", "featureFlags")


def checked_flags(flags: Sequence[str] | None, *where: str) -> frozenset[str] | None:
    """Check feature flags, as part of the form of the body; none at all is None.

    Raises:
        Invalid: There are too many, or one of them is no name.
    """
    flags = flags or ()
    if len(flags) > FEATURE_FLAGS_MAX:
        raise Invalid(where, f"write at most {FEATURE_FLAGS_MAX} flags")
    for flag in flags:
        why = atoms.broken_limit(flag)
        if why is not None:
            raise Invalid(where, why, JSON_DECODE)
    return frozenset(flags) or None


def checked_group(name: str | None, *where: str) -> str | None:
    """Check the name of a group.

    Raises:
        Invalid: It is no name.
    """
    return None if name is None else atoms.limited(name, *where)


async def _checked_schemas(schemas: Mapping[str, msgspec.Raw] | None) -> str | None:
    """Check that every value is a JSON Schema, and join them to the text that is kept.

    Raises:
        Invalid: One is not.
    """
    if schemas is None:
        return None
    text = compact(msgspec.json.encode(schemas).decode())
    # In a thread: the first use imports the checker, which takes long, and so does a large schema.
    why = await asyncio.to_thread(broken_schema, text)
    if why is not None:
        raise Invalid(("body", "schemas"), why)
    return text.decode()


def broken_schema(text: bytes) -> str | None:
    """Say what is wrong with one of the schemas, if anything is."""
    from jsonschema import Draft7Validator, SchemaError  # noqa: PLC0415 - most processes never need it

    try:
        for schema in msgspec.json.decode(text, type=dict[str, Any]).values():
            Draft7Validator.check_schema(schema)
    except SchemaError as wrong:
        place = "".join(f"[{part!r}]" for part in wrong.absolute_path)
        return f"this is not a JSON Schema (Draft 7): {wrong.message[:200]} {place}".rstrip()
    except (msgspec.MsgspecError, RecursionError) as wrong:
        return f"the schemas cannot be checked: {wrong}"
    return None


def _out(event_type: EventType) -> EventTypeOut:
    flags = atoms.sorted_names(event_type.feature_flags)
    return EventTypeOut(
        name=event_type.name,
        description=event_type.description,
        archived=event_type.archived,
        deprecated=event_type.deprecated,
        schemas=msgspec.Raw(event_type.schemas or "null"),
        created_at=to_wire(event_type.created_at),
        updated_at=to_wire(event_type.updated_at),
        group_name=event_type.group_name,
        feature_flags=flags,
        feature_flag=flags[0] if flags else None,
    )


def _out_without_schemas(event_type: EventType) -> EventTypeOut:
    return msgspec.structs.replace(_out(event_type), schemas=msgspec.Raw("null"))


OPERATIONS = (
    operation("v1.event-type.list", "GET /event-type", Access.ANY, list_all, {200: ListResponseEventTypeOut}),
    operation("v1.event-type.create", "POST /event-type", Access.ORGANIZATION, create, {201: EventTypeOut}),
    operation("v1.event-type.get", "GET /event-type/{event_type_name}", Access.ANY, get, {200: EventTypeOut}),
    operation(
        "v1.event-type.upsert",
        "PUT /event-type/{event_type_name}",
        Access.ORGANIZATION,
        upsert,
        {200: EventTypeOut, 201: EventTypeOut},
    ),
    operation(
        "v1.event-type.patch",
        "PATCH /event-type/{event_type_name}",
        Access.ORGANIZATION,
        patch,
        {200: EventTypeOut},
    ),
    operation(
        "v1.event-type.delete",
        "DELETE /event-type/{event_type_name}",
        Access.ORGANIZATION,
        delete,
        {204: None},
    ),
)
