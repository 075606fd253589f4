"""What clients see is the same, whoever made them and however old they are."""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from tests.journeys.clients.clients import CLIENTS, Client
from tests.journeys.clients.conftest import Evidence, arrived_at

REFERENCE, *_ = CLIENTS

IDS = re.compile(r"(app|ep|msg|atmpt|qtask)_[0-9A-Za-z]{27}")
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
DIFFER = {"eventTypes", "filterTypes", "rateLimit", "version", "responseDurationMs"}
"""An endpoint's event types are read from one name or the other, and the next two by SDKs of 1.x alone."""

OF_SOME = {"authentication.dashboard_access", "endpoint.rotate_secret"}
"""Steps that some versions do not take, or whose answer they do not read."""

REFUSALS: Mapping[str, tuple[int, str, str]] = {
    "application.create: taken": (409, "conflict", "An application with that id or uid already exists"),
    "application.get: gone": (404, "not_found", "Application not found"),
    "application.get: wrong token": (401, "authentication_failed", "Invalid token"),
    "attempt.get: unknown": (404, "not_found", "Message not found"),
    "endpoint.create: taken": (409, "conflict", "A conflict has occurred"),
    "endpoint.get: gone": (404, "not_found", "Entity not found"),
    "endpoint.recover: unknown": (404, "not_found", "Entity not found"),
    "event_type.create: taken": (409, "event_type_exists", "An event_type with this name already exists"),
    "message.create: no application": (404, "not_found", "Application not found"),
    "message.create: taken": (409, "conflict", "A conflict has occurred"),
    "message.create: too large": (413, "payload_too_large", "Request payload is too large."),
    "operational.create: taken": (409, "conflict", "A conflict has occurred"),
    "operational.get: gone": (404, "not_found", "Entity not found"),
    "portal: application.get: another": (404, "not_found", "Application not found"),
    "portal: application.list": (
        403,
        "insufficient access",
        "Insufficient access for the given operation.",
    ),
    "portal: expired": (401, "authentication_failed", "Invalid token"),
}
INVALID: Mapping[str, tuple[list[str], str]] = {
    "message.list: too many": (["query", "limit", "limit"], "Given limit must not exceed 250"),
    "application.create: no name": (["body", "name"], "`name` must be at least one character"),
    "endpoint.create: no URL": (["body", "url"], "Endpoint URL schemes must be http or https"),
    "endpoint.create: unknown type": (
        ["body", "eventTypes"],
        "The following event types don't exist: no.such",
    ),
    "endpoint.recover: too long ago": (
        ["body", "since"],
        "Cannot recover more than 14 days of messages",
    ),
    "endpoint.set_headers: forbidden": (
        ["body", "headers", "Content-Length"],
        "Header uses a forbidden key.",
    ),
    "statistics.app: unknown": (
        ["body", "appIds"],
        "there is none of these applications; name ids or uids of the organization's",
    ),
}


def test_every_client_sees_the_same(client: Client, evidence: Evidence) -> None:
    seen, expected = (told_alike(evidence.steps(one), one) for one in (client, REFERENCE))

    assert without(seen, OF_SOME) == without(expected, OF_SOME)


def test_what_was_created_is_what_is_read(client: Client, evidence: Evidence) -> None:
    """To the microsecond, for backends compare what they were given with what they get."""
    steps = evidence.steps(client)

    assert steps["application.create"] == steps["application.get"] == steps["application.get_or_create"]
    assert steps["event_type.create"] == steps["event_type.get"]
    assert steps["endpoint.create"] == steps["endpoint.get"]
    assert steps["operational.create"] == steps["operational.get"]
    assert steps["message.create"] == steps["message.create: repeated"] == steps["message.get"]
    assert steps["message.list"][-1] == steps["message.get"]
    assert steps["attempt.list_by_endpoint"]["data"][0] == {
        **steps["attempt.get"],
        "msg": steps["attempt.list_by_endpoint"]["data"][0]["msg"],
    }


def test_lists_are_walked_page_by_page(client: Client, evidence: Evidence) -> None:
    steps = evidence.steps(client)

    assert [row["uid"] for row in steps["application.list"]] == ["acme", "bits", "lossy"]
    assert [row["payload"] for row in steps["message.list"]] == [{"n": 3}, {"n": 2}, {"a": "ä", "z": 1}]


def test_what_svix_has_on_its_own_servers_only_is_heard(client: Client, evidence: Evidence) -> None:
    steps = evidence.steps(client)
    later = steps["message.create: later"]

    assert (later["tags"], later["deliverAt"] > later["timestamp"]) == (["vip"], True)
    assert steps["message.list: tagged"]["data"] == [later]
    assert steps["endpoint.get_headers: of its creation"]["headers"] == {"X-Api-Test": "1"}
    raw = arrived_at(evidence, f"{client.name}/raw")
    assert raw.body == b"a=1&b=2"
    assert raw.header("content-type") == "application/x-www-form-urlencoded"
    assert raw.header("x-api-test") == "1"


@pytest.mark.parametrize("step", REFUSALS)
def test_a_refusal_can_be_read(client: Client, evidence: Evidence, step: str) -> None:
    status, code, detail = REFUSALS[step]

    assert evidence.steps(client)[step] == {"refused": status, "code": code, "detail": detail}


