"""What the durable client asks for over HTTP, by the client itself; and by hand what it never asks for."""

import io
from collections.abc import Mapping

import aiohttp
import azure.durable_functions as df
import pytest
from azure.durable_functions.models.OrchestrationRuntimeStatus import OrchestrationRuntimeStatus

from infra.local.durable.management import BODY_LIMIT_BYTES, CONTINUATION, ID_LIMIT, PAGE
from tests.clock import NOON
from tests.host.durable.test_orchestrations import DAY, HOUR, MINUTE, summary
from tests.host.durable.world import World

RUNNING, COMPLETED = OrchestrationRuntimeStatus.Running, OrchestrationRuntimeStatus.Completed
CANCELED = OrchestrationRuntimeStatus.Canceled


async def asked(
    url: str, method: str = "GET", *, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, object, str | None]:
    """Ask without the client: status, JSON body and continuation token."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=io.BytesIO(body), headers=headers) as response,
    ):
        return response.status, await response.json(), response.headers.get(CONTINUATION)


def base(world: World) -> str:
    """Where the operations are."""
    url: str = world.client._orchestration_bindings.rpc_base_url
    return url


class TestStart:
    async def test_an_id_is_made_up_unless_it_is_given(self, world: World) -> None:
        first = await world.client.start_new("plain")
        second = await world.client.start_new("plain")

        assert first != second
        assert await world.client.start_new("plain", "mine") == "mine"

    async def test_an_unfinished_instance_is_not_replaced(self, world: World) -> None:
        """So a repeat of the same start does no harm."""
        await world.runs("three_days", None, "mine")

        with pytest.raises(Exception, match="'mine' is not finished yet"):
            await world.client.start_new("plain", "mine")

        assert (await world.status("mine")).name == "three_days"

    async def test_a_finished_instance_is_replaced(self, world: World) -> None:
        await world.runs("sequence", ["Ada"], "mine")

        assert summary(await world.runs("plain", 2, "mine")) == ("Completed", 2)
        assert len((await world.client.get_status("mine", show_history=True)).historyEvents) == 1

    @pytest.mark.parametrize("bad", ["@mine", "a%23b", "x" * (ID_LIMIT + 1), "a%0Ab"])
    async def test_an_id_that_azure_would_refuse_is_refused(self, world: World, bad: str) -> None:
        with pytest.raises(Exception, match="An instance id has 1 to 100 characters"):
            await world.client.start_new("plain", bad)

    async def test_a_version_reaches_the_orchestrator(self, world: World) -> None:
        instance_id = await world.client.start_new("tells_version", version="7")

        assert summary(await world.status(instance_id)) == ("Completed", "7")

    @pytest.mark.parametrize(
        ("body", "status", "why"),
        [
            (b"{", 400, "The body is not JSON"),
            (b'"%b"' % (b"x" * BODY_LIMIT_BYTES), 413, "send an id instead"),
        ],
    )
    async def test_an_input_that_cannot_be_taken_is_refused(
        self, world: World, body: bytes, status: int, why: str
    ) -> None:
        got, said, _ = await asked(f"{base(world)}orchestrators/plain", "POST", body=body)

        assert got == status
        assert why in str(said)

    async def test_plain_json_is_an_input_too(self, world: World) -> None:
        """As whoever tries it by hand would send it."""
        await asked(f"{base(world)}orchestrators/plain/mine", "POST", body=b'{"a": 1}')

        assert summary(await world.status("mine")) == ("Completed", {"a": 1})


class TestStatus:
    async def test_an_instance_that_is_not_there_is_none(self, world: World) -> None:
        assert not await world.client.get_status("nobody")

    async def test_times_are_when_it_was_created_and_last_went_on(self, world: World) -> None:
        status = await world.runs("approval")
        await world.passes(HOUR)

        status = await world.status(status.instance_id)

        assert (status.created_time, status.last_updated_time) == (NOON, NOON + HOUR)

    async def test_the_input_is_shown_if_asked_for(self, world: World) -> None:
        await world.runs("plain", {"a": 1}, "mine")

        assert (await world.client.get_status("mine")).input_ is None
        assert (await world.client.get_status("mine", show_input=True)).input_ == {"a": 1}

    async def test_the_history_tells_what_happened(self, world: World) -> None:
        world.effects.failures["flaky"] = 1
        await world.runs("retrying", 1, "mine")
        await world.passes(MINUTE)

        status = await world.client.get_status("mine", show_history=True, show_history_output=True)

        rows = [
            (row["EventType"], row.get("FunctionName"), row.get("Result")) for row in status.historyEvents
        ]
        assert rows == [
            ("ExecutionStarted", "retrying", None),
            ("TaskFailed", "flaky", None),
            ("TimerFired", None, None),
            ("TaskCompleted", "flaky", 1),
        ]
        assert "flaky is out of order" in status.historyEvents[1]["Reason"]

    async def test_what_is_not_over_is_shown_as_begun(self, world: World) -> None:
        status = await world.runs("three_days")

        status = await world.client.get_status(status.instance_id, show_history=True)

        assert [row["EventType"] for row in status.historyEvents] == ["ExecutionStarted", "TimerCreated"]

    async def test_the_urls_that_a_function_may_hand_out_work(self, world: World) -> None:
        await world.runs("three_days", None, "mine")
        urls = world.client.create_http_management_payload("mine")

        assert (await asked(urls["statusQueryGetUri"]))[:1] == (202,)
        await asked(urls["terminatePostUri"].replace("{text}", "enough"), "POST")
        await world.settles()
        assert (await asked(urls["statusQueryGetUri"]))[:1] == (200,)


class TestList:
    async def test_all_there_are(self, world: World) -> None:
        for number in range(3):
            await world.runs("plain", number, f"instance-{number}")
            world.clock.move(MINUTE)

        statuses = await world.client.get_status_all()

        assert [(status.instance_id, status.output) for status in statuses] == [
            ("instance-0", 0),
            ("instance-1", 1),
            ("instance-2", 2),
        ]

    async def test_some_of_them(self, world: World) -> None:
        await world.runs("plain", 1, "a-plain")
        world.clock.move(HOUR)
        await world.runs("three_days", None, "a-timer")
        world.clock.move(HOUR)
        await world.runs("plain", 1, "b-plain")

        async def ids(**wanted: object) -> list[str]:
            return [status.instance_id for status in await world.client.get_status_by(**wanted)]

        assert await ids(instance_id_prefix="a-") == ["a-plain", "a-timer"]
        assert await ids(runtime_status=[RUNNING]) == ["a-timer"]
        assert await ids(runtime_status=[RUNNING, COMPLETED]) == ["a-plain", "a-timer", "b-plain"]
        assert await ids(runtime_status=[CANCELED]) == []
        assert await ids(created_time_from=NOON + HOUR) == ["a-timer", "b-plain"]
        assert await ids(created_time_to=NOON + HOUR) == ["a-plain", "a-timer"]
        assert await ids(created_time_from=NOON + MINUTE, created_time_to=NOON + 2 * MINUTE) == []

    async def test_page_by_page(self, world: World) -> None:
        for number in range(5):
            await world.runs("plain", number, f"instance-{number}")

        pages, token, url = [], "", f"{base(world)}instances/?top=2"
        while True:
            headers = {CONTINUATION: token} if token else {}
            _, page, next_token = await asked(url, headers=headers)
            assert isinstance(page, list)
            pages.append([one["instanceId"] for one in page])
            if next_token is None:
                break
            token = next_token

        assert pages == [["instance-0", "instance-1"], ["instance-2", "instance-3"], ["instance-4"]]

    async def test_more_than_are_read_at_once(self, world: World) -> None:
        for number in range(PAGE + 1):
            await world.client.start_new("plain", f"{number}")

        assert len(await world.client.get_status_all()) == PAGE + 1

    @pytest.mark.parametrize("query", ["top=0", "top=251", "top=x", "createdTimeFrom=yesterday"])
    async def test_what_cannot_be_read_is_refused(self, world: World, query: str) -> None:
        assert (await asked(f"{base(world)}instances/?{query}"))[0] == 400

    async def test_a_token_of_somebody_else_is_refused(self, world: World) -> None:
        headers = {CONTINUATION: "abc"}
        assert (await asked(f"{base(world)}instances/?top=2", headers=headers))[0] == 400


class TestPurge:
    async def test_nothing_is_left(self, world: World) -> None:
        await world.runs("sequence", ["Ada"], "mine")

        assert (await world.client.purge_instance_history("mine")).instances_deleted == 1

        assert not await world.client.get_status("mine")
        assert list(await world.orchestrations.history("mine")) == []
        assert (await world.client.purge_instance_history("mine")).instances_deleted == 0

    async def test_an_unfinished_instance_is_left_alone(self, world: World) -> None:
        await world.runs("three_days", None, "mine")

        assert (await world.client.purge_instance_history("mine")).instances_deleted == 0

        assert summary(await world.status("mine")) == ("Running", None)

    async def test_by_time_and_status(self, world: World) -> None:
        world.effects.failures["flaky"] = 1
        await world.runs("careless", None, "failed")
        await world.runs("plain", 1, "old")
        await world.runs("three_days", None, "unfinished")
        world.clock.move(DAY)
        await world.runs("plain", 1, "new")

        purged = await world.client.purge_instance_history_by(NOON, NOON + HOUR, [COMPLETED, RUNNING])

        assert purged.instances_deleted == 1
        left = {status.instance_id for status in await world.client.get_status_all()}
        assert left == {"failed", "unfinished", "new"}

    async def test_from_when_on_must_be_said(self, world: World) -> None:
        """Or one call by mistake would forget everything."""
        status, said, _ = await asked(f"{base(world)}instances/", "DELETE")

        assert status == 400
        assert "createdTimeFrom" in str(said)


class TestAgain:
    async def test_a_restart_has_the_same_input(self, world: World) -> None:
        await world.runs("plain", {"a": 1}, "mine")

        other = await world.client.restart("mine")
        same = await world.client.restart("mine", restart_with_new_instance_id=False)

        assert (other == "mine", same) == (False, "mine")
        assert (
            summary(await world.status(other)) == summary(await world.status(same)) == ("Completed", {"a": 1})
        )

    async def test_nothing_is_restarted_that_is_not_there_or_not_finished(self, world: World) -> None:
        await world.runs("three_days", None, "mine")

        with pytest.raises(Exception, match="No instance with ID 'nobody'"):
            await world.client.restart("nobody")
        with pytest.raises(Exception, match="unexpected status code 409"):
            await world.client.restart("mine", restart_with_new_instance_id=False)

    async def test_a_rewind_repeats_what_failed_and_nothing_else(self, world: World) -> None:
        world.effects.failures["flaky"] = 1
        status = await world.runs("then_fails")
        assert status.runtime_status.value == "Failed"

        await world.client.rewind(status.instance_id, "mended")

        assert summary(await world.status(status.instance_id)) == ("Completed", ["first", "second"])
        assert world.effects.calls == [("echo", "first"), ("flaky", "second"), ("flaky", "second")]

    async def test_a_rewind_reaches_sub_orchestrations(self, world: World) -> None:
        world.effects.failures["flaky"] = 1
        status = await world.runs("passes_on")
        assert status.runtime_status.value == "Failed"

        await world.client.rewind(status.instance_id, "mended")

        assert summary(await world.status(status.instance_id)) == ("Completed", 1)

    async def test_only_a_failure_is_rewound(self, world: World) -> None:
        await world.runs("plain", 1, "mine")
        await world.runs("calls_nobody", 1, "broken")

        with pytest.raises(Exception, match="only supported on failed"):
            await world.client.rewind("mine", "")
        with pytest.raises(Exception, match="restart it instead"):
            await world.client.rewind("broken", "")
        with pytest.raises(Exception, match="No instance with ID nobody"):
            await world.client.rewind("nobody", "")


@pytest.mark.parametrize("verb", ["terminate", "suspend", "resume"])
async def test_nobody_cannot_be_controlled(world: World, verb: str) -> None:
    with pytest.raises(Exception, match="No instance with ID 'nobody' found"):
        await getattr(world.client, verb)("nobody", "why")


async def test_events_for_nobody_are_refused(world: World) -> None:
    with pytest.raises(Exception, match="No instance with ID nobody found"):
        await world.client.raise_event("nobody", "news", 1)


async def test_what_there_is_not_is_not_found(world: World) -> None:
    await world.runs("three_days", None, "mine")

    assert (await asked(f"{base(world)}instances/mine/pause", "POST"))[0] == 404
    with pytest.raises(Exception, match="unexpected status code 404"):
        await world.client.signal_entity(df.EntityId("counter", "1"), "add", 1)


async def test_a_store_that_is_out_of_reach_is_told(world: World) -> None:
    await world.store.close()

    with pytest.raises(Exception, match="unexpected status code 503"):
        await world.client.get_status("mine")
    with pytest.raises(Exception, match="it is closed"):
        await world.client.start_new("plain")


async def test_nobody_gets_in_without_the_key(world: World) -> None:
    """Other users of the machine reach the loopback interface, too."""
    key = base(world).split("/")[3]
    url = f"{base(world)}instances/".replace(key, "0" * len(key))

    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 404
