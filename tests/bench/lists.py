"""Lists out of a million messages, every filter of the API, and what else is asked of all that: over HTTP."""

import asyncio
import http.client
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median

from shared.adapters.sqlite import columns, connections
from shared.adapters.sqlite.columns import Row
from shared.adapters.sqlite.outbox import attempt_rows, message_rows
from shared.adapters.sqlite.rows import WAITING, Rows
from shared.adapters.sqlite.store import SqliteStore
from shared.adapters.system import SystemClock
from shared.domain import ids
from shared.domain.application import Application
from shared.domain.attempt import Attempt, Status, Trigger
from shared.domain.endpoint import Endpoint
from shared.domain.message import Message
from shared.domain.work import RETRY_QUEUE, Retry, to_body
from tests.bench.service import HOST, ORGANIZATION, Service
from tests.makers import an_application, an_endpoint

APPLICATION_UID = "lists"
ENDPOINT_UID = "here"
SPREAD = timedelta(days=80)
"""Everything lies within the window of 90 days that lists look at."""

BATCH = 5_000
COMMON_TYPES = tuple(f"order.step-{number}" for number in range(40))
RARE_SHARE = 1 / 20_000
CHANNEL_SHARE = 0.1
TAG_SHARE = 0.1
FAILURE_SHARE = 0.03
SENDING_SHARE = 1 / 5_000
LONGEST_SAID = 22
"""Characters of a query in the table."""

RETRY_EACH = 10
"""One message in so many has a retry that waits for its time."""

TIMES = 41
"""How often each list is asked for, after once for nothing."""

_WINDOWS = ("before={middle}", "after={middle}")
_MESSAGES = (
    "",
    "with_content=false",
    "event_types=order.step-0",
    "event_types=" + ",".join(COMMON_TYPES),
    "event_types=rare",
    "channel=common",
    "channel=rare",
    "channel=common&event_types=rare",
    "tag=common",
    "tag=rare",
    "tag=other&channel=common",
    "tag=common&event_types=rare",
    *_WINDOWS,
)
_ATTEMPTS = (
    *_MESSAGES,
    "status=0",
    "status=2",
    "status_code_class=0",
    "status_code_class=200",
    "status_code_class=400",
    "status_code_class=500",
    "status=2&channel=common&event_types=order.step-0",
    "status=2&tag=common",
    "with_msg=true",
)
_STANDINGS = (
    *_MESSAGES,
    "status=0",
    "status=1",
    "status=2",
    "status=3",
    "status=2&event_types=order.step-0",
    "status=2&tag=common",
)
_OF_ONE = ("", "status=0", "channel=common", "tag=common", "event_types=rare", "endpoint_id=here")


def fill(database: Path, count: int) -> None:
    """Make a file with one application, one endpoint, and so many messages with an attempt each."""
    dice, now = random.Random(0), datetime.now(UTC)
    application, endpoint = _owners(now - SPREAD)
    asyncio.run(_opened(database, application, endpoint))
    connection = connections.to_write(database)
    connection.execute("PRAGMA synchronous = OFF")
    made = _made(application, endpoint, count, dice, now)
    content = 0
    while batch := list(islice(made, BATCH)):
        rows = Rows()
        for message, attempt in batch:
            content += 1
            rows.add(message_rows(message, content), None)
            rows.add(attempt_rows(attempt), None)
            if content % RETRY_EACH == 0:
                rows.add([(WAITING, _waiting(attempt, content, now))], None)
        connection.execute("BEGIN")
        rows.write(connection)
        connection.execute("COMMIT")
    connection.close()


async def _opened(database: Path, application: Application, endpoint: Endpoint) -> None:
    store = SqliteStore.open(database, SystemClock())
    await store.applications.add(application)
    await store.endpoints.add(endpoint)
    await store.close()


def _owners(at: datetime) -> tuple[Application, Endpoint]:
    application = an_application(org_id=ORGANIZATION, uid=APPLICATION_UID, created_at=at)
    return application, an_endpoint(application, uid=ENDPOINT_UID, keys=(), created_at=at)


