"""What comes back."""

import gzip
from base64 import b64decode
from datetime import timedelta

import pytest

from shared.domain.verdict import RESPONSE_LIMIT_BYTES
from shared.ports.sender import Sender
from tests.contracts.sender.senders import post
from tests.receivers import Receiver


@pytest.mark.parametrize("status", [200, 202, 204, 226, 301, 304, 404, 410, 429, 500, 503])
async def test_the_answer_carries_status_and_body(sender: Sender, receiver: Receiver, status: int) -> None:
    body = b"" if status in (204, 304) else "grüße".encode()
    receiver.answers_with(status, body=body)

    answer = await sender.send(post(receiver.url))

    assert (answer.status_code, answer.body, answer.failure) == (status, body.decode(), None)
    assert answer.is_success == (200 <= status < 300)
    assert answer.duration > timedelta(0)


async def test_the_answer_carries_the_headers_in_lower_case(sender: Sender, receiver: Receiver) -> None:
    receiver.answers_with(503, headers=[("Retry-After", "120"), ("WEBHOOK-delivery", "disable")])

    answer = await sender.send(post(receiver.url))

    assert answer.headers["retry-after"] == "120"
    assert answer.headers["webhook-delivery"] == "disable"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(sender: Sender, receiver: Receiver, status: int) -> None:
    """The message is for the URL that somebody configured, and a redirect is the classic way past a guard."""
    async with Receiver() as elsewhere:
        receiver.answers_with(status, headers=[("Location", elsewhere.url)])

        answer = await sender.send(post(receiver.url))

        assert answer.status_code == status
        assert not answer.is_success
        assert len(receiver.requests) == 1
        assert elsewhere.connections == 0


async def test_a_body_that_is_not_text_is_kept_as_base64(sender: Sender, receiver: Receiver) -> None:
    """Compressed bytes are kept as they are: a small body may unpack to more than memory holds."""
    body = gzip.compress(b"x" * 1_000_000)
    receiver.answers_with(200, headers=[("Content-Encoding", "gzip")], body=body)

    answer = await sender.send(post(receiver.url))

    assert b64decode(answer.body) == body


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nabc",
        b"HTTP/1.0 200\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:3\r\n\r\nabc",
    ],
    ids=["chunked", "ended by closing", "HTTP/1.0 without a phrase", "after 100", "after 103"],
)
async def test_every_framing_of_a_response_is_understood(
    sender: Sender, receiver: Receiver, raw: bytes
) -> None:
    receiver.answers_raw(raw)

    answer = await sender.send(post(receiver.url))

    assert (answer.status_code, answer.body, answer.failure) == (200, "abc", None)


@pytest.mark.parametrize("surplus_bytes", [-1, 0, 1, 100_000])
async def test_the_beginning_of_a_long_body_is_kept(
    sender: Sender, receiver: Receiver, surplus_bytes: int
) -> None:
    receiver.answers_with(200, body=b"x" * (RESPONSE_LIMIT_BYTES + surplus_bytes))

    answer = await sender.send(post(receiver.url))

    assert answer.is_success
    assert answer.body == "x" * min(RESPONSE_LIMIT_BYTES, RESPONSE_LIMIT_BYTES + surplus_bytes)


async def test_a_gigabyte_is_not_read(sender: Sender, receiver: Receiver) -> None:
    """It would cost the memory and the time that everybody else's messages need."""
    receiver.answers_endlessly(times=1)

    answer = await sender.send(post(receiver.url))
    await sender.send(post(receiver.url))

    assert answer.is_success
    assert answer.body == "x" * RESPONSE_LIMIT_BYTES
    assert receiver.connections == 2  # the first was closed, with the rest unread


async def test_cookies_are_not_kept(sender: Sender, receiver: Receiver) -> None:
    """One customer's receiver must not recognise another customer's message."""
    receiver.answers_with(200, headers=[("Set-Cookie", "id=1; Path=/")])

    await sender.send(post(receiver.url))
    await sender.send(post(receiver.url))

    assert receiver.requests[1].header("cookie") is None
