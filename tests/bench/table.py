"""The table: each number beside its target."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.outcome import Measured, Percentiles

NAME_WIDTH = 48
TARGET_WIDTH = 14
MEASURED_WIDTH = 34


@dataclass(frozen=True, slots=True)
class Row:
    """One measure."""

    name: str
    measured: str
    target: str = ""
    is_met: bool | None = None
    """None where nothing was promised."""

    def __str__(self) -> str:
        verdict = {None: "", True: "pass", False: "MISS"}[self.is_met]
        name = f"  {self.name}".ljust(NAME_WIDTH)
        return f"{name}{self.target:<{TARGET_WIDTH}}{self.measured:<{MEASURED_WIDTH}}{verdict}".rstrip()


@dataclass(frozen=True, slots=True)
class Section:
    """One stage: a heading and its rows."""

    title: str
    rows: Sequence[Row]
    lost: int = 0

    def __str__(self) -> str:
        return "\n".join([self.title, *map(str, self.rows), ""])


def heading() -> str:
    """The first line of the table."""
    return f"{'':<{NAME_WIDTH}}{'target':<{TARGET_WIDTH}}{'measured':<{MEASURED_WIDTH}}"


def at_least(name: str, number: float, target: float, unit: str = "/s") -> Row:
    """A row whose number must reach its target."""
    return Row(name, f"{number:,.0f}{unit}", f"≥ {target:,.0f}{unit}", number >= target)


def share_of(name: str, number: float, whole: float, target: float) -> Row:
    """A row whose number must reach a share of another."""
    share = number / whole if whole else math.nan
    return Row(name, f"{share:.2f}", f"≥ {target:.2f}", share >= target)


def at_most(name: str, number: float, target: float, unit: str) -> Row:
    """A row whose number must not exceed its target."""
    return Row(name, f"{number:,.1f}{unit}", f"≤ {target:,g}{unit}", number <= target)


def flow(measured: Measured) -> list[Row]:
    """How much went through, and how long it took."""
    return [
        Row("accepted", f"{measured.accepted_per_second:,.0f}/s"),
        Row("attempts recorded", f"{measured.recorded_per_second:,.0f}/s"),
        Row("post to 202, p50/p95/p99", spread(measured.acceptance)),
        Row("post to arrival, p50/p95/p99", spread(measured.delivery)),
    ]


def losses(measured: Measured) -> list[Row]:
    """What must not be, and what may."""
    rows = [
        Row("lost", f"{measured.lost} of {measured.recorded + measured.lost:,}", "0", measured.lost == 0),
        Row("duplicates", f"{measured.duplicates}"),
    ]
    refused = ", ".join(
        f"{count} x {status or 'no answer'}" for status, count in sorted(measured.refused.items())
    )
    if refused:
        rows.append(Row("posts not answered 202", refused))
    return rows


def footprint(measured: Measured) -> list[Row]:
    """What it cost; a share near 1 of the generator or the receiver says that they were the bottleneck."""
    memory = measured.memory
    return [
        Row("memory at start/highest/end", f"{memory.start:.0f}/{memory.highest:.0f}/{memory.end:.0f} MB"),
        Row("processor time per delivery", f"{measured.service_cpu_us:,.0f} us"),
        Row(
            "cores: service, generator, receiver",
            f"{measured.service_share:.2f}, {measured.generator_share:.2f}, {measured.receiver_share:.2f}",
        ),
        Row("the machine: 1 KB of JSON, before/after", "{:.0f}/{:.0f} us".format(*measured.pace_us)),
    ]


def spread(latency: Percentiles) -> str:
    """Three percentiles in one cell."""
    return f"{latency.p50:.1f}/{latency.p95:.1f}/{latency.p99:.1f} ms"
