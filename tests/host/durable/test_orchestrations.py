"""What orchestrators may rely on, as on Azure: one orchestrator for each claim."""

import asyncio
import threading
from datetime import timedelta
from typing import cast

import pytest

from infra.local.durable.driver import ACTIVITIES_AT_ONCE
from infra.local.durable.orchestrators import replayed
from shared.ports.orchestrations import ARRIVALS_AT_ONCE, Orchestrations, State, Step
from tests.host.durable.world import World

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))


def summary(status: object) -> tuple[str, object]:
    """How an instance stands, and its output."""
    return status.runtime_status.value, status.output  # type: ignore[attr-defined]


async def test_activities_run_one_after_the_other(world: World) -> None:
    status = await world.runs("sequence", ["Ada", "Grace"])

    assert summary(status) == ("Completed", [{"name": "Ada"}, {"name": "Grace"}])
    assert status.input_ == ["Ada", "Grace"]
    assert status.custom_status == {"done": 2}
    assert world.effects.of("echo") == [{"name": "Ada"}, {"name": "Grace"}]


@pytest.mark.parametrize("given", [None, 0, "text", '"quoted"', {"a": [1, None, "é"]}, [True], 1.5])
async def test_values_come_through_as_they_are(world: World, given: object) -> None:
    assert summary(await world.runs("plain", given)) == ("Completed", given)


@pytest.mark.parametrize("width", [100, ARRIVALS_AT_ONCE + 44])
async def test_many_activities_at_once_are_called_once_each(world: World, width: int) -> None:
    status = await world.runs("fan_out", width)

    assert summary(status) == ("Completed", sum(range(width)))
    assert sorted(world.effects.of("echo")) == list(range(width))  # type: ignore[type-var]


async def test_activities_at_once_are_bounded(world: World) -> None:
    """They share the machine with the deliveries."""
    world.effects.held["echo"] = asyncio.Event()
    instance_id = await world.client.start_new("fan_out", None, ACTIVITIES_AT_ONCE + 10)
    await world.effects.have(ACTIVITIES_AT_ONCE)
    for _ in range(10):
        await world.store.check()
    assert len(world.effects.calls) == ACTIVITIES_AT_ONCE

    world.effects.held["echo"].set()

    assert summary(await world.status(instance_id))[0] == "Completed"


async def test_an_activity_that_hangs_holds_up_nothing_else(world: World) -> None:
    world.effects.held["slow"] = asyncio.Event()
    hanging = await world.client.start_new("race")
    await world.effects.have(2)

    other = await world.client.start_new("sequence", None, ["Ada"])
    await world.journal.has("orchestration.ended")

    assert summary(await world.client.get_status(other)) == ("Completed", [{"name": "Ada"}])
    assert summary(await world.client.get_status(hanging)) == ("Running", None)
    world.effects.held["slow"].set()
    assert summary(await world.status(hanging)) == ("Completed", ["hare", "tortoise"])


class HeldCommits:
    """A store that keeps no step until it is told to."""

    def __init__(self) -> None:
        self.loads = 0
        self.committing = asyncio.Event()
        self.may_commit = asyncio.Event()

    def before(self, store: Orchestrations) -> Orchestrations:
        """Stand before this store."""
        self._store = store
        return cast("Orchestrations", self)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def load(self, instance_id: str) -> State | None:
        """As the store, and count it."""
        self.loads += 1
        return await self._store.load(instance_id)

    async def commit(self, step: Step) -> bool:
        """As the store, when it may be."""
        self.committing.set()
        await self.may_commit.wait()
        return await self._store.commit(step)


async def test_an_instance_takes_one_step_at_a_time_and_misses_nothing(world: World) -> None:
    held = HeldCommits()
    world = await world.dies(through=held.before)
    instance_id = await world.client.start_new("listens")
    await held.committing.wait()

    await world.client.raise_event(instance_id, "news", 1)
    while await world.waiting(due=True) > 1:
        await world.store.check()
    assert held.loads == 1, "the event waits for the step that is under way"
    held.may_commit.set()

    assert summary(await world.status(instance_id)) == ("Completed", "1")


async def test_a_failure_that_is_caught_is_only_that(world: World) -> None:
    world.effects.failures["flaky"] = 1

    status = await world.runs("careful")

    why = "Activity function 'flaky' failed: ValueError: flaky is out of order"
    assert summary(status) == ("Completed", f"caught: {why}")
    assert world.journal.of("activity.failed")[0]["why"] == "flaky is out of order"


