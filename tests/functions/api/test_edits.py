"""Changing what there is, over HTTP: PUT replaces the whole or creates, PATCH changes parts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.wiring import compose, install
from tests.clock import NOON
from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token, portal_token

APP = "/api/v1/app"
TYPE = "/api/v1/event-type"
ALL = "/api/v1/app/acme/endpoint"
URL = "https://receiver.example/hooks"
LATER = "2026-11-24T12:01:00Z"

pytestmark = pytest.mark.usefixtures("acme")


async def a_minute_passes(walk: Walk) -> None:
    walk.clock.move(timedelta(minutes=1))


async def an_endpoint(api: Client, **said: object) -> str:
    """The path of an endpoint with everything set."""
    await api.post(TYPE, {"name": "a", "description": ""})
    whole = {
        "url": URL,
        "uid": "main",
        "description": "Main",
        "version": 3,
        "throttleRate": 5,
        "eventTypes": ["a"],
        "channels": ["eu"],
        "metadata": {"k": "v"},
        "headers": {"X-A": "1"},
        **said,
    }
    made = await api.post(ALL, whole)
    assert made.status == 201
    return f"{ALL}/{made.json['id']}"


class TestPut:
    """Replaces everything, and creates what is not there."""

    async def test_an_application_is_replaced_whole(self, api: Client, acme: str, walk: Walk) -> None:
        await api.patch(f"{APP}/acme", {"throttleRate": 5, "metadata": {"a": "b"}})
        await a_minute_passes(walk)

        put = await api.put(f"{APP}/acme", {"name": "New"})

        assert (put.status, put.json) == (
            200,
            {
                "id": acme,
                "name": "New",
                "throttleRate": None,
                "metadata": {},
                "createdAt": "2026-11-24T12:00:00Z",
                "updatedAt": LATER,
            },
        )
        assert (await api.get(f"{APP}/{acme}")).json == put.json
        assert (await api.get(f"{APP}/acme")).status == 404

    async def test_an_unknown_application_is_created_with_an_id_of_its_own(self, api: Client) -> None:
        """The path is no name for it: clients rely on that."""
        for key in ("unknown", "app_1srOrr5WjKyYWLajIlnglfBaJQu"):
            put = await api.put(f"{APP}/{key}", {"name": "New"})
            assert put.status == 201
            assert put.json["id"] != key
            assert "uid" not in put.json
            assert (await api.get(f"{APP}/{key}")).status == 404
            assert (await api.get(f"{APP}/{put.json['id']}")).json == put.json

    async def test_the_body_is_looked_at_before_the_application(self, api: Client) -> None:
        assert (await api.put(f"{APP}/unknown", {"name": ""})).status == 422

    async def test_a_uid_that_is_taken_is_a_conflict(self, api: Client, acme: str) -> None:
        other = (await api.post(APP, {"name": "Other"})).json["id"]
        for key in (other, "unknown"):
            refused = await api.put(f"{APP}/{key}", {"name": "New", "uid": "acme"})
            assert (refused.status, refused.json["code"]) == (409, "conflict")
        assert (await api.put(f"{APP}/{acme}", {"name": "Acme", "uid": "acme"})).status == 200

    async def test_an_event_type_is_replaced_whole(self, api: Client, walk: Walk) -> None:
        whole = {"description": "Old", "deprecated": True, "schemas": {"1": {}}, "featureFlag": "beta"}
        await api.post(TYPE, {"name": "a", "groupName": "group", **whole})
        await api.delete(f"{TYPE}/a")
        await a_minute_passes(walk)

        put = await api.put(f"{TYPE}/a", {"name": "ignored", "description": "New"})

        assert (put.status, put.json) == (
            200,
            {
                "name": "a",
                "description": "New",
                "archived": False,
                "deprecated": False,
                "schemas": None,
                "groupName": None,
                "featureFlags": None,
                "featureFlag": None,
                "createdAt": "2026-11-24T12:00:00Z",
                "updatedAt": LATER,
            },
        )
        assert (await api.get(f"{TYPE}/a")).json == put.json

    async def test_an_unknown_event_type_is_created_under_the_name_in_the_path(self, api: Client) -> None:
        put = await api.put(f"{TYPE}/order.paid", {"description": ""})
        assert (put.status, put.json["name"]) == (201, "order.paid")
        refused = await api.put(f"{TYPE}/no%20spaces", {"description": ""})
        assert (refused.status, refused.loc) == (422, ["path", "event_type_name", "__all__"])

    async def test_an_endpoint_is_replaced_but_for_its_secret_and_headers(
        self, api: Client, walk: Walk
    ) -> None:
        one = await an_endpoint(api, disabled=True)
        secret = (await api.get(f"{one}/secret")).json
        await a_minute_passes(walk)

        put = await api.put(one, {"url": "https://other.example", "secret": "ignored", "headers": {"Y": "2"}})

        assert (put.status, put.json) == (
            200,
            {
                "id": one.rpartition("/")[2],
                "url": "https://other.example/",
                "description": "",
                "uid": None,
                "version": 1,
                "disabled": False,
                "throttleRate": None,
                "rateLimit": None,
                "eventTypes": None,
                "filterTypes": None,
                "channels": None,
                "metadata": {},
                "createdAt": "2026-11-24T12:00:00Z",
                "updatedAt": LATER,
            },
        )
        assert (await api.get(one)).json == put.json
        assert (await api.get(f"{one}/secret")).json == secret
        (endpoint,) = await walk.service.endpoints.of_application((await api.get(f"{APP}/acme")).json["id"])
        assert endpoint.headers == {"X-A": "1"}

    async def test_an_unknown_endpoint_is_created_with_an_id_and_a_secret_of_its_own(
        self, api: Client
    ) -> None:
        put = await api.put(f"{ALL}/unknown", {"url": URL, "filterTypes": None})
        assert put.status == 201
        assert put.json["uid"] is None
        assert (await api.get(f"{ALL}/unknown")).status == 404
        secret = await api.get(f"{ALL}/{put.json['id']}/secret")
        assert secret.json["key"].startswith("whsec_")

    async def test_an_endpoint_cannot_become_what_it_could_not_be_made(self, api: Client) -> None:
        one = await an_endpoint(api)
        await api.post(ALL, {"url": URL, "uid": "taken"})
        assert (await api.put(one, {"url": URL, "uid": "taken"})).status == 409
        wrongs: list[dict[str, object]] = [
            {"eventTypes": ["none"]},
            {"eventTypes": []},
            {"url": "ftp://x"},
            {"version": 0},
        ]
        for wrong in wrongs:
            for at in (one, f"{ALL}/unknown"):
                assert (await api.put(at, {"url": URL, **wrong})).status == 422
        assert (await api.put(one, {})).status == 422


class TestPatch:
    """Changes what is given: absent stays, null clears."""

    @pytest.mark.parametrize(
        ("change", "after"),
        [
            ({}, {}),
            ({"name": "New"}, {"name": "New"}),
            ({"uid": "new"}, {"uid": "new"}),
            ({"throttleRate": 9}, {"throttleRate": 9, "rateLimit": 9}),
            ({"rateLimit": 9}, {"throttleRate": 9, "rateLimit": 9}),
            ({"rateLimit": 9, "throttleRate": 8}, {"throttleRate": 8, "rateLimit": 8}),
            ({"metadata": {"b": "2"}}, {"metadata": {"b": "2"}}),
            ({"metadata": {}}, {"metadata": {}}),
            ({"metadata": None}, {"metadata": {}}),
        ],
    )
    async def test_an_application_changes_where_it_is_told_to(
        self, api: Client, acme: str, change: dict[str, object], after: dict[str, object]
    ) -> None:
        whole = {"name": "Acme", "uid": "acme", "throttleRate": 5, "metadata": {"a": "1"}}
        before = (await api.put(f"{APP}/acme", whole)).json

        patched = await api.patch(f"{APP}/acme", change)

        assert (patched.status, patched.json) == (200, {**before, **after})
        assert (await api.get(f"{APP}/{acme}")).json == patched.json

    @pytest.mark.parametrize("name", ["throttleRate", "rateLimit"])
    async def test_null_clears_an_applications_uid_and_rate(self, api: Client, name: str) -> None:
        await api.patch(f"{APP}/acme", {"throttleRate": 5})
        patched = await api.patch(f"{APP}/acme", {name: None, "uid": None})
        assert patched.json["throttleRate"] is None
        assert "rateLimit" not in patched.json
        assert "uid" not in patched.json
        assert (await api.get(f"{APP}/acme")).status == 404

    @pytest.mark.parametrize(
        ("change", "loc"),
        [
            ({"name": None}, ["body", "name"]),
            ({"name": ""}, ["body", "name"]),
            ({"uid": "app_1"}, ["body", "uid", "__all__"]),
            ({"throttleRate": 0}, ["body", "throttle_rate"]),
            ({"throttleRate": 1, "rateLimit": 0}, ["body", "rate_limit"]),
            ({"metadata": {"a": 1}}, ["body", "metadata"]),
        ],
    )
    async def test_a_broken_rule_of_an_application_says_where(
        self, api: Client, change: dict[str, object], loc: list[str]
    ) -> None:
        refused = await api.patch(f"{APP}/acme", change)
        assert (refused.status, refused.loc) == (422, loc)

    async def test_an_unknown_application_is_not_changed(self, api: Client) -> None:
        await api.post(APP, {"name": "Other", "uid": "other"})
        assert (await api.patch(f"{APP}/unknown", {"name": ""})).status == 404
        assert (await api.patch(f"{APP}/other", {"uid": "acme"})).status == 409

    @pytest.mark.parametrize(
        ("change", "after"),
        [
            ({}, {}),
            ({"description": ""}, {"description": ""}),
            ({"archived": True}, {"archived": True}),
            ({"deprecated": False}, {"deprecated": False}),
            ({"schemas": {"2": {"type": "object"}}}, {"schemas": {"2": {"type": "object"}}}),
            ({"schemas": None}, {"schemas": None}),
            ({"featureFlag": "other"}, {"featureFlag": "other", "featureFlags": ["other"]}),
            ({"featureFlag": None}, {"featureFlag": None, "featureFlags": None}),
            ({"name": "ignored"}, {}),
        ],
    )
    async def test_an_event_type_changes_where_it_is_told_to(
        self, api: Client, change: dict[str, object], after: dict[str, object]
    ) -> None:
        whole = {"description": "Old", "deprecated": True, "schemas": {"1": {}}, "featureFlag": "beta"}
        before = (await api.post(TYPE, {"name": "a", **whole})).json

        patched = await api.patch(f"{TYPE}/a", change)

        assert (patched.status, patched.json) == (200, {**before, **after})
        assert (await api.get(f"{TYPE}/a")).json == patched.json

    @pytest.mark.parametrize(
        ("change", "loc"),
        [
            ({"description": None}, ["body", "description"]),
            ({"archived": None}, ["body", "archived"]),
            ({"deprecated": None}, ["body", "deprecated"]),
            ({"featureFlag": "no spaces"}, ["body", "featureFlag"]),
            ({"schemas": {"1": {"readOnly": 15}}}, ["body", "schemas"]),
        ],
    )
    async def test_a_broken_rule_of_an_event_type_says_where(
        self, api: Client, change: dict[str, object], loc: list[str]
    ) -> None:
        await api.post(TYPE, {"name": "a", "description": ""})
        refused = await api.patch(f"{TYPE}/a", change)
        assert (refused.status, refused.loc) == (422, loc)
        assert (await api.patch(f"{TYPE}/unknown", {})).status == 404

    @pytest.mark.parametrize(
        ("change", "after"),
        [
            ({}, {}),
            ({"url": "http://bad.url"}, {"url": "http://bad.url/"}),
            ({"description": ""}, {"description": ""}),
            ({"version": 4}, {"version": 4}),
            ({"disabled": True}, {"disabled": True}),
            ({"uid": "new"}, {"uid": "new"}),
            ({"uid": None}, {"uid": None}),
            ({"throttleRate": None}, {"throttleRate": None, "rateLimit": None}),
            ({"rateLimit": 9}, {"throttleRate": 9, "rateLimit": 9}),
            ({"eventTypes": ["b"]}, {"eventTypes": ["b"], "filterTypes": ["b"]}),
            ({"filterTypes": ["b", "a"]}, {"eventTypes": ["a", "b"], "filterTypes": ["a", "b"]}),
            ({"eventTypes": None}, {"eventTypes": None, "filterTypes": None}),
            ({"filterTypes": None}, {"eventTypes": None, "filterTypes": None}),
            ({"channels": ["us"]}, {"channels": ["us"]}),
            ({"channels": None}, {"channels": None}),
            ({"metadata": {}}, {"metadata": {}}),
            ({"secret": "ignored"}, {}),
        ],
    )
    async def test_an_endpoint_changes_where_it_is_told_to(
        self, api: Client, change: dict[str, object], after: dict[str, object]
    ) -> None:
        one = await an_endpoint(api)
        await api.post(TYPE, {"name": "b", "description": ""})
        before = (await api.get(one)).json

        patched = await api.patch(f"{ALL}/main", change)

        assert (patched.status, patched.json) == (200, {**before, **after})
        assert (await api.get(one)).json == patched.json

    @pytest.mark.parametrize(
        ("change", "loc"),
        [
            ({"url": None}, ["body", "url"]),
            ({"url": "ftp://x"}, ["body", "url"]),
            ({"description": None}, ["body", "description"]),
            ({"version": None}, ["body", "version"]),
            ({"version": 0}, ["body", "version"]),
            ({"disabled": None}, ["body", "disabled"]),
            ({"uid": "ep_1"}, ["body", "uid", "__all__"]),
            ({"rateLimit": 0}, ["body", "rate_limit"]),
            ({"eventTypes": []}, ["body", "event_types"]),
            ({"eventTypes": ["none"]}, ["body", "eventTypes"]),
            ({"eventTypes": ["a"], "filterTypes": ["a"]}, ["body", "", ""]),
            ({"channels": []}, ["body", "channels"]),
        ],
    )
    async def test_a_broken_rule_of_an_endpoint_says_where(
        self, api: Client, change: dict[str, object], loc: list[str]
    ) -> None:
        one = await an_endpoint(api)
        before = (await api.get(one)).json
        refused = await api.patch(one, change)
        assert (refused.status, refused.loc) == (422, loc)
        assert (await api.get(one)).json == before

    async def test_an_unknown_endpoint_is_not_changed(self, api: Client) -> None:
        one = await an_endpoint(api)
        await api.post(ALL, {"url": URL, "uid": "taken"})
        assert (await api.patch(f"{ALL}/unknown", {})).status == 404
        assert (await api.patch(one, {"uid": "taken"})).status == 409

    async def test_only_https_may_be_allowed(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        walk = Walk.on(tmp_path_factory.mktemp("https"))
        await walk.service.close()
        settings = replace(walk.service.settings, endpoint_https_only=True)
        service = compose(settings, clock=walk.clock, journal=walk.journal, sender=walk.receiver)
        install(service)
        api = Client(organization_token(settings, walk.clock.now()))
        await api.post(APP, {"name": "Acme", "uid": "acme"})
        await api.post(ALL, {"url": URL, "uid": "main"})
        assert (await api.patch(f"{ALL}/main", {"url": "http://a.example"})).status == 422
        assert (await api.put(f"{ALL}/main", {"url": "http://a.example"})).status == 422
        assert (await api.patch(f"{ALL}/main", {"description": "x"})).status == 200
        install(None)
        await service.close()


async def test_an_edit_is_seen_by_the_next_message(api: Client, walk: Walk) -> None:
    """Whoever changes an endpoint does not wait for a cache to notice."""

    async def post() -> None:
        sent = await api.post(f"{APP}/acme/msg", {"eventType": "order.paid", "payload": {}})
        assert sent.status == 202
        await walk.works()

    await api.post(ALL, {"url": URL, "uid": "main"})
    await post()
    await api.patch(f"{ALL}/main", {"url": "https://other.example"})
    await post()
    await api.put(f"{ALL}/main", {"url": "https://third.example", "disabled": True, "uid": "main"})
    await post()

    assert [sent.url for sent in walk.receiver.sent] == [URL, "https://other.example/"]


async def test_a_new_uid_counts_at_once_and_the_old_one_no_longer(api: Client, acme: str) -> None:
    assert (await api.get(f"{APP}/acme")).status == 200
    await api.patch(f"{APP}/acme", {"uid": "new"})
    assert (await api.get(f"{APP}/acme/endpoint")).status == 404
    assert (await api.get(f"{APP}/new/endpoint")).status == 200
    heir = await api.post(APP, {"name": "Heir", "uid": "acme"})
    assert heir.status == 201
    assert (await api.get(f"{APP}/acme")).json["id"] != acme


async def test_an_endpoint_that_is_enabled_again_starts_with_a_clean_record(
    api: Client, acme: str, walk: Walk
) -> None:
    """Else the next message that is given up would disable it again at once."""
    one = (await api.post(ALL, {"url": URL})).json["id"]
    await walk.service.endpoints.begin_failing(acme, one, at=NOON)

    await api.patch(f"{ALL}/{one}", {"description": "still failing"})
    assert (await walk.service.endpoints.get(acme, one)).failing_since == NOON
    await api.patch(f"{ALL}/{one}", {"disabled": True})
    assert (await walk.service.endpoints.get(acme, one)).failing_since == NOON
    await api.patch(f"{ALL}/{one}", {"disabled": False})
    assert (await walk.service.endpoints.get(acme, one)).failing_since is None


async def test_a_portal_changes_its_own_endpoints_and_nothing_else(
    api: Client, acme: str, walk: Walk
) -> None:
    await api.post(APP, {"name": "Other", "uid": "other"})
    await api.post(TYPE, {"name": "a", "description": ""})
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.put(f"{ALL}/main", {"url": URL, "uid": "main"})).status == 201
    assert (await portal.patch(f"{ALL}/main", {"disabled": True})).status == 200
    assert (await portal.put("/api/v1/app/other/endpoint/x", {"url": URL})).status == 404
    for forbidden in (f"{APP}/acme", f"{TYPE}/a"):
        assert (await portal.put(forbidden, {})).status == 403
        assert (await portal.patch(forbidden, {})).status == 403
