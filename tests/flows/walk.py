"""A whole service on SQLite whose clock is moved by hand, and receivers that do as they are told.

walk.receiver.goes_down()
await walk.posts("order.paid")
walk.receiver.comes_back()
await walk.passes(timedelta(seconds=6))
assert walk.receiver.got == [message.id]
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from shared.config import Settings
from shared.domain.application import Application, NewApplication
from shared.domain.attempt import Attempt
from shared.domain.background_task import TaskStatus
from shared.domain.endpoint import Endpoint, NewEndpoint
from shared.domain.errors import Unavailable
from shared.domain.health import FAILING_FOR, FAILURES_TO_OPEN
from shared.domain.message import Message, NewMessage
from shared.domain.paging import TimeQuery, scan_by_time
from shared.domain.verdict import Answer, Failure
from shared.domain.work import (
    DISPATCH_QUEUE,
    RETRY_QUEUE,
    TASKS_QUEUE,
    Resend,
    TaskStep,
    again_from,
    dispatch_from,
    step_from,
    to_body,
)
from shared.ports.attempts import AttemptFilter
from shared.ports.journal import Fact
from shared.ports.queue import Delivery
from shared.ports.sender import Outgoing
from shared.wiring import Service, compose
from tests.clock import MovedClock
from tests.dice import LoadedDice
from tests.makers import ORG

LEASE = timedelta(minutes=1)
TOOK = timedelta(milliseconds=12)
EVER = AttemptFilter()

ENVIRONMENT = {
    "HELIOGRAPH_JWT_SECRET": "a secret that is only used in tests",
    "HELIOGRAPH_ENCRYPTION_KEY": "bm90LWEtc2VjcmV0LWJ1dC0zMi1ieXRlcy1sb25nISE=",
    "HELIOGRAPH_RETRY_SCHEDULE": "5s,5m,30m",
}


def answer(status: int, **headers: str) -> Answer:
    """A response with this status."""
    lower_cased = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, "", TOOK, lower_cased)


REFUSED = Answer(0, "error making request: refused", TOOK, {}, Failure.CONNECTION)
TOO_SLOW = Answer(0, "request timed out", TOOK, {}, Failure.TIMEOUT)


@dataclass
class Receivers:
    """Every receiver in the world, behind the sender's port."""

    sent: list[Outgoing] = field(default_factory=list)
    always: Answer = field(default_factory=lambda: answer(200))
    first: deque[Answer] = field(default_factory=deque)
    at: dict[str, Answer] = field(default_factory=dict)
    """What one of them answers by itself, by URL."""

    def turn(self, url: str) -> AbstractAsyncContextManager[Answer | None]:
        """Nobody waits."""
        del url
        return nullcontext()

    async def send(self, outgoing: Outgoing) -> Answer:
        """Keep the request, and answer as told."""
        self.sent.append(outgoing)
        if outgoing.url in self.at:
            return self.at[outgoing.url]
        return self.first.popleft() if self.first else self.always

    async def close(self) -> None:
        """There is nothing to close."""

    def goes_down(self) -> None:
        """Refuse connections from now on."""
        self.always = REFUSED

    def comes_back(self) -> None:
        """Answer 200 from now on."""
        self.always = answer(200)

    @property
    def got(self) -> list[str]:
        """The message ids of all requests, in their order."""
        return [header(outgoing, "webhook-id") for outgoing in self.sent]


@dataclass
class Notes:
    """A journal that can be read."""

    lines: list[tuple[str, dict[str, Fact]]] = field(default_factory=list)

    def note(self, event: str, **facts: Fact) -> None:
        """Keep the line."""
        self.lines.append((event, facts))

    def close(self) -> None:
        """There is nothing to close."""

    def of(self, event: str) -> list[dict[str, Fact]]:
        """The facts of every line about an event."""
        return [facts for noted, facts in self.lines if noted == event]


