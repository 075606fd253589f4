"""What existing clients rely on, part 4 of 4: what is sent, and when."""

import json
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from shared.adapters.outbound.http_sender import HttpSender
from shared.domain.operational import MANAGEMENT_ORG
from shared.domain.verdict import Failure
from shared.ports.sender import Outgoing
from tests.contracts.sender.senders import LOCAL, Phonebook
from tests.flows.walk import TOO_SLOW, Walk, answer
from tests.functions.api.client import Client, organization_token
from tests.makers import ORG
from tests.receivers import Receiver

APP = "/api/v1/app/acme"
ATTEMPTS = f"{APP}/attempt/msg/e"
LISTENER = "https://operations.example/"
MINUTE = timedelta(minutes=1)


@pytest_asyncio.fixture
async def endpoint(api: Client, acme: str) -> str:
    """The id of an endpoint with the uid `here`."""
    made = await api.post(f"{APP}/endpoint", {"url": "https://a.example", "uid": "here"})
    endpoint_id: str = made.json["id"]
    return endpoint_id


async def post(api: Client, walk: Walk, payload: bytes = b"{}") -> None:
    """Post the message `e`, and do all that is due."""
    body = b'{"eventType":"a","eventId":"e","payload":' + payload + b"}"
    assert (await api.post(f"{APP}/msg", body)).status == 202
    await walk.works()


async def rest(api: Client) -> timedelta:
    """From the newest attempt to the next."""
    (newest,) = (await api.get(f"{ATTEMPTS}?limit=1")).json["data"]
    (message,) = (await api.get(f"{APP}/endpoint/here/msg")).json["data"]
    return datetime.fromisoformat(message["nextAttempt"]) - datetime.fromisoformat(newest["timestamp"])


async def test_trap_20_a_payload_is_delivered_byte_for_byte_and_shown_compact_and_sorted(
    api: Client, endpoint: str, walk: Walk
) -> None:
    """What is signed is what the producer wrote; what is shown is what clients compare."""
    written = '{ "b" : 1.0, "a":\t12345678901234567890123, "ü": "\\u00fc" }'.encode()
    await post(api, walk, written)
    assert walk.receiver.sent[0].body == written
    shown = (await api.get(f"{APP}/msg/e")).body
    assert '"payload":{"a":12345678901234567890123,"b":1.0,"ü":"ü"}'.encode() in shown


@pytest.mark.parametrize("status", [200, 500])
async def test_trap_24_a_message_sent_again_by_hand_is_attempted_exactly_once(
    api: Client, endpoint: str, walk: Walk, status: int
) -> None:
    """Clients count the attempts."""
    walk.receiver.first.append(answer(200))
    await post(api, walk)
    walk.receiver.always = answer(status)
    assert (await api.post(f"{APP}/msg/e/endpoint/here/resend")).status == 202
    await walk.passes(timedelta(days=2))
    rows = (await api.get(ATTEMPTS)).json["data"]
    assert sorted(row["triggerType"] for row in rows) == [0, 1]
    assert len(walk.receiver.sent) == 2


async def test_trap_24_a_recovered_message_is_attempted_exactly_once_and_none_from_before(
    api: Client, endpoint: str, walk: Walk
) -> None:
    await api.put("/api/v1/organization/settings", {"retrySchedule": []})
    walk.receiver.first.append(answer(500))
    await post(api, walk)
    walk.clock.move(timedelta(seconds=2))
    for since, attempts in (("12:00:01", 1), ("12:00:00", 2), ("12:00:00", 2)):
        body = {"since": f"2026-11-24T{since}Z"}
        recovered = await api.post(f"{APP}/endpoint/here/recover", body)
        assert (recovered.status, recovered.json["task"]) == (202, "endpoint.recover")
        await walk.works()
        assert len((await api.get(ATTEMPTS)).json["data"]) == len(walk.receiver.sent) == attempts


