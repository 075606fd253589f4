"""The floor: the least that such a service can do for a message, written as fast as Python lets it be.

One ASGI callable without routing, authentication, validation, matching or idempotency: it stores a message
and its queue rows, answers 202 once they are on disk, signs the payload, posts it, and stores the attempt
in place of the queue row. Everything Heliograph does beyond that is paid out of the difference between its
numbers and these.

It is made of the usual parts: uvicorn with httptools on uvloop, json, one SQLite writer thread whose commits
carry everything that came meanwhile, at `synchronous=FULL`, and the aiohttp client. Where Heliograph has a
leaner part than these, it wins back some of what it does more.

Run as `python -m tests.bench.floor PORT DATABASE URL...`, one URL for each endpoint.
"""

# ruff: noqa: S608 - statements are put together from names of ours; values travel as parameters

import asyncio
import base64
import gc
import hmac
import json
import secrets
import sqlite3
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
import uvicorn
import yarl
from starlette.types import Receive, Scope, Send

SCHEMA = """
    CREATE TABLE message (
        id TEXT PRIMARY KEY, event_type TEXT, payload BLOB, created_us INTEGER
    );
    CREATE TABLE queue (
        id INTEGER PRIMARY KEY, message_id TEXT, endpoint_id TEXT, due_us INTEGER
    );
    CREATE TABLE attempt (
        id INTEGER PRIMARY KEY, message_id TEXT, endpoint_id TEXT, status INTEGER, status_code INTEGER,
        duration_ms INTEGER, created_us INTEGER
    );
"""
COMPACT = json.JSONEncoder(separators=(",", ":"))
SENDS_AT_ONCE = 64
ROWS_A_STATEMENT = 64
REQUEST_TIMEOUT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One message to deliver to one endpoint."""

    queue_id: int
    message_id: str
    endpoint: int
    payload: bytes


@dataclass(slots=True)
class Batch:
    """What one commit carries: rows by table, and those who wait for them to be on disk."""

    messages: list[tuple[object, ...]] = field(default_factory=list)
    queued: list[tuple[object, ...]] = field(default_factory=list)
    attempts: list[tuple[object, ...]] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)


class Store:
    """One SQLite file and its one writer thread. While a commit runs, the next batch gathers."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._database = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=4 * ROWS_A_STATEMENT + 10
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(SCHEMA)
        self._next = Batch()
        self._is_committing = False
        self._is_woken = False

    def gathering(self) -> Batch:
        """The batch to add to; it is committed as soon as the writer is free."""
        if not self._is_woken and not self._is_committing:
            self._is_woken = True
            self._loop.call_soon(self._commit)
        return self._next

    async def close(self) -> None:
        """Commit what is left."""
        written = self._loop.create_future()
        self.gathering().waiting.append(written)
        await written
        self._thread.shutdown()
        self._database.close()

    def _commit(self) -> None:
        self._is_woken = False
        self._is_committing = True
        batch, self._next = self._next, Batch()
        self._thread.submit(self._write, batch)

    def _write(self, batch: Batch) -> None:
        execute = self._database.execute
        execute("BEGIN IMMEDIATE")
        self._insert("message", batch.messages)
        self._insert("queue", batch.queued)
        self._insert("attempt", batch.attempts)
        self._delete(batch.done)
        execute("COMMIT")
        self._loop.call_soon_threadsafe(self._committed, batch)

    def _committed(self, batch: Batch) -> None:
        self._is_committing = False
        for waiting in batch.waiting:
            waiting.set_result(None)
        if self._next.waiting or self._next.attempts:
            self._commit()

    def _insert(self, table: str, rows: list[tuple[object, ...]]) -> None:
        # One statement for many rows: the interpreter is given up and won back once a statement.
        for at in range(0, len(rows), ROWS_A_STATEMENT):
            some = rows[at : at + ROWS_A_STATEMENT]
            marks = ",".join(["(" + ",".join("?" * len(some[0])) + ")"] * len(some))
            self._database.execute(
                f"INSERT INTO {table} VALUES {marks}", [value for row in some for value in row]
            )

    def _delete(self, queue_ids: list[int]) -> None:
        for at in range(0, len(queue_ids), ROWS_A_STATEMENT):
            some = queue_ids[at : at + ROWS_A_STATEMENT]
            self._database.execute(f"DELETE FROM queue WHERE id IN ({','.join('?' * len(some))})", some)


