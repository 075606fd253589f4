"""Event types read from OpenAPI documents, and written as one."""

from typing import Any

import msgspec
import pytest

from shared.domain.errors import Invalid
from shared.domain.event_type import EventType
from shared.domain.openapi import Webhook, document_of, webhooks_of
from tests.makers import an_event_type

PET = {"type": "object", "properties": {"name": {"type": "string"}}}


def a_webhook(**said: Any) -> Webhook:  # noqa: ANN401 - checked by the dataclass
    nothing = {"description": "", "deprecated": False, "schema": None, "group_name": None}
    named = {"where": ("webhooks", "pet.new"), "name": "pet.new", "feature_flags": None}
    return Webhook(**{**nothing, **named, **said})


def posting(schema: Any, **media: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"post": {"requestBody": {"content": {"application/json": {"schema": schema, **media}}}}}


def read(item: Any, **document: Any) -> Webhook:  # noqa: ANN401 - JSON
    (webhook,) = webhooks_of({"webhooks": {"pet.new": item}, **document})
    return webhook


def with_schemas(**schemas: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"components": {"schemas": schemas}}


def test_everything_that_is_said_is_read() -> None:
    webhook = read(
        {
            "post": {
                "operationId": "ignored",
                "summary": "New pet",
                "description": "A new pet.",
                "deprecated": True,
                "x-svix-group-name": "pets",
                "x-svix-feature-flags": ["beta", "new"],
                "requestBody": {"description": "A pet", "content": {"application/json": {"schema": PET}}},
                "responses": {"200": {"description": "OK"}},
            }
        }
    )
    flags = frozenset({"beta", "new"})
    assert webhook == a_webhook(
        description="A new pet.", deprecated=True, schema=PET, group_name="pets", feature_flags=flags
    )


def test_what_is_not_said_is_none() -> None:
    assert read({"post": {}}) == a_webhook()


@pytest.mark.parametrize(
    ("post", "description"),
    [
        ({"summary": "a"}, "a"),
        ({"requestBody": {"description": "b"}}, "b"),
        ({"summary": "a", "requestBody": {"description": "b"}}, "a"),
    ],
)
def test_the_next_best_text_describes_it(post: dict[str, object], description: str) -> None:
    assert read({"post": post}).description == description


def test_one_flag_may_be_named_alone() -> None:
    assert read({"post": {"x-svix-feature-flag": "beta"}}).feature_flags == frozenset({"beta"})
    both = {"x-svix-feature-flag": "beta", "x-svix-feature-flags": ["new"]}
    assert read({"post": both}).feature_flags == frozenset({"new"})


def test_webhooks_stand_in_either_section_or_both() -> None:
    document: Any = {"webhooks": {"a": {"post": {}}}, "x-webhooks": {"b": {"post": {}}, "c": {"post": {}}}}
    assert [webhook.where for webhook in webhooks_of(document)] == [
        ("webhooks", "a"),
        ("x-webhooks", "b"),
        ("x-webhooks", "c"),
    ]


@pytest.mark.parametrize(
    ("media", "examples"),
    [
        ({"example": {"n": 1}}, [{"n": 1}]),
        ({"examples": {"one": {"value": {"n": 1}}, "two": {"value": {"n": 2}}}}, [{"n": 1}, {"n": 2}]),
        ({"examples": {"one": {"$ref": "#/components/examples/one"}}}, [{"n": 3}]),
        ({"examples": {"elsewhere": {"externalValue": "https://a.example"}}}, None),
    ],
)
def test_examples_become_those_of_the_schema(media: Any, examples: Any) -> None:  # noqa: ANN401
    """`send-example` sends them."""
    components = {"examples": {"one": {"value": {"n": 3}}}}
    schema = read(posting({}, **media), components=components).schema
    assert schema == ({} if examples is None else {"examples": examples})


def test_examples_beside_the_schema_go_before_those_in_it() -> None:
    assert read(posting({"example": 2}, example=1)).schema == {"examples": [1, 2]}
    without = {"post": {"requestBody": {"content": {"application/json": {"example": 1}}}}}
    assert read(without).schema == {"examples": [1]}


@pytest.mark.parametrize(("said", "meant"), [(True, {}), (False, {"not": {}})])
def test_a_schema_may_be_a_truth(said: object, meant: object) -> None:
    assert read(posting(said)).schema == meant


def test_what_a_schema_refers_to_goes_with_it_and_no_more() -> None:
    document = with_schemas(
        Pet={"properties": {"owner": {"$ref": "#/components/schemas/Owner"}}},
        Owner={"properties": {"pets": {"items": {"$ref": "#/components/schemas/Pet"}}}},
        Else={},
    )
    pets = {"items": {"$ref": "#/components/schemas/Pet"}}

    assert read(posting(pets), **document).schema == {
        "items": {"$ref": "#/definitions/Pet"},
        "definitions": {
            "Pet": {"properties": {"owner": {"$ref": "#/definitions/Owner"}}},
            "Owner": {"properties": {"pets": {"items": {"$ref": "#/definitions/Pet"}}}},
        },
    }


