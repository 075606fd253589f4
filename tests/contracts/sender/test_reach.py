"""No request reaches a private network."""

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import ip_network

import pytest

from shared.domain.verdict import Failure
from shared.ports.sender import Sender
from tests.contracts.sender.senders import Phonebook, post
from tests.receivers import Receiver

UNREACHABLE = [
    "169.254.169.254",
    "10.0.0.1",
    "192.168.1.1",
    "127.0.0.2",
    "0.0.0.0",  # noqa: S104 (a test address)
    "[::1]",
    "[::]",
    "[::ffff:10.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a00:1]",
    "[fd00::1]",
    "[fec0::1]",
    "[::10.0.0.1]",
    "public.example@10.0.0.1",
    "public.example:80@[::1]",
    "10.0.0.1\\@public.example",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.43518",
    "0251.0376.0251.0376",
    "169.254.169.254.",
    "169。254。169。254",
]


@pytest.mark.parametrize("host", UNREACHABLE)
async def test_a_private_address_is_out_of_reach(sender: Sender, host: str) -> None:
    """However it is written: one customer's webhook must not read our cloud's credentials."""
    answer = await sender.send(post(f"http://{host}/latest/meta-data/"))

    assert (answer.status_code, answer.failure) == (0, Failure.BLOCKED)
    assert answer.body == "requests to this IP range are blocked (see the server configuration)"


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["::1", "169.254.169.254"], ["::ffff:10.0.0.1"]])
async def test_a_name_for_a_private_address_is_out_of_reach(
    new_sender: Callable[..., Sender], addresses: Sequence[str]
) -> None:
    sender = new_sender(names=Phonebook({"innocent.example": addresses}))

    answer = await sender.send(post("http://innocent.example/"))
    await sender.close()

    assert (answer.status_code, answer.failure) == (0, Failure.BLOCKED)
    assert answer.body == "requests to this IP range are blocked (see the server configuration)"


@pytest.mark.parametrize("host", ["127.0.0.1", "local.example"])
async def test_nothing_is_let_through_by_itself(
    new_sender: Callable[..., Sender], receiver: Receiver, host: str
) -> None:
    sender = new_sender(names=Phonebook({"local.example": ["127.0.0.1"]}), allow=[])

    answer = await sender.send(post(f"http://{host}:{receiver.port}/"))
    await sender.close()

    assert answer.failure is Failure.BLOCKED
    assert receiver.connections == 0


async def test_a_name_leads_to_those_of_its_addresses_that_are_open(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    sender = new_sender(names=Phonebook({"mixed.example": ["10.0.0.1", "127.0.0.1", "::1"]}))

    answer = await sender.send(post(f"http://mixed.example:{receiver.port}/"))
    await sender.close()

    assert answer.is_success
    assert receiver.requests[0].header("host") == f"mixed.example:{receiver.port}"


async def test_the_next_address_is_tried_when_the_first_refuses(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    sender = new_sender(
        names=Phonebook({"two.example": ["127.0.0.3", "127.0.0.1"]}), allow=[ip_network("127.0.0.0/8")]
    )

    answer = await sender.send(post(f"http://two.example:{receiver.port}/"))
    await sender.close()

    assert answer.is_success


async def test_the_machine_is_asked_for_names(new_sender: Callable[..., Sender], receiver: Receiver) -> None:
    sender = new_sender(names=None)

    answer = await sender.send(post(f"http://localhost:{receiver.port}/"))
    await sender.close()

    assert answer.is_success


async def test_many_requests_at_once_ask_for_a_name_once(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    """Name servers ration us otherwise, just when there is much to send."""
    names = Phonebook({"local.example": ["127.0.0.1"]})
    sender = new_sender(names=names)

    await asyncio.gather(*(sender.send(post(f"http://local.example:{receiver.port}/")) for _ in range(10)))
    await sender.close()

    assert len(receiver.requests) == 10
    assert names.asked == ["local.example"]


async def test_a_name_that_nobody_knows_is_a_failure(sender: Sender) -> None:
    answer = await sender.send(post("http://unknown.example/"))

    assert (answer.status_code, answer.failure) == (0, Failure.RESOLUTION)
    assert answer.body == "error resolving name: Domain name not found"
