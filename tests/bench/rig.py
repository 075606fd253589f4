"""Generator, service and receiver around one load, and what came of it."""

import http.client
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tests.bench import generator, ledger
from tests.bench import receiver as receiving
from tests.bench.machine import pace_us
from tests.bench.outcome import Measured, Percentiles, compared, percentiles
from tests.bench.processes import Process, memory, running, watched
from tests.bench.service import HOST, LedgerOf, Service, floor, heliograph, ledger_of_file, wait_until

NANOSECONDS = 1e9
DRAINED_WITHIN = timedelta(seconds=120)
ASKS_EVERY = timedelta(milliseconds=20)
SINCE = timedelta(hours=1)
SETTLED_AFTER = timedelta(seconds=2)
# Not on a file system in memory, as /tmp may be: a commit has to reach a disk.
DISK = Path("/var/tmp")  # noqa: S108


@dataclass(frozen=True, slots=True)
class Load:
    """What a run does to the service."""

    seconds: float
    rate: float | None = None
    """Messages a second; None posts as fast as they are accepted."""
    connections: int = 128
    """Fewer leave the service waiting for the load; with many more it accepts sooner than it delivers."""
    fan_out: int = 1
    payload_bytes: int = 1024
    receiver_delay: timedelta = timedelta(0)
    failure_share: float = 0
    with_idempotency_key: bool = False
    with_content: bool = False

    def __str__(self) -> str:
        pace = (
            f"open loop at {self.rate:g}/s" if self.rate else f"closed loop, {self.connections} connections"
        )
        parts = [pace, f"fan-out {self.fan_out}", f"{self.payload_bytes:,} bytes", f"{self.seconds:g} s"]
        if self.receiver_delay:
            parts.append(f"answers after {self.receiver_delay / timedelta(milliseconds=1):g} ms")
        if self.failure_share:
            parts.append(f"{self.failure_share:.0%} fail at first")
        if self.with_idempotency_key:
            parts.append("idempotency keys")
        return ", ".join(parts)


