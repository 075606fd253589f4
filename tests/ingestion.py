"""Application Insights' ingestion endpoint for tests: a real HTTP server on a free local port.

with Ingestion() as ingestion:
    ingestion.answers.append(503)        # once; then 200
    ...                                  # have something told
    ingestion.envelope("Event")          # waits for the next one of that kind
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any, Self

KEY = "6f8c1d9a-0000-4000-8000-0123456789ab"
PATIENCE_SECONDS = 10
"""How long what is certain to come is waited for, before the test has failed."""

Envelope = Mapping[str, Any]


@dataclass
class Ingestion:
    """Takes envelopes and keeps them.

    Attributes:
        answers: What is answered next, and then 200: a status, or the body of a 206.
        hangs: Whether requests are not answered until `goes_on` is set.
    """

    answers: deque[int | str] = field(default_factory=deque)
    hangs: bool = False
    goes_on: Event = field(default_factory=Event)
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def endpoint(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def connection_string(self) -> str:
        """As a setting."""
        return f"InstrumentationKey={KEY};IngestionEndpoint={self.endpoint}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def got(self, what: Callable[["Ingestion"], bool]) -> None:
        """Wait until something is so."""
        with self._changed:
            assert self._changed.wait_for(lambda: what(self), PATIENCE_SECONDS), self.envelopes

    def of(self, kind: str) -> list[Envelope]:
        """What has been taken of one kind: `Event`, `RemoteDependency`, `Exception`, `Message`, `Metric`."""
        return [one for one in self.envelopes if one["name"] == f"Microsoft.ApplicationInsights.{kind}"]

    def envelope(self, kind: str) -> Envelope:
        """Wait for the first of one kind."""
        self.got(lambda _: bool(self.of(kind)))
        return self.of(kind)[0]

    def events(self) -> list[str]:
        """The names of the events that have been taken."""
        return [one["data"]["baseData"]["name"] for one in self.of("Event")]

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Take a request; say what is answered."""
        with self._changed:
            self.requests.append((path, headers))
            self._changed.notify_all()
        if self.hangs:
            self.goes_on.wait()
        with self._changed:
            answer = self.answers.popleft() if self.answers else 200
            sent = json.loads(body)
            if answer == 200:
                self.envelopes += sent
            self._changed.notify_all()
        if isinstance(answer, str):
            return 206, answer.encode()
        return answer, b'{"itemsReceived":%d,"itemsAccepted":%d,"errors":[]}' % (len(sent), len(sent))


def _handler(ingestion: Ingestion) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, text = ingestion.answer(self.path, headers, body)
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
