"""The stages of the standard table, each with what is promised of it."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from statistics import fmean

from tests.bench import lists, table
from tests.bench.outcome import Measured, rates_in_windows
from tests.bench.rig import Load, Rig, around_floor, around_heliograph, workspace
from tests.bench.service import heliograph, seconds_to_first_acceptance
from tests.bench.table import Row, Section
from tests.ingestion import Ingestion

MESSAGES_A_SECOND = 3500
SHARE_OF_FLOOR = 0.5
FAN_OUT = 5
ATTEMPTS_A_SECOND = 5000
STEADY_RATE = 500
MEDIAN_MS = 5
P99_MS = 40
MEMORY_MB = 200
# Two looks at one level are never equal; growth that goes on shows as more than this in half a run.
FLAT_WITHIN = 1.1
FIRST_ACCEPTANCE_SECONDS = 1.5
LIST_MS = 20
SMALL_BACKLOG = 100
# Two runs of one load differ by some percent on a quiet machine.
SAME_COST_WITHIN = 1.15
RECOVERED_A_SECOND = 500
LIVE_RATE = 200
LIVE_P99_WITHIN = 2
THROTTLE_RATES = (1, 7, 50, 500)
THROTTLE_WITHIN = 1.05
THROTTLE_WINDOW = timedelta(seconds=10)
# Telling costs at most a tenth of the throughput.
TELEMETRY_SHARE = 0.9
IDLE_SHARE = 0.01
# Long enough that no retry falls due while something is measured.
RETRIES_WAIT = {"HELIOGRAPH_RETRY_SCHEDULE": "24h"}
# Short enough that what failed once is delivered before the run gives up.
RETRIES_SOON = {"HELIOGRAPH_RETRY_SCHEDULE": "1s,2s,4s,8s"}


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the stages take."""

    floor_seconds: float = 20
    main_seconds: float = 60
    other_seconds: float = 30
    backlog_seconds: float = 15
    backlog: int = 100_000
    listed: int = 1_000_000
    recovered: int = 10_000
    live_seconds: float = 10
    starts: int = 3
    idle_seconds: float = 20


QUICK = Lengths(
    floor_seconds=5,
    main_seconds=5,
    other_seconds=5,
    backlog_seconds=5,
    backlog=2_000,
    listed=50_000,
    recovered=2_000,
    live_seconds=3,
    starts=1,
    idle_seconds=5,
)


