"""What holds for every operation: paths, methods, CORS, sizes, the order of checks, and errors."""

from dataclasses import replace
from typing import Any

import pytest

from functions.api.operations import PREFIX, Access
from functions.api.requests import BODY_LIMIT_BYTES
from functions.api.table import OPERATIONS
from functions.http import asgi
from shared.domain.errors import Unavailable
from shared.wiring import install
from tests.flows.walk import Walk
from tests.functions.api.client import Client, portal_token

BAD_TOKEN = {"code": "authentication_failed", "detail": "Invalid token"}
SENDS = "/api/v1/app/acme/msg"
MESSAGE = {"eventType": "a", "payload": {}}


@pytest.fixture
def stranger(walk: Walk) -> Client:
    """Somebody without a token."""
    return Client(None)


@pytest.mark.parametrize("path", ["/api/v1/app", "/api/v1/app/acme/endpoint", "/api/v1/event-type", SENDS])
async def test_a_trailing_slash_makes_no_difference(api: Client, acme: str, path: str) -> None:
    """Some clients always send one."""
    for slashes in ("", "/", "//"):
        assert (await api.get(path + slashes)).status == 200
    assert (await api.post(SENDS + "/", MESSAGE)).status == 202


@pytest.mark.parametrize(
    "path",
    [
        *("/nope", "/api/v1", "/api/v1/APP", "/api/v2/app", "/api/v1/app/a/b/c", "/docs/x"),
        *("/api/v1/app%0A", "/api/v1/app/acme/msg%0A", "/docs%0A"),
    ],
)
async def test_an_unknown_path_says_so_in_json(api: Client, path: str) -> None:
    """An SDK parses every error as JSON, and fails in an ugly way when there is none."""
    for method in ("GET", "POST", "HEAD"):
        unknown = await api.call(method, path)
        assert (unknown.status, unknown.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/v1/app", "GET, POST"),
        ("POST", "/api/v1/app/acme/msg/x", "GET"),
        ("HEAD", "/api/v1/app", "GET, POST"),
        ("OPTIONS", "/api/v1/app", "GET, POST"),
        ("DELETE", SENDS, "GET, POST"),
        ("POST", "/api/v1/health", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(api: Client, method: str, path: str, allow: str) -> None:
    refused = await api.call(method, path)
    assert (refused.status, refused.body, refused.headers["allow"]) == (405, b"", allow)


async def test_health_needs_no_token(stranger: Client) -> None:
    parts = {part: {"status": "ok"} for part in ("database", "queue", "cache")}
    assert (await stranger.get("/api/v1/health")).json == parts
    assert (await stranger.call("HEAD", "/api/v1/health")).status == 200
    for method in ("GET", "HEAD"):
        ping = await stranger.call(method, "/api/v1/health/ping")
        assert (ping.status, ping.body) == (204, b"")


async def test_a_part_that_fails_is_named(walk: Walk, stranger: Client) -> None:
    await walk.service.store.close()
    report = await stranger.get("/api/v1/health")
    assert (report.status, report.json["database"]["status"]) == (500, "error")
    assert report.json["cache"]["status"] == "ok"


@pytest.mark.parametrize("operation", [row for row in OPERATIONS if row.access is not Access.NONE])
async def test_every_operation_asks_who_it_is(stranger: Client, operation: Any) -> None:  # noqa: ANN401
    path = PREFIX + operation.path.replace("{", "").replace("}", "")
    for client in (stranger, Client("not-a-token"), Client("x.y.z")):
        refused = await client.call(operation.method, path, b"{}", idempotency_key="k")
        assert (refused.status, refused.json) == (401, BAD_TOKEN)


async def test_the_query_string_is_looked_at_before_the_token(stranger: Client, acme: str) -> None:
    for path in ("/api/v1/app", SENDS, "/api/v1/event-type"):
        assert (await stranger.get(f"{path}?limit=x")).status == 400
        assert (await stranger.get(f"{path}?limit=251")).status == 422
    assert (await stranger.post(f"{SENDS}?with_content=yes", MESSAGE)).status == 400


async def test_the_token_is_looked_at_before_the_application(stranger: Client, api: Client) -> None:
    assert (await stranger.get("/api/v1/app/none/endpoint")).status == 401
    assert (await stranger.post("/api/v1/app/none/msg", b"{")).status == 401
    assert (await api.get("/api/v1/app/none/endpoint")).status == 404


async def test_the_application_is_looked_for_before_the_body_except_for_messages(api: Client) -> None:
    too_large = b" " * (BODY_LIMIT_BYTES + 1)
    for body in (b"{", too_large):
        assert (await api.post("/api/v1/app/none/endpoint", body)).status == 404
    assert (await api.post("/api/v1/app/none/msg", b"{")).status == 422
    assert (await api.post("/api/v1/app/none/msg", too_large)).status == 413


async def test_rights_are_looked_at_before_the_body(api: Client, acme: str, walk: Walk) -> None:
    portal = Client(portal_token(walk.service.settings, acme))
    for path in ("/api/v1/app", SENDS, "/api/v1/event-type"):
        assert (await portal.post(path, b"{")).status == 403


@pytest.mark.parametrize("path", ["/api/v1/app", SENDS, "/api/v1/event-type", "/api/v1/app/acme/endpoint"])
async def test_a_body_over_two_mebibytes_is_refused(api: Client, acme: str, path: str) -> None:
    refused = await api.post(path, b" " * (BODY_LIMIT_BYTES + 1))
    assert refused.status == 413
    assert refused.json == {"code": "payload_too_large", "detail": "Request payload is too large."}
    assert (await api.post(path, b" " * BODY_LIMIT_BYTES)).status == 422


async def test_a_body_that_says_it_is_too_large_is_not_read(api: Client, acme: str) -> None:
    for length in (str(BODY_LIMIT_BYTES + 1), "9" * 30, "9" * 5000):
        refused = await api.call("POST", SENDS, content_length=length)
        assert refused.status == 413


async def test_a_body_without_end_is_not_read_to_its_end(api: Client, acme: str) -> None:
    """A client that never stops sending costs us two mebibytes, not the machine."""
    pieces = [b" " * 65536] * 1000
    refused = await api.call("POST", SENDS, *pieces)
    assert refused.status == 413


async def test_a_body_in_pieces_is_put_together(api: Client, acme: str) -> None:
    posted = await api.call("POST", SENDS, b'{"eventType"', b"", b':"a","pay', b'load":{}}')
    assert posted.status == 202


async def test_a_client_that_goes_away_is_not_answered(api: Client, acme: str) -> None:
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {api.token}".encode())]
    for path in (SENDS, "/api/v1/app"):
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
        await asgi(scope, receive, send)
    assert not sent


@pytest.mark.parametrize("method", ["PATCH", "PURGE", "get"])
@pytest.mark.parametrize("path", ["/api/v1/app", SENDS, "/nope"])
async def test_any_web_page_may_call(api: Client, acme: str, path: str, method: str) -> None:
    """Portals run on their own origins; what there is no method for, the request itself is told."""
    asked = await api.call(
        "OPTIONS",
        path,
        origin="https://portal.example",
        access_control_request_method=method,
        access_control_request_headers="authorization,x-own",
    )
    assert asked.status == 200
    assert asked.headers["access-control-allow-origin"] == "*"
    assert asked.headers["access-control-allow-methods"] == method
    assert asked.headers["access-control-allow-headers"] == "authorization,x-own"
    assert asked.headers["access-control-max-age"] == "600"
    answered = await api.post(path, MESSAGE, origin="https://portal.example")
    assert answered.headers["access-control-allow-origin"] == "*"
    assert answered.status in (202, 404, 422)


async def test_a_failure_of_ours_is_an_empty_object_and_a_line_in_the_journal(
    api: Client, acme: str, walk: Walk
) -> None:
    """Every SDK repeats after a 500; nothing about our insides belongs in it."""
    await walk.service.store.close()
    for path in (SENDS, "/api/v1/app"):
        failed = await api.post(path, MESSAGE | {"name": "x"}, origin="https://portal.example")
        assert (failed.status, failed.body) == (500, b"{}")
        assert failed.headers["access-control-allow-origin"] == "*"
    lines = walk.journal.of("request.failed")
    assert len(lines) == 2
    assert all(line["error"] == "Unavailable" for line in lines)


async def test_a_bug_is_a_failure_of_ours_too(api: Client, acme: str, walk: Walk) -> None:
    class Broken:
        async def application(self, *_: str) -> None:
            raise ZeroDivisionError

    install(replace(walk.service, directory=Broken()))  # type: ignore[arg-type]
    failed = await api.get("/api/v1/app/acme")
    assert (failed.status, failed.body) == (500, b"{}")
    (line,) = walk.journal.of("request.failed")
    assert (line["error"], line["function"]) == ("ZeroDivisionError", "application")


async def test_a_request_that_no_server_would_hand_over_does_not_escape(walk: Walk) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {}

    async def send(message: object) -> None:
        sent.append(message)

    await asgi({"type": "http", "method": "GET", "path": "/"}, receive, send)
    assert (sent[0]["status"], sent[1]["body"]) == (500, b"{}")
    assert [line["error"] for line in walk.journal.of("request.failed")] == ["KeyError"]


async def test_a_server_that_takes_no_more_does_not_make_it_worse(walk: Walk) -> None:
    async def receive() -> dict[str, object]:
        return {}

    async def send(_: object) -> None:
        raise RuntimeError("the answer has begun already")

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await asgi(scope, receive, send)


async def test_settings_that_are_wrong_do_not_escape(
    stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(None)
    monkeypatch.setenv("HELIOGRAPH_NONSENSE", "1")
    failed = await stranger.get("/api/v1/health")
    assert (failed.status, failed.body) == (500, b"{}")


async def test_an_outbox_out_of_reach_promises_nothing(api: Client, acme: str, walk: Walk) -> None:
    class Full:
        async def accept(self, *_: object) -> None:
            raise Unavailable("queue", "full")

    accept = replace(walk.service.accept, outbox=Full())  # type: ignore[arg-type]
    install(replace(walk.service, accept=accept))
    failed = await api.post(SENDS, MESSAGE, idempotency_key="k")
    assert (failed.status, failed.body) == (500, b"{}")
    install(walk.service)
    assert (await api.post(SENDS, MESSAGE, idempotency_key="k")).status == 202


@pytest.mark.parametrize(
    "path", ["/\ud800", "/api/v1/app/\ud800", "/api/v1/app/\udcff/msg", "//", "/api/v1/app//msg"]
)
async def test_a_path_of_any_characters_is_answered(api: Client, path: str) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: object) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {api.token}".encode()), (b"idempotency-key", b"k")]
    for method in ("GET", "POST"):
        sent.clear()
        await asgi(
            {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers},
            receive,
            send,
        )
        assert sent[0]["status"] < 500


async def test_a_websocket_is_turned_away(walk: Walk) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    await asgi({"type": "websocket", "path": "/", "headers": [], "query_string": b""}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_a_server_that_asks_for_a_lifespan_gets_one(walk: Walk) -> None:
    coming, sent = ["lifespan.startup", "lifespan.shutdown"], []

    async def receive() -> dict[str, object]:
        return {"type": coming.pop(0)}

    async def send(message: Any) -> None:  # noqa: ANN401
        sent.append(message["type"])

    await asgi({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
