"""The endpoint at which an app on Azure asks for its tokens: a real HTTP server on a free local port.

with ManagedIdentity() as endpoint:
    ...                            # with endpoint.environment set, sign in
    endpoint.asked                 # who asked for tokens for what
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import parse_qs, urlsplit

SECRET = "only this machine knows it"
NOON_2100 = 4_102_488_000


@dataclass
class ManagedIdentity:
    """Gives a new token for each request.

    Attributes:
        asked: The query of each request.
        knows_nobody: Whether it answers as where no identity has been given to the app.
    """

    asked: list[Mapping[str, str]] = field(default_factory=list)
    knows_nobody: bool = False

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def environment(self) -> Mapping[str, str]:
        """What Azure sets for the app."""
        url = f"http://127.0.0.1:{self._server.server_port}/msi/token"
        return {"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": SECRET}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, query: Mapping[str, str], secret: str | None) -> tuple[int, Mapping[str, str]]:
        """Take a request; say what is answered."""
        self.asked.append(query)
        if self.knows_nobody or secret != SECRET:
            return 400, {
                "statusCode": "400",
                "message": "Managed Identity not found",
            }
        token = f"token {len(self.asked)} for {query['resource']}"
        return 200, {
            "access_token": token,
            "expires_on": str(NOON_2100),
            "resource": query["resource"],
            "token_type": "Bearer",
        }


def _handler(endpoint: ManagedIdentity) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            status, answer = endpoint.answer(query, self.headers["x-identity-header"])
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
