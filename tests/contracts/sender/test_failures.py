"""What goes wrong, and what becomes of it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from shared.domain.verdict import Failure
from shared.ports.sender import Sender
from tests.contracts.sender.senders import SHORT, SilentNames, post
from tests.receivers import Receiver


async def test_a_receiver_that_never_answers_times_out(sender: Sender, receiver: Receiver) -> None:
    receiver.never_answers()

    answer = await sender.send(post(receiver.url, timeout=SHORT))

    assert (answer.status_code, answer.failure) == (0, Failure.TIMEOUT)
    assert answer.body == "request timed out"


async def test_a_body_that_never_ends_times_out(sender: Sender, receiver: Receiver) -> None:
    """A 200 is no success before its end, and a trickle must not hold a connection for ever."""
    receiver.stops_mid_answer()

    answer = await sender.send(post(receiver.url, timeout=SHORT))

    assert (answer.status_code, answer.failure) == (200, Failure.TIMEOUT)
    assert not answer.is_success


async def test_a_body_that_breaks_off_is_a_failure(sender: Sender, receiver: Receiver) -> None:
    receiver.closes_mid_answer()

    answer = await sender.send(post(receiver.url))

    assert (answer.status_code, answer.failure) == (200, Failure.CONNECTION)
    assert answer.body.startswith("error making request: ")
    assert len(receiver.requests) == 1  # it had begun to answer, so it is not asked again at once


async def test_a_receiver_that_closes_without_an_answer_is_tried_once_more(
    sender: Sender, receiver: Receiver
) -> None:
    receiver.closes_before_answer()

    answer = await sender.send(post(receiver.url))

    assert (answer.status_code, answer.failure) == (0, Failure.CONNECTION)
    assert answer.body.startswith("error making request: ")
    assert len(receiver.requests) == 2


async def test_the_second_try_delivers(sender: Sender, receiver: Receiver) -> None:
    """What closes before it answers is most often an idle connection, not a receiver that is down."""
    receiver.closes_before_answer(times=1)

    answer = await sender.send(post(receiver.url, ("webhook-id", "msg_1")))

    assert answer.is_success
    assert receiver.requests[0].headers == receiver.requests[1].headers
    assert receiver.requests[0].body == receiver.requests[1].body


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02 this is TLS\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 1_000_000 + b"\r\na\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n",
    ],
    ids=[
        "TLS",
        "no status",
        "length -1",
        "two lengths",
        "no colon",
        "endless line",
        "endless head",
        "no size",
        "endless size",
        "endless trailer",
    ],
)
async def test_what_is_not_http_is_a_failure(sender: Sender, receiver: Receiver, raw: bytes) -> None:
    receiver.answers_raw(raw)

    answer = await sender.send(post(receiver.url))

    assert answer.failure is Failure.CONNECTION
    assert answer.body.startswith("error making request: ")
    assert len(receiver.requests) == 1


async def test_a_receiver_that_is_about_to_answer_for_ever_is_a_failure(
    sender: Sender, receiver: Receiver
) -> None:
    receiver.answers_raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000)

    answer = await sender.send(post(receiver.url))

    assert (answer.status_code, answer.failure) == (0, Failure.CONNECTION)


async def test_a_receiver_that_is_down_is_a_failure(sender: Sender, receiver: Receiver) -> None:
    await receiver.goes_down()

    answer = await sender.send(post(receiver.url))

    assert (answer.status_code, answer.failure) == (0, Failure.CONNECTION)
    assert answer.body.startswith("error making request: ")


async def test_a_receiver_that_comes_back_gets_the_next_request(sender: Sender, receiver: Receiver) -> None:
    await sender.send(post(receiver.url))
    await receiver.goes_down()
    await sender.send(post(receiver.url))
    await receiver.comes_back()

    answer = await sender.send(post(receiver.url))

    assert answer.is_success


async def test_an_answer_that_comes_before_the_body_is_read_counts(sender: Sender) -> None:
    """A receiver may say that a body is too large without reading it."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        seen.append(writer)

    seen: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(refuse, "127.0.0.1", 0, limit=1024)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

    answers = [await sender.send(post(url, body=b"x" * 20_000_000)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [413, 413]
    assert len(seen) == 2  # the rest of the first body would have been taken for the second request
    for writer in seen:
        writer.close()
    server.close()


async def test_a_request_that_is_given_up_leaves_no_trace(sender: Sender, receiver: Receiver) -> None:
    """The process stops in the middle of a request; nothing of it may leak into the next one."""
    receiver.never_answers(times=1)
    given_up = asyncio.ensure_future(sender.send(post(receiver.url)))
    await receiver.got(1)

    given_up.cancel()
    with suppress(asyncio.CancelledError):
        await given_up

    assert given_up.cancelled()
    assert (await sender.send(post(receiver.url))).is_success


async def test_a_name_server_that_never_answers_times_out(new_sender: Callable[..., Sender]) -> None:
    sender = new_sender(names=SilentNames())

    answer = await sender.send(post("http://silent.example/", timeout=SHORT))
    await sender.close()

    assert (answer.status_code, answer.failure) == (0, Failure.TIMEOUT)
