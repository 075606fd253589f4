"""What the SQLite adapters promise beyond the ports: owners, old files, full disks, dead processes."""

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from shared.adapters.sqlite import schema
from shared.adapters.sqlite.attempts import END_CHAIN, SETTLE, TELL_END
from shared.adapters.sqlite.errors import CannotOpen, DatabaseInUse, NewerSchema
from shared.adapters.sqlite.hand import ROOM_WORKS
from shared.adapters.sqlite.store import SqliteStore
from shared.domain.errors import Unavailable, Unknown
from shared.domain.message import Message
from shared.domain.work import DISPATCH_QUEUE, dispatch_from
from shared.ports.queue import Delivery
from tests.clock import MovedClock
from tests.makers import ORG, a_dispatch, a_failed_attempt, a_message, an_application

LEASE = timedelta(minutes=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "down" / "heliograph.db"


@pytest.fixture
async def store(path: Path, clock: MovedClock) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(path, clock)
    yield opened
    await opened.close()


async def accept(store: SqliteStore, message: Message) -> None:
    assert await store.outbox.accept(message, a_dispatch(message, payload=None), None) is None


async def test_the_folder_is_made_and_the_files_are_the_owners_alone(store: SqliteStore, path: Path) -> None:
    """Payloads are the customers'."""
    await store.check()

    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR, file


async def test_a_second_owner_is_refused_and_told_who_has_the_file(store: SqliteStore, path: Path) -> None:
    with pytest.raises(DatabaseInUse) as refused:
        SqliteStore.open(path, MovedClock())

    assert (refused.value.path, refused.value.pid) == (path, os.getpid())
    assert str(os.getpid()) in str(refused.value)
    await store.check()


async def test_a_write_waits_for_the_disk(store: SqliteStore) -> None:
    """A power cut takes what a kill leaves. No test can cut the power, so SQLite says what it was told."""
    told = await store.writer.run(lambda connection: connection.execute("PRAGMA synchronous").fetchone())

    assert told == (2,)  # FULL


async def test_a_closed_file_may_be_opened_again(store: SqliteStore, path: Path) -> None:
    application = an_application()
    await store.applications.add(application)
    await store.close()

    again = SqliteStore.open(path, MovedClock())

    assert await again.applications.get(ORG, application.id) == application
    await again.close()


async def test_the_file_of_a_newer_release_is_refused(store: SqliteStore, path: Path) -> None:
    """Going back to an older release must not spoil what the newer one wrote."""
    await store.close()
    newer = len(schema.MIGRATIONS) + 1
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    connection.close()

    with pytest.raises(NewerSchema) as refused:
        SqliteStore.open(path, MovedClock())

    assert (refused.value.found, refused.value.known) == (newer, len(schema.MIGRATIONS))
    with pytest.raises(NewerSchema):  # and the file is free again
        SqliteStore.open(path, MovedClock())


def test_a_file_that_cannot_be_brought_up_to_this_release_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute("CREATE TABLE message (in_the_way)")

    with pytest.raises(CannotOpen, match="already exists"):
        SqliteStore.open(path, MovedClock())

    assert connection.execute("PRAGMA user_version").fetchone() == (0,)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("message",)]
    connection.close()


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()

    with pytest.raises(CannotOpen, match="another program"):
        SqliteStore.open(path, MovedClock())


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to be looked at" * 100)

    with pytest.raises(CannotOpen, match=r"notes\.txt"):
        SqliteStore.open(path, MovedClock())
    assert path.read_text().startswith("not a database")


def test_a_place_where_nothing_can_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for path in (tmp_path / "file" / "heliograph.db", Path("/proc/heliograph.db"), tmp_path):
        with pytest.raises(CannotOpen) as refused:
            SqliteStore.open(path, MovedClock())
        assert str(path) in str(refused.value)


