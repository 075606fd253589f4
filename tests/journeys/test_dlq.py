"""From work that was given up to work that is done, by the command line against the running service."""

from pathlib import Path

from svix.api import ApplicationIn, EndpointIn

from shared.adapters.sqlite.store import SqliteStore
from shared.adapters.system import SystemClock
from shared.domain.work import DISPATCH_QUEUE, EVENTS_QUEUE, Dispatch, to_body
from tests.journeys.running import Running
from tests.makers import a_message, an_application
from tests.receivers import Receiver


async def give_up(running: Running, queue: str, body: bytes, why: str) -> None:
    store = SqliteStore.open(running.folder / "heliograph.db", SystemClock())
    await store.queue.reject(queue, body, reason=why)
    await store.close()


async def test_who_is_on_call_reads_what_was_given_up_and_has_it_done(tmp_path: Path) -> None:
    async with Running(tmp_path) as running, Receiver() as receiver:
        svix = running.svix()
        app = await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
        await svix.endpoint.create("acme", EndpointIn(url=receiver.url))
        await running.stopped()
        org_id = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"
        message = a_message(an_application(id=app.id))
        dispatch = Dispatch(org_id, app.id, message.id, "invoice.paid", payload='{"amount": 1200}')
        await give_up(running, DISPATCH_QUEUE, to_body(dispatch), "the store was down")
        await give_up(running, EVENTS_QUEUE, b"{", "write a JSON object")
        await running.starts()

        listed = (await running.run("dlq", "list")).splitlines()
        redriven = await running.run("dlq", "redrive", "dispatch")

        assert len(listed) == 2
        assert listed[0].startswith("dispatch 20")
        assert listed[0].endswith(f"Z {org_id} {app.id} {message.id}: the store was down")
        assert listed[1].endswith("(unreadable): write a JSON object")
        assert redriven == "dispatch: 1 will be handed over again"
        (arrived,) = await receiver.got(1)
        assert dict(arrived.headers)["webhook-id"] == message.id
        assert (
            await running.run("dlq", "redrive", "dispatch", "--url", running.url) == "Nothing was given up."
        )
