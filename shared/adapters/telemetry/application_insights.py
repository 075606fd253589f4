"""The journal as telemetry of Application Insights.

Noting appends to a queue in memory; a thread of its own sends. Application Insights may be slow, refuse, or
be gone: then what is noted waits, in bounds, and what is lost is counted and told. Nothing else takes notice.

    an attempt            a dependency, under the message's trace and with a span of its own
    an error              an exception
    a log line            a trace, as they call it
    everything else       an event; what was measured, and what was counted, metrics

Ordinary messages are told about in samples (`shared.domain.sampling`); metrics count them all.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Lock, Thread, get_ident
from time import monotonic
from typing import TYPE_CHECKING

from shared.adapters.telemetry.noted import Measure, Noted, is_number
from shared.domain.counts import NOTHING, Counts
from shared.domain.sampling import ALWAYS, Sampler
from shared.ports.clock import Clock
from shared.ports.journal import ACCEPTED, ATTEMPTED, DISPATCHED, Fact, Journal

if TYPE_CHECKING:
    from shared.adapters.telemetry.ingestion import Envelope, Ingestion

WAITING_MAX = 8_192
"""How many things may wait to be sent."""

BATCH = 500
"""How many envelopes go in one request: some half a megabyte."""

ITEMS_PER_SECOND = 20
"""How many ordinary things a process tells of, on average, and how many failures besides. As the Functions
host's own sampling: above it, telemetry costs more than everything that it is about."""

TRIES = 10
"""How often a batch is sent before it is given up; with the rests between them, in some five minutes."""

CLOSING_SECONDS = 2
"""How long closing waits for what is left to be sent. The store is closed by then."""

DROPPED = "telemetry.dropped"
MEASURED = ".measured"
"""How the names of events end whose numbers are metrics."""

