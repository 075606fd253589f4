"""What came of a load: what was posted, held against what arrived and what is recorded."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tests.bench.generator import ACCEPTED
from tests.bench.generator import Report as Posted
from tests.bench.processes import Memory
from tests.bench.receiver import Report as Arrived

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latencies in milliseconds."""

    p50: float
    p95: float
    p99: float
    highest: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one load. A delivery is one message at one endpoint; shares are of one processor core."""

    posted: int
    accepted: int
    refused: Mapping[int, int]
    """By status other than 202: how many messages; 0 where no answer came."""
    accepted_per_second: float
    recorded: int
    """Successful attempts in the database."""
    recorded_per_second: float
    """From the first post until the last attempt was recorded, which may be after the load."""
    lost: int
    """Deliveries of accepted messages that did not arrive under the message's id or are not recorded."""
    duplicates: int
    """Deliveries that arrived once more after they had been answered 200."""
    acceptance: Percentiles
    """From the intended post to its answer."""
    delivery: Percentiles
    """From the intended post to the arrival at the receiver."""
    memory: Memory
    service_share: float
    generator_share: float
    receiver_share: float
    service_cpu_us: float
    """Processor time of the service per delivery, in microseconds."""
    pace_us: tuple[float, float]
    """The machine's pace before and after the load; see `tests.bench.machine`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was posted, side by side with what arrived and what is recorded."""

    lost: int
    acceptance_ms: Sequence[float]
    delivery_ms: Sequence[float]


def percentiles(latencies_ms: Sequence[float]) -> Percentiles:
    """The latencies that half, 95 % and 99 % of all do not exceed; NaN of none."""
    if not latencies_ms:
        return Percentiles(*[math.nan] * 4)
    ordered = sorted(latencies_ms)
    rank = [math.ceil(share * len(ordered)) - 1 for share in (0.5, 0.95, 0.99, 1)]
    return Percentiles(*[ordered[at] for at in rank])


def rates_in_windows(arrivals_ns: Sequence[int], window: timedelta) -> tuple[float, float]:
    """The lowest and the highest rate, a second, from any arrival to the first a window or more after it.

    Args:
        arrivals_ns: In order; those of the first second are left out.
        window: At least so long is looked at; NaN if nothing arrived for so long.
    """
    rates, last = list[float](), 0
    for first, at in enumerate(arrivals_ns):
        while last < len(arrivals_ns) and arrivals_ns[last] - at < window.total_seconds() * SECOND_NS:
            last += 1
        if last == len(arrivals_ns):
            break
        if at - arrivals_ns[0] >= SECOND_NS:
            rates.append((last - first) / ((arrivals_ns[last] - at) / SECOND_NS))
    return (min(rates), max(rates)) if rates else (math.nan, math.nan)


def compared(posted: Posted, arrived: Arrived, served: Mapping[str, int], first: int) -> Outcome:
    """Hold every accepted message against what the receiver and the database say about it."""
    lost = 0
    acceptance, delivery = list[float](), list[float]()
    fan_out = len(arrived.arrivals_ns)
    for row, message_id in enumerate(posted.message_ids):
        if posted.statuses[row] != ACCEPTED:
            continue
        intended_ns, number = posted.intended_ns[row], first + row
        acceptance.append((posted.answered_ns[row] - intended_ns) / 1e6)
        arrivals = [
            column[number]
            for column in arrived.arrivals_ns
            if number < len(column) and arrived.message_ids[number] == message_id and column[number]
        ]
        delivery += [(at - intended_ns) / 1e6 for at in arrivals]
        lost += fan_out - min(len(arrivals), served.get(message_id, 0), fan_out)
    return Outcome(lost + arrived.mixed_ids, acceptance, delivery)