@pytest.mark.parametrize("seconds", [0.001, 0.5, 5])
async def test_trap_25_a_rest_is_at_most_a_fifth_longer_or_shorter_below_a_second_too(
    api: Client, endpoint: str, walk: Walk, seconds: float
) -> None:
    await api.put("/api/v1/organization/settings", {"retrySchedule": [seconds, 60]})
    walk.receiver.always = answer(500)
    await post(api, walk)
    assert timedelta(seconds=seconds * 0.8) <= await rest(api) <= timedelta(seconds=seconds * 1.2)
    await walk.passes(timedelta(seconds=seconds * 1.2))
    assert len(walk.receiver.sent) == 2


async def test_trap_26_after_a_timeout_a_receiver_rests_for_a_minute_at_least(
    api: Client, endpoint: str, walk: Walk
) -> None:
    """Give or take the fifth: one that is overloaded is not called again after 5 s."""
    walk.receiver.always = TOO_SLOW
    await post(api, walk)
    assert MINUTE * 0.8 <= await rest(api) <= MINUTE * 1.2


async def test_trap_29_this_machine_is_called_only_if_it_is_allowed() -> None:
    async with Receiver() as receiver:
        for allowed, status in (([], 0), ([LOCAL], 204)):
            sender = HttpSender(user_agent="x", allow=allowed, names=Phonebook())
            answered = await sender.send(Outgoing(receiver.url, [], b"{}", MINUTE))
            await sender.close()
            assert answered.status_code == status
    assert len(receiver.requests) == 1


async def test_trap_29_a_name_that_is_not_there_fails_at_once() -> None:
    """It does not wait for the timeout, so tests with made-up receivers do not either."""
    sender = HttpSender(user_agent="x", allow=[LOCAL], names=Phonebook())
    answered = await sender.send(Outgoing("http://no-such-name.example/", [], b"{}", timedelta(days=1)))
    await sender.close()
    assert (answered.status_code, answered.failure) == (0, Failure.RESOLUTION)
    assert answered.body.startswith("error resolving name")


@pytest.fixture
def management(walk: Walk) -> Client:
    """Somebody with a token of the management organization."""
    return Client(organization_token(walk.service.settings, walk.clock.now(), MANAGEMENT_ORG))


@pytest_asyncio.fixture
async def news(management: Client, walk: Walk, endpoint: str) -> str:
    """Where the organization hears of itself: by an endpoint of the application that bears its id."""
    await management.post("/api/v1/app", {"name": "News", "uid": ORG})
    await management.post(f"/api/v1/app/{ORG}/endpoint", {"url": LISTENER})
    walk.receiver.at[LISTENER] = answer(200)
    return LISTENER


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        (3, []),
        (4, ["message.attempt.failing", "message.attempt.recovered"]),
        (5, ["message.attempt.failing", "message.attempt.recovered"]),
        (6, ["message.attempt.failing", "message.attempt.exhausted"]),
    ],
)
async def test_trap_27_failing_is_told_of_the_fourth_attempt_recovered_of_a_later_one_exhausted_of_the_last(
    api: Client, walk: Walk, news: str, failures: int, told: list[str]
) -> None:
    """Of a schedule of six attempts."""
    await api.put("/api/v1/organization/settings", {"retrySchedule": [1] * 5})
    walk.receiver.first.extend([answer(500)] * failures)
    await post(api, walk)
    for _ in range(6):
        await walk.passes(timedelta(seconds=2))
    bodies = [json.loads(sent.body) for sent in walk.receiver.sent if sent.url == news]
    # That the endpoint was made may be told, too, if the news was set up before that was looked at.
    bodies = [body for body in bodies if body["type"] != "endpoint.created"]
    assert [body["type"] for body in bodies] == told
    assert [body["data"]["msgEventId"] for body in bodies] == ["e"] * len(told)


async def test_trap_28_the_management_organization_has_its_event_types_with_examples_from_the_start(
    management: Client,
) -> None:
    names = {
        *(f"endpoint.{what}" for what in ("created", "updated", "deleted", "disabled", "enabled")),
        *(f"message.attempt.{what}" for what in ("failing", "exhausted", "recovered")),
    }
    rows = (await management.get("/api/v1/event-type?with_content=true")).json["data"]
    assert names <= {row["name"] for row in rows}
    for row in rows:
        (example,) = row["schemas"]["1"]["examples"]
        assert example["type"] == row["name"]
