"""What the benchmark reads from the wire is what a peer said; else its numbers are about something else."""

import json

import pytest

from tests.bench.wire import BrokenWire, Target, first_frame, header, id_in, number_in, payload, posting

ACCEPTED = (
    b'HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\nContent-Length: 14\r\n\r\n{"id":"msg_1"}'
)
CHUNKED = (
    b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'8;note=x\r\n{"id":"m\r\n6\r\nsg_1"}\r\n0\r\nDigest: none\r\n\r\n'
)
UNTRAILED = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("whole", [ACCEPTED, CHUNKED, UNTRAILED, EMPTY, INTERIM])
def test_an_answer_is_read_once_its_last_byte_is_there(whole: bytes) -> None:
    """A stream has no respect for the borders of answers."""
    assert [first_frame(whole[:size]) for size in range(len(whole))] == [None] * len(whole)

    frame = first_frame(whole + b"HTTP/1.1 200")

    assert frame is not None
    assert frame.size_bytes == len(whole)


@pytest.mark.parametrize("whole", [ACCEPTED, CHUNKED])
def test_an_answer_says_its_status_and_its_body(whole: bytes) -> None:
    frame = first_frame(whole)

    assert frame is not None
    assert (frame.status, id_in(frame.body), frame.closes) == (202, "msg_1", False)


def test_headers_are_found_in_any_case() -> None:
    frame = first_frame(b"HTTP/1.1 204 No Content\r\nWebhook-ID: msg_Ab\r\nCONNECTION: Close\r\n\r\n")

    assert frame is not None
    assert header(frame, b"webhook-id") == b"msg_Ab"
    assert header(frame, b"absent") == b""
    assert frame.closes


@pytest.mark.parametrize(
    "nonsense",
    [
        b"HTTP/1.1 200 OK\r\nserver: x\r\n\r\nbody until it closes",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nmany\r\n",
    ],
)
def test_an_answer_without_an_end_is_refused(nonsense: bytes) -> None:
    """Better a run that fails than one that waits for bytes that are part of the next answer."""
    with pytest.raises(BrokenWire):
        first_frame(nonsense)


def test_what_does_not_begin_as_an_answer_has_no_status() -> None:
    frame = first_frame(b"SSH-2.0-OpenSSH\r\n\r\n")

    assert frame is not None
    with pytest.raises(BrokenWire):
        _ = frame.status


@pytest.mark.parametrize("size_bytes", [70, 200, 1024, 100_000])
def test_a_payload_has_the_size_that_was_asked_for(size_bytes: int) -> None:
    request = posting(Target("127.0.0.1", 80, "/msg", "token"), size_bytes).numbered(7)
    frame = first_frame(request)

    assert frame is not None
    assert frame.size_bytes == len(request)
    assert number_in(frame.body) == 7
    posted = json.loads(frame.body)["payload"]
    assert len(json.dumps(posted, separators=(",", ":"))) == size_bytes


def test_each_message_has_an_idempotency_key_of_its_own() -> None:
    request = posting(Target("127.0.0.1", 80, "/msg", "token", with_idempotency_key=True), 100)

    first, second = first_frame(request.numbered(1)), first_frame(request.numbered(2))

    assert first is not None
    assert second is not None
    assert header(first, b"idempotency-key") != header(second, b"idempotency-key")


def test_a_payload_that_is_not_ours_has_no_number() -> None:
    assert number_in(payload(100).replace(b"\0", b"000000000042")) == 42
    with pytest.raises(BrokenWire):
        number_in(b'{"other":"000000000042"}')
    with pytest.raises(BrokenWire):
        number_in(b'{"marker":"forty-two..."}')


def test_an_id_is_found_however_the_answer_is_written() -> None:
    assert id_in(b'{"eventId": null, "id": "msg_2"}') == "msg_2"
    assert id_in(b'{"detail":[]}') == ""