@pytest.mark.parametrize("step", INVALID)
def test_what_is_invalid_is_named(client: Client, evidence: Evidence, step: str) -> None:
    loc, msg = INVALID[step]

    broken = {"loc": loc, "msg": msg, "type": "value_error"}
    assert evidence.steps(client)[step] == {"refused": 422, "detail": [broken]}


def test_nothing_is_done_twice_when_an_answer_is_lost(client: Client, evidence: Evidence) -> None:
    """SDKs repeat a POST by themselves, under one idempotency key."""
    first, again = (
        one
        for one in evidence.of(client)
        if (one.request.method, one.path) == ("POST", "/api/v1/app/lossy/msg")
    )

    key = first.request.header("idempotency-key") or ""
    assert key.startswith("auto_")
    assert key == again.request.header("idempotency-key")
    assert again.request.header("svix-retry-count") is not None
    assert first.body == again.body
    steps = evidence.steps(client)
    assert steps["message.list: answer lost"]["data"] == [steps["message.create: answer lost"]]


def test_a_rotation_is_answered_as_the_version_reads_it(client: Client, evidence: Evidence) -> None:
    """Since 2.7 SDKs fail without the key; plain HTTP clients insist on a bare 204."""
    (rotation,) = (one for one in evidence.of(client) if one.path.endswith("/main/secret/rotate"))
    new = evidence.steps(client)["endpoint.get_secret: rotated"]

    if client is REFERENCE:
        assert (rotation.status, json.loads(rotation.body)) == (200, new)
    else:
        assert (rotation.status, rotation.body) == (204, b"")
    assert evidence.plain["POST /app/acme/endpoint/moved/secret/rotate"].status == 204


def test_old_and_new_names_of_a_filter_are_understood(client: Client, evidence: Evidence) -> None:
    shown = evidence.steps(client)["endpoint.get"]

    assert shown.get("eventTypes", shown.get("filterTypes")) == ["order.paid"]
    assert shown.get("version", 1) == 1


def test_what_is_not_set_is_absent_or_null_as_sdks_of_all_languages_read_it(
    client: Client, evidence: Evidence
) -> None:
    answers = {
        (one.request.method, one.path, one.status): json.loads(one.body)
        for one in evidence.of(client)
        if one.body
    }
    application = answers["PATCH", "/api/v1/app/acme", 200]
    endpoint = answers["PUT", "/api/v1/app/acme/endpoint/main", 200]
    assert application["throttleRate"] == application["rateLimit"] == 9
    replaced = answers["PUT", "/api/v1/app/acme", 200]
    assert (replaced["throttleRate"], "rateLimit" in replaced) == (None, False)
    assert {name for name, value in endpoint.items() if value is None} == {
        "channels", "rateLimit", "throttleRate",
    }  # fmt: skip


def test_a_list_counts_what_a_message_went_through(client: Client, evidence: Evidence) -> None:
    steps = evidence.steps(client)
    went_to = {row["uid"]: row["statusText"] for row in steps["attempt.list_attempted_destinations"]["data"]}
    waiting = Counter(row["statusText"] for row in steps["attempt.list_attempted_messages"]["data"])

    assert went_to == {"main": "success", "failing": "fail"}
    assert waiting == {"sending": 2}
    assert {name: steps["endpoint.get_stats"][name] for name in ("success", "fail")} == {
        "success": 3, "fail": 0,
    }  # fmt: skip


def test_a_task_tells_how_far_it_is(client: Client, evidence: Evidence) -> None:
    steps = evidence.steps(client)
    recovery, purge = steps["background_task.get"], steps["background_task.get: purge"]

    assert steps["endpoint.recover"]["id"] == recovery["id"]
    assert {name: recovery["data"][name] for name in ("total", "done", "failed")} == {
        "total": 3, "done": 3, "failed": 3,
    }  # fmt: skip
    assert purge["data"]["messagesPurged"] == 4
    assert steps["background_task.list"]["data"] == [purge, recovery]


def test_a_task_tells_what_it_has_found_out(client: Client, evidence: Evidence) -> None:
    steps = evidence.steps(client)
    usage, subscriptions = (steps[f"background_task.get: {what}"] for what in ("app stats", "event types"))
    app_id = steps["application.get"]["id"]

    assert steps["statistics.app"]["unresolvedAppIds"] == ["unknown"]
    assert usage["data"]["appStats"] == [{"appId": app_id, "appUid": "acme", "messageDestinations": 5}]
    of_all = {row.pop("appId"): row for row in subscriptions["data"]["event_types"]}
    assert {row["id"] for row in steps["application.list"]} < of_all.keys()
    assert of_all[app_id] == {
        "explicitlySubscribedEventTypes": ["order.paid"],
        "hasCatchAllEndpoint": True,
    }


def without(steps: Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any]:
    return {name: answer for name, answer in steps.items() if name not in names}


def told_alike(steps: Mapping[str, Any], client: Client) -> Mapping[str, Any]:
    """Answers without what differs from run to run, language to language or version to version."""
    text = TIMES.sub("then", json.dumps(steps).replace(f"/{client.name}", ""))
    names: dict[str, str] = {}
    text = IDS.sub(lambda id_: names.setdefault(id_[0], f"{id_[1]} {len(names)}"), text)
    told: Mapping[str, Any] = json.loads(text, object_hook=without_what_differs)
    return told


def without_what_differs(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in row.items() if value is not None and name not in DIFFER}