def _made(
    application: Application, endpoint: Endpoint, count: int, dice: random.Random, now: datetime
) -> Iterator[tuple[Message, Attempt]]:
    begin, step = now - SPREAD, SPREAD / count
    for number in range(count):
        at = begin + number * step
        message = Message(
            id=ids.new_id(ids.MESSAGE, at, dice.randbytes(ids.DICE_BYTES)),
            app_id=application.id,
            org_id=ORGANIZATION,
            event_type="rare" if dice.random() < RARE_SHARE else dice.choice(COMMON_TYPES),
            event_id=None,
            channels=_channels(dice),
            payload='{"number": 1, "text": "' + "x" * 200 + '"}',
            payload_expires_at=now + SPREAD,
            created_at=at,
            tags=_tags(dice),
        )
        yield message, _attempt(message, endpoint, dice)


def _channels(dice: random.Random) -> frozenset[str] | None:
    thrown = dice.random()
    if thrown < RARE_SHARE:
        return frozenset({"rare"})
    return frozenset({"common"}) if thrown < CHANNEL_SHARE else None


def _tags(dice: random.Random) -> frozenset[str] | None:
    thrown = dice.random()
    if thrown < RARE_SHARE:
        return frozenset({"rare", "common", "other"})
    return frozenset({"common"}) if thrown < TAG_SHARE else None


def _attempt(message: Message, endpoint: Endpoint, dice: random.Random) -> Attempt:
    at, has_failed, thrown = message.created_at, dice.random() < FAILURE_SHARE, dice.random()
    return Attempt(
        id=ids.new_id(ids.ATTEMPT, at, dice.randbytes(ids.DICE_BYTES)),
        message_id=message.id,
        endpoint_id=endpoint.id,
        app_id=message.app_id,
        org_id=message.org_id,
        event_type=message.event_type,
        channels=message.channels,
        number=1,
        url=endpoint.url,
        status=Status.FAIL if has_failed else Status.SUCCESS,
        response_status_code=(0 if thrown < RARE_SHARE else 404 if thrown < CHANNEL_SHARE else 500)
        if has_failed
        else 200,
        response="",
        duration=timedelta(milliseconds=12),
        trigger=Trigger.SCHEDULED,
        timestamp=at,
        next_attempt_at=at + SPREAD if has_failed and dice.random() < SENDING_SHARE else None,
        tags=message.tags,
    )


def _waiting(attempt: Attempt, sequence: int, now: datetime) -> Row:
    """A row of the queue: a retry that is due long after everything here is over."""
    retry = Retry(attempt.org_id, attempt.app_id, attempt.message_id, attempt.endpoint_id, number=2)
    at = columns.micros(now)
    return (RETRY_QUEUE, at + columns.length(SPREAD), sequence, to_body(retry), None, 0, at)


def medians_ms(service: Service) -> Iterator[tuple[str, float]]:
    """Ask for every list again and again; yield what was asked for, and the median time in milliseconds."""
    connection = http.client.HTTPConnection(HOST, service.port, timeout=60)
    app = f"/api/v1/app/{APPLICATION_UID}"
    middle = (datetime.now(UTC) - SPREAD / 2).strftime("%Y-%m-%dT%H:%M:%SZ")
    page = service.get(f"{app}/msg?limit=1")["data"]
    assert isinstance(page, list)
    message_id = page[0]["id"]
    asked = (
        ("messages", f"{app}/msg", _MESSAGES),
        ("endpoint's attempts", f"{app}/attempt/endpoint/{ENDPOINT_UID}", _ATTEMPTS),
        ("endpoint's messages", f"{app}/endpoint/{ENDPOINT_UID}/msg", _STANDINGS),
        ("message's attempts", f"{app}/attempt/msg/{message_id}", _OF_ONE),
        ("message's endpoints", f"{app}/msg/{message_id}/endpoint", ("",)),
        ("message's timeline", f"{app}/msg/{message_id}/timeline", ("",)),
        ("diagnostics", "/api/v1/diagnostics", ("",)),
    )
    for title, path, filters in asked:
        for query in filters:
            target = f"{path}?{query.format(middle=middle)}"
            taken = [_ask(connection, target, service.token) for _ in range(TIMES + 1)]
            said = query if len(query) <= LONGEST_SAID else f"{query[: LONGEST_SAID - 1]}…"
            yield f"{title} {said}".rstrip(), median(taken[1:])
    connection.close()


def _ask(connection: http.client.HTTPConnection, target: str, token: str) -> float:
    """How long one answer takes, in milliseconds."""
    begun = time.perf_counter()
    connection.request("GET", target, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == http.HTTPStatus.OK, body
    return (time.perf_counter() - begun) * 1000
