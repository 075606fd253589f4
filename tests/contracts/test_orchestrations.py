"""Orchestrations: what every sentence of `shared.ports.orchestrations` promises."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from shared.ports.orchestrations import (
    ACTIVITY_QUEUE,
    ARRIVALS_AT_ONCE,
    ORCHESTRATOR_QUEUE,
    ActivityCall,
    Instance,
    Letter,
    Parent,
    RuntimeStatus,
    Start,
    Step,
    Wanted,
)
from tests.clock import NOON
from tests.contracts.adapters import Stores

LEASE = timedelta(minutes=1)
MINUTE = timedelta(minutes=1)


def an_instance(
    instance_id: str = "one", *, execution: str = "first", parent: Parent | None = None
) -> Instance:
    return Instance(
        id=instance_id,
        execution=execution,
        name="sequence",
        status=RuntimeStatus.PENDING,
        created_at=NOON,
        updated_at=NOON,
        version="7",
        input='{"a": 1}',
        parent=parent,
    )


def a_step(
    before: Instance, status: RuntimeStatus = RuntimeStatus.RUNNING, *, taken: Sequence[int] = ()
) -> Step:
    after = replace(before, status=status, step=before.step + 1, updated_at=before.updated_at + MINUTE)
    return Step(after, before.execution, taken)


def a_call(task_id: int = 0, execution: str = "first") -> ActivityCall:
    return ActivityCall("one", execution, task_id, "echo", '"given"')


async def queued(stores: Stores, queue: str) -> list[bytes]:
    """What the queue hands over now."""
    deliveries = await stores.consumer.receive(queue, limit=1000, lease=LEASE, patience=timedelta())
    for delivery in deliveries:
        await stores.consumer.complete(delivery)
    return [delivery.body for delivery in deliveries]


async def arrivals(stores: Stores, instance_id: str = "one") -> list[str]:
    """The events that the next step would see."""
    state = await stores.orchestrations.load(instance_id)
    assert state is not None
    return [arrival.event for arrival in state.arrivals]


class TestStart:
    async def test_what_was_kept_comes_back(self, stores: Stores) -> None:
        parent = Parent("zero", "its-execution", 3)
        instance = an_instance(parent=parent)

        assert await stores.orchestrations.start(instance)

        assert await stores.orchestrations.get("one") == instance
        assert await stores.orchestrations.get("two") is None
        assert await queued(stores, ORCHESTRATOR_QUEUE) == [b"one"]

    async def test_an_unfinished_instance_stays(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())

        assert not await stores.orchestrations.start(an_instance(execution="second"))

        assert await stores.orchestrations.get("one") == an_instance()

    async def test_a_finished_one_goes_with_all_its_traces(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        step = a_step(an_instance(), RuntimeStatus.COMPLETED)
        await stores.orchestrations.commit(replace(step, history=["1"], calls=[a_call()]))

        assert await stores.orchestrations.start(an_instance(execution="second"))

        assert await stores.orchestrations.history("one") == []
        assert await stores.orchestrations.call("one", "first", 0) is None

    async def test_it_outlives_the_process(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        reborn = await stores.reborn()

        assert await reborn.orchestrations.get("one") == an_instance()
        assert await queued(reborn, ORCHESTRATOR_QUEUE) == [b"one"]
        await reborn.close()


class TestCommit:
    async def test_a_step_is_kept_whole(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        await stores.orchestrations.tell(Letter("one", '"news"'))
        await queued(stores, ORCHESTRATOR_QUEUE)
        state = await stores.orchestrations.load("one")
        assert state is not None
        step = a_step(state.instance, taken=[arrival.place for arrival in state.arrivals])
        after = replace(step.instance, custom_status='"busy"', output='"none"')

        assert await stores.orchestrations.commit(
            replace(
                step,
                instance=after,
                history=["1", "2"],
                calls=[a_call()],
                letters=[Letter("one", '"alarm"', "first", 1, NOON + MINUTE)],
            )
        )

        assert await stores.orchestrations.load("one") == replace(
            state, instance=after, history=["1", "2"], arrivals=[]
        )
        assert await stores.orchestrations.call("one", "first", 0) == a_call()
        assert await queued(stores, ACTIVITY_QUEUE) == [b'["one","first",0]']
        assert await queued(stores, ORCHESTRATOR_QUEUE) == []
        stores.clock.move(MINUTE)
        assert await queued(stores, ORCHESTRATOR_QUEUE) == [b"one"]
        assert await arrivals(stores) == ['"alarm"']

    async def test_histories_grow_in_order(self, stores: Stores) -> None:
        instance = an_instance()
        await stores.orchestrations.start(instance)
        for number in range(12):
            step = a_step(instance)
            await stores.orchestrations.commit(replace(step, history=[str(number)]))
            instance = step.instance

        assert await stores.orchestrations.history("one") == [str(number) for number in range(12)]

    async def test_of_two_steps_one_is_kept(self, stores: Stores) -> None:
        """Whoever comes second decided by a history that is not the history any more."""
        await stores.orchestrations.start(an_instance())

        assert await stores.orchestrations.commit(replace(a_step(an_instance()), history=["mine"]))
        late = replace(a_step(an_instance()), history=["yours"], calls=[a_call()])
        assert not await stores.orchestrations.commit(late)

        assert await stores.orchestrations.history("one") == ["mine"]
        assert await stores.orchestrations.call("one", "first", 0) is None

    async def test_a_step_of_an_instance_that_was_replaced_is_not_kept(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        await stores.orchestrations.commit(a_step(an_instance(), RuntimeStatus.COMPLETED))
        await stores.orchestrations.start(an_instance(execution="second"))

        assert not await stores.orchestrations.commit(a_step(an_instance()))

    async def test_a_step_of_nobody_is_not_kept(self, stores: Stores) -> None:
        assert not await stores.orchestrations.commit(a_step(an_instance()))

    async def test_it_may_begin_anew(self, stores: Stores) -> None:
        """What belongs to the former execution is gone; what came from outside is not."""
        await stores.orchestrations.start(an_instance())
        step = replace(a_step(an_instance()), history=["1"], letters=[Letter("one", '"alarm"', "first", 0)])
        await stores.orchestrations.commit(step)
        await stores.orchestrations.tell(Letter("one", '"news"'))

        anew = a_step(step.instance)
        anew = replace(anew, instance=replace(anew.instance, execution="second", input="2"))
        assert await stores.orchestrations.commit(replace(anew, begins_anew=True, history=["2"]))

        state = await stores.orchestrations.load("one")
        assert state is not None
        assert (state.instance, state.history) == (anew.instance, ["2"])
        assert [arrival.event for arrival in state.arrivals] == ['"news"']

    async def test_what_was_cancelled_does_not_arrive(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        alarms = [Letter("one", str(task), "first", task, NOON + MINUTE) for task in range(3)]
        step = replace(a_step(an_instance()), letters=alarms)
        await stores.orchestrations.commit(step)

        await stores.orchestrations.commit(replace(a_step(step.instance), cancelled=[0, 2]))

        stores.clock.move(MINUTE)
        assert await arrivals(stores) == ["1"]

    async def test_a_finished_instance_gets_nothing_any_more(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        await stores.orchestrations.tell(Letter("one", '"news"'))
        step = replace(
            a_step(an_instance(), RuntimeStatus.COMPLETED), letters=[Letter("one", '"alarm"', "first", 1)]
        )

        await stores.orchestrations.commit(step)

        assert await stores.orchestrations.tell(Letter("one", '"late"')) is RuntimeStatus.COMPLETED
        assert await arrivals(stores) == []

    async def test_what_a_finished_instance_called_is_called(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        step = replace(a_step(an_instance(), RuntimeStatus.COMPLETED), calls=[a_call()])

        await stores.orchestrations.commit(step)

        assert await stores.orchestrations.call("one", "first", 0) == a_call()

    async def test_what_a_terminated_instance_called_is_not(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        step = replace(a_step(an_instance()), calls=[a_call()])
        await stores.orchestrations.commit(step)

        await stores.orchestrations.commit(a_step(step.instance, RuntimeStatus.TERMINATED))

        assert await stores.orchestrations.call("one", "first", 0) is None

    async def test_a_sub_orchestration_is_started_with_it(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        await queued(stores, ORCHESTRATOR_QUEUE)
        child = an_instance("child", parent=Parent("one", "first", 0))
        step = replace(a_step(an_instance()), starts=[Start(child, Letter("one", '"refused"', "first", 0))])

        await stores.orchestrations.commit(step)

        assert await stores.orchestrations.get("child") == child
        assert await queued(stores, ORCHESTRATOR_QUEUE) == [b"child"]

    async def test_a_sub_orchestration_whose_id_is_in_use_is_refused(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        await stores.orchestrations.start(an_instance("child"))
        await queued(stores, ORCHESTRATOR_QUEUE)
        child = an_instance("child", parent=Parent("one", "first", 0))
        step = replace(a_step(an_instance()), starts=[Start(child, Letter("one", '"refused"', "first", 0))])

        await stores.orchestrations.commit(step)

        assert await stores.orchestrations.get("child") == an_instance("child")
        assert await arrivals(stores) == ['"refused"']
        assert await queued(stores, ORCHESTRATOR_QUEUE) == [b"one"]


class TestFinish:
    async def test_only_the_first_outcome_counts(self, stores: Stores) -> None:
        """An activity may have been called twice."""
        await stores.orchestrations.start(an_instance())
        await stores.orchestrations.commit(replace(a_step(an_instance()), calls=[a_call()]))
        await queued(stores, ORCHESTRATOR_QUEUE)

        await stores.orchestrations.finish(a_call(), '"first"')
        await stores.orchestrations.finish(a_call(), '"second"')

        assert await arrivals(stores) == ['"first"']
        assert await stores.orchestrations.call("one", "first", 0) is None
        assert await queued(stores, ORCHESTRATOR_QUEUE) == [b"one"]

    async def test_an_outcome_for_another_execution_is_dropped(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        step = replace(a_step(an_instance()), calls=[a_call()])
        await stores.orchestrations.commit(step)
        anew = a_step(step.instance)
        anew = replace(anew, instance=replace(anew.instance, execution="second"), begins_anew=True)
        await stores.orchestrations.commit(replace(anew, calls=[a_call(execution="second")]))

        await stores.orchestrations.finish(a_call(), '"of the first"')

        assert await arrivals(stores) == []
        assert await stores.orchestrations.call("one", "second", 0) == a_call(execution="second")


class TestArrivals:
    async def test_earliest_due_first_and_urgent_ones_before(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        for text, minutes in (("third", 3), ("first", 1), ("second", 2)):
            await stores.orchestrations.tell(Letter("one", text, due_at=NOON + minutes * MINUTE))
        await stores.orchestrations.tell(Letter("one", "urgent", is_urgent=True))
        stores.clock.move(2 * MINUTE)

        assert await arrivals(stores) == ["urgent", "first", "second"]

    async def test_no_more_than_one_step_takes(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        for number in range(ARRIVALS_AT_ONCE + 1):
            await stores.orchestrations.tell(Letter("one", str(number)))

        assert await arrivals(stores) == [str(number) for number in range(ARRIVALS_AT_ONCE)]

    async def test_a_letter_for_nobody_is_told_so(self, stores: Stores) -> None:
        assert await stores.orchestrations.tell(Letter("nobody", "1")) is None
        assert await stores.orchestrations.load("nobody") is None
        assert await queued(stores, ORCHESTRATOR_QUEUE) == []


class TestPurge:
    async def test_all_traces_go(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())
        step = replace(a_step(an_instance(), RuntimeStatus.FAILED), history=["1"], calls=[a_call()])
        await stores.orchestrations.commit(step)

        assert await stores.orchestrations.purge("one") is RuntimeStatus.FAILED

        assert await stores.orchestrations.get("one") is None
        assert await stores.orchestrations.history("one") == []
        assert await stores.orchestrations.call("one", "first", 0) is None
        assert await stores.orchestrations.purge("one") is None

    async def test_an_unfinished_instance_stays(self, stores: Stores) -> None:
        await stores.orchestrations.start(an_instance())

        assert await stores.orchestrations.purge("one") is RuntimeStatus.PENDING

        assert await stores.orchestrations.get("one") is not None


async def test_pages_are_in_the_order_of_creation_and_without_inputs(stores: Stores) -> None:
    instances = [replace(an_instance(name), created_at=NOON + MINUTE * at) for at, name in enumerate("cab")]
    for instance in reversed(instances):
        await stores.orchestrations.start(instance)

    first = await stores.orchestrations.page(Wanted(limit=2))
    rest = await stores.orchestrations.page(Wanted(limit=2, after=(first[-1].created_at, first[-1].id)))

    assert [*first, *rest] == [replace(instance, input=None) for instance in instances]


async def test_pages_are_of_what_is_wanted(stores: Stores) -> None:
    for at, name in enumerate(("a-1", "a-2", "A-3", "b-4")):
        await stores.orchestrations.start(replace(an_instance(name), created_at=NOON + MINUTE * at))
    finished = replace(an_instance("a-2"), created_at=NOON + MINUTE)
    await stores.orchestrations.commit(a_step(finished, RuntimeStatus.COMPLETED))

    async def ids(wanted: Wanted) -> list[str]:
        return [instance.id for instance in await stores.orchestrations.page(wanted)]

    assert await ids(Wanted(9, id_prefix="a-")) == ["a-1", "a-2"]
    assert await ids(Wanted(9, statuses=frozenset({"Completed", "Canceled"}))) == ["a-2"]
    assert await ids(Wanted(9, created_from=NOON + MINUTE, created_to=NOON + 2 * MINUTE)) == ["a-2", "A-3"]