_SAMPLED = frozenset({ACCEPTED, DISPATCHED, ATTEMPTED})


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are done, in seconds.

    Attributes:
        sending: What is noted is sent, sooner if much is.
        metrics: What was counted is sent.
        first_rest: After a failure; each further one rests twice as long.
        longest_rest: But no longer than this.
    """

    sending: float = 5
    metrics: float = 60
    first_rest: float = 1
    longest_rest: float = 60


class ApplicationInsights:
    """See `shared.ports.journal.Journal`."""

    def __init__(
        self,
        connect: "Callable[[], Ingestion]",
        clock: Clock,
        counts: Callable[[], Counts],
        *,
        share: float = ALWAYS,
        aside: Journal | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Begin to send.

        Args:
            connect: Makes the way there. Called on the thread, as it takes half a second of imports.
            clock: Says when things happened.
            counts: What has been counted so far.
            share: Of the messages without a failure, at most so many are told about.
            aside: Where to tell of what this loses, besides Application Insights itself.
            pace: How often things are done.
        """
        self._connect = connect
        self._now = clock.now
        self._counts = counts
        self._aside = aside
        self._pace = pace or Pace()
        allowance = max(1, int(ITEMS_PER_SECOND * self._pace.sending))
        self._ordinary = Sampler(share, allowance=allowance)
        self._failures = Sampler(ALWAYS, allowance=allowance)
        self._waiting: deque[Noted] = deque()
        self._unsent: Sequence[Envelope] = ()
        self._tries = 0
        self._measured: list[Envelope] = []
        self._counted = NOTHING
        self._dropped = 0
        self._told = 0
        self._told_aside = 0
        self._counting = Lock()
        self._something = Event()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="application-insights", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many things were lost."""
        return self._dropped

    def note(self, event: str, **facts: Fact) -> None:
        self.take(event, facts)

    def take(self, event: str, facts: Mapping[str, Fact]) -> None:
        share, trace_id = ALWAYS, facts.get("trace_id")
        if event in _SAMPLED and isinstance(trace_id, str):
            sampler = self._ordinary if facts.get("delivered", True) else self._failures
            share = sampler.share
            if not sampler.keeps(trace_id):
                return
        elif get_ident() == self._thread.ident:
            return  # what sending brings about would bring about more sending
        if len(self._waiting) >= WAITING_MAX:
            self._lose(1)
            return
        self._waiting.append(Noted(self._now(), event, facts, share))
        if len(self._waiting) >= BATCH and not self._something.is_set():
            self._something.set()

    def close(self) -> None:
        """Send what is waiting, but wait for it no longer than `CLOSING_SECONDS`."""
        self._closing.set()
        self._something.set()
        self._thread.join(CLOSING_SECONDS)
        self._lose(len(self._waiting) + len(self._unsent))
        self._tell_losses_aside()

    def _run(self) -> None:
        try:
            ingestion = self._connect()
        except Exception as error:  # noqa: BLE001 - whatever is missing here, deliveries go on
            self._tell_aside("telemetry.failed", error=type(error).__name__, why=str(error))
            return
        period_at, metrics_at = monotonic() + self._pace.sending, monotonic() + self._pace.metrics
        while not self._closing.is_set():
            self._something.wait(self._pace.sending)
            self._something.clear()
            if monotonic() >= period_at:
                period_at = monotonic() + self._pace.sending
                self._ordinary.end_period()
                self._failures.end_period()
            if monotonic() >= metrics_at:
                metrics_at = monotonic() + self._pace.metrics
                self._measure(ingestion)
            self._send(ingestion)
        self._measure(ingestion)
        self._send(ingestion)

    def _send(self, ingestion: "Ingestion") -> None:
        """Send what is there; what is to be sent again is, after a rest, and then what has come meanwhile."""
        while self._unsent or self._waiting or self._measured:
            if not self._unsent:
                self._unsent = self._next_batch(ingestion)
            self._unsent, lost = self._handed_over(ingestion)
            self._tries = self._tries + 1 if self._unsent else 0
            if self._tries >= TRIES:
                lost += len(self._unsent)
                self._unsent, self._tries = (), 0
            self._lose(lost)
            self._tell_losses_aside()
            if self._unsent:
                if self._closing.is_set():
                    return
                rest = self._pace.first_rest * 2 ** (self._tries - 1)
                self._closing.wait(min(rest, self._pace.longest_rest))

    def _handed_over(self, ingestion: "Ingestion") -> "tuple[Sequence[Envelope], int]":
        try:
            return ingestion.send(self._unsent)
        except Exception:  # noqa: BLE001 - of a library that nobody mends any more; this thread has to live
            return (), len(self._unsent)

    def _next_batch(self, ingestion: "Ingestion") -> "Sequence[Envelope]":
        batch, self._measured = self._measured, []
        if self._dropped > self._told:
            lost = {"items": self._dropped - self._told}
            batch.append(ingestion.envelope(Noted(self._now(), DROPPED, lost, ALWAYS)))
            self._told = self._dropped
        while self._waiting and len(batch) < BATCH:
            try:
                batch += _envelopes(ingestion, self._waiting.popleft())
            except Exception:  # noqa: BLE001 - a fact is not what it should be; the others are worth having
                self._lose(1)
        return batch

    def _measure(self, ingestion: "Ingestion") -> None:
        """Have sent what was counted since the last time, so that the numbers of all processes add up."""
        if self._measured:
            return  # nobody takes them at present; once they are taken, the next ones are the larger
        counts, before, now = self._counts(), self._counted, self._now()
        self._counted = counts
        times = before.totals()
        measures = [Measure(name, total - times[name]) for name, total in counts.totals().items()]
        duration_ms = counts.attempts_duration_ms - before.attempts_duration_ms
        measures.append(Measure("attempts_duration_ms", duration_ms, counts.attempts - before.attempts))
        self._measured = [ingestion.metric(now, measure, {}) for measure in measures if measure.value]

    def _lose(self, items: int) -> None:
        with self._counting:
            self._dropped += items

    def _tell_losses_aside(self) -> None:
        if self._dropped > self._told_aside:
            self._tell_aside(DROPPED, items=self._dropped - self._told_aside)
            self._told_aside = self._dropped

    def _tell_aside(self, event: str, **facts: Fact) -> None:
        if self._aside is not None:
            self._aside.note(event, **facts)


def _envelopes(ingestion: "Ingestion", noted: Noted) -> "Sequence[Envelope]":
    if not noted.event.endswith(MEASURED):
        return [ingestion.envelope(noted)]
    noun = noted.event.removesuffix(MEASURED)
    numbers = {key: fact for key, fact in noted.facts.items() if is_number(fact)}
    of = {key: str(fact) for key, fact in noted.facts.items() if key not in numbers and fact is not None}
    measures = [Measure(f"{noun}_{key}", float(fact or 0)) for key, fact in numbers.items()]
    return [ingestion.metric(noted.at, measure, of) for measure in measures]
