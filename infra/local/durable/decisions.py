"""Which rows and messages follow from what arrived and what the package answered. Pure: no clock, no I/O.

An episode takes what arrived and shows it to the orchestrator:

1. `gather` chooses the arrivals of the next episode. Terminate, suspend and resume are always taken; while
   an instance is suspended, everything else is left where it is.
2. `shown` is what the package replays after the rows so far: the beginning of an episode, and the arrivals.
3. `follow` reads the answer. The package numbers tasks from 0 as the orchestrator yields them, so what is
   wanted and has no row yet is new, and what has a row must still be wanted, or the orchestrator is not
   deterministic.

With a retry policy the package gives numbers of its own: each failure is followed by a timer, and each timer,
except the one after the last attempt, by the next attempt. Its answer does not show them. Their numbers are
known as long as every event that has such a follower comes before those that let the orchestrator go on;
`gather` ends an episode where that would not hold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, zip_longest

import msgspec
from msgspec import structs

from infra.local.durable import events
from infra.local.durable.answers import Action, Answer, Want, text_of
from infra.local.durable.events import BEGINNINGS, FAILURES, Event, Kind, Retry
from shared.ports.orchestrations import (
    ActivityCall,
    Instance,
    Letter,
    Parent,
    RuntimeStatus,
    Start,
    State,
    Step,
)

_CONTROLS = frozenset((Kind.EXECUTION_SUSPENDED, Kind.EXECUTION_RESUMED))
_ROW_OF = {
    Want.ACTIVITY: Kind.TASK_SCHEDULED,
    Want.ACTIVITY_WITH_RETRY: Kind.TASK_SCHEDULED,
    Want.CHILD: Kind.CHILD_CREATED,
    Want.CHILD_WITH_RETRY: Kind.CHILD_CREATED,
    Want.TIMER: Kind.TIMER_CREATED,
}
"""What takes a number, and the row that says so."""
_TASKS = {
    Kind.TASK_SCHEDULED: "the activity",
    Kind.CHILD_CREATED: "the sub-orchestration",
    Kind.TIMER_CREATED: "the timer",
}
_UNKNOWN_HERE = {
    Want.CALL_ENTITY: "calls a durable entity",
    Want.SIGNAL_ENTITY: "signals a durable entity",
    Want.CALL_HTTP: "calls HTTP by call_http",
}


@dataclass(frozen=True, slots=True)
class Names:
    """The functions that there are."""

    orchestrators: frozenset[str]
    activities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Episode:
    """What the next step is about.

    Attributes:
        rows: Of the history so far.
        events: What arrived and is taken, in order.
        taken: The places of the arrivals.
        terminated: Why the instance is to end at once, if it is.
        is_suspended: Whether it is, after this.
        is_short: Something that is due was left for another step.
    """

    rows: Sequence[Event]
    events: Sequence[Event]
    taken: Sequence[int]
    terminated: str | None
    is_suspended: bool
    is_short: bool

    @property
    def is_first(self) -> bool:
        """Whether the orchestrator has not begun yet."""
        return all(row.event_type is not Kind.EXECUTION_STARTED for row in self.rows)

    @property
    def is_for_orchestrator(self) -> bool:
        """Whether there is something to show to it."""
        if self.is_first:
            return not self.is_suspended
        return any(event.event_type not in _CONTROLS for event in self.events)


class NotDeterministic(Exception):
    """The orchestrator does not want what it wanted before: its code has changed, or reads a clock."""


class NotDrivable(Exception):
    """The orchestrator wants something that there is not."""


def gather(state: State) -> Episode:
    """Choose the arrivals of the next episode."""
    rows = [events.from_text(row) for row in state.history]
    begun = _beginnings(rows)
    is_suspended = state.instance.status is RuntimeStatus.SUSPENDED
    chosen: list[Event] = []
    taken: list[int] = []
    terminated, goes_on, is_short = None, False, False
    for arrival in state.arrivals:
        event = events.from_text(arrival.event)
        if event.event_type is Kind.EXECUTION_TERMINATED:
            taken.append(arrival.place)
            terminated = event.input or ""
            break
        if event.event_type in _CONTROLS:
            is_suspended = event.event_type is Kind.EXECUTION_SUSPENDED
        elif is_suspended:
            continue
        elif _retry_after(event, begun) is None:
            goes_on = True
        elif goes_on:
            is_short = True
            break
        taken.append(arrival.place)
        chosen.append(event)
    return Episode(rows, chosen, taken, terminated, is_suspended, is_short)


def shown(instance: Instance, episode: Episode, now: datetime) -> Sequence[Event]:
    """The rows that this episode begins with."""
    opening = [events.orchestrator_started(now)]
    if episode.is_first:
        opening.append(events.execution_started(now, instance.name, instance.version, instance.input))
    return [*opening, *episode.events]


def without_orchestrator(instance: Instance, episode: Episode, now: datetime) -> Step:
    """The step if there is nothing to show to the orchestrator: it ends, rests or may go on."""
    rows = list(episode.events)
    if episode.terminated is not None:
        rows.append(events.controlled(Kind.EXECUTION_TERMINATED, now, episode.terminated))
        after = _after(instance, now, RuntimeStatus.TERMINATED, output=_quoted(episode.terminated))
    else:
        begun = RuntimeStatus.PENDING if episode.is_first else RuntimeStatus.RUNNING
        after = _after(instance, now, RuntimeStatus.SUSPENDED if episode.is_suspended else begun)
    return _step(instance, after, episode, rows, now)


def broken(instance: Instance, episode: Episode, now: datetime, why: str) -> Step:
    """The step if the orchestrator cannot go on."""
    output = _quoted(f"Orchestrator function '{instance.name}' failed: {why}")
    after = _after(instance, now, RuntimeStatus.FAILED, output=output)
    rows = [*shown(instance, episode, now), events.orchestrator_completed(now)]
    return _step(instance, after, episode, rows, now)


def follow(
    instance: Instance, episode: Episode, answer: Answer, *, now: datetime, names: Names, execution: str
) -> Step:
    """The step that follows from an answer.

    Args:
        instance: As it was before.
        episode: What the orchestrator was shown.
        answer: What the package said to it.
        now: The present that the episode began with.
        names: The functions that there are.
        execution: A new one, for an orchestrator that continues as new.
    """
    instance = replace(instance, custom_status=text_of(answer.custom_status))
    if answer.error is not None:
        return broken(instance, episode, now, answer.error)
    try:
        plan = _plan(instance, episode, answer, now)
        _check(plan.new, names)
    except (NotDeterministic, NotDrivable) as wrong:
        return broken(instance, episode, now, str(wrong))
    status = RuntimeStatus.SUSPENDED if episode.is_suspended else RuntimeStatus.RUNNING
    anew = [action.input for action in answer.wants if action.action_type is Want.CONTINUE_AS_NEW]
    if anew:
        after = replace(_after(instance, now, status), execution=execution, input=anew[0])
    elif answer.is_done:
        after = _after(instance, now, RuntimeStatus.COMPLETED, output=text_of(answer.output))
    else:
        after = _after(instance, now, status)
    rows = [*shown(instance, episode, now), *plan.new, events.orchestrator_completed(now)]
    step = _step(instance, after, episode, [] if anew else rows, now)
    goes_on = not anew and not answer.is_done
    return replace(
        step,
        begins_anew=bool(anew),
        calls=[_call(instance, row) for row in plan.new if row.event_type is Kind.TASK_SCHEDULED],
        starts=[_start(instance, row, now) for row in plan.new if row.event_type is Kind.CHILD_CREATED],
        letters=[*step.letters, *(_alarm(instance, row) for row in plan.alarms if goes_on)],
        cancelled=plan.cancelled,
    )


def rewound(state: State, now: datetime) -> Step | None:
    """The step that lets a failed instance try again what failed in its last episode.

    What succeeded is not repeated. A sub-orchestration that failed begins from the beginning.

    Returns:
        None if no activity or sub-orchestration failed in it, or only one with a retry policy, which has been
        tried again as often as the orchestrator wanted.
    """
    instance = state.instance
    rows = [events.from_text(row) for row in state.history]
    begun = _beginnings(rows)
    last = max(at for at, row in enumerate(rows) if row.event_type is Kind.ORCHESTRATOR_STARTED)
    failures = [row for row in rows[last:] if row.event_type in FAILURES and _retry_after(row, begun) is None]
    if not failures:
        return None
    again = [begun[row.outcome_of] for row in failures if row.outcome_of is not None]
    return Step(
        _after(instance, now, RuntimeStatus.RUNNING),
        instance.execution,
        taken=(),
        history=[events.to_text(row) for row in rows if row not in failures],
        begins_anew=True,
        calls=[_call(instance, row) for row in again if row.event_type is Kind.TASK_SCHEDULED],
        starts=[_start(instance, row, now) for row in again if row.event_type is Kind.CHILD_CREATED],
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an answer says.

    Attributes:
        new: The rows of tasks that begin with it, in the order of their ids.
        alarms: Those among them that are timers and not cancelled already.
        cancelled: Ids of timers that are not to fire any more.
    """

    new: Sequence[Event]
    alarms: Sequence[Event]
    cancelled: Sequence[int]


