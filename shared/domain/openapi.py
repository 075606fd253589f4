"""Event types as an OpenAPI document describes them: each of its webhooks is one.

    webhooks:                            before OpenAPI 3.1 under `x-webhooks`
      pet.new:                           its name
        post:
          description: A pet arrived.    else the summary, else the description of the request body
          deprecated: false
          x-svix-group-name: pets
          x-svix-feature-flags: [beta]   or `x-svix-feature-flag: beta`
          requestBody:
            content:
              application/json:          its schema and its examples
                schema: {$ref: "#/components/schemas/Pet"}

A schema is kept apart from its document, so what it refers to goes with it, under `definitions`; and what
OpenAPI 3.0 says in its own way is said as Draft 7 of JSON Schema does.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote

import msgspec

from shared.domain.errors import Invalid
from shared.domain.event_type import EventType
from shared.domain.json_schema import as_draft_7, rewritten

Object: TypeAlias = Mapping[str, object]

SECTIONS = ("webhooks", "x-webhooks")
FIRST_VERSION = "1"
"""The version of a schema that came from a document."""

GROUP_NAME = "x-svix-group-name"
FEATURE_FLAG = "x-svix-feature-flag"
FEATURE_FLAGS = "x-svix-feature-flags"
JSON_TYPE = "application/json"

REFERENCES_MAX = 10
"""How many references are followed from one place; more go round in a circle."""

_COMPONENT = re.compile(r"#/components/schemas/([^/]+)(/.*)?")
_DEFINITION = re.compile(r"#/definitions/(.+)")


@dataclass(frozen=True, slots=True)
class Webhook:
    """What a document says of one event type. A part that is None it says nothing of.

    Attributes:
        where: Its path inside the document.
        schema: JSON Schema, Draft 7.
    """

    where: tuple[str, ...]
    name: str
    description: str
    deprecated: bool
    schema: Object | None
    group_name: str | None
    feature_flags: frozenset[str] | None


def webhooks_of(document: Object) -> Iterator[Webhook]:
    """Read the webhooks of a document, one by one.

    Raises:
        Invalid: It has none, or one of them is not as it must be. `where` is the path inside the document.
    """
    found = False
    for section in SECTIONS:
        for name, item in _object(document.get(section, {}), section).items():
            found = True
            yield _webhook(document, name, item, (section, name))
    if not found:
        raise Invalid((), "there is no webhook in it: write them under `webhooks`, or `x-webhooks`")


def document_of(event_types: Iterable[EventType]) -> Object:
    """The document, OpenAPI 3.1, from which some event types can be read again."""
    components = _Components()
    webhooks = {one.name: {"post": _operation(one, components)} for one in event_types}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Event types", "version": "1.0.0"},
        "webhooks": webhooks,
        "components": {"schemas": components.schemas},
    }


def _webhook(document: Object, name: str, item: object, where: tuple[str, ...]) -> Webhook:
    post = _resolved(document, item, where).get("post")
    if post is None:
        raise Invalid(where, "write what is sent under `post`")
    at, where = where, (*where, "post")
    operation = _object(post, *where)
    body = _resolved(document, operation.get("requestBody", {}), (*where, "requestBody"))
    descriptions = (operation.get("description"), operation.get("summary"), body.get("description"))
    return Webhook(
        where=at,
        name=name,
        description=next((text for text in descriptions if isinstance(text, str)), ""),
        deprecated=operation.get("deprecated") is True,
        schema=_schema(document, body, (*where, "requestBody")),
        group_name=_text(operation, GROUP_NAME, where),
        feature_flags=_flags(operation, where),
    )


def _flags(operation: Object, where: tuple[str, ...]) -> frozenset[str] | None:
    flags = operation.get(FEATURE_FLAGS)
    if flags is None:
        flag = _text(operation, FEATURE_FLAG, where)
        return None if flag is None else frozenset({flag})
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        raise Invalid((*where, FEATURE_FLAGS), "write a list of texts")
    return frozenset(flags)


def _text(operation: Object, key: str, where: tuple[str, ...]) -> str | None:
    text = operation.get(key)
    if text is None or isinstance(text, str):
        return text
    raise Invalid((*where, key), "write a text")


def _schema(document: Object, body: Object, where: tuple[str, ...]) -> Object | None:
    """The schema of what is sent, with its examples, or None if there is none."""
    content = _object(body.get("content", {}), *where, "content")
    kind = JSON_TYPE if JSON_TYPE in content else next((kind for kind in content if "json" in kind), None)
    if kind is None:
        return None
    where = (*where, "content", kind)
    media = _object(content[kind], *where)
    examples = list(_examples(document, media, where))
    if "schema" not in media:
        return {"examples": examples} if examples else None
    schema = _Apart(document, (*where, "schema")).schema(media["schema"])
    own = schema.get("examples", [])
    if examples and isinstance(own, list):
        return {**schema, "examples": [*examples, *own]}
    return schema


def _examples(document: Object, media: Object, where: tuple[str, ...]) -> Iterator[object]:
    if "example" in media:
        yield media["example"]
    for name, example in _object(media.get("examples", {}), *where, "examples").items():
        resolved = _resolved(document, example, (*where, "examples", name))
        if "value" in resolved:
            yield resolved["value"]


class _Apart:
    """Takes one schema out of its document."""

    def __init__(self, document: Object, where: tuple[str, ...]) -> None:
        components = _object(document.get("components", {}), "components")
        self._components = _object(components.get("schemas", {}), "components", "schemas")
        self._document = document
        self._where = where
        self._missing: list[str] = []
        self._seen: set[str] = set()

    def schema(self, value: object) -> Object:
        """The schema with whatever it refers to.

        Raises:
            Invalid: It refers to something that is not there, or is no schema.
        """
        if isinstance(value, bool):
            return {} if value else {"not": {}}
        schema = self._converted(_resolved(self._document, value, self._where))
        definitions = {}
        while self._missing:
            name = self._missing.pop()
            definitions[name] = self._converted(self._components[name])
        if not definitions:
            return schema
        own = _object(schema.get("definitions", {}), *self._where, "definitions")
        return {**schema, "definitions": {**own, **definitions}}

    def _converted(self, schema: object) -> Object:
        return _object(rewritten(schema, self._definition, as_draft_7), *self._where)

    def _definition(self, reference: str) -> str:
        """Where the schema that is referred to will be; one of another document stays where it is.

        Raises:
            Invalid: It is not among the components of this document.
        """
        if not reference.startswith("#"):
            return reference
        form = _COMPONENT.fullmatch(reference)
        if form is None:
            raise Invalid(self._where, f"{reference[:200]!r}: write a reference to #/components/schemas/…")
        name = _unescaped(form[1])
        if name not in self._components:
            raise Invalid(self._where, f"there is no #/components/schemas/{form[1][:200]}")
        if name not in self._seen:
            self._seen.add(name)
            self._missing.append(name)
        return f"#/definitions/{form[1]}{form[2] or ''}"


def _resolved(document: Object, value: object, where: tuple[str, ...]) -> Object:
    """An object of the document, or the one that it refers to.

    Raises:
        Invalid: It is no object, or refers to something that is not there.
    """
    for _ in range(REFERENCES_MAX):
        found = _object(value, *where)
        reference = found.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return found
        value = document
        for part in reference.removeprefix("#/").split("/"):
            if not isinstance(value, Mapping) or _unescaped(part) not in value:
                raise Invalid(where, f"there is no {reference[:200]}")
            value = value[_unescaped(part)]
    raise Invalid(where, "it refers to itself")


def _object(value: object, *where: str) -> Object:
    if not isinstance(value, Mapping):
        raise Invalid(where, "write an object")
    return value


def _unescaped(part: str) -> str:
    """A part of a JSON Pointer in a URL as the key that it means."""
    return unquote(part).replace("~1", "/").replace("~0", "~")


def _operation(event_type: EventType, components: "_Components") -> Object:
    operation: dict[str, object] = {
        "operationId": event_type.name,
        "description": event_type.description,
        "deprecated": event_type.deprecated,
        "responses": {"2XX": {"description": "It was received."}},
    }
    if event_type.group_name is not None:
        operation[GROUP_NAME] = event_type.group_name
    if event_type.feature_flags is not None:
        operation[FEATURE_FLAGS] = sorted(event_type.feature_flags)
    schema = _latest(event_type.schemas)
    if schema is not None:
        shared = components.shared(event_type.name, schema)
        operation["requestBody"] = {"content": {JSON_TYPE: {"schema": shared}}}
    return operation


def _latest(schemas: str | None) -> object:
    by_version: dict[str, object] = msgspec.json.decode(schemas) if schemas else {}
    return by_version[max(by_version, key=_age)] if by_version else None


def _age(version: str) -> tuple[bool, int, str]:
    """Orders versions: names first, then numbers, of which a longer one is greater."""
    is_number = version.isdecimal()
    return is_number, len(version) if is_number else 0, version


class _Components:
    """The schemas that several event types of a document share."""

    def __init__(self) -> None:
        self.schemas: dict[str, object] = {}
        self._as_defined: dict[str, object] = {}

    def shared(self, event_type: str, schema: object) -> object:
        """The schema of an event type, with its definitions among the components.

        If another event type has another definition of the same name, its own have its name before theirs.
        """
        if not isinstance(schema, Mapping) or not isinstance(schema.get("definitions"), Mapping):
            return schema
        definitions = schema["definitions"]
        is_clash = any(self._as_defined.get(name, one) != one for name, one in definitions.items())
        prefix = f"{event_type}." if is_clash else ""

        def refer(reference: str) -> str:
            form = _DEFINITION.fullmatch(reference)
            return reference if form is None else f"#/components/schemas/{prefix}{form[1]}"

        for name, one in definitions.items():
            self._as_defined[prefix + name] = one
            self.schemas[prefix + name] = rewritten(one, refer)
        return rewritten({key: part for key, part in schema.items() if key != "definitions"}, refer)
