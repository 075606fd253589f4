"""Connections are used again, bounded and closed."""

import asyncio
from collections.abc import Callable

from shared.domain.verdict import Failure
from shared.ports.sender import Sender
from tests.contracts.sender.senders import SilentNames, post
from tests.receivers import Receiver


async def test_a_connection_is_used_again(sender: Sender, receiver: Receiver) -> None:
    """Connecting anew costs the receiver more than the message."""
    receiver.answers_with(200, body=b"ok")
    for _ in range(3):
        await sender.send(post(receiver.url))

    assert len(receiver.requests) == 3
    assert receiver.connections == 1


async def test_an_idle_connection_that_the_receiver_closed_is_replaced(
    sender: Sender, receiver: Receiver
) -> None:
    await sender.send(post(receiver.url))
    receiver.hangs_up()

    answer = await sender.send(post(receiver.url))

    assert answer.is_success
    assert receiver.connections == 2


async def test_a_connection_that_the_receiver_wants_closed_is_not_used_again(
    sender: Sender, receiver: Receiver
) -> None:
    receiver.answers_with(200, headers=[("Connection", "close")], times=1)

    await sender.send(post(receiver.url))
    answer = await sender.send(post(receiver.url))

    assert answer.is_success
    assert receiver.connections == 2


async def test_a_response_that_nobody_asked_for_reaches_no_request(
    sender: Sender, receiver: Receiver
) -> None:
    """A receiver that says too much must not answer for the next message, which it has not seen."""
    surplus = b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    receiver.answers_raw(surplus, times=1)
    receiver.answers_with(500)

    await sender.send(post(receiver.url))
    answer = await sender.send(post(receiver.url))

    assert answer.status_code == 500
    assert receiver.connections == 2


async def test_idle_connections_are_bounded(new_sender: Callable[..., Sender]) -> None:
    """Ten thousand receivers a minute must not cost ten thousand open files."""
    sender = new_sender(connections_kept=1)
    async with Receiver() as first, Receiver() as second:
        for _ in range(3):
            await sender.send(post(first.url))
            await sender.send(post(second.url))
        assert second.connections == 3
    await sender.close()


async def test_closing_ends_what_is_under_way(new_sender: Callable[..., Sender], receiver: Receiver) -> None:
    """A process that stops must not wait half a minute for a receiver that hangs."""
    sender = new_sender()
    receiver.never_answers()
    under_way = asyncio.ensure_future(sender.send(post(receiver.url)))
    await receiver.got(1)

    await sender.close()

    assert (await under_way).failure is Failure.CONNECTION
    assert (await sender.send(post(receiver.url))).failure is Failure.CONNECTION
    assert len(receiver.requests) == 1


async def test_nothing_is_sent_by_a_sender_that_was_closed_before_it_began(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    sender = new_sender()
    await sender.close()

    answer = await sender.send(post(receiver.url))

    assert answer.failure is Failure.CONNECTION
    assert receiver.connections == 0


async def test_closing_ends_the_search_for_an_address(new_sender: Callable[..., Sender]) -> None:
    names = SilentNames()
    sender = new_sender(names=names)
    under_way = asyncio.ensure_future(sender.send(post("http://silent.example/")))
    await names.is_asked.wait()

    await sender.close()

    assert (await under_way).failure is Failure.CONNECTION
