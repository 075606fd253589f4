"""Event types out of an OpenAPI document over HTTP, and into one."""

import asyncio
import json
from typing import Any

import pytest

from tests.flows.walk import Walk
from tests.functions.api.client import Client, Reply, portal_token

IMPORT = "/api/v1/event-type/import/openapi"
EXPORT = "/api/v1/event-type/export/openapi"
EXAMPLE = {"name": "Rex"}
SPEC = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {"/pets": {"get": {"responses": {"200": {"description": "All pets."}}}}},
    "webhooks": {
        "pet.new": {
            "post": {
                "description": "A new pet.",
                "x-svix-group-name": "pets",
                "x-svix-feature-flags": ["new", "beta"],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/Pet"},
                            "example": EXAMPLE,
                        }
                    }
                },
            }
        },
        "pet.gone": {"post": {"summary": "No pet.", "deprecated": True}},
    },
    "components": {"schemas": {"Pet": {"type": "object", "properties": {"name": {"type": "string"}}}}},
}
YAML = """\
openapi: 3.0.3
x-webhooks:
  pet.new:
    post:
      description: A new pet.
      x-svix-group-name: pets
      x-svix-feature-flags: [new, beta]
      requestBody:
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Pet"}
            example: {name: Rex}
      responses:
        200: {description: OK}
  pet.gone:
    post: {summary: No pet., deprecated: true}
components:
  schemas:
    Pet:
      type: object
      properties: {name: {type: string}}
"""
PET_NEW = {
    "name": "pet.new",
    "description": "A new pet.",
    "schemas": {
        "1": {"type": "object", "properties": {"name": {"type": "string"}}, "examples": [EXAMPLE]},
    },
    "deprecated": False,
    "groupName": "pets",
    "featureFlags": ["beta", "new"],
}
PET_GONE: dict[str, object] = {
    "name": "pet.gone",
    "description": "No pet.",
    "schemas": None,
    "deprecated": True,
    "groupName": None,
    "featureFlags": None,
}


async def imports(api: Client, **said: object) -> Any:  # noqa: ANN401 - JSON
    answered = await api.post(IMPORT, said)
    assert answered.status == 200, answered.json
    assert list(answered.json) == ["data"]
    return answered.json["data"]


async def shown(api: Client) -> dict[str, Any]:
    listed = (await api.get("/api/v1/event-type?with_content=true")).json["data"]
    return {row["name"]: {part: row[part] for part in PET_NEW} for row in listed}


@pytest.mark.parametrize(
    "said", [{"spec": SPEC}, {"specRaw": json.dumps(SPEC), "spec": None}, {"specRaw": YAML}], ids=str
)
async def test_every_webhook_becomes_an_event_type(api: Client, said: dict[str, object]) -> None:
    assert await imports(api, **said) == {"modified": ["pet.new", "pet.gone"]}
    assert await shown(api) == {"pet.new": PET_NEW, "pet.gone": PET_GONE}


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(api: Client) -> None:
    done = await imports(api, spec=SPEC, dryRun=True, replaceAll=True)
    assert done == {"modified": [], "to_modify": [PET_NEW, PET_GONE]}
    assert await shown(api) == {}


async def test_what_is_there_is_changed_where_the_document_says_something(api: Client, walk: Walk) -> None:
    whole = {"schemas": {"2": {}}, "groupName": "g", "featureFlags": ["f"]}
    for name in ("pet.gone", "pet.new"):
        await api.post("/api/v1/event-type", {"name": name, "description": "old", **whole})
        await api.delete(f"/api/v1/event-type/{name}")
    await api.put("/api/v1/event-type/pet.gone/retry-schedule", {"retrySchedule": [1]})

    await imports(api, spec=SPEC)

    assert await shown(api) == {"pet.new": PET_NEW, "pet.gone": {**PET_GONE, **whole}}
    schedule = await api.get("/api/v1/event-type/pet.gone/retry-schedule")
    assert schedule.json == {"retrySchedule": [1]}


async def test_what_the_document_does_not_name_stays_unless_all_are_to_be_replaced(api: Client) -> None:
    for number in range(260):
        await api.post("/api/v1/event-type", {"name": f"other-{number:03}", "description": ""})
    await imports(api, spec=SPEC)
    assert len((await api.get("/api/v1/event-type?limit=250")).json["data"]) == 250

    done = await imports(api, spec=SPEC, replaceAll=True)

    assert done["modified"] == ["pet.new", "pet.gone", *(f"other-{number:03}" for number in range(260))]
    assert list(await shown(api)) == ["pet.gone", "pet.new"]
    assert (await api.get("/api/v1/event-type/other-000")).json["archived"] is True
    assert (await imports(api, spec=SPEC, replaceAll=True))["modified"] == ["pet.new", "pet.gone"]


async def test_an_imported_example_can_be_sent(api: Client, acme: str, walk: Walk) -> None:
    await imports(api, spec=SPEC)
    made = await api.post(f"/api/v1/app/{acme}/endpoint", {"url": "https://receiver.example"})
    sent = await api.post(
        f"/api/v1/app/{acme}/endpoint/{made.json['id']}/send-example", {"eventType": "pet.new"}
    )
    assert sent.status == 200
    await walk.works()
    assert json.loads(walk.receiver.sent[0].body) == EXAMPLE


async def test_what_is_exported_can_be_imported_again(api: Client) -> None:
    await imports(api, spec=SPEC)
    before = await shown(api)
    await api.post("/api/v1/event-type", {"name": "archived", "description": "", "archived": True})

    exported = await api.post(EXPORT)

    assert (exported.status, list(exported.json)) == (200, ["data"])
    document = exported.json["data"]
    assert (document["openapi"], list(document["webhooks"])) == ("3.1.0", ["pet.gone", "pet.new"])
    for name in before:
        await api.delete(f"/api/v1/event-type/{name}?expunge=true")
    await imports(api, spec=document)
    assert await shown(api) == before