async def test_a_failure_that_nobody_catches_is_the_output(world: World) -> None:
    world.effects.failures["flaky"] = 1

    status = await world.runs("careless")

    assert status.runtime_status.value == "Failed"
    why = "Orchestrator function 'careless' failed: Activity function 'flaky' failed: ValueError: flaky is"
    assert status.output.startswith(why)
    assert status.custom_status == "about to fail"
    assert world.journal.of("orchestration.ended")[0]["status"] == "Failed"


async def test_an_orchestrator_that_hangs_fails() -> None:
    """Or a few of them would take all the places of the others."""
    goes_on = threading.Event()

    def hangs(context: str) -> str:
        goes_on.wait()
        return context

    answer = await replayed(hangs, "", limit=timedelta(milliseconds=1))

    goes_on.set()
    assert answer.error == "it has run for 0.001 s without a yield that would let it rest"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gets_nothing_said", "activity trigger output must be json serializable"),
        ("no_number", "its answer cannot be read: JSON is malformed"),
        ("no_generator", "Orchestrator function 'no_generator' failed: out of sorts"),
    ],
)
async def test_what_goes_wrong_on_the_way_is_a_failure(world: World, name: str, why: str) -> None:
    status = await world.runs(name)

    assert status.runtime_status.value == "Failed"
    assert why in status.output


