"""Going through the schemas inside a schema, and saying in Draft 7 what OpenAPI 3.0 says in its own way."""

from typing import Any

import pytest
from jsonschema import Draft7Validator

from shared.domain.json_schema import as_draft_7, rewritten


def draft_7(schema: Any) -> Any:  # noqa: ANN401 - JSON
    return rewritten(schema, lambda reference: reference, as_draft_7)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"allOf": [{}], "nullable": True}, {"allOf": [{}]}),
        ({"minimum": 0, "exclusiveMinimum": True}, {"exclusiveMinimum": 0}),
        ({"maximum": 9, "exclusiveMaximum": False}, {"maximum": 9}),
        ({"exclusiveMinimum": True}, {}),
        ({"exclusiveMaximum": 9}, {"exclusiveMaximum": 9}),
        ({"example": 1}, {"examples": [1]}),
        ({"example": 1, "examples": [2]}, {"examples": [2]}),
        ({"type": ["string", "null"], "$id": "x"}, {"type": ["string", "null"], "$id": "x"}),
    ],
)
def test_openapi_3_0_is_said_in_draft_7(said: Any, meant: Any) -> None:  # noqa: ANN401
    assert draft_7(said) == meant
    for where in ({"properties": {"a": said}}, {"items": said}, {"anyOf": [True, said]}, {"not": said}):
        Draft7Validator.check_schema(draft_7(where))


def test_what_only_looks_like_a_schema_stays_as_it_is() -> None:
    """A property may be named `nullable`, and an example may have a field `$ref`."""
    schema = {
        "properties": {"nullable": True, "example": {"type": "string"}, "$ref": {}},
        "default": {"$ref": "#/a", "nullable": True},
        "const": {"example": 1},
        "enum": [{"exclusiveMinimum": True}],
        "examples": [{"$ref": "#/a"}],
        "dependencies": {"a": ["b"]},
    }
    assert rewritten(schema, lambda _: "changed", as_draft_7) == schema


def test_every_reference_is_changed_wherever_a_schema_may_be() -> None:
    at = {"$ref": "#/a"}
    schema = {
        "items": [at],
        "additionalProperties": at,
        "oneOf": [at, {"if": at, "then": {"properties": {"x": at}}}],
        "definitions": {"y": at},
        "patternProperties": {"^z": at},
    }
    found: list[str] = []

    def refer(reference: str) -> str:
        found.append(reference)
        return "#/b"

    assert str(rewritten(schema, refer)) == str(schema).replace("#/a", "#/b")
    assert found == ["#/a"] * 7
