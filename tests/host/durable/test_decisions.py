"""The host numbers tasks as the package does, whatever fails, is tried again, and comes in whatever order."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import azure.durable_functions as df
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.durable import answers, decisions, events
from infra.local.durable.decisions import Names
from infra.local.durable.events import Kind
from shared.ports.orchestrations import Arrival, Instance, RuntimeStatus, State
from tests.clock import NOON
from tests.host.durable.functions import Orchestration

MOST = 3
NAMES = Names(frozenset({"planned"}), frozenset({"echo"}))


@dataclass(frozen=True)
class Part:
    """Some tasks that begin together.

    Attributes:
        tasks: Each the number of times that it fails first; None is without a policy, and does not fail.
        in_turn: Wait for one after the other, and call another activity after each.
    """

    tasks: Sequence[int | None]
    in_turn: bool


def orchestrator(parts: Sequence[Part]) -> Callable[[str], str]:
    """One that goes through the parts, and returns what every activity returned."""
    policy = df.RetryOptions(first_retry_interval_in_milliseconds=1000, max_number_of_attempts=MOST)

    def planned(context: df.DurableOrchestrationContext) -> Orchestration:
        said = []
        for number, part in enumerate(parts):
            tasks = [
                context.call_activity("echo", [number, at])
                if failures is None
                else context.call_activity_with_retry("echo", policy, [number, at])
                for at, failures in enumerate(part.tasks)
            ]
            waiting = tasks if part.in_turn else []
            while waiting:
                done = yield context.task_any(waiting)
                waiting = [task for task in waiting if task != done]
                said.append((yield context.call_activity("echo", ["after", *done.result])))
            said += yield context.task_all(tasks)
        return said

    replay: Callable[[str], str] = df.Orchestrator.create(planned)
    return replay


class Play:
    """An instance in memory. What it begins comes to its end when it is told to."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.under_way: list[str] = []
        """The outcomes that have not arrived yet."""
        self._parts = parts
        self._replay = orchestrator(parts)
        self._attempts: dict[str, int] = {}
        begun = Instance("one", "first", "planned", RuntimeStatus.PENDING, NOON, NOON)
        self.state = State(begun, [], [])

    def goes_on(self, arrived: Sequence[str]) -> None:
        """Take one step with these events, after those that were left from the last."""
        left = [*(arrival.event for arrival in self.state.arrivals), *arrived]
        self.state = replace(self.state, arrivals=[Arrival(place, event) for place, event in enumerate(left)])
        instance, episode = self.state.instance, decisions.gather(self.state)
        now = instance.updated_at + timedelta(seconds=1)
        opening = [events.to_text(row) for row in decisions.shown(instance, episode, now)]
        text = events.context_text("one", None, None, [*self.state.history, *opening])
        step = decisions.follow(
            instance,
            episode,
            answers.from_text(self._replay(text)),
            now=now,
            names=NAMES,
            execution="second",
        )
        rest = [arrival for arrival in self.state.arrivals if arrival.place not in step.taken]
        self.state = State(step.instance, [*self.state.history, *step.history], rest)
        self.under_way += [letter.event for letter in step.letters]
        self.under_way += [self._outcome(call.task_id, call.input or "") for call in step.calls]

    def _outcome(self, task_id: int, given: str) -> str:
        part, at, *_ = json.loads(given)
        attempt = self._attempts[given] = self._attempts.get(given, 0) + 1
        failures = 0 if part == "after" else self._parts[part].tasks[at] or 0
        if attempt <= failures:
            return events.to_text(events.failed(Kind.TASK_FAILED, NOON, task_id, "out of order"))
        return events.to_text(events.completed(Kind.TASK_COMPLETED, NOON, task_id, given))


PARTS = st.builds(
    Part,
    tasks=st.lists(st.one_of(st.none(), st.integers(0, MOST - 1)), min_size=1, max_size=4),
    in_turn=st.booleans(),
)


@settings(max_examples=50)
@given(parts=st.lists(PARTS, min_size=1, max_size=3), data=st.data())
def test_every_outcome_reaches_the_task_that_it_is_of(parts: Sequence[Part], data: st.DataObject) -> None:
    play = Play(parts)
    play.goes_on([])
    while play.under_way or play.state.arrivals:
        arrived = data.draw(st.permutations(play.under_way))[: data.draw(st.integers(1, 6))]
        play.under_way = [event for event in play.under_way if event not in arrived]
        play.goes_on(arrived)

    assert play.state.instance.status is RuntimeStatus.COMPLETED
    said = json.loads(play.state.instance.output or "null")
    expected: list[object] = []
    for number, part in enumerate(parts):
        tasks = [[number, at] for at in range(len(part.tasks))]
        after = said[len(expected) : len(expected) + len(tasks)] if part.in_turn else []
        assert sorted(after) == [["after", *task] for task in tasks if part.in_turn]
        expected += [*after, *tasks]
    assert said == expected
