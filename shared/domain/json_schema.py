"""JSON Schemas as values: going through all schemas inside one, and saying in Draft 7 what OpenAPI says."""

from collections.abc import Callable, Mapping

_ONE_SCHEMA = frozenset(
    [
        "additionalItems",
        "additionalProperties",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
    ]
)
_SCHEMAS = frozenset(["allOf", "anyOf", "items", "oneOf", "prefixItems"])
_SCHEMAS_BY_NAME = frozenset(
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"]
)


def rewritten(
    schema: object,
    refer: Callable[[str], str],
    tidy: Callable[[dict[str, object]], dict[str, object]] = lambda schema: schema,
) -> object:
    """A schema in which every reference was changed, and every schema inside it, itself last, was tidied.

    Args:
        schema: It. What is no schema, such as an example, is left as it is.
        refer: From what a reference says to what it is to say.
        tidy: From a schema whose parts were changed already to what it is to be, perhaps the same one.
    """
    if not isinstance(schema, Mapping):
        return schema

    def part(key: str, value: object) -> object:
        if key == "$ref" and isinstance(value, str):
            return refer(value)
        if key in _ONE_SCHEMA and isinstance(value, Mapping):
            return rewritten(value, refer, tidy)
        if key in _SCHEMAS and isinstance(value, list):
            return [rewritten(one, refer, tidy) for one in value]
        if key in _SCHEMAS_BY_NAME and isinstance(value, Mapping):
            return {name: rewritten(one, refer, tidy) for name, one in value.items()}
        return value

    return tidy({key: part(key, value) for key, value in schema.items()})


def as_draft_7(schema: dict[str, object]) -> dict[str, object]:
    """A schema of OpenAPI 3.0, whose parts are in Draft 7 already, in Draft 7."""
    if schema.pop("nullable", False) is True and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and limit in schema:
            schema[exclusive] = schema.pop(limit)
    if "example" in schema:
        example = schema.pop("example")
        schema.setdefault("examples", [example])
    return schema