class Floor:
    """The whole service."""

    def __init__(self, database: str, urls: list[str]) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._urls = [yarl.URL(url) for url in urls]
        self._secret = secrets.token_bytes(24)
        self._store = Store(database, loop)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=aiohttp.ThreadedResolver()),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT.total_seconds()),
        )
        self._messages = 0
        self._queue_ids = 0
        self._due: deque[Dispatch] = deque()
        self._senders: set[asyncio.Task[None]] = set()

    async def accept(self, body: bytes) -> bytes:
        """Store a message and its queue rows; answer when they are on disk."""
        posted = json.loads(body)
        payload = COMPACT.encode(posted["payload"]).encode()
        now_us = time.time_ns() // 1000
        self._messages += 1
        message_id = f"msg_{now_us:017d}{self._messages:010d}"
        dispatches = [
            Dispatch(self._queue_ids + endpoint, message_id, endpoint, payload)
            for endpoint in range(len(self._urls))
        ]
        self._queue_ids += len(dispatches)
        stored = self._loop.create_future()
        batch = self._store.gathering()
        batch.messages.append((message_id, posted["eventType"], payload, now_us))
        batch.queued += [(d.queue_id, message_id, f"ep_{d.endpoint}", now_us) for d in dispatches]
        batch.waiting.append(stored)
        await stored
        self._due.extend(dispatches)
        self._wake_senders(len(dispatches))
        return COMPACT.encode({"id": message_id, "eventType": posted["eventType"], "payload": {}}).encode()

    async def close(self) -> None:
        """Finish what is under way."""
        await asyncio.gather(*self._senders)
        await self._store.close()
        await self._session.close()

    def _wake_senders(self, wanted: int) -> None:
        for _ in range(min(wanted, SENDS_AT_ONCE - len(self._senders))):
            sender = self._loop.create_task(self._send_what_is_due())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    async def _send_what_is_due(self) -> None:
        while self._due:
            await self._deliver(self._due.popleft())

    async def _deliver(self, dispatch: Dispatch) -> None:
        now_us = time.time_ns() // 1000
        timestamp = str(now_us // 1_000_000)
        content = f"{dispatch.message_id}.{timestamp}.".encode() + dispatch.payload
        signature = base64.b64encode(hmac.digest(self._secret, content, "sha256")).decode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "floor",
            "webhook-id": dispatch.message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{signature}",
        }
        url = self._urls[dispatch.endpoint]
        async with self._session.post(url, data=dispatch.payload, headers=headers) as answer:
            await answer.read()
        duration_ms = (time.time_ns() // 1000 - now_us) // 1000
        status = 0 if answer.ok else 2
        batch = self._store.gathering()
        batch.attempts.append(
            (None, dispatch.message_id, f"ep_{dispatch.endpoint}", status, answer.status, duration_ms, now_us)
        )
        batch.done.append(dispatch.queue_id)


class Application:
    """The floor as an ASGI callable."""

    def __init__(self, database: str, urls: list[str]) -> None:
        self._database = database
        self._urls = urls
        self._floor: Floor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        assert self._floor is not None
        answer = await self._floor.accept(body) if body else b""
        await send(
            {
                "type": "http.response.start",
                "status": 202 if body else 204,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(answer)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": answer})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._floor = Floor(self._database, self._urls)
        gc.collect()
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._floor.close()
        await send({"type": "lifespan.shutdown.complete"})


def main() -> None:
    """Serve until SIGTERM."""
    port, database, *urls = sys.argv[1:]
    gc.set_threshold(20_000, 20, 50)
    config = uvicorn.Config(
        Application(database, urls),
        host="127.0.0.1",
        port=int(port),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
