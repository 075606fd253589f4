"""What is on the wire."""

from base64 import b64decode

import pytest

from shared.domain.verdict import Failure
from shared.ports.sender import Sender
from tests.contracts.sender.senders import BODY, USER_AGENT, post
from tests.receivers import Receiver


async def test_the_request_is_exactly_what_the_contract_says(sender: Sender, receiver: Receiver) -> None:
    """No header more than promised: receivers see our habits and come to rely on them."""
    await sender.send(post(receiver.url, ("webhook-id", "msg_1"), ("webhook-signature", "v1,a v1,b")))

    (received,) = receiver.requests
    assert (received.method, received.target, received.body) == ("POST", "/hook", BODY)
    assert received.headers == [
        ("Host", f"127.0.0.1:{receiver.port}"),
        ("Accept", "*/*"),
        ("Content-Type", "application/json"),
        ("User-Agent", USER_AGENT),
        ("webhook-id", "msg_1"),
        ("webhook-signature", "v1,a v1,b"),
        ("Content-Length", str(len(BODY))),
    ]


async def test_header_names_keep_the_casing_they_were_configured_with(
    sender: Sender, receiver: Receiver
) -> None:
    """Some receivers compare names letter by letter, whatever the standard says."""
    await sender.send(post(receiver.url, ("X-Api-Test", "1"), ("x-SHOUTING-quietly", "2")))

    assert ("X-Api-Test", "1") in receiver.requests[0].headers
    assert ("x-SHOUTING-quietly", "2") in receiver.requests[0].headers


@pytest.mark.parametrize("name", ["Accept", "content-type", "USER-AGENT", "host", "authorization"])
async def test_a_header_that_is_given_replaces_ours(sender: Sender, receiver: Receiver, name: str) -> None:
    url = receiver.url.replace("//", "//user:secret@")
    await sender.send(post(url, (name, "custom")))

    sent = [(key, value) for key, value in receiver.requests[0].headers if key.lower() == name.lower()]
    assert sent == [(name, "custom")]


@pytest.mark.parametrize(
    ("userinfo", "credentials"),
    [
        ("user:secret", b"user:secret"),
        ("user", b"user:"),
        (":secret", b":secret"),
        ("us%40er:se%3Acret%25", b"us@er:se:cret%"),
        ("%C3%A9", "é:".encode()),
    ],
)
async def test_credentials_in_the_url_become_basic_authentication(
    sender: Sender, receiver: Receiver, userinfo: str, credentials: bytes
) -> None:
    await sender.send(post(receiver.url.replace("//", f"//{userinfo}@")))

    kind, _, encoded = (receiver.requests[0].header("authorization") or "").partition(" ")
    assert (kind, b64decode(encoded)) == ("Basic", credentials)
    assert receiver.requests[0].header("host") == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize(
    "target", ["/", "/a%20b/%2F%zz", "/?q=%41&r=a+b&&=", "/a//b;c=d/(e)'!*|", "/%C3%A4?%C3%B6"]
)
async def test_the_path_is_sent_as_it_was_stored(sender: Sender, receiver: Receiver, target: str) -> None:
    """A signature over the path, or a strict router, breaks when somebody decodes and encodes it anew."""
    await sender.send(post(f"http://127.0.0.1:{receiver.port}{target}#fragment"))

    assert receiver.requests[0].target == target


@pytest.mark.parametrize("size_bytes", [0, 1, 1_000_000, 3_000_000])
async def test_a_body_of_any_size_arrives_whole(sender: Sender, receiver: Receiver, size_bytes: int) -> None:
    body = bytes(i % 251 for i in range(1000)) * (size_bytes // 1000) or b"x" * size_bytes

    answer = await sender.send(post(receiver.url, body=body))

    assert answer.is_success
    assert receiver.requests[0].body == body
    assert receiver.requests[0].header("content-length") == str(size_bytes)


@pytest.mark.parametrize(
    "header",
    [
        ("x-a", "1\r\nx-b: 2"),
        ("x-a", "1\n2"),
        ("x-a", "\x00"),
        ("x-a\r\nx-b", "1"),
        ("x-a: 1", "2"),
        ("x a", "1"),
        ("", "1"),
        ("ä", "1"),
        ("x-a", "\udcff"),
        ("Content-Length", "1"),
        ("transfer-encoding", "chunked"),
        ("Connection", "close"),
        ("Expect", "100-continue"),
    ],
)
async def test_a_header_that_would_change_the_request_is_refused(
    sender: Sender, receiver: Receiver, header: tuple[str, str]
) -> None:
    """Whoever may set a header could otherwise write a whole request of their own to the receiver's proxy."""
    answer = await sender.send(post(receiver.url, header))

    assert (answer.status_code, answer.failure) == (0, Failure.CONNECTION)
    assert answer.body.startswith("error making request: ")
    assert receiver.requests == []


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "nonsense", "http://[::1"])
async def test_what_is_no_web_address_is_refused(sender: Sender, url: str) -> None:
    answer = await sender.send(post(url))

    assert (answer.status_code, answer.failure) == (0, Failure.CONNECTION)
