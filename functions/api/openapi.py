"""The OpenAPI document, made from the table of operations and the shapes that they read and answer.

Version 3.0 of the format, which is what the page at /docs can show. Operation ids, tags and names of
shapes are those that SDKs are generated from.
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import TypeAlias, cast

import msgspec

from functions.api.atoms import OLD_NAME, REQUIRED
from functions.api.errors import HttpErrorOut, HTTPValidationError
from functions.api.operations import PREFIX, Access, Operation

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, Json]
Shape: TypeAlias = type[msgspec.Struct]

CONTRACT_VERSION = "1.1.1"
"""Of the public API description that clients were generated from."""

SECURITY = "HTTPBearer"
REFERENCE = "#/components/schemas/{name}"

_PARAMETER = re.compile(r"{(\w+)}").findall
_ABOUT_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n        .+)*)", re.MULTILINE).findall
_ABOUT_PARAMETERS = {
    "app_id": "The application's ID or UID.",
    "endpoint_id": "The endpoint's ID or UID.",
    "event_type_name": "The event type's name.",
    "msg_id": "The message's ID or event ID.",
    "attempt_id": "The attempt's ID.",
    "task_id": "The background task's ID.",
}
_IDEMPOTENCY_KEY: JsonObject = {
    "name": "idempotency-key",
    "in": "header",
    "required": False,
    "description": "Repeated with the same key, the request is answered as before and not done again.",
    "schema": {"type": "string"},
}


def document(operations: Sequence[Operation]) -> bytes:
    """The OpenAPI document of some operations, as JSON."""
    paths: dict[str, JsonObject] = {}
    for operation in operations:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _described(operation)
    return msgspec.json.encode(
        {
            "openapi": "3.0.3",
            "info": {
                "title": "Heliograph API",
                "version": CONTRACT_VERSION,
                "description": "Sends webhooks: signed, retried for days, every attempt visible.",
            },
            "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
            "paths": paths,
            "components": {
                "schemas": _shapes_of(operations),
                "securitySchemes": {SECURITY: {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _described(operation: Operation) -> JsonObject:
    described: JsonObject = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [
            *_path_parameters(operation.path),
            *_query_parameters(operation.query),
        ],
        "responses": _responses(operation),
    }
    if operation.method == "POST":
        cast("list[Json]", described["parameters"]).append(_IDEMPOTENCY_KEY)
    if operation.access is not Access.NONE:
        described["security"] = [{SECURITY: []}]
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _json(operation.body)}
    return described


def _path_parameters(path: str) -> Iterator[JsonObject]:
    for name in _PARAMETER(path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": _ABOUT_PARAMETERS[name],
            "schema": {"type": "string"},
        }


def _query_parameters(query: Shape) -> Iterator[JsonObject]:
    shape = _tidied(msgspec.json.schema(query)["$defs"][query.__name__])
    for name, schema in cast("dict[str, JsonObject]", shape["properties"]).items():
        schema.pop("nullable", None)  # a parameter is there or absent
        yield {"name": name, "in": "query", "required": False, "schema": schema}


def _responses(operation: Operation) -> JsonObject:
    own = {**operation.successes, **operation.failures}
    responses: JsonObject = {str(status): _response(status, shape) for status, shape in own.items()}
    for status in _failures(operation):
        shape = HTTPValidationError if status == HTTPStatus.UNPROCESSABLE_ENTITY else HttpErrorOut
        responses[str(int(status))] = _response(status, shape)
    return responses


def _failures(operation: Operation) -> Iterator[HTTPStatus]:
    """The statuses of failure that an operation may answer."""
    if operation.access is not Access.NONE:
        yield from (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    if "{" in operation.path:
        yield HTTPStatus.NOT_FOUND
    if operation.method in ("POST", "PUT", "PATCH"):
        yield HTTPStatus.CONFLICT
    if operation.body is not None:
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if operation.body is not None or operation.query.__struct_fields__:
        yield HTTPStatus.UNPROCESSABLE_ENTITY


def _response(status: int, shape: Shape | None) -> JsonObject:
    response: JsonObject = {"description": HTTPStatus(status).phrase}
    if shape is not None:
        response["content"] = _json(shape)
    return response


def _json(shape: Shape) -> JsonObject:
    return {"application/json": {"schema": {"$ref": REFERENCE.format(name=shape.__name__)}}}


def _shapes_of(operations: Sequence[Operation]) -> dict[str, JsonObject]:
    """The schema of every shape that the operations name, and of those inside them."""
    named: set[Shape] = {HttpErrorOut, HTTPValidationError}
    for operation in operations:
        named.update(shape for shape in (operation.body, *operation.successes.values()) if shape is not None)
    in_order = sorted(named, key=lambda shape: shape.__name__)
    _, schemas = msgspec.json.schema_components(in_order, ref_template=REFERENCE)
    return {name: _tidied(schema) for name, schema in sorted(schemas.items())}


def _tidied(schema: JsonObject) -> JsonObject:
    """A shape's schema as version 3.0 wants it, with its docstring spread over its fields."""
    tidy = cast("JsonObject", _as_in_3_0(schema))
    about = inspect.cleandoc(str(tidy.get("description", "")))
    tidy["description"], _, attributes = about.partition("\n\nAttributes:\n")
    properties = cast("dict[str, JsonObject]", tidy.get("properties", {}))
    for name, text in _ABOUT_ATTRIBUTE(attributes):
        described = properties[name if name in properties else _camel(name)]
        described["description"] = re.sub(r"\s+", " ", text)
        if "$ref" in described:
            described["allOf"] = [{"$ref": described.pop("$ref")}]
    for name, field in list(properties.items()):
        if field.pop(OLD_NAME, False):
            del properties[name]
        if field.pop(REQUIRED, False):
            tidy["required"] = [*cast("list[Json]", tidy.get("required", [])), name]
    return tidy


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def _as_in_3_0(schema: Json) -> Json:
    """Version 3.0 has no type of null; there a schema says that it is nullable."""
    if isinstance(schema, list):
        return [_as_in_3_0(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _as_in_3_0(part) for key, part in schema.items() if (key, part) != ("default", None)}
    match changed.pop("anyOf", None):
        case [{"$ref": reference}, {"type": "null"}]:
            return {**changed, "allOf": [{"$ref": reference}], "nullable": True}
        case [dict(only), {"type": "null"}]:
            return {**changed, **only, "nullable": True}
        case [*choices]:
            return {**changed, "anyOf": choices}
        case _:
            return changed
