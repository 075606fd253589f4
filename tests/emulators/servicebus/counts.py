"""How many messages a queue has, over HTTP: the one request of the administration API that there is."""

from collections import Counter

from tests.emulators.servicebus.entries import State
from tests.emulators.servicebus.queue import Queue

_ATOM = "http://www.w3.org/2005/Atom"
_CONNECT = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"
_COUNTS = "http://schemas.microsoft.com/netservices/2011/06/servicebus"


def path_of(request: bytes) -> str:
    """The queue that a GET is about."""
    target = request.split(b" ", 2)[1].decode()
    return target.partition("?")[0].strip("/").lower()


def answer(queue: Queue | None) -> bytes:
    """The whole response."""
    if queue is None or queue.dead is None:
        return _response("404 Not Found", f'<feed xmlns="{_ATOM}"></feed>')
    states = Counter(message.state for message in queue.messages.values())
    counts = {
        "ActiveMessageCount": states[State.ACTIVE],
        "DeadLetterMessageCount": len(queue.dead.messages),
        "ScheduledMessageCount": states[State.SCHEDULED],
    }
    details = "".join(f"<c:{name}>{count}</c:{name}>" for name, count in counts.items())
    return _response(
        "200 OK",
        f'<entry xmlns="{_ATOM}"><title>{queue.path}</title><content type="application/xml">'
        f'<QueueDescription xmlns="{_CONNECT}"><MessageCount>{len(queue.messages)}</MessageCount>'
        f'<CountDetails xmlns:c="{_COUNTS}">{details}</CountDetails></QueueDescription></content></entry>',
    )


def busy() -> bytes:
    """What the service says when it throttles."""
    return _response("503 Service Unavailable", "")


def _response(status: str, body: str) -> bytes:
    kind = "application/atom+xml"
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body.encode())}\r\n\r\n"
    return (head + body).encode()
