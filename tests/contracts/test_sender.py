"""What every sender promises. See `shared/ports/sender.py`; the receivers are real."""

import asyncio
import gzip
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.adapters.outbound.guard import Address
from shared.adapters.outbound.http_sender import HttpSender
from shared.adapters.outbound.names import Unresolved
from shared.adapters.outbound.turns import Turns
from shared.domain.verdict import RESPONSE_LIMIT_BYTES, Answer, Failure
from shared.ports.sender import Outgoing, Sender
from tests.receivers import Receiver

LOCAL = ip_network("127.0.0.1/32")
PLENTY = timedelta(seconds=20)
SHORT = timedelta(milliseconds=50)
"""A real timeout. Nothing below depends on how long it really takes."""

USER_AGENT = "Heliograph/0.0.0"
BODY = b'{"greeting": "Gr\xc3\xbc\xc3\x9fe"}'


@dataclass(frozen=True)
class Phonebook:
    """Knows the addresses that it was told, and no others."""

    entries: Mapping[str, Sequence[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def addresses_of(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        if host not in self.entries:
            raise Unresolved("Domain name not found")
        return [ip_address(address) for address in self.entries[host]]

    async def close(self) -> None:
        pass


@dataclass(frozen=True)
class SilentNames:
    """Is asked, and never answers."""

    is_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def addresses_of(self, _: str) -> Sequence[Address]:
        self.is_asked.set()
        await asyncio.Event().wait()
        return []

    async def close(self) -> None:
        pass


def http(**settings: object) -> HttpSender:
    return HttpSender(**{"user_agent": USER_AGENT, "allow": [LOCAL], "names": Phonebook()} | settings)  # type: ignore[arg-type]


SENDERS: dict[str, Callable[..., Sender]] = {"http": http}


@pytest.fixture(params=SENDERS)
def new_sender(request: pytest.FixtureRequest) -> Callable[..., Sender]:
    return SENDERS[request.param]


@pytest.fixture
async def sender(new_sender: Callable[..., Sender]) -> AsyncIterator[Sender]:
    sender = new_sender()
    yield sender
    await sender.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


def post(url: str, *headers: tuple[str, str], body: bytes = BODY, timeout: timedelta = PLENTY) -> Outgoing:
    return Outgoing(url, headers, body, timeout)


# What is on the wire.


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


# What comes back.


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


# What goes wrong.


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


# The guard.

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


# Connections.


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


# Taking turns.


async def in_turn(sender: Sender, outgoing: Outgoing) -> Answer:
    async with sender.turn(outgoing.url) as refusal:
        return refusal or await sender.send(outgoing)


async def test_only_so_many_requests_run_at_one_receiver(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    """The others wait, and their timeout with them: the receiver is not slow, we are many."""
    sender = new_sender(turns=Turns(2))
    receiver.never_answers(times=2)
    slow = [asyncio.ensure_future(in_turn(sender, post(receiver.url, timeout=SHORT))) for _ in range(2)]
    patient = asyncio.ensure_future(in_turn(sender, post(receiver.url, timeout=SHORT)))

    answers = await asyncio.gather(*slow, patient)
    await sender.close()

    assert [answer.failure for answer in answers] == [Failure.TIMEOUT, Failure.TIMEOUT, None]


async def test_a_slow_receiver_holds_up_no_other(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    sender = new_sender(turns=Turns(1))
    receiver.never_answers()
    waiting = [asyncio.ensure_future(in_turn(sender, post(receiver.url))) for _ in range(3)]
    await receiver.got(1)

    async with Receiver() as quick:
        answer = await in_turn(sender, post(quick.url))

    assert answer.is_success
    assert len(receiver.requests) == 1
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await sender.close()


async def test_nobody_waits_at_a_receiver_that_hangs(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    """Who waits holds a place that is for all receivers; soon nothing would be delivered to any."""
    sender = new_sender(turns=Turns(1, SHORT))
    receiver.never_answers(times=1)
    hanging = asyncio.ensure_future(in_turn(sender, post(receiver.url)))
    await receiver.got(1)

    refused = await asyncio.gather(*(in_turn(sender, post(receiver.url)) for _ in range(3)))

    assert {(answer.failure, answer.status_code) for answer in refused} == {(Failure.TIMEOUT, 0)}
    assert len(receiver.requests) == 1
    hanging.cancel()
    await asyncio.wait([hanging])
    assert (await in_turn(sender, post(receiver.url))).is_success
    await sender.close()


async def test_one_waits_at_a_receiver_that_answers_now_and_then(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    """It is slow, and gets everything."""
    sender = new_sender(turns=Turns(1, timedelta(seconds=1)))
    receiver.answers_with(204, delay=3 * SHORT)

    answers = await asyncio.gather(*(in_turn(sender, post(receiver.url)) for _ in range(9)))

    assert all(answer.is_success for answer in answers)
    await sender.close()


async def test_who_gives_up_waiting_takes_no_turn(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    sender = new_sender(turns=Turns(1))
    receiver.never_answers(times=1)
    first, given_up, third = (
        asyncio.ensure_future(in_turn(sender, post(receiver.url, timeout=SHORT))) for _ in range(3)
    )
    await receiver.got(1)

    given_up.cancel()
    answers = await asyncio.gather(first, third)
    await sender.close()

    assert [answer.failure for answer in answers] == [Failure.TIMEOUT, None]
    assert len(receiver.requests) == 2


async def test_a_url_that_is_none_has_its_turns_too(sender: Sender) -> None:
    """It was stored by a release that knew it; the attempt fails, and says why."""
    answer = await in_turn(sender, post("gopher://receiver.example/"))

    assert answer.failure is Failure.CONNECTION


# TLS.


@dataclass(frozen=True)
class Certificate:
    """A certificate that vouches for itself, and its key."""

    path: Path

    def serving(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.path))


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver of the tests")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "receiver.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return Certificate(path)


async def test_https_delivers_to_a_receiver_that_proves_who_it_is(
    new_sender: Callable[..., Sender], certificate: Certificate
) -> None:
    sender = new_sender(tls=certificate.trusting())
    async with Receiver(tls=certificate.serving()) as receiver:
        answers = [await sender.send(post(receiver.url)) for _ in range(2)]
        await sender.close()

        assert all(answer.is_success for answer in answers)
        assert receiver.connections == 1


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    sender: Sender, certificate: Certificate
) -> None:
    """A message is meant for one receiver, and may be secret."""
    async with Receiver(tls=certificate.serving()) as receiver:
        answer = await sender.send(post(receiver.url))

        assert (answer.status_code, answer.failure) == (0, Failure.CONNECTION)
        assert answer.body.startswith("error making request: certificate")
        assert receiver.requests == []


async def test_a_certificate_for_another_host_is_refused(
    new_sender: Callable[..., Sender], certificate: Certificate
) -> None:
    sender = new_sender(tls=certificate.trusting(), names=Phonebook({"other.example": ["127.0.0.1"]}))
    async with Receiver(tls=certificate.serving()) as receiver:
        answer = await sender.send(post(f"https://other.example:{receiver.port}/"))
        await sender.close()

        assert answer.failure is Failure.CONNECTION
        assert receiver.requests == []


async def test_a_receiver_that_does_not_speak_tls_is_a_failure(sender: Sender, receiver: Receiver) -> None:
    answer = await sender.send(post(receiver.url.replace("http:", "https:"), timeout=SHORT))

    assert (answer.status_code, answer.is_success) == (0, False)
    assert receiver.requests == []
