"""Applications over HTTP."""

from datetime import timedelta

from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token, portal_token


async def test_what_was_made_is_read_again_exactly(api: Client) -> None:
    """Clients compare the two, timestamps included."""
    made = await api.post(
        "/api/v1/app", {"name": "Acme", "uid": "acme", "throttleRate": 10, "metadata": {"tier": "gold"}}
    )

    assert made.status == 201
    assert made.json["createdAt"] == made.json["updatedAt"] == "2026-11-24T12:00:00Z"
    assert made.json["id"].startswith("app_")
    assert {key: made.json[key] for key in ("name", "uid", "throttleRate", "rateLimit", "metadata")} == {
        "name": "Acme",
        "uid": "acme",
        "throttleRate": 10,
        "rateLimit": 10,
        "metadata": {"tier": "gold"},
    }
    for key in (made.json["id"], "acme"):
        assert (await api.get(f"/api/v1/app/{key}")).json == made.json
    assert (await api.get("/api/v1/app")).json["data"] == [made.json]


async def test_what_is_not_set_is_left_out_or_null_as_clients_expect(api: Client) -> None:
    made = await api.post(
        "/api/v1/app", {"name": "A", "uid": None, "throttleRate": None, "rateLimit": None, "metadata": None}
    )
    assert made.status == 201
    assert set(made.json) == {"name", "throttleRate", "id", "createdAt", "updatedAt", "metadata"}
    assert (made.json["throttleRate"], made.json["metadata"]) == (None, {})


async def test_the_old_name_of_a_rate_counts_when_the_new_one_is_absent(api: Client) -> None:
    old = await api.post("/api/v1/app", {"name": "A", "rateLimit": 7})
    both = await api.post("/api/v1/app", {"name": "A", "rateLimit": 7, "throttleRate": 9})
    assert (old.json["throttleRate"], both.json["throttleRate"]) == (7, 9)


async def test_a_uid_is_taken_once(api: Client, acme: str) -> None:
    again = await api.post("/api/v1/app", {"name": "Other", "uid": "acme"})
    assert again.status == 409
    assert again.json == {
        "code": "conflict",
        "detail": "An application with that id or uid already exists",
    }


async def test_get_if_exists_leaves_what_exists_untouched(api: Client, acme: str) -> None:
    """A backend makes sure of an application at every start, without asking first."""
    again = await api.post("/api/v1/app?get_if_exists=true", {"name": "Other", "uid": "acme"})
    assert (again.status, again.json["id"], again.json["name"]) == (200, acme, "Acme")
    new = await api.post("/api/v1/app?get_if_exists=true", {"name": "Other", "uid": "other"})
    assert new.status == 201
    nameless = [await api.post("/api/v1/app?get_if_exists=true", {"name": "Same"}) for _ in range(2)]
    assert [made.status for made in nameless] == [201, 201]


async def test_a_deleted_application_is_gone_and_its_uid_free(api: Client, acme: str) -> None:
    assert (await api.delete("/api/v1/app/acme")).status == 204
    assert (await api.get("/api/v1/app/acme")).status == 404
    assert (await api.get(f"/api/v1/app/{acme}")).status == 404
    assert (await api.delete(f"/api/v1/app/{acme}")).status == 404
    assert (await api.get("/api/v1/app")).json["data"] == []
    assert (await api.post("/api/v1/app", {"name": "New", "uid": "acme"})).status == 201


