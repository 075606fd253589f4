"""What is sent back: an answer is the same value whether it is sent, or kept to be repeated."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TypeAlias

import msgspec

from shared.ports.answers import StoredAnswer

Answer: TypeAlias = StoredAnswer
"""What is sent is what is kept to be repeated."""

Send = Callable[[MutableMapping[str, object]], Awaitable[None]]
Headers = tuple[tuple[str, str], ...]

JSON_HEADERS: Headers = (("content-type", "application/json"),)
NO_CONTENT = Answer(204, (), b"")
MULTIPLE_CHOICES = 300
BODILESS = frozenset({204, 304})

_encode = msgspec.json.Encoder().encode
_JSON_TYPE = (b"content-type", b"application/json")


def json_answer(status: int, value: msgspec.Struct | dict[str, object]) -> Answer:
    """An answer whose body is a value as JSON."""
    return Answer(status, JSON_HEADERS, _encode(value))


def is_success(answer: Answer) -> bool:
    """Is its status 2xx?"""
    return answer.status < MULTIPLE_CHOICES


async def send_answer(answer: Answer, send: Send) -> None:
    """Send an answer whole, with its length."""
    headers = [_JSON_TYPE] if answer.headers is JSON_HEADERS else list(_octets(answer.headers))
    if answer.status not in BODILESS:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _octets(headers: Headers) -> Iterable[tuple[bytes, bytes]]:
    return ((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)