async def test_an_organization_without_event_types_exports_an_empty_document(api: Client) -> None:
    exported = (await api.post(EXPORT)).json["data"]
    assert (exported["webhooks"], exported["components"]) == ({}, {"schemas": {}})


@pytest.mark.parametrize("said", [{}, {"spec": None, "specRaw": None}, {"spec": SPEC, "specRaw": YAML}])
async def test_there_must_be_one_document(api: Client, said: dict[str, object]) -> None:
    refused = await api.post(IMPORT, said)
    assert (refused.status, refused.json["code"]) == (400, "invalid_spec")
    assert "either as `spec` or as `specRaw`" in refused.json["detail"]


def webhooks(**items: object) -> dict[str, object]:
    return {"spec": {"webhooks": items}}


def body_of(schema: object) -> dict[str, object]:
    return {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}


async def refused_of(api: Client, said: dict[str, object]) -> tuple[Reply, str]:
    refused = await api.post(IMPORT, said)
    assert refused.status == 422
    return refused, refused.json["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("said", "loc", "why"),
    [
        ({"spec": []}, ["body", "spec"], "Expected `object | null`"),
        ({"spec": {}}, ["body", "spec"], "there is no webhook in it"),
        ({"specRaw": "[]"}, ["body", "specRaw"], "write an object"),
        ({"specRaw": "pets"}, ["body", "specRaw"], "write an object"),
        ({"specRaw": "a: &x 1\nb: *x"}, ["body", "specRaw"], "aliases are not read"),
        ({"specRaw": "{"}, ["body", "specRaw"], "neither JSON nor YAML"),
        ({"specRaw": "webhooks: {}"}, ["body", "specRaw"], "there is no webhook in it"),
        (webhooks(a=1), ["body", "spec", "webhooks", "a"], "write an object"),
        (
            webhooks(**{"no spaces": {"post": {}}}),
            ["body", "spec", "webhooks", "no spaces", "__all__"],
            "pattern",
        ),
        (webhooks(**{"": {"post": {}}}), ["body", "spec", "webhooks", "", "__all__"], "at least one"),
        (
            webhooks(a={"post": {"description": "\u0000"}}),
            ["body", "spec", "webhooks", "a", "description"],
            "Control characters",
        ),
        (
            webhooks(a={"post": {"x-svix-feature-flags": ["no spaces"]}}),
            ["body", "spec", "webhooks", "a", "x-svix-feature-flags"],
            "pattern",
        ),
        (
            webhooks(a={"post": {"x-svix-group-name": "no spaces"}}),
            ["body", "spec", "webhooks", "a", "x-svix-group-name", "__all__"],
            "pattern",
        ),
        (
            webhooks(a=body_of({"type": "thing"})),
            ["body", "spec", "webhooks", "a", "schema"],
            "not a JSON Schema (Draft 7)",
        ),
        (
            {"spec": {"webhooks": {"a": {"post": {}}}, "x-webhooks": {"a": {"post": {}}}}},
            ["body", "spec", "x-webhooks", "a"],
            "it is there twice",
        ),
        (
            webhooks(**{f"a{number}": {"post": {}} for number in range(1001)}),
            ["body", "spec"],
            "at most 1000 webhooks",
        ),
        (
            webhooks(a=body_of({"items": {"$ref": "#/paths/a"}})),
            None,
            "write a reference to #/components/schemas",
        ),
        ({"specRaw": "[" * 100_000}, ["body", "specRaw"], "nested too deeply"),
        ({"dryRun": "yes", "spec": SPEC}, ["body", "dryRun"], "Expected `bool | null`"),
    ],
    ids=lambda said: str(said)[:40],
)
async def test_a_broken_rule_says_where_and_nothing_is_done(
    api: Client, said: dict[str, object], loc: list[str] | None, why: str
) -> None:
    refused, said_why = await refused_of(api, said)
    assert loc in (None, refused.loc)
    assert why in said_why
    assert await shown(api) == {}


async def test_schemas_that_all_refer_to_one_large_one_are_bounded(api: Client) -> None:
    """A document of 1 MiB could stand for as much in each of its thousand webhooks."""
    spec = {
        "webhooks": {
            f"a{number}": body_of({"items": {"$ref": "#/components/schemas/A"}}) for number in range(9)
        },
        "components": {"schemas": {"A": {"description": "x" * 1024 * 1024}}},
    }
    refused, why = await refused_of(api, {"spec": spec})
    assert (refused.loc, "8388608 bytes" in why) == (["body", "spec"], True)


@pytest.mark.parametrize("depth", [50, 300, 480, 900, 2000])
async def test_a_schema_of_any_depth_is_taken_and_exported_or_refused(api: Client, depth: int) -> None:
    deep = b'{"items":' * depth + b"{}" + b"}" * depth
    raw = b'{"spec":{"webhooks":{"a":' + json.dumps(body_of(0)).encode().replace(b"0", deep) + b"}}}"
    imported = await api.post(IMPORT, raw)
    assert imported.status in (200, 422)
    assert (await api.post(EXPORT)).status == 200


async def test_two_imports_at_once_both_succeed(api: Client) -> None:
    """A pipeline that runs twice must not fail because of itself."""
    both = await asyncio.gather(*(imports(api, spec=SPEC) for _ in range(2)))
    assert both == [{"modified": ["pet.new", "pet.gone"]}] * 2


async def test_a_portal_may_do_neither(api: Client, acme: str, walk: Walk) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.post(IMPORT, {"spec": SPEC})).status == 403
    assert (await portal.post(EXPORT)).status == 403