@dataclass(slots=True)
class Rig:
    """A service and a receiver that are ready; loads may follow each other."""

    service: Service
    receiver: Process
    receiver_port: int
    folder: Path
    _posted: int = field(default=0, init=False)

    def wait_until_it_delivers(self, fan_out: int) -> None:
        """Have one message delivered: a service takes requests sooner, and loads are not about its start.

        Raises:
            Failed: A process did not do its part.
        """
        tally, recorded = self._tally(), self.service.ledger.recorded(ledger.SUCCEEDED)
        self._generate(_plan(Load(0), self.service, "bench", self._posted, count=1))
        self._wait_until_recorded(fan_out, tally.arrived, recorded)

    def run(self, load: Load) -> Measured:
        """Post a load, wait until everything is recorded, and compare what was posted with what came of it.

        Raises:
            Failed: A process did not do its part.
        """
        first = self._posted
        tally, recorded = self._tally(), self.service.ledger.recorded(ledger.SUCCEEDED)
        pace_before_us = pace_us()
        with watched(self.service.process) as seen:
            report, cpu = self._generate(_plan(load, self.service, "bench", first, seconds=load.seconds))
            expected = report.accepted * load.fan_out
            self._wait_until_recorded(expected, tally.arrived, recorded)
            drained_ns = time.monotonic_ns()
            drained_cpu_seconds = self.service.process.cpu_seconds()
        outcome = compared(report, self._report(), self.service.ledger.endpoints_served(), first)
        served = self.service.ledger.recorded(ledger.SUCCEEDED) - recorded
        return Measured(
            posted=len(report.statuses),
            accepted=report.accepted,
            refused=Counter(status for status in report.statuses if status != generator.ACCEPTED),
            accepted_per_second=report.accepted / report.seconds,
            recorded=served,
            recorded_per_second=served / ((drained_ns - report.started_ns) / NANOSECONDS),
            lost=outcome.lost,
            duplicates=self._tally().duplicates - tally.duplicates,
            acceptance=percentiles(outcome.acceptance_ms),
            delivery=percentiles(outcome.delivery_ms),
            memory=memory(seen),
            service_share=cpu.service_seconds / cpu.wall_seconds,
            generator_share=report.cpu_seconds / report.seconds,
            receiver_share=cpu.receiver_seconds / cpu.wall_seconds,
            service_cpu_us=(drained_cpu_seconds - cpu.service_before_seconds) / max(served, 1) * 1e6,
            pace_us=(pace_before_us, pace_us()),
        )

    def leave_waiting(self, count: int) -> None:
        """Leave so many retries waiting: messages to an application whose only endpoint answers 500.

        Raises:
            Failed: The service refuses a message, or does not attempt them all in time.
        """
        before, failed = self._tally().refused, self.service.ledger.recorded(ledger.FAILED)
        report, _ = self._generate(_plan(Load(0), self.service, "down", self._posted, count=count))
        refused = count - report.accepted
        if refused:
            raise self.service.process.failed(f"did not accept {refused} messages")

        def is_waiting() -> bool:
            self.service.process.must_run()
            return (
                self._tally().refused - before >= count
                and self.service.ledger.recorded(ledger.FAILED) - failed >= count
            )

        if not wait_until(is_waiting, DRAINED_WITHIN, ASKS_EVERY):
            raise self.service.process.failed(f"has not attempted {count} messages in time")

    def recovered(self, load: Load) -> "Recovered":
        """Have all that `leave_waiting` left recovered while a load goes on.

        Raises:
            Failed: A process does not do its part.
        """
        first, service = self._posted, self.service
        before, succeeded = self._tally(), service.ledger.recorded(ledger.SUCCEEDED)
        missed = service.ledger.recorded(ledger.FAILED)
        endpoints = service.get("/api/v1/app/down/endpoint")["data"]
        assert isinstance(endpoints, list)
        endpoint = f"/api/v1/app/down/endpoint/{endpoints[0]['id']}"
        service.patch(endpoint, {"url": f"http://{HOST}:{self.receiver_port}/0"})
        since = datetime.now(UTC) - SINCE
        task = service.post(f"{endpoint}/recover", {"since": since.isoformat()})
        report, _ = self._generate(_plan(load, service, "bench", first, seconds=load.seconds))

        def progress() -> Mapping[str, Any]:
            service.process.must_run()
            return service.get(f"/api/v1/background-task/{task['id']}")

        if not wait_until(lambda: progress()["status"] != "running", DRAINED_WITHIN, ASKS_EVERY):
            raise service.process.failed(f"has not recovered {missed} messages in time")
        self._wait_until_recorded(missed + report.accepted, before.arrived, succeeded)
        outcome = compared(report, self._report(), service.ledger.endpoints_served(), first)
        ended = progress()["data"]
        began_at, ended_at = (datetime.fromisoformat(ended[name]) for name in ("startedAt", "finishedAt"))
        return Recovered(
            missed=missed,
            attempts=self._tally().arrived - before.arrived - report.accepted,
            duplicates=self._tally().duplicates - before.duplicates,
            duration=ended_at - began_at,
            lost=outcome.lost,
            delivery=percentiles(outcome.delivery_ms),
        )

    def processor_share(self, span: timedelta) -> float:
        """How much of one processor the service uses while nobody asks anything of it."""
        time.sleep(SETTLED_AFTER.total_seconds())
        used, began_at = self.service.process.cpu_seconds(), time.monotonic()
        time.sleep(span.total_seconds())
        self.service.process.must_run()
        return (self.service.process.cpu_seconds() - used) / (time.monotonic() - began_at)

    def throttled(self, rates: Sequence[int], window: timedelta) -> Sequence[Sequence[int]]:
        """Post a fifth more than endpoints with rates may have, for longer than a window.

        Args:
            rates: Deliveries a second, of an application's only endpoint each; the greatest comes last.
            window: How long is looked at.

        Returns:
            When messages arrived, in monotonic nanoseconds and in order, for each rate.

        Raises:
            Failed: The service refuses a message.
        """
        length_seconds = 1.3 * window.total_seconds()
        for place, rate in enumerate(rates):
            url, uid = f"http://{HOST}:{self.receiver_port}/{place}", f"throttled-{rate}"
            self.service.post("/api/v1/app", {"name": uid, "uid": uid})
            self.service.post(f"/api/v1/app/{uid}/endpoint", {"url": url, "throttleRate": rate})
            # All at once, but for the last: so many would keep the service busy with nothing but taking them.
            is_last = place == len(rates) - 1
            load = Load(length_seconds, rate=1.2 * rate if is_last else None)
            count = None if is_last else round(1.2 * rate * length_seconds)
            plan = _plan(load, self.service, uid, self._posted, seconds=length_seconds, count=count)
            report, _ = self._generate(plan)
            if report.accepted < len(report.statuses):
                raise self.service.process.failed("did not accept every message")
        return [sorted(filter(None, column)) for column in self._report().arrivals_ns]

    def _generate(self, plan: generator.Plan) -> tuple[generator.Report, "Processors"]:
        path = self.folder / "generator.json"
        arguments = ["tests.bench.generator", msgspec.json.encode(plan).decode(), str(path)]
        with running("generator", arguments, self.folder, tells=True) as process:
            process.line()
            before_ns = time.monotonic_ns()
            service, received = self.service.process.cpu_seconds(), self.receiver.cpu_seconds()
            process.line()
            processors = Processors(
                service_before_seconds=service,
                service_seconds=self.service.process.cpu_seconds() - service,
                receiver_seconds=self.receiver.cpu_seconds() - received,
                wall_seconds=(time.monotonic_ns() - before_ns) / NANOSECONDS,
            )
            process.wait()
        report = msgspec.json.decode(path.read_bytes(), type=generator.Report)
        self._posted += len(report.statuses)
        return report, processors

    def _wait_until_recorded(self, expected: int, arrived: int, recorded: int) -> None:
        # The receiver is asked first: a count of the database costs the service's disk and processor more.
        def is_recorded() -> bool:
            self.service.process.must_run()
            return (
                self._tally().arrived - arrived >= expected
                and self.service.ledger.recorded(ledger.SUCCEEDED) - recorded >= expected
            )

        wait_until(is_recorded, DRAINED_WITHIN, ASKS_EVERY)

    def _tally(self) -> receiving.Tally:
        return msgspec.json.decode(_got(self.receiver_port, "/tally"), type=receiving.Tally)

    def _report(self) -> receiving.Report:
        return msgspec.json.decode(_got(self.receiver_port, "/report"), type=receiving.Report)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What came of a recovery, and of the load beside it."""

    missed: int
    """Messages that there were to recover."""
    attempts: int
    """Of them, those that arrived."""
    duplicates: int
    duration: timedelta
    lost: int
    """Deliveries of the load."""
    delivery: Percentiles
    """Of the load, from the intended post to the arrival."""


@dataclass(frozen=True, slots=True)
class Processors:
    """Processor time from the first post to the last answer."""

    service_before_seconds: float
    service_seconds: float
    receiver_seconds: float
    wall_seconds: float


@contextmanager
def around_heliograph(
    load: Load, settings: Mapping[str, str] | None = None, ledger_of: LedgerOf = ledger_of_file
) -> Iterator[Rig]:
    """Heliograph on a fresh database, with an application that a load is posted to.

    Raises:
        Failed: A process does not come up.
    """
    with (
        _receiver(load) as (folder, process, port),
        heliograph(folder / "service", settings, ledger_of=ledger_of) as service,
    ):
        service.application("bench", [f"http://{HOST}:{port}/{endpoint}" for endpoint in range(load.fan_out)])
        service.application("down", [f"http://{HOST}:{port}/down"])
        rig = Rig(service, process, port, folder)
        rig.wait_until_it_delivers(load.fan_out)
        yield rig


@contextmanager
def around_floor(load: Load) -> Iterator[Rig]:
    """The floor in the place of Heliograph.

    Raises:
        Failed: A process does not come up.
    """
    with _receiver(load) as (folder, process, port):
        urls = [f"http://{HOST}:{port}/{endpoint}" for endpoint in range(load.fan_out)]
        with floor(folder / "service", urls) as service:
            yield Rig(service, process, port, folder)


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder on a disk, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-bench-", dir=DISK if DISK.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _receiver(load: Load) -> Iterator[tuple[Path, Process, int]]:
    plan = receiving.Plan(load.fan_out, load.receiver_delay.total_seconds(), load.failure_share)
    arguments = ["tests.bench.receiver", msgspec.json.encode(plan).decode()]
    with workspace() as folder, running("receiver", arguments, folder, tells=True) as process:
        yield folder, process, int(process.line())


def _plan(
    load: Load,
    service: Service,
    application: str,
    first_number: int,
    *,
    seconds: float | None = None,
    count: int | None = None,
) -> generator.Plan:
    return generator.Plan(
        target=service.target(
            application, with_content=load.with_content, with_idempotency_key=load.with_idempotency_key
        ),
        connections=load.connections,
        payload_bytes=load.payload_bytes,
        seconds=seconds,
        count=count,
        rate=load.rate,
        first_number=first_number,
    )


def _got(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()
