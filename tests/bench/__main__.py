"""`python -m tests.bench`: measure and print the table.

Exit status 1 says that a message was lost or that a process did not do its part; a number that misses its
target is told in the table and changes nothing, because it says as much about the machine.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from tests.bench import machine, table
from tests.bench.processes import Failed
from tests.bench.rig import Load, workspace
from tests.bench.stages import QUICK, Bench, Lengths
from tests.bench.table import Section

NAMES = tuple(Bench().stages)
OWN_SECONDS = 20


def main() -> int:
    """Measure what the command line asks for; return the exit status."""
    parser = _parser()
    asked = parser.parse_args()
    if asked.backlog and asked.failure_share:
        parser.error("--backlog wants retries that wait and --failure-share retries that come soon: take one")
    if asked.only and (asked.rate or asked.fan_out):
        parser.error(f"{asked.only} sets its own rate and fan-out; without --only the load is yours")
    with workspace() as folder:
        print(machine.described(folder), table.heading(), sep="\n\n")
    lost = 0
    try:
        for section in _sections(asked):
            print(section, flush=True)
            lost += section.lost
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 1 if lost else 0


def _sections(asked: argparse.Namespace) -> Iterator[Section]:
    load = Load(
        seconds=asked.seconds or (QUICK.other_seconds if asked.quick else OWN_SECONDS),
        rate=asked.rate,
        connections=asked.connections,
        fan_out=asked.fan_out or 1,
        payload_bytes=asked.payload_bytes,
        receiver_delay=timedelta(milliseconds=asked.receiver_delay_ms),
        failure_share=asked.failure_share,
        with_idempotency_key=asked.idempotency_key,
        with_content=asked.with_content,
    )
    bench = Bench(_lengths(asked), load)
    if asked.only:
        yield bench.stages[asked.only]()
    elif _is_own(asked):
        yield bench.own(load, asked.backlog or 0)
    else:
        for stage in bench.stages.values():
            yield stage()


def _lengths(asked: argparse.Namespace) -> Lengths:
    lengths = QUICK if asked.quick else Lengths()
    if asked.backlog:
        lengths = replace(lengths, backlog=asked.backlog)
    if asked.seconds:
        lengths = replace(
            lengths,
            floor_seconds=asked.seconds,
            main_seconds=asked.seconds,
            other_seconds=asked.seconds,
            backlog_seconds=asked.seconds,
        )
    return lengths


def _is_own(asked: argparse.Namespace) -> bool:
    # Anything that shapes the load makes it another than the one that the targets are about.
    plain = vars(_parser().parse_args([])) | {"quick": asked.quick, "only": asked.only}
    return vars(asked) != plain


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Without options: the whole table. With options that shape the load: that load alone.",
    )
    add = parser.add_argument
    add("--only", choices=NAMES, help="one stage of the table")
    add("--quick", action="store_true", help="every stage short: for a first look, not for the record")
    add(
        "--rate",
        type=_above_zero,
        help="open loop: messages a second; without it as fast as they are accepted",
    )
    add("--seconds", type=_above_zero, help=f"length of the load, {OWN_SECONDS} if it is yours")
    add("--fan-out", type=int, help="endpoints of the application, 1")
    add("--payload-bytes", type=int, default=Load(0).payload_bytes, help="%(default)s")
    add("--receiver-delay-ms", type=float, default=0, help="the receiver answers so much later, %(default)s")
    add("--failure-share", type=_share, default=0, help="share of deliveries that fail at first, 0 to 1")
    add(
        "--connections",
        type=int,
        default=Load(0).connections,
        help="kept-alive, one request at a time each, %(default)s",
    )
    add("--idempotency-key", action="store_true", help="send one with each message, as the SDKs do")
    add(
        "--with-content",
        action="store_true",
        help="have the payload sent back in the 202, as curl does by default",
    )
    add("--backlog", type=int, help="retries that wait meanwhile")
    return parser


def _above_zero(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
