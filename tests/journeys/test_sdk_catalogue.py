"""Edits, rotation, erasing and portals, by the SDK that people already use, against the running service."""

from datetime import timedelta

import pytest
from standardwebhooks.webhooks import Webhook
from svix.api import (
    ApplicationIn,
    ApplicationListOptions,
    ApplicationPatch,
    ApplicationTokenExpireIn,
    AppPortalAccessIn,
    EndpointGetStatsOptions,
    EndpointHeadersIn,
    EndpointHeadersPatchIn,
    EndpointIn,
    EndpointPatch,
    EndpointSecretRotateIn,
    EndpointUpsertIn,
    EventTypeImportOpenApiIn,
    EventTypeIn,
    EventTypePatch,
    EventTypeUpsertIn,
    MessageAttemptListByMsgOptions,
    MessageAttemptOut,
    MessageGetOptions,
    MessageIn,
    SvixAsync,
)
from svix.exceptions import HttpError

from tests.journeys.running import Running, eventually
from tests.receivers import Received, Receiver


async def test_what_there_is_can_be_changed(svix: SvixAsync) -> None:
    made = await svix.application.create(ApplicationIn(name="Acme", uid="acme", throttle_rate=5))
    patched = await svix.application.patch("acme", ApplicationPatch(name="New"))
    assert (patched.id, patched.name, patched.uid, patched.throttle_rate) == (made.id, "New", "acme", 5)
    cleared = await svix.application.patch("acme", ApplicationPatch(throttle_rate=None))
    assert cleared.throttle_rate is None
    put = await svix.application.upsert("acme", ApplicationIn(name="Newer", uid="acme"))
    assert (put.id, put.name) == (made.id, "Newer")
    assert (await svix.application.upsert("other", ApplicationIn(name="Other"))).uid is None

    await svix.event_type.create(EventTypeIn(name="a", description="Old", schemas={"1": {}}))
    typed = await svix.event_type.patch("a", EventTypePatch(description="New"))
    assert (typed.description, typed.schemas) == ("New", {"1": {}})
    typed = await svix.event_type.upsert("a", EventTypeUpsertIn(description="Newer"))
    assert (typed.description, typed.schemas) == ("Newer", None)
    assert (await svix.event_type.upsert("b", EventTypeUpsertIn(description=""))).name == "b"

    endpoint = await svix.endpoint.create(
        "acme", EndpointIn(url="https://a.example", uid="main", event_types=["a"], channels=["eu"])
    )
    moved = await svix.endpoint.patch("acme", "main", EndpointPatch(url="https://b.example", channels=None))
    assert (moved.id, moved.url, moved.event_types, moved.channels) == (
        endpoint.id,
        "https://b.example/",
        ["a"],
        None,
    )
    replaced = await svix.endpoint.upsert("acme", "main", EndpointUpsertIn(url="https://c.example"))
    assert (replaced.id, replaced.uid, replaced.event_types) == (endpoint.id, None, None)
    with pytest.raises(HttpError) as refused:
        await svix.endpoint.patch("acme", "unknown", EndpointPatch(disabled=True))
    assert refused.value.status_code == 404


async def test_what_is_not_for_everybody_is_left_out(service: Running, svix: SvixAsync) -> None:
    for uid in ("empty", "acme"):
        await svix.application.create(ApplicationIn(name=uid, uid=uid))
    await svix.endpoint.create("acme", EndpointIn(url="https://a.example", disabled=True))
    for no, disabled, shown in ((True, False, {"acme"}), (False, True, {"empty"}), (True, True, set())):
        options = ApplicationListOptions(
            exclude_apps_with_no_endpoints=no, exclude_apps_with_disabled_endpoints=disabled
        )
        assert {app.uid for app in (await svix.application.list(options)).data} == shown

    flags = ["new", "beta"]
    await svix.event_type.create(EventTypeIn(name="a", description="", feature_flags=flags, group_name="g"))
    made = await svix.event_type.get("a")
    assert (made.feature_flags, made.feature_flag, made.group_name) == (["beta", "new"], "beta", "g")
    for flag, seen in (("new", ["a"]), ("other", [])):
        access = await svix.authentication.app_portal_access("acme", AppPortalAccessIn(feature_flags=[flag]))
        listed = await service.svix(access.token).event_type.list()
        assert [event_type.name for event_type in listed.data] == seen


async def test_event_types_come_out_of_an_openapi_document(svix: SvixAsync) -> None:
    raw = "webhooks: {pet.new: {post: {summary: A new pet., x-svix-feature-flags: [beta]}}}"
    tried = await svix.event_type.import_openapi(EventTypeImportOpenApiIn(spec_raw=raw, dry_run=True))
    assert (tried.data.modified, [one.name for one in tried.data.to_modify or ()]) == ([], ["pet.new"])
    assert (await svix.event_type.list()).data == []

    await svix.event_type.create(EventTypeIn(name="old", description=""))
    spec = {"openapi": "3.1.0", "webhooks": {"pet.new": {"post": {"description": "A pet."}}}}
    await svix.event_type.import_openapi(EventTypeImportOpenApiIn(spec_raw=raw))
    done = await svix.event_type.import_openapi(EventTypeImportOpenApiIn(spec=spec, replace_all=True))
    assert (done.data.modified, done.data.to_modify) == (["pet.new", "old"], None)
    (listed,) = (await svix.event_type.list()).data
    assert (listed.name, listed.description, listed.feature_flags) == ("pet.new", "A pet.", ["beta"])
    with pytest.raises(HttpError) as refused:
        await svix.event_type.import_openapi(EventTypeImportOpenApiIn())
    assert refused.value.status_code == 400