@dataclass(slots=True)
class Bench:
    """A run of stages; a later stage may be held against an earlier one."""

    lengths: Lengths = field(default_factory=Lengths)
    load: Load = field(default_factory=lambda: Load(0))
    """What the stages have in common; they set length, rate and fan-out themselves."""
    floors_per_second: list[float] = field(default_factory=list)

    def floor(self) -> Section:
        """The yardstick: what this machine allows now."""
        load = replace(self.load, seconds=self.lengths.floor_seconds)
        _says(f"floor: {load}")
        with around_floor(load) as rig:
            measured = rig.run(load)
        self.floors_per_second.append(measured.recorded_per_second)
        return _section(f"floor · {load}", measured, [])

    def main(self) -> Section:
        """The main job at full load, between two measures of the floor, as a machine's pace changes."""
        load = replace(self.load, seconds=self.lengths.main_seconds)
        if not self.floors_per_second:
            self.floor()
        measured = _heliograph(load, "main")
        self.floor()
        floor_per_second = fmean(self.floors_per_second[-2:])
        promised = [
            table.at_least("accepted", measured.accepted_per_second, MESSAGES_A_SECOND),
            table.at_least("attempts recorded", measured.recorded_per_second, MESSAGES_A_SECOND),
            table.share_of(
                "share of the floor", measured.recorded_per_second, floor_per_second, SHARE_OF_FLOOR
            ),
            Row("floor before/after", "{:,.0f}/{:,.0f}/s".format(*self.floors_per_second[-2:])),
        ]
        memory = measured.memory
        promised += [
            table.at_most("memory, highest", memory.highest, MEMORY_MB, " MB"),
            Row(
                "memory, end against middle of the run",
                f"{memory.end / memory.middle:.2f} x",
                f"≤ {FLAT_WITHIN:g} x",
                memory.end <= memory.middle * FLAT_WITHIN,
            ),
        ]
        return _section(f"main · {load}", measured, promised)

    def fan_out(self) -> Section:
        """One message to several endpoints."""
        load = replace(self.load, seconds=self.lengths.other_seconds, fan_out=FAN_OUT)
        measured = _heliograph(load, "fan-out")
        promised = [table.at_least("attempts recorded", measured.recorded_per_second, ATTEMPTS_A_SECOND)]
        return _section(f"fan-out · {load}", measured, promised)

    def latency(self) -> Section:
        """How long a message takes when the service is not pressed."""
        load = replace(self.load, seconds=self.lengths.other_seconds, rate=STEADY_RATE)
        measured = _heliograph(load, "latency")
        promised = [
            table.at_most("post to arrival, p50", measured.delivery.p50, MEDIAN_MS, " ms"),
            table.at_most("post to arrival, p99", measured.delivery.p99, P99_MS, " ms"),
        ]
        return _section(f"latency · {load}", measured, promised)

    def cold_start(self) -> Section:
        """From the start of the process to the first 202, on a database that is not there yet."""
        _says(f"cold start: {self.lengths.starts} x")
        with workspace() as folder:
            folders = [folder / str(start) for start in range(self.lengths.starts)]
            taken = [seconds_to_first_acceptance(one) for one in folders]
        slowest = max(taken)
        shown = ", ".join(f"{seconds:.2f}" for seconds in taken)
        row = Row(
            "start to first 202, each time",
            f"{shown} s",
            f"≤ {FIRST_ACCEPTANCE_SECONDS} s",
            slowest <= FIRST_ACCEPTANCE_SECONDS,
        )
        return Section("cold start", [row])

    def backlog(self) -> Section:
        """What a delivery costs while few and while many retries wait."""
        load = replace(self.load, seconds=self.lengths.backlog_seconds)
        many = self.lengths.backlog
        with around_heliograph(load, RETRIES_WAIT) as rig:
            _says(f"backlog: {SMALL_BACKLOG} retries waiting, {load}")
            rig.leave_waiting(SMALL_BACKLOG)
            few = rig.run(load)
            _says(f"backlog: {many:,} retries waiting, {load}")
            rig.leave_waiting(many - SMALL_BACKLOG)
            measured = rig.run(load)
        ratio = measured.service_cpu_us / few.service_cpu_us
        rows = [
            Row(f"processor time per delivery, {SMALL_BACKLOG} waiting", f"{few.service_cpu_us:,.0f} us"),
            Row(
                f"processor time per delivery, {many:,} waiting",
                f"{measured.service_cpu_us:,.0f} us ({ratio:.2f} x)",
                f"≤ {SAME_COST_WITHIN:g} x",
                ratio <= SAME_COST_WITHIN,
            ),
            Row(f"attempts recorded, {SMALL_BACKLOG} waiting", f"{few.recorded_per_second:,.0f}/s"),
            Row(f"attempts recorded, {many:,} waiting", f"{measured.recorded_per_second:,.0f}/s"),
            *table.losses(few)[:1],
            *table.losses(measured),
            *table.footprint(measured),
        ]
        return Section(f"backlog · {load}", rows, few.lost + measured.lost)

    def lists(self) -> Section:
        """What a page of a list takes, for every filter, among very many messages."""
        count = self.lengths.listed
        _says(f"lists: making {count:,} messages with an attempt each")
        with (
            workspace() as folder,
            heliograph(folder / "service", prepare=lambda path: lists.fill(path, count)) as service,
        ):
            _says("lists: asking")
            rows = [
                table.at_most(name, taken_ms, LIST_MS, " ms") for name, taken_ms in lists.medians_ms(service)
            ]
        return Section(f"lists · 50 of {count:,}, median", rows)

    def throttle(self) -> Section:
        """Endpoints with rates, and more messages than any of them may have."""
        load = replace(self.load, fan_out=len(THROTTLE_RATES))
        _says(f"throttle: {len(THROTTLE_RATES)} endpoints of {', '.join(map(str, THROTTLE_RATES))} a second")
        with around_heliograph(load) as rig:
            arrivals = rig.throttled(THROTTLE_RATES, THROTTLE_WINDOW)
        rows = []
        for rate, arrived in zip(THROTTLE_RATES, arrivals, strict=True):
            lowest, highest = rates_in_windows(arrived, THROTTLE_WINDOW)
            is_met = rate / THROTTLE_WITHIN <= lowest <= highest <= rate * THROTTLE_WITHIN
            measured = f"{lowest:.2f} to {highest:.2f}/s"
            rows.append(Row(f"throttleRate {rate}", measured, f"{rate}/s ± 5 %", is_met))
        return Section(f"throttle · any {THROTTLE_WINDOW / timedelta(seconds=1):g} s after the first", rows)

    def telemetry(self) -> Section:
        """What it costs to tell Application Insights and standard error, against telling nobody."""
        load = replace(self.load, seconds=self.lengths.other_seconds)
        with Ingestion() as ingestion:
            on = {"APPLICATIONINSIGHTS_CONNECTION_STRING": ingestion.connection_string}
            off = {"HELIOGRAPH_TELEMETRY": "none"}
            # In this order, as a machine's pace drifts.
            first, second, third, fourth = (
                _heliograph(load, "telemetry", settings) for settings in (off, on, on, off)
            )
            told, requests = len(ingestion.envelopes), len(ingestion.requests)
        without = fmean((first.recorded_per_second, fourth.recorded_per_second))
        with_it = fmean((second.recorded_per_second, third.recorded_per_second))
        cost_us = fmean((second.service_cpu_us, third.service_cpu_us)) - fmean(
            (first.service_cpu_us, fourth.service_cpu_us)
        )
        rows = [
            table.share_of("attempts recorded, on against off", with_it, without, TELEMETRY_SHARE),
            Row("attempts recorded, off/on/on/off", _rates(first, second, third, fourth)),
            Row("processor time per delivery, on more than off", f"{cost_us:,.0f} us"),
            Row("taken by Application Insights", f"{told:,} envelopes in {requests} requests"),
        ]
        return Section(f"telemetry · {load}", rows, sum(one.lost for one in (first, second, third, fourth)))

    def recover(self) -> Section:
        """What was missed is sent again by a background task, beside new messages."""
        count, load = self.lengths.recovered, replace(self.load, seconds=self.lengths.live_seconds)
        load = replace(load, rate=LIVE_RATE)
        with around_heliograph(load, RETRIES_WAIT) as rig:
            _says(f"recover: {count:,} messages are missed, {load}")
            rig.leave_waiting(count)
            alone = rig.run(load)
            _says(f"recover: {count:,} messages are recovered, {load}")
            recovered = rig.recovered(load)
        ratio = recovered.delivery.p99 / alone.delivery.p99
        rows = [
            table.at_least(
                "attempts", recovered.attempts / recovered.duration.total_seconds(), RECOVERED_A_SECOND
            ),
            Row(
                "messages that arrived",
                f"{recovered.attempts:,} of {recovered.missed:,}, {recovered.duplicates} twice",
                "each once",
                recovered.attempts == recovered.missed and not recovered.duplicates,
            ),
            Row(f"new ones at {LIVE_RATE}/s, post to arrival, alone", table.spread(alone.delivery)),
            Row("the same beside the recovery", table.spread(recovered.delivery)),
            Row("its p99", f"{ratio:.2f} x", f"≤ {LIVE_P99_WITHIN} x", ratio <= LIVE_P99_WITHIN),
            *table.losses(alone)[:1],
        ]
        return Section(f"recover · {load}", rows, alone.lost + recovered.lost)

    def idle(self) -> Section:
        """What a service costs that has nothing to do, while retries wait."""
        _says(f"idle: {SMALL_BACKLOG} retries waiting, {self.lengths.idle_seconds:g} s")
        with around_heliograph(replace(self.load, fan_out=1), RETRIES_WAIT) as rig:
            rig.leave_waiting(SMALL_BACKLOG)
            share = rig.processor_share(timedelta(seconds=self.lengths.idle_seconds))
        row = Row("share of a processor", f"{share:.2%}", f"< {IDLE_SHARE:.0%}", share < IDLE_SHARE)
        return Section("idle", [row])

    def own(self, load: Load, backlog: int) -> Section:
        """A load of the caller's own making; nothing is promised of it but that nothing is lost."""
        settings: Mapping[str, str] = {}
        if backlog:
            settings = RETRIES_WAIT
        elif load.failure_share:
            settings = RETRIES_SOON
        measured = _heliograph(load, "own", settings, prepare=lambda rig: rig.leave_waiting(backlog))
        waiting = f", {backlog:,} retries waiting" if backlog else ""
        return _section(f"own load · {load}{waiting}", measured, [])

    @property
    def stages(self) -> Mapping[str, Callable[[], Section]]:
        """The standard table's stages by name, in order."""
        return {
            "floor": self.floor,
            "main": self.main,
            "fan-out": self.fan_out,
            "latency": self.latency,
            "cold-start": self.cold_start,
            "backlog": self.backlog,
            "lists": self.lists,
            "throttle": self.throttle,
            "telemetry": self.telemetry,
            "recover": self.recover,
            "idle": self.idle,
        }


def _heliograph(
    load: Load,
    stage: str,
    settings: Mapping[str, str] | None = None,
    prepare: Callable[[Rig], None] = lambda _: None,
) -> Measured:
    _says(f"{stage}: {load}")
    with around_heliograph(load, settings) as rig:
        prepare(rig)
        return rig.run(load)


def _section(title: str, measured: Measured, promised: list[Row]) -> Section:
    named = {row.name for row in promised}
    flow = [row for row in table.flow(measured) if row.name not in named]
    rows = [*promised, *flow, *table.losses(measured), *table.footprint(measured)]
    return Section(title, rows, measured.lost)


def _rates(*measured: Measured) -> str:
    return "/".join(f"{one.recorded_per_second:,.0f}" for one in measured) + "/s"


def _says(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)
