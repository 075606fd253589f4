"""Takes the steps of instances: reads what arrived, has the orchestrator replayed, keeps what follows.

1. Load the instance, its history and what arrived.
2. Choose what the orchestrator is shown next.
3. Call its function with all of it, in a thread: it is not a coroutine, and replaying takes its time.
4. Decide what follows from its answer.
5. Keep all of that in one transaction; only then is the queue message settled.

A crash before 5 leaves everything as it was: the next try finds the same and numbers it the same.
"""

import asyncio
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from threading import Thread
from typing import TypeAlias

import msgspec
from azure.functions.servicebus import ServiceBusMessage

from infra.local.durable import answers, decisions, events
from infra.local.durable.answers import Answer
from infra.local.durable.decisions import Episode, Names
from infra.local.durable.surroundings import Surroundings
from shared.ports.orchestrations import (
    ARRIVALS_AT_ONCE,
    RuntimeStatus,
    State,
    Step,
)

Replay: TypeAlias = Callable[[str], str]
"""A registered orchestrator function: the context as JSON text in, the package's answer as JSON text out."""

LONGEST_REPLAY = timedelta(minutes=1)
"""Far longer than any replay. An orchestrator that waits for anything but its tasks fails then."""

EXECUTION_BYTES = 4
"""An id needs to differ from the others of its instance only."""


class Orchestrators:
    """Takes steps; at most one of an instance at a time."""

    def __init__(self, functions: Mapping[str, Replay], names: Names, around: Surroundings) -> None:
        """Drive these functions, by name; `names` are those that they may call."""
        self._functions = functions
        self._names = names
        self._store = around.store
        self._clock = around.clock
        self._dice = around.dice
        self._journal = around.journal
        self._awake: dict[str, bool] = {}
        """The instances that take steps just now; True if something has come for it meanwhile."""
        # The package warns of every event that comes before it is waited for, which is nothing unusual.
        warnings.filterwarnings("ignore", message="Potential duplicate Task completion")

    async def wake(self, message: ServiceBusMessage) -> None:
        """Take steps of the instance that a queue message names until there is nothing more to do.

        Raises:
            Unavailable: The store is out of reach.
        """
        instance_id = message.get_body().decode()
        if instance_id in self._awake:
            # Whoever takes its steps has a message that is not settled yet, and looks once more.
            self._awake[instance_id] = True
            return
        try:
            self._awake[instance_id] = True
            while self._awake[instance_id]:
                self._awake[instance_id] = False
                if await self._go_on(instance_id):
                    self._awake[instance_id] = True
        finally:
            del self._awake[instance_id]

    async def _go_on(self, instance_id: str) -> bool:
        """Take one step, if there is one to take; whether there may be another."""
        # 1.
        state = await self._store.load(instance_id)
        if state is None or state.instance.status.is_final:
            return False
        # 2.
        episode = decisions.gather(state)
        if not episode.taken and not episode.is_for_orchestrator:
            return False
        step = await self._step(state, episode)
        # 5.
        if not await self._store.commit(step):
            return True
        self._tell(step)
        return step.begins_anew or episode.is_short or len(state.arrivals) == ARRIVALS_AT_ONCE

    async def _step(self, state: State, episode: Episode) -> Step:
        instance, now = state.instance, self._clock.now()
        if episode.terminated is not None or not episode.is_for_orchestrator:
            return decisions.without_orchestrator(instance, episode, now)
        function = self._functions.get(instance.name)
        if function is None:
            why = decisions.unknown("an orchestrator", instance.name)
            return decisions.broken(instance, episode, now, why)
        # 3.
        opening = [events.to_text(row) for row in decisions.shown(instance, episode, now)]
        parent_id = instance.parent.instance_id if instance.parent else None
        text = events.context_text(instance.id, parent_id, instance.input, [*state.history, *opening])
        answer = await replayed(function, text)
        # 4.
        return decisions.follow(
            instance,
            episode,
            answer,
            now=now,
            names=self._names,
            execution=self._dice.octets(EXECUTION_BYTES).hex(),
        )

    def _tell(self, step: Step) -> None:
        instance = step.instance
        if instance.status.is_final:
            self._journal.note(
                "orchestration.ended",
                orchestrator=instance.name,
                instance_id=instance.id,
                status=instance.status.value,
                steps=instance.step,
                why=instance.output if instance.status is RuntimeStatus.FAILED else None,
            )


async def replayed(function: Replay, context: str, *, limit: timedelta = LONGEST_REPLAY) -> Answer:
    """What the package answers, or that it did not within the limit."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Answer] = loop.create_future()

    def replay() -> None:
        try:
            answer = answers.from_text(function(context))
        except msgspec.MsgspecError as wrong:
            answer = Answer(error=f"its answer cannot be read: {wrong}")
        except Exception as wrong:  # noqa: BLE001  whatever it is, the instance fails with it
            answer = answers.from_error(wrong)
        # A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, answered, answer)

    # A thread of its own, which nobody waits for at the end: an orchestrator that hangs must keep neither the
    # others from going on nor the process from stopping.
    Thread(target=replay, name="orchestrator", daemon=True).start()
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return await answered
    except TimeoutError:
        return Answer(
            error=f"it has run for {limit.total_seconds():g} s without a yield that would let it rest"
        )


def _settle(answered: "asyncio.Future[Answer]", answer: Answer) -> None:
    if not answered.done():
        answered.set_result(answer)
