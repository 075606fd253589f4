"""Event types out of an OpenAPI document, and into one."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

import msgspec

from functions.api import atoms
from functions.api.answers import Answer, json_answer
from functions.api.errors import JSON_DECODE, Refused
from functions.api.event_type import Schemas, broken_schema, checked_flags, checked_group
from functions.api.operations import Access, Call, NoBody, operation
from functions.api.queries import NoQuery
from shared.domain.errors import Invalid
from shared.domain.event_type import NewEventType
from shared.domain.openapi import FIRST_VERSION, SECTIONS, Webhook, document_of, webhooks_of
from shared.flows.event_type_import import every_event_type

WEBHOOKS_MAX = 1000
"""Of a document that is imported."""

SCHEMAS_MAX_BYTES = 8 * 1024 * 1024
"""Of all its schemas together, each with what it refers to: many can refer to the same."""

Document = Annotated[dict[str, msgspec.Raw], msgspec.Meta(extra_json_schema={"additionalProperties": {}})]


class EventTypeImportOpenApiIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An OpenAPI document, whose `webhooks` or `x-webhooks` are event types.

    Attributes:
        dry_run: Only say what would be done.
        replace_all: Archive all event types that are not in it.
        spec: The document; either this or `specRaw` is to be given.
        spec_raw: The document as a text, in JSON or YAML.
    """

    dry_run: bool | None = None
    replace_all: bool | None = None
    spec: Document | None = None
    spec_raw: str | None = None


class EventTypeFromOpenApi(msgspec.Struct, kw_only=True, rename="camel"):
    """An event type as a document describes it. What is null stays as it is if the event type is there."""

    name: str
    description: str
    schemas: Schemas | None
    deprecated: bool
    group_name: str | None
    feature_flags: list[str] | None