@dataclass
class Walk:
    """One service, with its time, its chance and its receivers in a test's hand."""

    service: Service
    clock: MovedClock
    receiver: Receivers
    journal: Notes

    @classmethod
    def on(cls, folder: Path, *, clock: MovedClock | None = None, **environment: str) -> "Walk":
        """Open a service on a folder, with further environment variables."""
        clock, receiver, journal = clock or MovedClock(), Receivers(), Notes()
        database = {"HELIOGRAPH_DATABASE": str(folder / "heliograph.db")}
        settings = Settings.read({**ENVIRONMENT, **database, **environment})
        service = compose(settings, clock=clock, dice=LoadedDice(), journal=journal, sender=receiver)
        return cls(service, clock, receiver, journal)

    def makes_attempts_with(self, flow: str, **parts: Any) -> None:  # noqa: ANN401 - checked by the dataclass
        """Have a flow of `shared.flows.deliver` make its attempts with other parts."""
        before = getattr(self.service, flow)
        in_turn = before.attempt_in_turn
        in_turn = replace(in_turn, make_attempt=replace(in_turn.make_attempt, **parts))
        self.service = replace(self.service, **{flow: replace(before, attempt_in_turn=in_turn)})

    async def restarts(self) -> None:
        """End the service and start it again on the same file."""
        await self.service.close()
        self.service = compose(
            self.service.settings,
            clock=self.clock,
            dice=LoadedDice(seed=1),
            journal=self.journal,
            sender=self.receiver,
        )

    async def has_application(self, **said: Any) -> Application:  # noqa: ANN401 - checked by the dataclass
        """Make an application."""
        return await self.service.catalogue.add_application(ORG, NewApplication(name="Acme", **said))

    async def has_endpoint(self, application: Application, **said: Any) -> Endpoint:  # noqa: ANN401 - as above
        """Make an endpoint."""
        new = NewEndpoint(**{"url": "https://receiver.example/hooks", **said})
        return await self.service.catalogue.add_endpoint(application, new)

    async def accepts(self, application: Application, **said: Any) -> Message:  # noqa: ANN401 - as above
        """Accept a message, and do nothing about it yet."""
        new = NewMessage(**{"event_type": "order.paid", "payload": '{"n": 1}', **said})
        message = self.service.accept.prepare(application, new)
        assert await self.service.accept(message) is None
        return message

    async def posts(self, application: Application, **said: Any) -> Message:  # noqa: ANN401 - as above
        """Accept a message, and do all that is due."""
        message = await self.accepts(application, **said)
        await self.works()
        return message

    async def passes(self, time: timedelta) -> None:
        """Let time pass, and do all that is due then."""
        self.clock.move(time)
        await self.works()

    async def works(self) -> None:
        """Do what is queued and due, until nothing is; what fails is handed over again at once."""
        await self.service.operational.settled()
        queues = (DISPATCH_QUEUE, RETRY_QUEUE, TASKS_QUEUE)
        while taken := [delivery for queue in queues for delivery in await self.takes(queue)]:
            settlings = [await self._does(delivery) for delivery in taken]
            # At the same time, because each by itself waits a while for others to share its write.
            await asyncio.gather(
                *(settle(delivery) for settle, delivery in zip(settlings, taken, strict=True))
            )
            await self.service.operational.settled()

    async def retains(self) -> int:
        """Run retention; say how many have gone."""
        return await self.rests_pass(self.service.retention())

    async def rests_pass(self, doing: Awaitable[int]) -> int:
        """Let nobody rest while something is done: retention does, more often where the machine is slow."""

        async def wake() -> NoReturn:
            while True:
                await self.clock.asleep()
                self.clock.wake()

        waking = asyncio.create_task(wake())
        try:
            return await doing
        finally:
            waking.cancel()

    async def works_at_once(self) -> None:
        """As `works`, for deliveries: as much at once as there is."""
        while taken := [*await self.takes(DISPATCH_QUEUE), *await self.takes(RETRY_QUEUE)]:
            await asyncio.gather(*map(self.does, taken))

    async def is_failed_at_length(self, application: Application) -> None:
        """Post messages while receivers are down, until the circuits of the endpoints that want them open."""
        for _ in range(FAILURES_TO_OPEN // 2):
            await self.accepts(application)
        await self.works_at_once()
        self.clock.move(FAILING_FOR)
        await self.works_at_once()

    async def takes(self, queue: str) -> list[Delivery]:
        """Take what is due."""
        consumer = self.service.store.consumer
        return list(await consumer.receive(queue, limit=100, lease=LEASE, patience=timedelta(0)))

    async def does(self, delivery: Delivery) -> None:
        """Do one piece of queued work as a queue trigger would, and settle it."""
        settle = await self._does(delivery)
        await settle(delivery)

    async def _does(self, delivery: Delivery) -> Callable[[Delivery], Awaitable[None]]:
        """Do it, and say how to settle it."""
        count = delivery.delivery_count
        try:
            if delivery.queue == DISPATCH_QUEUE:
                await self.service.deliver(dispatch_from(delivery.body), delivery_count=count)
            elif delivery.queue == TASKS_QUEUE:
                await self._steps(step_from(delivery.body))
            elif isinstance(work := again_from(delivery.body), Resend):
                await self.service.attempt_by_hand(work)
            else:
                await self.service.reattempt(work, delivery_count=count)
        except Unavailable:
            return self.service.store.consumer.abandon
        return self.service.store.consumer.complete

    async def _steps(self, step: TaskStep) -> None:
        """Take one step of a task, and have the next one follow as the task's orchestration does."""
        task = await self.service.carry_on(step)
        if task is not None and task.status is TaskStatus.RUNNING:
            following = TaskStep(task.org_id, task.id, task.step)
            await self.service.queue.send(TASKS_QUEUE, to_body(following), due_at=task.due_at)

    async def attempts(self, message: Message) -> list[Attempt]:
        """The attempts on a message, the first one first."""
        scan = scan_by_time(TimeQuery(limit=250), "atmpt_", self.clock.now())
        found = await self.service.attempts.of_message(message.app_id, message.id, scan, EVER)
        return sorted(found, key=lambda attempt: attempt.number)


def header(outgoing: Outgoing, name: str) -> str:
    """The last value of a header."""
    return next(value for key, value in reversed(outgoing.headers) if key.lower() == name)