def _plan(instance: Instance, episode: Episode, answer: Answer, now: datetime) -> _Plan:
    for action in answer.wants:
        if action.action_type in _UNKNOWN_HERE:
            raise NotDrivable(f"it {_UNKNOWN_HERE[action.action_type]}, which this host does not drive")
    begun = _beginnings(episode.rows)
    wanted = [action for action in answer.wants if action.action_type in _ROW_OF]
    # What a policy added was not wanted by itself.
    had = [row for row in begun.values() if row.retry is None or row.retry.first_id == row.event_id]
    _compare(had, wanted)
    ids = count(len(begun))
    followers = list(_followers(episode.events, begun, ids, now))
    new = [_beginning(instance, action, next(ids), now) for action in wanted[len(had) :]]
    over = {row.event_id for row, action in zip([*had, *new], wanted, strict=True) if action.is_canceled}
    fired = {row.timer_id for row in [*episode.rows, *episode.events]}
    return _Plan(
        new=[*followers, *new],
        alarms=[
            row
            for row in [*followers, *new]
            if row.event_type is Kind.TIMER_CREATED and row.event_id not in over
        ],
        cancelled=sorted(over - fired),
    )


def _beginnings(rows: Sequence[Event]) -> Mapping[int, Event]:
    """The rows that begin tasks, by id, in order."""
    return {row.event_id: row for row in rows if row.event_type in BEGINNINGS}


