"""Receivers that want, or can take, less than there is: by the SDK, against the running service."""

from datetime import UTC, datetime, timedelta

import pytest
from svix.api import ApplicationIn, ApplicationPatch, EndpointIn, EndpointPatch, SvixAsync

from shared.domain.throttle import EARLY
from tests.journeys.running import Running, eventually
from tests.receivers import Receiver

SECOND = timedelta(seconds=1)
PLACES = 1024
"""Calls that the host makes at once; see `infra.local.pump`."""


async def test_a_rate_is_held_until_it_is_removed(
    service: Running, svix: SvixAsync, receiver: Receiver
) -> None:
    await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    endpoint = await svix.endpoint.create("acme", EndpointIn(url=receiver.url, throttle_rate=2))
    began_at = datetime.now(UTC)
    sent = await service.posts("acme", 6)

    received = await receiver.got(6)

    assert sorted(one.header("webhook-id") or "" for one in received) == sorted(sent)
    listed = await eventually(
        lambda: svix.message_attempt.list_by_endpoint("acme", endpoint.id), lambda page: len(page.data) == 6
    )
    # Five intervals of half a second, the last of which may be a little shorter.
    assert max(attempt.timestamp for attempt in listed.data) - began_at >= 2.5 * SECOND - EARLY
    assert {attempt.status for attempt in listed.data} == {0}

    await svix.endpoint.patch("acme", endpoint.id, EndpointPatch(throttle_rate=None))
    await service.posts("acme", 50)
    assert len(await receiver.got(56)) == 56


async def test_the_rate_of_an_application_is_held_over_a_restart(
    service: Running, svix: SvixAsync, receiver: Receiver
) -> None:
    await svix.application.create(ApplicationIn(name="Acme", uid="acme", throttle_rate=2))
    await svix.endpoint.create("acme", EndpointIn(url=receiver.url))
    sent = await service.posts("acme", 6)
    await service.killed()
    await service.starts()

    # What was under way when it was killed comes twice.
    while {one.header("webhook-id") for one in receiver.requests} != sent:
        await receiver.got(len(receiver.requests) + 1)

    await svix.application.patch("acme", ApplicationPatch(throttle_rate=500))
    assert (await svix.application.get("acme")).throttle_rate == 500


# On Azure's wires so many wait for the processor: each takes several calls of Azure's clients.
@pytest.mark.parametrize("profile", [None], indirect=True, ids=["sqlite"])
async def test_a_receiver_that_is_slow_holds_up_no_other(
    service: Running, svix: SvixAsync, receiver: Receiver
) -> None:
    """It answers everything, and each time too late; what waits for it must not take all places there are."""
    async with Receiver() as slow:
        slow.answers_with(204, delay=5 * SECOND)
        await svix.application.create(ApplicationIn(name="Slow", uid="slow"))
        await svix.endpoint.create("slow", EndpointIn(url=slow.url))
        await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
        await svix.endpoint.create("acme", EndpointIn(url=receiver.url))
        await service.posts("slow", 2 * PLACES)

        await service.posts("acme", 1)
        await receiver.got(1)

        assert len(slow.requests) < PLACES
        await service.killed()  # a graceful stop would wait for the slow one
