"""The timeline of a message, as it becomes longer."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.application import Application
from shared.domain.endpoint import EndpointEdit
from shared.domain.errors import Unknown
from shared.domain.message import Message
from shared.domain.timeline import AtEndpoint, Timeline
from shared.domain.verdict import Answer
from tests.clock import NOON
from tests.flows.walk import Walk, answer

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


async def looked_at(walk: Walk, application: Application, message: Message) -> Timeline:
    return await walk.service.look_back(application, message.id)


def told(timeline: Timeline) -> list[str]:
    """Every station in words."""
    words = []
    for station in timeline.stations:
        after = "?" if station.at is None else f"{(station.at - NOON).total_seconds():g}"
        attempt = (
            "" if station.attempt is None else f" {station.attempt.number} {station.attempt.status.name}"
        )
        why = "" if station.why is None else f" {station.why}"
        words.append(f"{after} {station.kind}{attempt}{why}{' planned' if station.planned else ''}")
    return words


def standing(found: AtEndpoint) -> str:
    return " ".join([found.standing, *found.why])


async def test_a_message_that_was_delivered_at_once(walk: Walk) -> None:
    acme = await walk.has_application()
    endpoint = await walk.has_endpoint(acme, uid="here")
    message = await walk.posts(acme, event_id="e1")

    timeline = await walk.service.look_back(acme, "e1")

    assert timeline.message == message
    assert told(timeline) == [
        "0 message.accepted",
        "0 delivery.attempted 1 SUCCESS",
        "7.776e+06 payload.expires planned",
    ]
    (here,) = timeline.endpoints
    assert (here.endpoint_id, here.uid, here.url, here.attempts) == (endpoint.id, "here", endpoint.url, 1)
    assert standing(here) == "delivered"
    assert timeline.complete


async def test_a_chain_of_retries_until_it_is_given_up(walk: Walk) -> None:
    acme = await walk.has_application()
    await walk.has_endpoint(acme)
    walk.receiver.goes_down()
    message = await walk.posts(acme)

    timeline = await looked_at(walk, acme, message)
    due_at = timeline.endpoints[0].next_attempt_at
    assert due_at is not None
    assert told(timeline)[1:3] == [
        "0 delivery.attempted 1 FAIL",
        f"{(due_at - NOON).total_seconds():g} retry.due planned",
    ]
    assert standing(timeline.endpoints[0]) == "retrying"

    for rest in (SECOND * 6, MINUTE * 6, MINUTE * 36):
        await walk.passes(rest)

    timeline = await looked_at(walk, acme, message)
    assert [line.partition(" ")[2] for line in told(timeline)] == [
        "message.accepted",
        "delivery.attempted 1 FAIL",
        "delivery.attempted 2 FAIL",
        "delivery.attempted 3 FAIL",
        "delivery.attempted 4 FAIL",
        "retries.ended exhausted",
        "payload.expires planned",
    ]
    assert standing(timeline.endpoints[0]) == "given_up exhausted"
    assert timeline.endpoints[0].next_attempt_at is None


@pytest.mark.parametrize("came", [answer(410), answer(500, webhook_delivery="abort-message")])
async def test_a_receiver_that_wants_no_more_of_it_is_told(walk: Walk, came: Answer) -> None:
    acme = await walk.has_application()
    await walk.has_endpoint(acme)
    walk.receiver.first.append(came)
    message = await walk.posts(acme)

    timeline = await looked_at(walk, acme, message)

    assert told(timeline)[1:3] == ["0 delivery.attempted 1 FAIL", "0.012 retries.ended refused"]
    assert standing(timeline.endpoints[0]) == "given_up refused"


async def test_retries_that_end_before_their_schedule_say_why_and_when(walk: Walk) -> None:
    """Each for its own reason; in the meantime the timeline says what is in the way."""
    acme = await walk.has_application()
    names = ("erased", "filters", "removed", "stopped")
    for name in names:
        await walk.has_endpoint(acme, uid=name, url=f"https://{name}.example/", channels=frozenset({name}))
    walk.receiver.goes_down()
    messages = {name: await walk.posts(acme, channels=frozenset({name})) for name in names}
    catalogue = walk.service.catalogue
    await walk.service.erase.payload(acme, messages["erased"].id)
    await catalogue.edit_endpoint(acme, "filters", EndpointEdit(event_types=None, channels=frozenset({"x"})))
    await catalogue.remove_endpoint(acme, "removed")
    await catalogue.edit_endpoint(acme, "stopped", EndpointEdit(disabled=True))

    async def standings() -> dict[str, str]:
        found = {}
        for name, message in messages.items():
            timeline = await looked_at(walk, acme, message)
            (here,) = [one for one in timeline.endpoints if one.attempts]
            assert here.url == f"https://{name}.example/"
            ends = [line for line in told(timeline) if "retries.ended" in line]
            found[name] = f"{standing(here)} {' '.join(ends)}".strip()
        return found

    assert await standings() == {
        "erased": "retrying payload_gone",
        "filters": "retrying channels",
        "removed": "retrying removed",
        "stopped": "retrying disabled",
    }
    await walk.passes(SECOND * 6)
    assert await standings() == {
        "erased": "given_up payload_gone 6 retries.ended payload_gone",
        "filters": "given_up unwanted 6 retries.ended unwanted",
        "removed": "given_up removed 6 retries.ended removed",
        "stopped": "given_up unwanted 6 retries.ended unwanted",
    }
    assert "? payload.erased" in told(await looked_at(walk, acme, messages["erased"]))


async def test_an_attempt_by_hand_that_arrives_ends_the_retries(walk: Walk) -> None:
    acme = await walk.has_application()
    endpoint = await walk.has_endpoint(acme)
    walk.receiver.goes_down()
    message = await walk.posts(acme)
    walk.clock.move(SECOND)
    walk.receiver.comes_back()
    await walk.service.send_again(acme, message.id, endpoint.id)
    await walk.works()

    timeline = await looked_at(walk, acme, message)

    assert told(timeline)[1:4] == [
        "0 delivery.attempted 1 FAIL",
        "1 delivery.attempted 0 SUCCESS",
        "1 retries.ended delivered",
    ]
    assert (standing(timeline.endpoints[0]), timeline.endpoints[0].attempts) == ("delivered", 2)


async def test_retries_that_were_called_off_say_when(walk: Walk) -> None:
    acme = await walk.has_application()
    await walk.has_endpoint(acme, uid="here")
    walk.receiver.goes_down()
    message = await walk.posts(acme)
    walk.clock.move(SECOND)
    await walk.service.begin_task.cancellation(acme, "here")
    await walk.works()

    timeline = await looked_at(walk, acme, message)

    assert told(timeline)[1:3] == ["0 delivery.attempted 1 FAIL", "1 retries.ended canceled"]
    assert standing(timeline.endpoints[0]) == "given_up canceled"


async def test_an_endpoint_with_attempts_by_hand_alone_has_no_retries(walk: Walk) -> None:
    acme = await walk.has_application()
    endpoint = await walk.has_endpoint(acme, event_types=None, channels=frozenset({"eu"}))
    message = await walk.posts(acme)
    walk.receiver.goes_down()
    await walk.service.send_again(acme, message.id, endpoint.id)
    await walk.works()

    timeline = await looked_at(walk, acme, message)

    assert standing(timeline.endpoints[0]) == "given_up by_hand"
    assert told(timeline)[1:2] == ["0 delivery.attempted 0 FAIL"]
    assert "retries.ended" not in " ".join(told(timeline))


async def test_every_endpoint_says_why_it_was_not_attempted(walk: Walk) -> None:
    acme = await walk.has_application()
    for said in (
        {"uid": "disabled", "disabled": True},
        {"uid": "channels", "channels": frozenset({"eu"})},
        {"uid": "both", "channels": frozenset({"eu"}), "disabled": True},
    ):
        await walk.has_endpoint(acme, **said)
    message = await walk.accepts(acme)
    walk.clock.move(SECOND)
    await walk.has_endpoint(acme, uid="late")

    timeline = await looked_at(walk, acme, message)

    assert {one.uid: standing(one) for one in timeline.endpoints} == {
        "disabled": "left_out disabled",
        "channels": "left_out channels",
        "both": "left_out disabled channels",
        "late": "left_out created_later",
    }


@pytest.mark.parametrize(
    ("application", "endpoint", "message", "expected"),
    [
        ({}, {}, {}, "waiting"),
        ({}, {"throttle_rate": 5}, {}, "waiting rate"),
        ({"throttle_rate": 5}, {}, {}, "waiting rate"),
        ({}, {}, {"deliver_at": NOON + MINUTE}, "waiting not_due"),
    ],
)
async def test_an_endpoint_that_waits_says_what_it_may_wait_for(
    walk: Walk, application: dict[str, Any], endpoint: dict[str, Any], message: dict[str, Any], expected: str
) -> None:
    acme = await walk.has_application(**application)
    await walk.has_endpoint(acme, **endpoint)
    accepted = await walk.accepts(acme, **message)

    timeline = await looked_at(walk, acme, accepted)

    assert standing(timeline.endpoints[0]) == expected


async def test_an_endpoint_that_was_changed_after_the_message_says_so(walk: Walk) -> None:
    """It wants the message now, and nobody knows any more whether it did then."""
    acme = await walk.has_application()
    await walk.has_endpoint(acme, uid="here", channels=frozenset({"eu"}))
    message = await walk.posts(acme)
    walk.clock.move(SECOND)
    await walk.service.catalogue.edit_endpoint(acme, "here", EndpointEdit(channels=None))

    timeline = await looked_at(walk, acme, message)

    assert standing(timeline.endpoints[0]) == "waiting changed_later"


async def test_a_message_for_later_says_when_it_is_due(walk: Walk) -> None:
    acme = await walk.has_application()
    message = await walk.accepts(acme, deliver_at=NOON + MINUTE)

    assert told(await looked_at(walk, acme, message))[:2] == [
        "0 message.accepted",
        "60 delivery.due planned",
    ]
    await walk.passes(MINUTE)
    assert told(await looked_at(walk, acme, message))[1] == "60 delivery.due"


async def test_a_payload_that_has_expired_says_since_when(walk: Walk) -> None:
    acme = await walk.has_application()
    message = await walk.posts(acme, payload_retention=MINUTE)
    await walk.has_endpoint(acme)
    walk.clock.move(MINUTE)

    timeline = await looked_at(walk, acme, message)

    assert told(timeline) == ["0 message.accepted", "60 payload.expires"]
    assert standing(timeline.endpoints[0]) == "left_out payload_gone"


async def test_a_message_of_another_application_is_unknown(walk: Walk) -> None:
    acme, other = await walk.has_application(), await walk.has_application()
    message = await walk.posts(acme)

    with pytest.raises(Unknown):
        await looked_at(walk, other, message)
