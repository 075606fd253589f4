"""Event types over HTTP."""

from datetime import timedelta

import pytest

from tests.flows.walk import Walk
from tests.functions.api.client import Client, portal_token

NO_FLAGS: dict[str, object] = {"featureFlags": None, "featureFlag": None}
SCHEMA = {"1": {"type": "object", "properties": {"price": {"type": "number", "maximum": 1.5}}}}


async def make(api: Client, name: str, **fields: object) -> None:
    made = await api.post("/api/v1/event-type", {"name": name, "description": "", **fields})
    assert made.status == 201


async def test_what_was_made_is_read_again_exactly(api: Client) -> None:
    said = {
        "name": "invoice.paid",
        "description": "An invoice was paid.",
        "archived": False,
        "deprecated": True,
        "schemas": SCHEMA,
        "groupName": "invoice",
        "featureFlags": ["beta", "new"],
        "featureFlag": "beta",
    }
    made = await api.post("/api/v1/event-type", said)

    assert made.status == 201
    assert {key: made.json[key] for key in said} == said
    assert (await api.get("/api/v1/event-type/invoice.paid")).json == made.json
    (listed,) = (await api.get("/api/v1/event-type?with_content=true")).json["data"]
    assert listed == made.json
    (without,) = (await api.get("/api/v1/event-type")).json["data"]
    assert without == {**made.json, "schemas": None}


async def test_what_is_not_set_has_its_default(api: Client) -> None:
    nulls = dict.fromkeys(("archived", "deprecated", "schemas", *NO_FLAGS, "groupName"))
    made = await api.post("/api/v1/event-type", {"name": "a", "description": "", **nulls})
    assert made.status == 201
    assert (made.json["archived"], made.json["deprecated"]) == (False, False)
    assert (made.json["schemas"], made.json["groupName"]) == (None, None)
    assert {name: made.json[name] for name in NO_FLAGS} == NO_FLAGS


async def test_a_live_name_is_taken_and_an_archived_one_comes_back(api: Client, walk: Walk) -> None:
    await make(api, "a", schemas=SCHEMA)
    taken = await api.post("/api/v1/event-type", {"name": "a", "description": "again"})
    assert taken.status == 409
    assert taken.json == {
        "code": "event_type_exists",
        "detail": "An event_type with this name already exists",
    }

    assert (await api.delete("/api/v1/event-type/a")).status == 204
    assert (await api.get("/api/v1/event-type/a")).json["archived"] is True
    assert (await api.get("/api/v1/event-type")).json["data"] == []
    (archived,) = (await api.get("/api/v1/event-type?include_archived=true")).json["data"]
    assert archived["archived"] is True

    walk.clock.move(timedelta(seconds=1))
    await make(api, "a", description="again")
    assert (await api.get("/api/v1/event-type/a")).json["schemas"] is None


async def test_an_expunged_type_is_gone(api: Client) -> None:
    await make(api, "a")
    assert (await api.delete("/api/v1/event-type/a?expunge=true")).status == 204
    assert (await api.get("/api/v1/event-type/a")).status == 404
    for query_string in ("", "?expunge=true"):
        unknown = await api.delete(f"/api/v1/event-type/a{query_string}")
        assert (unknown.status, unknown.json["detail"]) == (404, "Entity not found")


async def test_the_list_is_in_order_of_names(api: Client) -> None:
    for name in ("b", "a", "B", "c", "a.b"):
        await make(api, name)
    names = ["B", "a", "a.b", "b", "c"]
    for order in ("", "&order=descending"):
        first = (await api.get(f"/api/v1/event-type?limit=3{order}")).json
        assert [row["name"] for row in first["data"]] == names[:3]
        assert (first["iterator"], first["prevIterator"], first["done"]) == ("a.b", "-B", False)
        rest = (await api.get(f"/api/v1/event-type?limit=3&iterator=a.b{order}")).json
        assert [row["name"] for row in rest["data"]] == names[3:]
        back = (await api.get(f"/api/v1/event-type?limit=2&iterator=-b{order}")).json
        assert [row["name"] for row in back["data"]] == names[1:3]