async def test_a_secret_is_exchanged_without_a_gap(svix: SvixAsync, receiver: Receiver) -> None:
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    await svix.endpoint.create("acme", EndpointIn(url=receiver.url, uid="main"))
    old = (await svix.endpoint.get_secret("acme", "main")).key

    new = (await svix.endpoint.rotate_secret("acme", "main", EndpointSecretRotateIn())).key

    assert new == (await svix.endpoint.get_secret("acme", "main")).key != old
    await svix.message.create("acme", MessageIn(event_type="order.paid", payload={}))
    (received,) = await receiver.got(1)
    for secret in (old, new):
        verify(secret, received)

    await svix.endpoint.rotate_secret("acme", "main", EndpointSecretRotateIn(key=old, grace_period_seconds=0))
    await svix.message.create("acme", MessageIn(event_type="order.paid", payload={}))
    verify(old, (await receiver.got(2))[1])


async def test_headers_are_set_changed_and_counted(svix: SvixAsync, receiver: Receiver) -> None:
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    await svix.endpoint.create("acme", EndpointIn(url=receiver.url, uid="main"))
    await svix.endpoint.set_headers(
        "acme", "main", EndpointHeadersIn(headers={"X-Api-Test": "1", "X-B": "2"})
    )
    await svix.endpoint.patch_headers(
        "acme",
        "main",
        EndpointHeadersPatchIn(headers={"Authorization": "Bearer x"}, delete_headers=["X-B"]),
    )

    shown = await svix.endpoint.get_headers("acme", "main")
    assert (shown.headers, shown.sensitive) == ({"X-Api-Test": "1"}, ["Authorization"])
    message = await svix.message.create("acme", MessageIn(event_type="order.paid", payload={}))
    (received,) = await receiver.got(1)
    assert ("X-Api-Test", "1") in received.headers
    assert received.header("authorization") == "Bearer x"

    stats = await eventually(
        lambda: svix.endpoint.get_stats("acme", "main"), until=lambda stats: stats.success
    )
    assert (stats.success, stats.fail, stats.pending, stats.sending, stats.canceled) == (1, 0, 0, 0, 0)
    since = EndpointGetStatsOptions(since=message.timestamp - timedelta(days=29))
    with pytest.raises(HttpError) as refused:
        await svix.endpoint.get_stats("acme", "main", since)
    assert (refused.value.status_code, refused.value.code) == (400, "invalid_range")


async def test_content_is_erased(svix: SvixAsync, receiver: Receiver) -> None:
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    await svix.endpoint.create("acme", EndpointIn(url=receiver.url))
    message = await svix.message.create("acme", MessageIn(event_type="order.paid", payload={"name": "Ada"}))
    attempt = (await eventually(lambda: attempts_of(svix, message.id), until=bool))[0]

    await svix.message.expunge_content("acme", message.id)
    await svix.message_attempt.expunge_content("acme", message.id, attempt.id)

    shown = await svix.message.get("acme", message.id, MessageGetOptions(with_content=True))
    assert shown.payload == {"expired": True}
    assert (await svix.message_attempt.get("acme", message.id, attempt.id)).response == "EXPUNGED"


async def test_a_portal_looks_after_its_own_endpoints(service: Running, svix: SvixAsync) -> None:
    described = ApplicationIn(name="New", uid="newcomer")
    access = await svix.authentication.app_portal_access(
        "newcomer", AppPortalAccessIn(application=described, feature_flags=["beta"], expiry=3600)
    )
    assert access.url == f"{service.url}/docs"
    app_id = (await svix.application.get("newcomer")).id
    printed = await service.run("token", service.organization, "--app", app_id)

    for token in (access.token, printed):
        portal = service.svix(token)
        assert (await portal.application.get("newcomer")).id == app_id
        await portal.endpoint.create("newcomer", EndpointIn(url="https://a.example"))
        with pytest.raises(HttpError) as refused:
            await portal.message.create("newcomer", MessageIn(event_type="a", payload={}))
        assert refused.value.status_code == 403
        await portal.authentication.logout()
    await svix.authentication.expire_all("newcomer", ApplicationTokenExpireIn())
    for token in (access.token, printed):
        with pytest.raises(HttpError) as refused:
            await service.svix(token).application.get("newcomer")
        assert refused.value.status_code == 401


def verify(secret: str, received: Received) -> None:
    Webhook(secret).verify(received.body, {name.lower(): value for name, value in received.headers})


async def attempts_of(svix: SvixAsync, message_id: str) -> list[MessageAttemptOut]:
    options = MessageAttemptListByMsgOptions(with_content=True)
    return (await svix.message_attempt.list_by_msg("acme", message_id, options)).data