def _retry_after(event: Event, begun: Mapping[int, Event]) -> Retry | None:
    """The policy by which the package begins another task when it sees this event, if it does."""
    row = None if event.outcome_of is None else begun.get(event.outcome_of)
    retry = None if row is None else row.retry
    if retry is None or event.event_type in FAILURES:
        return retry
    return retry if event.event_type is Kind.TIMER_FIRED and retry.number < retry.most else None


def _followers(
    arrived: Sequence[Event], begun: Mapping[int, Event], ids: Iterator[int], now: datetime
) -> Iterator[Event]:
    """The rows of the tasks that retry policies begin."""
    for event in arrived:
        retry = _retry_after(event, begun)
        if retry is None:
            continue
        if event.event_type in FAILURES:
            fire_at = now + timedelta(milliseconds=retry.pause_ms)
            yield Event(
                Kind.TIMER_CREATED, next(ids), is_played=False, timestamp=now, fire_at=fire_at, retry=retry
            )
        else:
            yield structs.replace(
                begun[retry.first_id],
                event_id=next(ids),
                timestamp=now,
                retry=structs.replace(retry, number=retry.number + 1),
            )


def _compare(had: Sequence[Event], wanted: Sequence[Action]) -> None:
    """Find each task that has begun among what is wanted now.

    Raises:
        NotDeterministic: One of them is not there.
    """
    for row, action in zip_longest(had, wanted[: len(had)]):
        if action is None or (row.event_type, row.name or "") != (
            _ROW_OF[action.action_type],
            action.function_name,
        ):
            task = " ".join(filter(None, (_TASKS[row.event_type], row.name and repr(row.name))))
            raise NotDeterministic(
                f"Non-deterministic orchestrator: it has begun {task} as its task {row.event_id}, and does"
                " not begin it when it is replayed; its code has changed, or depends on more than its"
                " input and what it yields"
            )


