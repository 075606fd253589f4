"""What is measured: Heliograph as its users start it, or the floor in its place."""

import base64
import http.client
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import jwt

from tests.bench.ledger import FileLedger, Ledger
from tests.bench.processes import Failed, Process, running
from tests.bench.wire import Target
from tests.ports import free_port

HOST = "127.0.0.1"
READY_WITHIN = timedelta(seconds=30)
ASKS_EVERY = timedelta(milliseconds=5)
OK_STATUSES = range(200, 300)
TOKEN_LIVES = timedelta(hours=1)
ORGANIZATION = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"


LedgerOf = Callable[[int, Path], Ledger]


def ledger_of_file(_: int, database: Path) -> Ledger:
    """As a service that keeps everything in a file has it."""
    return FileLedger(database)


@dataclass(frozen=True, slots=True)
class Service:
    """A service that takes requests."""

    process: Process
    port: int
    ledger: Ledger
    token: str

    def post(self, path: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Make something through the API.

        Raises:
            Failed: The answer is no 2xx.
        """
        return self._asked("POST", path, body)

    def patch(self, path: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Change something through the API.

        Raises:
            Failed: The answer is no 2xx.
        """
        return self._asked("PATCH", path, body)

    def get(self, path: str) -> Mapping[str, object]:
        """Read something through the API.

        Raises:
            Failed: The answer is no 2xx.
        """
        return self._asked("GET", path, None)

    def _asked(self, method: str, path: str, body: Mapping[str, object] | None) -> Mapping[str, object]:
        status, answer = _request(self.port, method, path, self.token, body)
        if status not in OK_STATUSES:
            raise self.process.failed(f"answered {status} to {method} {path}: {answer[:300]!r}")
        said = json.loads(answer)
        assert isinstance(said, dict)
        return said

    def application(self, uid: str, urls: Sequence[str]) -> None:
        """Make an application with one endpoint for each URL.

        Raises:
            Failed: The service refuses.
        """
        self.post("/api/v1/app", {"name": f"Bench {uid}", "uid": uid})
        for url in urls:
            self.post(f"/api/v1/app/{uid}/endpoint", {"url": url})

    def target(self, application: str, *, with_content: bool, with_idempotency_key: bool) -> Target:
        """Where messages of an application are posted."""
        query = "" if with_content else "?with_content=false"
        return Target(
            HOST, self.port, f"/api/v1/app/{application}/msg{query}", self.token, with_idempotency_key
        )


@contextmanager
def heliograph(
    folder: Path,
    settings: Mapping[str, str] | None = None,
    prepare: Callable[[Path], None] = lambda _: None,
    ledger_of: LedgerOf = ledger_of_file,
) -> Iterator[Service]:
    """Run Heliograph on a fresh database in a folder.

    Args:
        folder: It is made.
        settings: They go into the environment.
        prepare: Is called with the path of the database before it is opened.
        ledger_of: Makes what knows what is recorded, from the service's port and the database's path.

    Raises:
        Failed: It does not come up.
    """
    folder.mkdir(parents=True)
    port, database, secret = free_port(), folder / "heliograph.db", secrets.token_urlsafe(32)
    prepare(database)
    environment = {
        "HELIOGRAPH_DATABASE": str(database),
        "HELIOGRAPH_HOST": HOST,
        "HELIOGRAPH_PORT": str(port),
        "HELIOGRAPH_ALLOW_SUBNETS": "127.0.0.1/32",
        "HELIOGRAPH_JWT_SECRET": secret,
        "HELIOGRAPH_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        **(settings or {}),
    }
    with running("heliograph", ["infra.local", "serve"], folder, environment) as process:
        service = Service(process, port, ledger_of(port, database), _token(secret))
        _wait_until_ready(service)
        yield service
        process.end()


@contextmanager
def floor(folder: Path, urls: Sequence[str]) -> Iterator[Service]:
    """Run the floor on a fresh database in a folder.

    Raises:
        Failed: It does not come up.
    """
    folder.mkdir(parents=True)
    port, database = free_port(), folder / "floor.db"
    with running("floor", ["tests.bench.floor", str(port), str(database), *urls], folder) as process:
        # As long as a token of Heliograph's is, so that both read requests of one size.
        service = Service(process, port, FileLedger(database), _token(secrets.token_urlsafe(32)))
        _wait_until_ready(service)
        yield service
        process.end()


def seconds_to_first_acceptance(folder: Path) -> float:
    """Start Heliograph on a fresh database; how long until it has accepted a first message, in seconds.

    Raises:
        Failed: It does not come up, or refuses the message.
    """
    with heliograph(folder) as service:
        message = {
            "eventType": "bench.event",
            "payload": {},
            "application": {"name": "Bench", "uid": "bench"},
        }
        service.post("/api/v1/app/bench/msg", message)
        return (time.monotonic_ns() - service.process.started_ns) / 1e9


def _token(secret: str) -> str:
    now = int(time.time())
    claims = {
        "iat": now,
        "exp": now + int(TOKEN_LIVES.total_seconds()),
        "sub": ORGANIZATION,
    }
    return jwt.encode(claims, secret, "HS256")


def _wait_until_ready(service: Service) -> None:
    def is_ready() -> bool:
        service.process.must_run()
        try:
            return _request(service.port, "GET", "/api/v1/health/ping", "", None)[0] in OK_STATUSES
        except OSError:
            return False

    if not wait_until(is_ready, READY_WITHIN, ASKS_EVERY):
        raise service.process.failed(f"is not ready after {READY_WITHIN.total_seconds():.0f} s")


def wait_until(is_so: Callable[[], bool], within: timedelta, every: timedelta) -> bool:
    """Ask until something is so; False when it is not in time."""
    ends = time.monotonic() + within.total_seconds()
    while not is_so():
        if time.monotonic() > ends:
            return False
        time.sleep(every.total_seconds())
    return True


def _request(
    port: int, method: str, path: str, token: str, body: Mapping[str, object] | None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=READY_WITHIN.total_seconds())
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


__all__ = ["Failed", "Service", "floor", "heliograph", "seconds_to_first_acceptance", "wait_until"]