def test_a_schema_that_is_but_a_reference_is_what_it_refers_to() -> None:
    document = with_schemas(Pet=PET, Alias={"$ref": "#/components/schemas/Pet"})
    assert read(posting({"$ref": "#/components/schemas/Alias"}), **document).schema == PET


def test_webhooks_and_bodies_may_be_references_too() -> None:
    document = {
        "components": {
            "pathItems": {"pet/new": {"post": {"requestBody": {"$ref": "#/components/requestBodies/Pet"}}}},
            "requestBodies": {"Pet": {"content": {"application/vnd.pet+json": {"schema": PET}}}},
        }
    }
    assert read({"$ref": "#/components/pathItems/pet~1new"}, **document).schema == PET


def test_a_reference_to_elsewhere_stays() -> None:
    schema = {"items": {"$ref": "https://schemas.example/pet"}}
    assert read(posting(schema)).schema == schema


def test_a_body_that_is_no_json_has_no_schema() -> None:
    assert read({"post": {"requestBody": {"content": {"text/plain": {"schema": {}}}}}}).schema is None


POST = ("webhooks", "a", "post")


@pytest.mark.parametrize(
    ("document", "where", "why"),
    [
        ({}, (), "no webhook"),
        ({"webhooks": {}}, (), "no webhook"),
        ({"webhooks": []}, ("webhooks",), "write an object"),
        ({"webhooks": {"a": 1}}, POST[:2], "write an object"),
        ({"webhooks": {"a": {"put": {}}}}, POST[:2], "under `post`"),
        ({"webhooks": {"a": {"$ref": "#/webhooks/a"}}}, POST[:2], "refers to itself"),
        ({"webhooks": {"a": {"$ref": "#/webhooks/b"}}}, POST[:2], "there is no #/webhooks/b"),
        (
            {"webhooks": {"a": posting(1)}},
            (*POST, "requestBody", "content", "application/json", "schema"),
            "write an object",
        ),
        (
            {"webhooks": {"a": {"post": {"x-svix-feature-flags": "beta"}}}},
            (*POST, "x-svix-feature-flags"),
            "a list of texts",
        ),
        ({"webhooks": {"a": {"post": {"x-svix-group-name": 1}}}}, (*POST, "x-svix-group-name"), "a text"),
    ],
)
def test_a_broken_document_says_where(document: Any, where: tuple[str, ...], why: str) -> None:  # noqa: ANN401
    with pytest.raises(Invalid) as refused:
        list(webhooks_of(document))
    assert refused.value.where == where
    assert why in refused.value.why


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("#/components/schemas/None", "there is no"),
        ("#/paths/~1pets", "write a reference to"),
        ("#", "write a reference to"),
    ],
)
def test_a_schema_refers_to_what_there_is(reference: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        read(posting({"items": {"$ref": reference}}), **with_schemas(Pet=PET))


def an_event_type_with(schema: object, **said: Any) -> EventType:  # noqa: ANN401 - checked by the dataclass
    return an_event_type(schemas=msgspec.json.encode({"1": schema}).decode(), **said)


def test_what_is_written_is_read_again() -> None:
    pet = {"items": {"$ref": "#/definitions/Pet"}, "definitions": {"Pet": PET}, "examples": [[]]}
    said = {"group_name": "pets", "feature_flags": frozenset({"beta", "new"}), "deprecated": True}
    flagged = an_event_type_with(pet, name="a", **said)
    plain = an_event_type(name="b")

    document = document_of([flagged, plain])

    description = flagged.description
    assert list(webhooks_of(document)) == [
        a_webhook(where=("webhooks", "a"), name="a", description=description, schema=pet, **said),
        a_webhook(where=("webhooks", "b"), name="b", description=description),
    ]


def test_the_newest_schema_is_written() -> None:
    versions = {"1": {"title": "1"}, "10": {"title": "10"}, "9": {"title": "9"}, "draft": {"title": "draft"}}
    event_type = an_event_type(schemas=msgspec.json.encode(versions).decode())
    (webhook,) = webhooks_of(document_of([event_type]))
    assert webhook.schema == {"title": "10"}


def test_event_types_share_a_definition_only_if_it_is_the_same() -> None:
    def of_pets(pet: object) -> object:
        return {"items": {"$ref": "#/definitions/Pet"}, "definitions": {"Pet": pet}}

    same, other = PET, {"type": "string"}
    event_types = [
        an_event_type_with(of_pets(pet), name=name) for name, pet in (("a", same), ("b", same), ("c", other))
    ]
    document: Any = document_of(event_types)

    assert document["components"]["schemas"] == {"Pet": same, "c.Pet": other}
    read_again = {webhook.name: webhook.schema for webhook in webhooks_of(document)}
    assert read_again["b"] == of_pets(same)
    assert read_again["c"] == {"items": {"$ref": "#/definitions/c.Pet"}, "definitions": {"c.Pet": other}}