class EventTypeImportOpenApiOutData(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was done.

    Attributes:
        modified: The names of the event types that were made, changed or archived.
        to_modify: After a dry run, what would have been made or changed.
    """

    modified: list[str]
    to_modify: list[EventTypeFromOpenApi] | None = None


class EventTypeImportOpenApiOut(msgspec.Struct):
    """What was done."""

    data: EventTypeImportOpenApiOutData


class EventTypeExportOpenApiOut(msgspec.Struct):
    """Event types as an OpenAPI document, which can be imported again.

    Attributes:
        data: The document, OpenAPI 3.1.
    """

    data: Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]


@dataclass(eq=False)
class OneDocument(Refused):
    """There is no document, or there are two."""

    status = HTTPStatus.BAD_REQUEST
    detail: str = "Write the OpenAPI document either as `spec` or as `specRaw`."
    code: str = "invalid_spec"


async def import_openapi(call: Call[NoQuery, EventTypeImportOpenApiIn]) -> Answer:
    """Make or change event types as the webhooks of an OpenAPI document say."""
    body = call.body
    # In a thread: a large document takes long.
    said = await asyncio.to_thread(_read, body)
    if body.dry_run:
        done = EventTypeImportOpenApiOutData(modified=[], to_modify=[_shown(one) for one in said])
    else:
        names = await call.service.import_event_types(
            call.token.org_id, said, replace_all=bool(body.replace_all)
        )
        done = EventTypeImportOpenApiOutData(modified=names)
    return json_answer(200, EventTypeImportOpenApiOut(done))


async def export_openapi(call: Call[NoQuery, NoBody]) -> Answer:
    """Describe all event types that are not archived as the webhooks of an OpenAPI document."""
    rows = [one async for one in every_event_type(call.service.event_types, call.token.org_id)]
    document = await asyncio.to_thread(lambda: msgspec.json.encode(document_of(rows)))
    return json_answer(200, EventTypeExportOpenApiOut(msgspec.Raw(document)))


def _read(body: EventTypeImportOpenApiIn) -> list[NewEventType]:
    """The event types of a document.

    Raises:
        OneDocument: There is none, or there are two.
        Invalid: It is no OpenAPI document, or something in it breaks a rule.
    """
    if (body.spec is None) is (body.spec_raw is None):
        raise OneDocument
    field = "spec" if body.spec_raw is None else "specRaw"
    try:
        document = _parts(body.spec or {}) if body.spec_raw is None else _parsed(body.spec_raw)
        return _checked(document)
    except Invalid as wrong:
        raise Invalid(("body", field, *wrong.where), wrong.why, wrong.kind) from wrong
    except RecursionError as wrong:
        raise Invalid(("body", field), "it is nested too deeply", JSON_DECODE) from wrong
    except (ValueError, msgspec.MsgspecError) as wrong:
        raise Invalid(("body", field), str(wrong), JSON_DECODE) from wrong


def _parts(spec: dict[str, msgspec.Raw]) -> dict[str, Any]:
    return {key: msgspec.json.decode(spec[key]) for key in (*SECTIONS, "components") if key in spec}


def _parsed(text: str) -> dict[str, Any]:
    """Read a document in JSON or YAML.

    Raises:
        ValueError: It is neither, or no object.
    """
    try:
        document = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        from functions.api.yaml_text import read_yaml  # noqa: PLC0415 - most processes never need it

        document = read_yaml(text)
    if isinstance(document, dict):
        return document
    raise ValueError("this is no OpenAPI document: write an object")


def _checked(document: dict[str, Any]) -> list[NewEventType]:
    """The event types of a document.

    Raises:
        Invalid: Something in it breaks a rule; `where` is the path inside the document.
    """
    said: dict[str, NewEventType] = {}
    size = 0
    for webhook in webhooks_of(document):
        new = _event_type(webhook)
        size += len((new.schemas or "").encode())
        if size > SCHEMAS_MAX_BYTES or len(said) == WEBHOOKS_MAX:
            limits = f"{WEBHOOKS_MAX} webhooks, whose schemas have {SCHEMAS_MAX_BYTES} bytes"
            raise Invalid((), f"write at most {limits}; import the others apart")
        if new.name in said:
            raise Invalid(webhook.where, "it is there twice")
        said[new.name] = new
    return list(said.values())


def _event_type(webhook: Webhook) -> NewEventType:
    """Check one.

    Raises:
        Invalid: It breaks a rule; `where` is the path inside the document.
    """
    where, schemas = webhook.where, None
    if webhook.schema is not None:
        text = msgspec.json.encode({FIRST_VERSION: webhook.schema}, order="sorted")
        why = broken_schema(text)
        if why is not None:
            raise Invalid((*where, "schema"), why)
        schemas = text.decode()
    flags = None if webhook.feature_flags is None else sorted(webhook.feature_flags)
    return NewEventType(
        name=atoms.limited(webhook.name, *where),
        description=atoms.printable(webhook.description, *where, "description"),
        deprecated=webhook.deprecated,
        schemas=schemas,
        group_name=checked_group(webhook.group_name, *where, "x-svix-group-name"),
        feature_flags=checked_flags(flags, *where, "x-svix-feature-flags"),
    )


def _shown(new: NewEventType) -> EventTypeFromOpenApi:
    return EventTypeFromOpenApi(
        name=new.name,
        description=new.description,
        schemas=None if new.schemas is None else msgspec.json.decode(new.schemas, type=Schemas),
        deprecated=new.deprecated,
        group_name=new.group_name,
        feature_flags=atoms.sorted_names(new.feature_flags),
    )


OPERATIONS = (
    operation(
        "v1.event-type.import-openapi",
        "POST /event-type/import/openapi",
        Access.ORGANIZATION,
        import_openapi,
        {200: EventTypeImportOpenApiOut},
    ),
    operation(
        "v1.event-type.export-openapi",
        "POST /event-type/export/openapi",
        Access.ORGANIZATION,
        export_openapi,
        {200: EventTypeExportOpenApiOut},
    ),
)