async def test_a_full_disk_promises_nothing_and_is_survived(store: SqliteStore) -> None:
    """Nothing is acknowledged that is not kept; when there is room again, the service goes on by itself."""

    def allow_nothing_more(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    def allow_more(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 1000000")

    await store.writer.run(allow_nothing_more)
    messages = [a_message(payload="x" * 100_000) for _ in range(5)]

    outcomes = await asyncio.gather(*(accept(store, message) for message in messages), return_exceptions=True)

    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    for message in messages:
        with pytest.raises(Unknown):
            await store.messages.get(message.app_id, message.id)
    none = await store.queue.receive(DISPATCH_QUEUE, limit=9, lease=LEASE, patience=timedelta())
    assert none == []

    await store.writer.run(allow_more)
    await accept(store, messages[0])
    assert await store.messages.get(messages[0].app_id, messages[0].id) == messages[0]
    some = await store.queue.receive(DISPATCH_QUEUE, limit=9, lease=LEASE, patience=timedelta())
    assert [dispatch_from(delivery.body).message_id for delivery in some] == [messages[0].id]


def refuse(store: SqliteStore, *, everything: bool) -> None:
    """Have the file refuse every write, or take them again. The writer is idle meanwhile."""
    store.writer._connection.execute(f"PRAGMA query_only = {everything}")


async def test_work_stays_with_its_holder_while_the_disk_refuses(
    store: SqliteStore, clock: MovedClock
) -> None:
    """Nothing is handed over uncounted, and nothing is forgotten."""

    async def receive() -> Sequence[Delivery]:
        return await store.queue.receive(DISPATCH_QUEUE, limit=9, lease=LEASE, patience=timedelta())

    await store.queue.send(DISPATCH_QUEUE, b"held")
    await store.queue.send(DISPATCH_QUEUE, b"waiting", due_at=clock.now() + LEASE)
    (held,) = await receive()
    refuse(store, everything=True)

    for settle in (store.queue.complete, store.queue.abandon):
        with pytest.raises(Unavailable):
            await settle(held)
    assert await receive() == []
    clock.move(LEASE)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await receive()

    refuse(store, everything=False)
    assert [(again.body, again.delivery_count) for again in await receive()] == [
        (b"held", 2),
        (b"waiting", 1),
    ]


async def begun_to_complete(store: SqliteStore, delivery: Delivery) -> "asyncio.Task[None]":
    """Have work completed, as far as that goes by itself within some turns of the loop."""
    completing = asyncio.ensure_future(store.queue.complete(delivery))
    for _ in range(5):
        await asyncio.sleep(0)  # noqa: TID251 - lets it go on; no time passes
    return completing


async def test_work_that_is_done_is_settled_in_the_transaction_of_what_comes_next(store: SqliteStore) -> None:
    """Nobody waits for it, and at low rates every third write to the disk would be for it alone."""
    await store.queue.send(DISPATCH_QUEUE, b"work")
    (held,) = await store.queue.receive(DISPATCH_QUEUE, limit=1, lease=LEASE, patience=timedelta())
    written = list[str]()
    store.writer._connection.set_trace_callback(written.append)

    completing = await begun_to_complete(store, held)
    await store.queue.send(DISPATCH_QUEUE, b"next")
    await completing

    assert sum(statement.startswith("BEGIN") for statement in written) == 1


async def test_work_that_is_done_when_the_store_is_closed_stays_done(store: SqliteStore, path: Path) -> None:
    await store.queue.send(DISPATCH_QUEUE, b"work")
    (held,) = await store.queue.receive(DISPATCH_QUEUE, limit=1, lease=LEASE, patience=timedelta())

    completing = await begun_to_complete(store, held)
    await store.close()
    await completing

    again = SqliteStore.open(path, MovedClock())
    assert await again.queue.receive(DISPATCH_QUEUE, limit=1, lease=LEASE, patience=timedelta()) == []
    await again.close()


async def test_a_value_that_cannot_be_written_spoils_no_other(store: SqliteStore) -> None:
    """A mistake of ours in one request costs that request."""
    wrong = a_message(payload="\ud800")
    right = [a_message() for _ in range(5)]

    failed, *kept = await asyncio.gather(
        *(accept(store, message) for message in (wrong, *right)),
        store.outbox.record(a_failed_attempt(duration=timedelta(days=999_999_999)), None),
        return_exceptions=True,
    )

    assert isinstance(failed, UnicodeEncodeError)
    assert isinstance(kept.pop(), OverflowError)
    assert kept == [None] * 5
    with pytest.raises(Unknown):
        await store.messages.get(wrong.app_id, wrong.id)
    for message in right:
        assert await store.messages.get(message.app_id, message.id) == message


async def test_an_erased_payload_is_never_replaced_by_another_messages(
    store: SqliteStore, path: Path, clock: MovedClock
) -> None:
    """The last payload was erased, and then we were started anew: its place must not go to someone else."""
    erased = a_message(payload_expires_at=clock.now() + LEASE)
    await accept(store, erased)
    await store.messages.erase_payloads(expired_at=clock.now() + LEASE, limit=9)
    await store.close()

    again = SqliteStore.open(path, clock)
    await accept(again, a_message(payload='{"secret": "of another customer"}'))

    assert (await again.messages.get(erased.app_id, erased.id)).payload is None
    await again.close()


async def test_a_dead_owner_leaves_no_lock_and_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """`kill -9`: the lock goes with the process, and what it said is there."""
    path = tmp_path / "heliograph.db"
    owner = subprocess.Popen(  # noqa: ASYNC220, S603 - a process of our own
        [sys.executable, "-m", "tests.contracts.owner", str(path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    acknowledged = [owner.stdout.readline().split() for _ in range(200)]
    owner.kill()
    owner.wait()
    owner.stdout.close()

    store = SqliteStore.open(path, MovedClock())

    for app_id, message_id in acknowledged:
        assert (await store.messages.get(app_id, message_id)).id == message_id
    queued = list[str]()
    while some := await store.queue.receive(DISPATCH_QUEUE, limit=100, lease=LEASE, patience=timedelta()):
        queued += [dispatch_from(delivery.body).message_id for delivery in some]
        assert {delivery.delivery_count for delivery in some} <= {1, 2}
    assert {message_id for _, message_id in acknowledged} <= set(queued)
    await store.close()


async def test_work_that_waited_in_the_file_brings_its_payload_along(store: SqliteStore) -> None:
    """A backlog is delivered without a read for each message."""
    messages = [a_message(payload=f'{{"{number}": "{"x" * 40_000}"}}') for number in range(300)]
    dispatches = [a_dispatch(message) for message in messages]
    await asyncio.gather(
        *(
            store.outbox.accept(message, dispatch, None)
            for message, dispatch in zip(messages, dispatches, strict=True)
        )
    )

    received = list[Delivery]()
    while some := await store.queue.receive(DISPATCH_QUEUE, limit=100, lease=LEASE, patience=timedelta()):
        received += some

    assert [dispatch_from(delivery.body) for delivery in received] == dispatches


async def held_and_waiting(store: SqliteStore) -> tuple[int, int]:
    def count(connection: sqlite3.Connection) -> tuple[int, int]:
        ((held,),) = connection.execute("SELECT count(*) FROM work_held").fetchall()
        ((waiting,),) = connection.execute("SELECT count(*) FROM work_waiting").fetchall()
        return held, waiting

    return await store.readers.run(count)


async def test_room_in_memory_comes_back_when_work_has_been_handed_over(store: SqliteStore) -> None:
    """A backlog slows nothing down once it is gone."""

    async def send(works: int) -> None:
        await asyncio.gather(*(store.queue.send(DISPATCH_QUEUE, b"body") for _ in range(works)))

    await send(ROOM_WORKS + 50)
    assert await held_and_waiting(store) == (ROOM_WORKS, 50)

    some = await store.queue.receive(DISPATCH_QUEUE, limit=ROOM_WORKS, lease=LEASE, patience=timedelta())
    await asyncio.gather(*map(store.queue.abandon, some[:10]), *map(store.queue.complete, some[10:]))
    while some := await store.queue.receive(DISPATCH_QUEUE, limit=500, lease=LEASE, patience=timedelta()):
        await asyncio.gather(*map(store.queue.complete, some))
    await send(ROOM_WORKS)

    assert await held_and_waiting(store) == (ROOM_WORKS, 0)


@pytest.mark.parametrize("statement", [END_CHAIN, TELL_END, SETTLE])
async def test_what_follows_an_attempt_is_found_by_its_message(store: SqliteStore, statement: str) -> None:
    """An endpoint that has had a million attempts costs a retry no more than a new one."""

    def plan(connection: sqlite3.Connection) -> list[str]:
        places = ("",) * 4 if statement is TELL_END else ("",) * statement.count("?")
        steps = connection.execute(f"EXPLAIN QUERY PLAN {statement}", places)
        return [str(detail) for *_, detail in steps if "SEARCH" in detail or "SCAN" in detail]

    assert all("PRIMARY KEY (message_id=?" in step for step in await store.writer.run(plan))


async def test_a_copy_of_the_files_at_any_moment_is_whole(store: SqliteStore, tmp_path: Path) -> None:
    """A snapshot of the disk is a backup."""
    message = a_message()
    await store.outbox.accept(message, a_dispatch(message), None)

    shutil.copytree(tmp_path / "deep", tmp_path / "copy")

    connection = sqlite3.connect(tmp_path / "copy" / "down" / "heliograph.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT id FROM message").fetchall() == [(message.id,)]
    connection.close()