class TestRetryPolicy:
    """The package numbers the attempts by itself; the host must number them alike."""

    async def test_each_attempt_rests_first(self, world: World) -> None:
        world.effects.failures["flaky"] = 2
        status = await world.runs("retrying", 7)
        assert summary(status) == ("Running", None)
        assert len(world.effects.of("flaky")) == 1

        await world.passes(5 * SECOND - timedelta(milliseconds=1))
        assert len(world.effects.of("flaky")) == 1
        await world.passes(timedelta(milliseconds=1))
        assert len(world.effects.of("flaky")) == 2
        await world.passes(5 * SECOND)

        assert summary(await world.status(status.instance_id)) == ("Completed", 7)
        assert len(world.effects.of("flaky")) == 3

    async def test_the_last_failure_fails_the_orchestration(self, world: World) -> None:
        world.effects.failures["flaky"] = 9
        status = await world.runs("retrying", 7)

        for _ in range(3):
            await world.passes(5 * SECOND)

        status = await world.status(status.instance_id)
        assert status.runtime_status.value == "Failed"
        assert "flaky is out of order" in status.output
        assert len(world.effects.of("flaky")) == 3

    @pytest.mark.parametrize("failures", [1, 3, 7, 12])
    async def test_attempts_and_other_work_may_be_mixed(self, world: World, failures: int) -> None:
        world.effects.failures["flaky"] = failures
        status = await world.runs("retrying_many")

        for _ in range(4):
            await world.passes(5 * SECOND)

        status = await world.status(status.instance_id)
        assert summary(status) == ("Completed", [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
        assert len(world.effects.of("flaky")) == 5 + failures
        assert len(world.effects.of("echo")) == 15


class TestTimers:
    async def test_a_timer_of_days_outlives_the_process(self, world: World) -> None:
        status = await world.runs("three_days")
        assert await world.waiting(due=False) == 1, "one queue message, due in three days"
        world = await world.dies()

        await world.passes(3 * DAY - SECOND)
        assert summary(await world.status(status.instance_id)) == ("Running", None)
        await world.passes(SECOND)

        assert summary(await world.status(status.instance_id)) == ("Completed", (3 * DAY).total_seconds())

    async def test_an_event_may_come_in_time(self, world: World) -> None:
        status = await world.runs("approval")
        await world.passes(MINUTE)

        await world.client.raise_event(status.instance_id, "approved", "Ada")
        await world.passes(2 * HOUR)

        # As on Azure, the data of an event arrives as the JSON text that the client sent.
        assert summary(await world.status(status.instance_id)) == ("Completed", 'approved by "Ada"')

    async def test_a_cancelled_timer_does_not_fire(self, world: World) -> None:
        status = await world.runs("approval")
        await world.client.raise_event(status.instance_id, "approved")

        await world.passes(HOUR)

        assert summary(await world.status(status.instance_id)) == ("Running", None)
        history = (await world.client.get_status(status.instance_id, show_history=True)).historyEvents
        assert [row["EventType"] for row in history].count("TimerFired") == 0

    async def test_an_event_may_come_too_late(self, world: World) -> None:
        status = await world.runs("approval")

        await world.passes(HOUR)

        assert summary(await world.status(status.instance_id)) == ("Completed", "too late")
        with pytest.raises(Exception, match="is gone: either completed or failed"):
            await world.client.raise_event(status.instance_id, "approved")

    async def test_an_event_that_comes_before_it_is_waited_for_is_kept(self, world: World) -> None:
        world.effects.held["echo"] = asyncio.Event()
        instance_id = await world.client.start_new("late_listener")
        await world.effects.have(1)

        await world.client.raise_event(instance_id, "news", {"n": 1})
        world.effects.held["echo"].set()

        assert summary(await world.status(instance_id)) == ("Completed", '{"n": 1}')


class TestSubOrchestrations:
    async def test_each_is_an_instance_of_its_own(self, world: World) -> None:
        status = await world.runs("parent", [1, 2, 3], "family")

        expected = [{"doubled": doubled, "parent": "family"} for doubled in (2, 4, 6)]
        assert summary(status) == ("Completed", expected)
        children = await world.client.get_status_by(instance_id_prefix="family:")
        assert [(child.name, child.runtime_status.value) for child in children] == [
            ("child", "Completed")
        ] * 3

    async def test_its_failure_can_be_caught(self, world: World) -> None:
        world.effects.failures["flaky"] = 1

        status = await world.runs("parent_of_one", {"name": "careless", "input": None, "id": "the-child"})

        assert status.output.startswith("caught: Orchestrator function 'careless' failed: Activity function")
        assert (await world.status("the-child")).runtime_status.value == "Failed"

    async def test_its_termination_is_a_failure(self, world: World) -> None:
        status = await world.runs("parent_of_one", {"name": "three_days", "input": None, "id": "the-child"})

        await world.client.terminate("the-child", "not today")

        assert (await world.status(status.instance_id)).output == "caught: not today \n "

    async def test_an_id_that_is_in_use_is_a_failure(self, world: World) -> None:
        await world.runs("three_days", None, "taken")

        status = await world.runs("parent_of_one", {"name": "child", "input": 1, "id": "taken"})

        assert "'taken' exists already and is not finished" in status.output

    async def test_with_a_policy_it_is_started_again(self, world: World) -> None:
        world.effects.failures["flaky"] = 1
        status = await world.runs("retrying_parent")

        await world.passes(SECOND)

        assert summary(await world.status(status.instance_id)) == ("Completed", 1)


class TestContinueAsNew:
    async def test_the_history_begins_anew_and_the_instance_stays(self, world: World) -> None:
        status = await world.runs("countdown", 3)

        for _ in range(3):
            await world.passes(MINUTE)

        status = await world.client.get_status(status.instance_id, show_history=True)
        assert summary(status) == ("Completed", "lift-off")
        assert world.effects.of("echo") == [3, 2, 1, 0]
        assert len(status.historyEvents) == 2, "its last round: the start, and one activity"

    async def test_results_of_an_earlier_round_are_dropped(self, world: World) -> None:
        """An activity that nobody waited for must not answer for another with the same number."""
        world.effects.held["slow"] = asyncio.Event()
        instance_id = await world.client.start_new("leaves_behind", None, 1)
        await world.effects.have(4)

        world.effects.held["slow"].set()

        assert summary(await world.status(instance_id)) == ("Completed", ["slow 0", "fast 0"])


class TestControl:
    async def test_terminating_ends_it_where_it_is(self, world: World) -> None:
        status = await world.runs("three_days")

        await world.client.terminate(status.instance_id, "no longer needed")

        assert summary(await world.status(status.instance_id)) == ("Terminated", "no longer needed")
        await world.passes(4 * DAY)
        assert summary(await world.status(status.instance_id)) == ("Terminated", "no longer needed")
        await world.client.terminate(status.instance_id, "twice does no harm")

    async def test_a_terminated_instance_calls_no_more_activities(self, world: World) -> None:
        world.effects.held["echo"] = asyncio.Event()
        instance_id = await world.client.start_new("fan_out", None, ACTIVITIES_AT_ONCE + 10)
        await world.effects.have(ACTIVITIES_AT_ONCE)

        await world.client.terminate(instance_id, "stop")
        await world.journal.has("orchestration.ended")
        world.effects.held["echo"].set()
        await world.settles()

        assert len(world.effects.calls) == ACTIVITIES_AT_ONCE

    async def test_a_suspended_instance_rests_and_loses_nothing(self, world: World) -> None:
        status = await world.runs("approval")
        await world.client.suspend(status.instance_id, "maintenance")
        assert summary(await world.status(status.instance_id)) == ("Suspended", None)

        await world.client.raise_event(status.instance_id, "approved", 1)
        await world.passes(3 * HOUR)
        assert summary(await world.status(status.instance_id)) == ("Suspended", None)
        world = await world.dies()
        await world.client.resume(status.instance_id, "done")
        await world.passes(2 * HOUR)

        assert summary(await world.status(status.instance_id)) == ("Completed", "approved by 1")

    async def test_a_suspended_instance_hears_however_much_waits_for_it(self, world: World) -> None:
        status = await world.runs("approval")
        await world.client.suspend(status.instance_id, "")
        for number in range(ARRIVALS_AT_ONCE):
            await world.client.raise_event(status.instance_id, f"noise-{number}")
        await world.client.raise_event(status.instance_id, "approved", 1)
        await world.settles()

        await world.client.resume(status.instance_id, "")
        await world.passes(2 * HOUR)

        assert summary(await world.status(status.instance_id)) == ("Completed", "approved by 1")

    async def test_it_can_be_suspended_before_it_began(self, world: World) -> None:
        instance_id = await world.client.start_new("plain", None, 1)
        await world.client.suspend(instance_id, "")
        await world.settles()

        await world.client.resume(instance_id, "")

        assert summary(await world.status(instance_id)) == ("Completed", 1)

    async def test_a_suspended_instance_can_be_terminated(self, world: World) -> None:
        status = await world.runs("three_days")
        await world.client.suspend(status.instance_id, "")
        await world.settles()

        await world.client.terminate(status.instance_id, "enough")

        assert summary(await world.status(status.instance_id)) == ("Terminated", "enough")


class TestFaultsOfTheProgram:
    @pytest.mark.parametrize("mood", ["changed", "skipping", "hasty"])
    async def test_an_orchestrator_that_changed_fails_and_says_so(self, world: World, mood: str) -> None:
        """A release that changes an orchestrator under way must not lead it astray in silence."""
        status = await world.runs("moody")
        other = await world.runs("three_days")
        world = await world.dies(mood=mood)

        await world.passes(3 * DAY)

        failed = await world.status(status.instance_id)
        assert failed.runtime_status.value == "Failed"
        why = "Non-deterministic orchestrator: it has begun the activity 'echo' as its task 0, and does not"
        assert why in failed.output
        assert summary(await world.status(other.instance_id))[0] == "Completed"

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            (
                "calls_nobody",
                "The function 'nobody' doesn't exist, is disabled, or is not an activity function.",
            ),
            ("begets_nobody", "'nobody' doesn't exist, is disabled, or is not an orchestrator function."),
            ("signals", "it calls a durable entity, which this host does not drive"),
        ],
    )
    async def test_what_there_is_not_fails_the_orchestration(self, world: World, name: str, why: str) -> None:
        status = await world.runs(name)

        assert status.runtime_status.value == "Failed"
        assert why in status.output

    async def test_an_orchestrator_that_does_not_exist_is_not_started(self, world: World) -> None:
        with pytest.raises(Exception, match="'nobody' doesn't exist"):
            await world.client.start_new("nobody")

    async def test_an_orchestrator_that_a_release_left_out_fails(self, world: World) -> None:
        world.effects.held["echo"] = asyncio.Event()
        instance_id = await world.client.start_new("toils")
        await world.effects.have(1)
        world.effects.held.clear()
        world = await world.dies(mood="lazy")

        status = await world.status(instance_id)

        assert status.runtime_status.value == "Failed"
        assert "The function 'toils' doesn't exist" in status.output

    async def test_an_activity_that_a_release_left_out_fails(self, world: World) -> None:
        world.effects.held["toil"] = asyncio.Event()
        instance_id = await world.client.start_new("waits_then_toils")
        await world.effects.have(2)
        world = await world.dies(mood="lazy")

        status = await world.status(instance_id)

        assert status.runtime_status.value == "Failed"
        assert "The function 'toil' doesn't exist" in status.output
