"""Organization settings over HTTP."""

from typing import Any

import pytest

from tests.flows.walk import Walk
from tests.functions.api.client import Client, organization_token, portal_token
from tests.makers import OTHER_ORG

AT = "/api/v1/organization/settings"
PROCESS = {
    "retrySchedule": [5, 300, 1800],
    "endpointFailureDisableAfterSeconds": 432_000,
    "signatureType": "hmac256",
    "signatureHeaders": "webhook",
    "endpointHttpsOnly": False,
    "operationalWebhooks": True,
    "endpointProbation": False,
}
OWN = {
    "retrySchedule": [0.001, 300],
    "endpointFailureDisableAfterSeconds": 0.25,
    "signatureType": "ed25519",
    "signatureHeaders": "svix",
    "endpointHttpsOnly": True,
    "operationalWebhooks": False,
    "endpointProbation": True,
}


async def test_whoever_sets_nothing_is_shown_what_the_process_has(api: Client) -> None:
    shown = await api.get(AT)

    assert shown.status == 200
    assert shown.json == {**PROCESS, "inherited": list(PROCESS)}


async def test_put_sets_all_and_what_it_leaves_out_follows_the_process_again(api: Client) -> None:
    put = await api.put(AT, OWN)
    assert (put.status, put.json) == (200, {**OWN, "inherited": []})
    assert (await api.get(AT)).json == put.json

    put = await api.put(AT, {"retrySchedule": [], "signatureType": None})
    assert put.json == {**PROCESS, "retrySchedule": [], "inherited": list(PROCESS)[1:]}
    assert (await api.get(AT)).json == put.json


async def test_what_is_shown_can_be_put_again(api: Client) -> None:
    shown = (await api.get(AT)).json
    assert (await api.put(AT, shown)).json == {**PROCESS, "inherited": []}


@pytest.mark.parametrize("name", OWN)
async def test_patch_sets_clears_or_leaves_one(api: Client, name: str) -> None:
    await api.put(AT, OWN)

    cleared = await api.patch(AT, {name: None})
    assert cleared.json == {**OWN, name: PROCESS[name], "inherited": [name]}
    assert (await api.patch(AT, {})).json == cleared.json
    assert (await api.patch(AT, {name: OWN[name]})).json == {**OWN, "inherited": []}


async def test_every_organization_has_its_own(api: Client, walk: Walk) -> None:
    await api.put(AT, OWN)
    other = Client(organization_token(walk.service.settings, walk.clock.now(), OTHER_ORG))
    assert (await other.get(AT)).json["inherited"] == list(PROCESS)


async def test_only_the_organization_may(api: Client, acme: str, walk: Walk) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    assert (await portal.get(AT)).status == 403
    assert (await portal.put(AT, {})).status == 403
    assert (await portal.patch(AT, {})).status == 403
    assert (await Client(None).get(AT)).status == 401


async def test_only_https_holds_for_the_next_url(api: Client, acme: str) -> None:
    endpoints = f"/api/v1/app/{acme}/endpoint"
    await api.post(endpoints, {"url": "http://a.example", "uid": "old"})
    await api.patch(AT, {"endpointHttpsOnly": True})

    for refused in (
        await api.post(endpoints, {"url": "http://a.example"}),
        await api.put(f"{endpoints}/old", {"url": "http://a.example"}),
        await api.patch(f"{endpoints}/old", {"url": "http://a.example"}),
    ):
        assert (refused.status, refused.loc) == (422, ["body", "url"])
    assert (await api.patch(f"{endpoints}/old", {"description": "stays"})).status == 200


MONTH = 30 * 24 * 60 * 60
YEAR = 365 * 24 * 60 * 60


@pytest.mark.parametrize(
    ("body", "field", "want"),
    [
        ({"retrySchedule": [1] * 51}, "retrySchedule", "at most 50 rests"),
        ({"retrySchedule": [0]}, "retrySchedule", "seconds, from 0.001 to 2592000"),
        ({"retrySchedule": [1, 0.0009]}, "retrySchedule", "seconds, from 0.001 to 2592000"),
        ({"retrySchedule": [MONTH + 0.001]}, "retrySchedule", "seconds, from 0.001 to 2592000"),
        ({"retrySchedule": [-1]}, "retrySchedule", "seconds, from 0.001 to 2592000"),
        ({"retrySchedule": [1e308]}, "retrySchedule", "seconds, from 0.001 to 2592000"),
        ({"retrySchedule": ["5s"]}, "retrySchedule[0]", "Expected `float`"),
        ({"retrySchedule": [True]}, "retrySchedule[0]", "Expected `float`"),
        ({"retrySchedule": 5}, "retrySchedule", "Expected `array | null`"),
        ({"endpointFailureDisableAfterSeconds": 0}, "endpointFailureDisableAfterSeconds", "from 0.001"),
        ({"endpointFailureDisableAfterSeconds": YEAR + 1}, "endpointFailureDisableAfterSeconds", "31536000"),
        ({"endpointFailureDisableAfterSeconds": "5d"}, "endpointFailureDisableAfterSeconds", "Expected `fl"),
        ({"signatureType": "rsa"}, "signatureType", "write hmac256 or ed25519"),
        ({"signatureType": 1}, "signatureType", "Expected `str | null`"),
        ({"signatureHeaders": "Webhook"}, "signatureHeaders", "write webhook or svix"),
        ({"endpointHttpsOnly": "true"}, "endpointHttpsOnly", "Expected `bool | null`"),
        ({"operationalWebhooks": 1}, "operationalWebhooks", "Expected `bool | null`"),
        ({"endpointProbation": 1}, "endpointProbation", "Expected `bool | null`"),
    ],
)
async def test_a_broken_rule_says_where_and_what_to_write(
    api: Client, body: dict[str, Any], field: str, want: str
) -> None:
    await api.put(AT, OWN)
    for refused in (await api.put(AT, body), await api.patch(AT, body)):
        assert (refused.status, refused.loc) == (422, ["body", field])
        assert want in refused.json["detail"][0]["msg"]
    assert (await api.get(AT)).json == {**OWN, "inherited": []}


async def test_the_limits_themselves_are_taken(api: Client) -> None:
    said = {"retrySchedule": [0.001, MONTH] * 25, "endpointFailureDisableAfterSeconds": YEAR}
    taken = await api.patch(AT, said)
    assert {name: taken.json[name] for name in said} == said
