"""What no SDK has a method for, by a plain HTTP client: operations of our own, and those of long ago."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession

from tests.journeys.running import eventually

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Steps = Mapping[str, "Answered"]


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    body: Any


class Plain:
    """Asks, and writes down what is answered under the words that it asked with."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self.steps: dict[str, Answered] = {}
        self._session = session
        self._url = url

    async def __call__(self, what: str, body: object = None) -> Answered:
        """Ask for something such as `GET /app`, below the prefix of the API."""
        method, path = what.split(" ")
        async with self._session.request(method, f"{self._url}/api/v1{path}", json=body) as response:
            read = await response.json() if response.content_type == "application/json" else None
            answered = self.steps[what] = Answered(response.status, read)
        return answered


async def plain_round(url: str, token: str, receiver: str) -> Steps:
    """Take every step once, in an organization of its own."""
    async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        ask = Plain(session, url)
        await organization(ask)
        await event_types(ask)
        await signatures(ask, receiver)
        await old_lists(ask)
        await many(ask)
        await operations(ask)
    return ask.steps


async def organization(ask: Plain) -> None:
    await ask("PUT /organization/settings", {"signatureHeaders": "svix", "retrySchedule": [3600]})
    await ask("PATCH /organization/settings", {"signatureType": "ed25519"})
    await ask("GET /organization/settings")
    await ask("PUT /operational-webhook/endpoint/ours", {"url": "https://a.example", "uid": "ours"})
    await ask("PATCH /operational-webhook/endpoint/ours/headers", {"headers": {"X-Ours": "1"}})


async def event_types(ask: Plain) -> None:
    await ask("POST /event-type", {"name": "order.paid", "description": ""})
    await ask("PUT /event-type/order.paid/retry-schedule", {"retrySchedule": [0.5, 60]})
    await ask("GET /event-type/order.paid/retry-schedule")
    await ask("POST /event-type/export/openapi")


async def signatures(ask: Plain, receiver: str) -> None:
    """An endpoint with a key pair, and one that goes over to a secret; both in `svix-` headers."""
    await ask("POST /app", {"name": "Acme", "uid": "acme"})
    await ask("POST /app/acme/endpoint/", {"url": f"{receiver}/pair", "uid": "pair"})
    await ask("GET /app/acme/endpoint/pair/secret")
    await ask("PUT /app/acme/endpoint/moved", {"url": f"{receiver}/moved", "uid": "moved"})
    await ask("GET /app/acme/endpoint/moved/secret")
    await ask("POST /app/acme/endpoint/moved/secret/rotate", {"key": SECRET})
    await ask("POST /app/acme/msg", {"eventType": "a", "eventId": "one", "payload": {"name": "Zoë"}})


async def old_lists(ask: Plain) -> None:
    await eventually(
        lambda: ask("GET /app/acme/msg/one/attempt"), until=lambda found: len(found.body["data"]) == 2
    )
    await ask("GET /app/acme/msg/one/endpoint/pair/attempt")


async def many(ask: Plain) -> None:
    await ask("POST /app/acme/endpoint/pair/cancel-msgs")
    await ask("POST /app/acme/endpoint/pair/replay-missing", {"since": "2099-01-01T00:00:00Z"})
    await ask("POST /app/acme/endpoint/pair/bulk-replay", {"since": "2099-01-01T00:00:00Z", "dryRun": True})
    purge = await ask("POST /app/acme/msg/expunge-all-contents")
    await ask(f"POST /background-task/{purge.body['id']}/cancel")
    await ask("POST /app/acme/msg/bulk-expunge", {"ids": ["one", "none"]})
    await ask("POST /app", {"name": "Leaver", "uid": "leaver"})
    await ask("POST /app/leaver/erase")


async def operations(ask: Plain) -> None:
    await ask("GET /app/acme/msg/one/timeline")
    await ask("GET /diagnostics")
    await ask("GET /diagnostics/dead-letters")
    await ask("POST /diagnostics/dead-letters/redrive", {"queue": "dispatch"})
    await ask("POST /auth/dashboard-access/acme")
    await ask("GET /auth/whoami")
    await ask("POST /admin/redrive-dlq")
    for method in ("GET", "HEAD"):
        await ask(f"{method} /health")
        await ask(f"{method} /health/ping")