def _beginning(instance: Instance, action: Action, task_id: int, now: datetime) -> Event:
    """The row of a task that is wanted for the first time."""
    kind = _ROW_OF[action.action_type]
    options = action.retry_options
    retry = None
    if options is not None:
        pause_ms = options.first_retry_interval_in_milliseconds
        retry = Retry(task_id, number=1, most=options.max_number_of_attempts, pause_ms=pause_ms)
    child_id = action.instance_id or f"{instance.id}:{instance.execution}:{task_id}"
    return Event(
        kind,
        task_id,
        is_played=False,
        timestamp=now,
        name=action.function_name or None,
        input=action.input,
        version=action.version,
        instance_id=child_id if kind is Kind.CHILD_CREATED else None,
        fire_at=action.fire_at,
        retry=retry,
    )


def _check(rows: Sequence[Event], names: Names) -> None:
    """Look whether the functions exist, before anything is begun.

    Raises:
        NotDrivable: One of them does not.
    """
    for row in rows:
        if row.event_type is Kind.TASK_SCHEDULED and row.name not in names.activities:
            raise NotDrivable(unknown("an activity", row.name))
        if row.event_type is Kind.CHILD_CREATED and row.name not in names.orchestrators:
            raise NotDrivable(unknown("an orchestrator", row.name))


def unknown(what: str, name: str | None) -> str:
    """What to say of a name that no function has."""
    return f"The function '{name}' doesn't exist, is disabled, or is not {what} function."


def _call(instance: Instance, row: Event) -> ActivityCall:
    return ActivityCall(instance.id, instance.execution, row.event_id, row.name or "", row.input)


def _start(instance: Instance, row: Event, now: datetime) -> Start:
    child = Instance(
        id=row.instance_id or "",
        execution=f"{instance.execution}.{row.event_id}",
        name=row.name or "",
        status=RuntimeStatus.PENDING,
        created_at=now,
        updated_at=now,
        version=row.version or "",
        input=row.input,
        parent=Parent(instance.id, instance.execution, row.event_id),
    )
    why = f"An Orchestration instance with the id '{child.id}' exists already and is not finished."
    refused = events.failed(Kind.CHILD_FAILED, now, row.event_id, why)
    return Start(child, _letter(instance, row.event_id, refused))


def _alarm(instance: Instance, row: Event) -> Letter:
    due_at = row.fire_at or row.timestamp
    return _letter(instance, row.event_id, events.fired(row.event_id, due_at), due_at=due_at)


def _letter(instance: Instance, task_id: int, event: Event, due_at: datetime | None = None) -> Letter:
    return Letter(instance.id, events.to_text(event), instance.execution, task_id, due_at)


def _after(
    instance: Instance, now: datetime, status: RuntimeStatus, *, output: str | None = None
) -> Instance:
    return replace(instance, status=status, output=output, updated_at=now, step=instance.step + 1)


def _step(before: Instance, after: Instance, episode: Episode, rows: Sequence[Event], now: datetime) -> Step:
    """A step that ends or changes an instance, and tells its parent if it has one."""
    letters = []
    if after.parent is not None and after.status.is_final:
        letters.append(_tidings(after, after.parent, now))
    return Step(
        after, before.execution, episode.taken, [events.to_text(row) for row in rows], letters=letters
    )


def _tidings(instance: Instance, parent: Parent, now: datetime) -> Letter:
    """What a parent gets when a sub-orchestration is over."""
    output = instance.output or "null"
    if instance.status is RuntimeStatus.COMPLETED:
        event = events.completed(Kind.CHILD_COMPLETED, now, parent.task_id, output)
    else:
        event = events.failed(Kind.CHILD_FAILED, now, parent.task_id, str(msgspec.json.decode(output)))
    return Letter(parent.instance_id, events.to_text(event), parent.execution, parent.task_id)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