async def test_a_portal_sees_types_without_a_flag_or_with_one_of_its_own(
    api: Client, acme: str, walk: Walk
) -> None:
    await make(api, "open")
    await make(api, "beta", featureFlag="beta")
    await make(api, "secret", featureFlags=["new", "secret"])

    async def seen(*flags: str) -> list[str]:
        portal = Client(portal_token(walk.service.settings, acme, *flags))
        listed = (await portal.get("/api/v1/event-type")).json["data"]
        for row in listed:
            assert (await portal.get(f"/api/v1/event-type/{row['name']}")).status == 200
        return [row["name"] for row in listed]

    assert await seen() == ["open"]
    assert await seen("beta", "other") == ["beta", "open"]
    assert await seen("new") == ["open", "secret"]
    portal = Client(portal_token(walk.service.settings, acme, "beta"))
    assert (await portal.get("/api/v1/event-type/secret")).status == 404
    assert (await api.get("/api/v1/event-type/secret")).status == 200
    assert (await portal.post("/api/v1/event-type", {"name": "x", "description": ""})).status == 403
    assert (await portal.delete("/api/v1/event-type/open")).status == 403


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"featureFlags": ["beta", "no spaces"]}, ["body", "featureFlags"]),
        ({"featureFlags": ["beta"] * 26}, ["body", "featureFlags"]),
        ({"featureFlags": "beta"}, ["body", "featureFlags"]),
        ({"groupName": ""}, ["body", "group_name", "__all__"]),
        ({"groupName": "no spaces"}, ["body", "group_name", "__all__"]),
    ],
)
async def test_a_broken_rule_says_where(api: Client, change: dict[str, object], loc: list[str]) -> None:
    refused = await api.post("/api/v1/event-type", {"name": "a", "description": "", **change})
    assert (refused.status, refused.loc) == (422, loc)


@pytest.mark.parametrize(
    "schemas", [{}, {"1": {}}, {"1": True, "2": SCHEMA["1"]}, {"v": {"$ref": "http://x"}}]
)
async def test_any_draft_7_schema_is_taken(api: Client, schemas: dict[str, object]) -> None:
    await make(api, "a", schemas=schemas)
    assert (await api.get("/api/v1/event-type/a")).json["schemas"] == schemas


@pytest.mark.parametrize(
    "schemas",
    [
        b'{"1":{"const":1e400}}',
        b'{"1":{"const":' + b"9" * 5000 + b"}}",
        b'{"1":' + b'{"not":' * 400 + b"{}" + b"}" * 400 + b"}",
        b'{"1":{"enum":[' + b"[" * 400 + b"]" * 400 + b"]}}",
    ],
)
async def test_a_strange_schema_is_taken_or_refused(api: Client, schemas: bytes) -> None:
    made = await api.post("/api/v1/event-type", b'{"name":"a","description":"","schemas":' + schemas + b"}")
    assert made.status in (201, 422)


@pytest.mark.parametrize(
    ("said", "flags", "flag"),
    [
        ({"featureFlag": "beta"}, ["beta"], "beta"),
        ({"featureFlags": ["beta"]}, ["beta"], "beta"),
        ({"featureFlags": ["new", "beta", "new"]}, ["beta", "new"], "beta"),
        ({"featureFlags": ["new"], "featureFlag": "beta"}, ["new"], "new"),
        ({"featureFlags": None, "featureFlag": "beta"}, ["beta"], "beta"),
        ({"featureFlags": []}, None, None),
        (
            {"featureFlags": [f"flag-{n:02}" for n in range(25)]},
            [f"flag-{n:02}" for n in range(25)],
            "flag-00",
        ),
    ],
)
async def test_one_flag_and_several_are_the_same_thing(
    api: Client, said: dict[str, object], flags: list[str] | None, flag: str | None
) -> None:
    """A client that knows of one only never sees a hidden type as open, nor opens it by writing back."""
    await make(api, "a", **said)
    assert (await api.put("/api/v1/event-type/b", {"description": "", **said})).status == 201
    for name in ("a", "b"):
        shown = (await api.get(f"/api/v1/event-type/{name}")).json
        assert (shown["featureFlags"], shown["featureFlag"]) == (flags, flag)


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        ({}, ["beta", "new"]),
        ({"featureFlag": "one"}, ["one"]),
        ({"featureFlag": None}, None),
        ({"featureFlags": ["two", "one"]}, ["one", "two"]),
        ({"featureFlags": None}, None),
        ({"featureFlags": [], "featureFlag": "one"}, None),
    ],
)
async def test_patch_changes_the_flags_by_either_name(
    api: Client, said: dict[str, object], flags: list[str] | None
) -> None:
    await make(api, "a", featureFlags=["new", "beta"], groupName="group")
    patched = await api.patch("/api/v1/event-type/a", said)
    assert (patched.json["featureFlags"], patched.json["groupName"]) == (flags, "group")
    assert (await api.patch("/api/v1/event-type/a", {"groupName": None})).json["groupName"] is None
