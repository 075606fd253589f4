"""What an organization sets for itself holds for its next attempt, and for nobody else's."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec import UNSET

from shared.domain.event_type import EventTypeEdit, NewEventType
from shared.domain.organization import OrganizationSettings, OrganizationSettingsEdit
from shared.domain.policy import SVIX_HEADERS
from shared.domain.signature import SignatureType
from shared.flows.directory import KEEP
from tests.flows.walk import Walk, header
from tests.makers import ORG, OTHER_ORG

HOUR = timedelta(hours=1)


async def sets(walk: Walk, org_id: str = ORG, **said: Any) -> None:  # noqa: ANN401 - checked by the dataclass
    await walk.service.catalogue.edit_settings(org_id, OrganizationSettingsEdit(**said))


async def test_the_next_attempt_follows_the_schedule_that_is_set_also_of_a_message_of_before(
    walk: Walk,
) -> None:
    """Whoever has an outage shortens the rests, and does not want to wait for the old ones."""
    application = await walk.has_application()
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)

    await sets(walk, retry_schedule=(HOUR, HOUR / 2, HOUR / 2))
    await walk.passes(timedelta(seconds=6))
    first, second = await walk.attempts(message)
    assert first.next_attempt_at is not None
    assert second.next_attempt_at is not None
    rest = second.next_attempt_at - walk.clock.now()
    assert HOUR * 0.4 <= rest <= HOUR * 0.6

    await sets(walk, retry_schedule=())
    await walk.passes(HOUR)
    *_, last = await walk.attempts(message)
    assert (last.number, last.next_attempt_at) == (3, None)


async def test_the_schedule_of_an_event_type_holds_for_the_next_attempt_on_its_messages(walk: Walk) -> None:
    catalogue = walk.service.catalogue
    for name in ("urgent", "other"):
        await catalogue.add_event_type(ORG, NewEventType(name, ""))
    application = await walk.has_application()
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await sets(walk, retry_schedule=(timedelta(seconds=1), HOUR))
    urgent = await walk.posts(application, event_type="urgent")
    other = await walk.posts(application, event_type="other")

    await catalogue.edit_event_type(ORG, "urgent", EventTypeEdit(retry_schedule=(HOUR, HOUR, HOUR)))
    await walk.passes(timedelta(seconds=2))
    await catalogue.edit_event_type(ORG, "urgent", EventTypeEdit(retry_schedule=()))
    await walk.passes(2 * HOUR)

    assert [attempt.number for attempt in await walk.attempts(urgent)] == [1, 2, 3]
    assert (await walk.attempts(urgent))[-1].next_attempt_at is None
    assert [attempt.number for attempt in await walk.attempts(other)] == [1, 2, 3]


@pytest.mark.parametrize("expunge", [True, False])
async def test_an_expunged_event_type_has_no_schedule_and_an_archived_one_keeps_it(
    walk: Walk, *, expunge: bool
) -> None:
    catalogue = walk.service.catalogue
    await catalogue.add_event_type(ORG, NewEventType("order.paid", ""))
    await catalogue.edit_event_type(ORG, "order.paid", EventTypeEdit(retry_schedule=()))
    application = await walk.has_application()
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    await walk.posts(application)

    await catalogue.remove_event_type(ORG, "order.paid", expunge=expunge)
    message = await walk.posts(application)

    (attempt,) = await walk.attempts(message)
    assert (attempt.next_attempt_at is None) is not expunge


async def test_rests_of_milliseconds_are_kept(walk: Walk) -> None:
    await sets(walk, retry_schedule=(timedelta(milliseconds=1),))
    application = await walk.has_application()
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)

    await walk.passes(timedelta(milliseconds=2))

    assert len(await walk.attempts(message)) == 2


async def test_another_organization_sees_nothing_of_it(walk: Walk) -> None:
    await sets(walk, OTHER_ORG, retry_schedule=(), signature_headers=SVIX_HEADERS)
    application = await walk.has_application()
    await walk.has_endpoint(application)
    walk.receiver.goes_down()
    message = await walk.posts(application)

    assert (await walk.attempts(message))[0].next_attempt_at is not None
    assert header(walk.receiver.sent[0], "webhook-id") == message.id


async def test_signature_headers_have_the_names_that_are_set(walk: Walk) -> None:
    application = await walk.has_application()
    await walk.has_endpoint(application)
    await sets(walk, signature_headers=SVIX_HEADERS)
    message = await walk.posts(application)

    (sent,) = walk.receiver.sent
    assert header(sent, "svix-id") == message.id
    assert {"svix-timestamp", "svix-signature"} <= {name for name, _ in sent.headers}
    assert not any(name.startswith("webhook-") for name, _ in sent.headers)


async def test_an_endpoint_that_fails_for_as_long_as_is_set_is_disabled(walk: Walk) -> None:
    await sets(walk, retry_schedule=(), disable_after=HOUR)
    application = await walk.has_application()
    endpoint = await walk.has_endpoint(application)
    walk.receiver.goes_down()
    for _ in range(2):
        await walk.posts(application)
        walk.clock.move(HOUR)
    assert not (await walk.service.endpoints.get(application.id, endpoint.id)).disabled

    await walk.posts(application)

    assert (await walk.service.endpoints.get(application.id, endpoint.id)).disabled


async def test_the_next_secret_is_of_the_type_that_is_set(walk: Walk) -> None:
    catalogue = walk.service.catalogue
    application = await walk.has_application()
    old = await walk.has_endpoint(application)
    await sets(walk, signature_type=SignatureType.ED25519)
    new = await walk.has_endpoint(application)

    assert (await catalogue.exposed_key(application, old.id)).startswith("whsec_")
    assert (await catalogue.exposed_key(application, new.id)).startswith("whpk_")
    assert (await catalogue.rotate_key(application, old.id, None, HOUR)).startswith("whpk_")
    given = await catalogue.rotate_key(application, new.id, "whsec_" + "a" * 32, HOUR)
    assert given.startswith("whsec_")


async def test_what_another_process_sets_is_seen_within_seconds(walk: Walk) -> None:
    directory, own = walk.service.directory, OrganizationSettings(operational_webhooks=False)
    assert (await directory.policy(ORG)).operational_webhooks
    await walk.service.organizations.update(ORG, lambda _: own)

    walk.clock.move(KEEP)

    assert not (await directory.policy(ORG)).operational_webhooks


@pytest.mark.parametrize("said", [None, UNSET])
async def test_what_is_set_stays_over_a_restart_until_it_is_cleared(walk: Walk, said: Any) -> None:  # noqa: ANN401
    await sets(walk, endpoint_https_only=True)
    await walk.restarts()
    await sets(walk, endpoint_https_only=said)

    assert (await walk.service.directory.policy(ORG)).endpoint_https_only is (said is UNSET)