async def test_pages_go_on_and_back_in_both_orders(api: Client, walk: Walk) -> None:
    ids = []
    for name in "abcde":
        ids.append((await api.post("/api/v1/app", {"name": name})).json["id"])
        walk.clock.move(timedelta(milliseconds=4))

    for order, expected in (("ascending", ids), ("descending", ids[::-1])):
        first = (await api.get(f"/api/v1/app?limit=2&order={order}")).json
        assert [row["id"] for row in first["data"]] == expected[:2]
        assert (first["iterator"], first["prevIterator"]) == (expected[1], "-" + expected[0])
        assert not first["done"]
        second = (await api.get(f"/api/v1/app?limit=2&order={order}&iterator={first['iterator']}")).json
        assert [row["id"] for row in second["data"]] == expected[2:4]
        third = (await api.get(f"/api/v1/app?limit=2&order={order}&iterator={second['iterator']}")).json
        assert [row["id"] for row in third["data"]] == expected[4:]
        assert third["done"]
        back = (await api.get(f"/api/v1/app?limit=2&order={order}&iterator={second['prevIterator']}")).json
        assert (back["data"], back["done"]) == (first["data"], True)

    assert (await api.get("/api/v1/app")).json["data"] == (
        await api.get("/api/v1/app?order=ascending&with_content=true")
    ).json["data"]


async def test_a_list_leaves_out_applications_by_their_endpoints(api: Client, walk: Walk) -> None:
    for name, disabled in (("none", []), ("disabled", [True]), ("enabled", [True, False])):
        await api.post("/api/v1/app", {"name": name, "uid": name})
        walk.clock.move(timedelta(milliseconds=4))
        for each in disabled:
            said = {"url": "https://receiver.example", "disabled": each}
            await api.post(f"/api/v1/app/{name}/endpoint", said)

    async def shown(**excluded: str) -> list[str]:
        query = "&".join(f"exclude_apps_with_{what}_endpoints={flag}" for what, flag in excluded.items())
        return [row["name"] for row in (await api.get(f"/api/v1/app?{query}")).json["data"]]

    assert await shown() == ["none", "disabled", "enabled"]
    assert await shown(no="false", disabled="false", svix_play="true") == ["none", "disabled", "enabled"]
    assert await shown(no="true") == ["disabled", "enabled"]
    assert await shown(disabled="true") == ["none", "enabled"]
    assert await shown(no="true", disabled="true") == ["enabled"]
    paged = (await api.get("/api/v1/app?exclude_apps_with_no_endpoints=true&limit=1")).json
    assert ([row["name"] for row in paged["data"]], paged["done"]) == (["disabled"], False)
    wrong = await api.get("/api/v1/app?exclude_apps_with_no_endpoints=yes")
    assert (wrong.status, wrong.json["code"]) == (400, "generic_error")


async def test_an_empty_page_has_nowhere_to_go(api: Client, acme: str) -> None:
    assert (await api.get("/api/v1/app?limit=0")).json == {"data": [], "iterator": None, "done": False}
    beyond = await api.get(f"/api/v1/app?iterator={acme}")
    assert beyond.json == {"data": [], "iterator": None, "done": True}


async def test_organizations_do_not_see_each_other(api: Client, acme: str, walk: Walk) -> None:
    other = Client(organization_token(walk.service.settings, walk.clock.now(), "org_other"))
    assert (await other.get("/api/v1/app/acme")).status == 404
    assert (await other.get(f"/api/v1/app/{acme}")).status == 404
    assert (await other.get("/api/v1/app")).json["data"] == []
    assert (await other.post("/api/v1/app", {"name": "Acme", "uid": "acme"})).status == 201


async def test_a_portal_sees_its_own_application_only(api: Client, acme: str, walk: Walk) -> None:
    other = (await api.post("/api/v1/app", {"name": "Other", "uid": "other"})).json["id"]
    portal = Client(portal_token(walk.service.settings, acme))

    assert (await portal.get("/api/v1/app/acme")).status == 200
    assert (await portal.get(f"/api/v1/app/{acme}")).status == 200
    assert (await portal.get(f"/api/v1/app/{other}")).status == 404
    assert (await portal.get("/api/v1/app/other")).status == 404
    for forbidden in (
        await portal.get("/api/v1/app"),
        await portal.post("/api/v1/app", {"name": "Mine"}),
        await portal.delete("/api/v1/app/acme"),
        await portal.post("/api/v1/app/acme/msg", {"eventType": "a", "payload": {}}),
    ):
        assert forbidden.status == 403
        assert forbidden.json == {
            "code": "insufficient access",
            "detail": "Insufficient access for the given operation.",
        }
